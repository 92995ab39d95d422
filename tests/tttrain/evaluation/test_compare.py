"""The table of models and sampling methods, and the options of training, on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch

from tests.remedies.following import Says
from tests.support.trainings import History, call
from tests.support.trials_writer import write_trials
from tttrain.errors import USAGE, TrainError
from tttrain.evaluation import compare as compare_module
from tttrain.evaluation.compare import Training, parse_rows, parse_sampling
from tttrain.evaluation.trained_network import load_network
from tttrain.training.run_folder import read_run
from tttrain.training.train import Listener, Trainer

torch.set_num_threads(1)
TINY = [
    "--size", "16x16", "--option", "width=0.03", "--option", "stride=1", "--option", "dropout=0",
    "--epochs", "2", "--batch", "9", "--lr", "0.001",
]  # fmt: skip
#: the words of the command, its folder, its answer
Compared = tuple[list[Any], Path, dict[str, Any]]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trials(tmp_path_factory.mktemp("compare") / "d.h5", each=4, classes=3)


@pytest.fixture(scope="module")
def table(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    folder = tmp_path_factory.mktemp("table") / "out"
    models = "2d-convgru,1d-convgru:fusion=mean_flat"
    args = ["compare", path, folder, "--models", models, "--sampling", "4,5", "--repeats", "2", *TINY]
    return args, folder, json.loads(call(*args, "--json").stdout)


def test_every_place_of_the_table_is_a_tested_run(table: Compared) -> None:
    _, folder, found = table
    assert found["rows"] == ["2d-convgru", "1d-convgru:fusion=mean_flat"]
    assert found["methods"] == ["method-4", "method-5"]
    assert (found["repeats"], found["samples"]) == (2, 3)
    assert len(found["places"]) == 4
    assert json.loads((folder / "table.json").read_text()) == found
    for place in found["places"]:
        name = f"{place['model'].replace(':', '-').replace('=', '-')}-{place['sampling']}"
        accuracies = []
        for suffix in ("", "-seed-1"):
            record = read_run(folder / f"{name}{suffix}").config
            assert record.sampling == place["sampling"]
            assert record.options["width"] == 0.03
            assert record.optimizer == "adam"
            report = json.loads((folder / f"{name}{suffix}" / "evaluate-test" / "report.json").read_text())
            accuracies.append(report["decisions"]["average"]["accuracy"])
        assert place["accuracies"] == accuracies
        assert place["accuracy"] == pytest.approx(sum(accuracies) / 2)
    fused = read_run(folder / "1d-convgru-fusion-mean_flat-method-4").config
    assert fused.options["fusion"] == "mean_flat"


def test_the_table_is_written_for_people(table: Compared) -> None:
    _, folder, found = table
    text = (folder / "table.md").read_text()
    assert "| model | sampling 4 | sampling 5 |" in text
    first = found["places"][0]["accuracy"]
    assert f"| 2d-convgru | {first:.1%} |" in text
    assert (folder / "table.png").read_bytes()[:4] == b"\x89PNG"


def test_again_nothing_is_trained_and_more_goes_on(table: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    args, folder, found = table
    began: list[str] = []

    class Counted(Trainer):
        def run(self, listener: Listener) -> History:
            began.append(self.folder.name)
            return super().run(listener)

    monkeypatch.setattr(compare_module, "Trainer", Counted)
    assert json.loads(call(*args, "--json").stdout) == found
    assert began == []
    (folder / "2d-convgru-method-5" / "result.json").unlink()
    again = json.loads(call(*args, "--json").stdout)
    assert began == ["2d-convgru-method-5"]
    assert again["places"] == found["places"]


def test_a_cut_off_comparison_goes_on_to_the_same_table(
    path: Path, table: Compared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args, _, found = table
    args = ["compare", path, tmp_path / "out", *args[3:]]
    real = compare_module.train_and_test
    begun: list[Training] = []

    def interrupted(training: Training, *rest: Any) -> dict[str, Any]:
        begun.append(training)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return real(training, *rest)

    monkeypatch.setattr(compare_module, "train_and_test", interrupted)
    call(*args, code=130)
    monkeypatch.setattr(compare_module, "train_and_test", real)
    again = json.loads(call(*args, "--json").stdout)
    same = [{k: v for k, v in p.items() if k != "seconds"} for p in again["places"]]
    assert same == [{k: v for k, v in p.items() if k != "seconds"} for p in found["places"]]


def test_other_settings_in_the_same_folder_are_refused(table: Compared) -> None:
    args, _, _ = table
    result = call(*args, "--weight-decay", "0.1", code=2)
    assert "weight_decay: 0.0005 → 0.1" in result.output


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # usage: 2; what the data do not give: 1
        (["--models", "2d-convgrue"], "did you mean 2d-convgru?"),
        (["--models", "cnn,cnn"], "named twice"),
        (["--models", "2d-convgru:fusion=sum"], "option fusion"),
        (["--models", "2d-convgru:fusion"], "write options as 2d-convgru:fusion=flat"),
        (["--sampling", "8"], "no method-8; there are 1 to 7"),
        (["--sampling", "1,1"], "named twice"),
        (["--option", "attention=3"], "--option attention: none of the models has it"),
        (["--split", "final"], "no split 'final'"),
        (["--size", "400x400"], "more than the square"),
    ],
)
def test_what_cannot_be_compared_is_named_before_anything_is_trained(
    path: Path, tmp_path: Path, changes: list[str], message: str
) -> None:
    code = 1 if changes[0] in ("--split", "--size") else 2
    result = call("compare", path, tmp_path / "out", "--epochs", "1", *changes, code=code)
    assert message in result.output
    assert not (tmp_path / "out").exists()


def test_rows_and_methods() -> None:
    rows = parse_rows("cnn-lstm, 2d-convgru:fusion=flat:dropout=0.1", {"dropout": "0.5", "width": "0.2"})
    assert [(r.model, r.options) for r in rows] == [
        ("cnn-lstm", {"dropout": "0.5"}),
        ("2d-convgru", {"dropout": "0.1", "width": "0.2", "fusion": "flat"}),
    ]
    assert parse_sampling("1, method-5") == ["method-1", "method-5"]
    with pytest.raises(TrainError) as caught:
        parse_sampling("one")
    assert caught.value.code == USAGE


def test_fit_takes_the_papers_settings_and_what_is_given(path: Path, tmp_path: Path) -> None:
    call("fit", path, tmp_path / "r", "--model", "gru-alexnet", *TINY, "--no-augment", "--pixels", "standard")
    config = read_run(tmp_path / "r").config
    assert (config.sampling, config.weight_decay, config.schedule) == ("method-1", 5e-4, "constant")
    assert (config.epochs, config.lr, config.augment, config.pixels) == (2, 1e-3, False, "standard")
    found = call("evaluate", tmp_path / "r").output
    assert "macro P / R / F" in found
    assert "temporal consistency" in found
    found = call("fit", path, tmp_path / "all", "--model", "cnn", "--size", "8x8", "--validation", "none",
                 "--epochs", "2").output  # fmt: skip
    assert "best state: epoch 2, validation accuracy –" in found
    result = call("fit", path, tmp_path / "x", "--model", "rgb-stcnn", "--validation", "none", code=2)
    assert "--schedule warm-restart needs a validation split" in result.output
    result = call("detect", tmp_path / "r", code=2)
    assert "train one with --sampling uniform" in result.output


def write_alexnet(path: Path) -> dict[str, torch.Tensor]:
    """Write convolutions of torchvision's AlexNet whose weights are all 0.01."""
    widths, n, state = (64, 192, 384, 256, 256), 3, {}
    for place, out, d in zip((0, 3, 6, 8, 10), widths, (11, 5, 3, 3, 3), strict=True):
        state[f"features.{place}.weight"] = torch.full((out, n, d, d), 0.01)
        state[f"features.{place}.bias"] = torch.zeros(out)
        n = out
    torch.save(state, path)
    return state


def test_every_training_of_a_comparison_begins_with_the_weights_of_a_file(path: Path, tmp_path: Path) -> None:
    write_alexnet(tmp_path / "alexnet.pth")
    args = [
        "compare", path, tmp_path / "out", "--models", "1d-convgru,2d-convgru", "--sampling", "4",
        "--initial", tmp_path / "alexnet.pth", "--size", "16x16", "--epochs", "1", "--lr", "1e-12",
        "--weight-decay", "0", "--option", "stride=1",
    ]  # fmt: skip
    # the paper's numbers of features are others
    remedy = Says("give a state_dict of torchvision's AlexNet, for its convolutions with {} {} and without")
    words = remedy.of(call(*args, code=2).output.replace("\n", " "))
    assert not (tmp_path / "out").exists()
    result = call(*args, *words)
    for row in ("1d-convgru", "2d-convgru"):
        assert f"note: {row}: first weights from the file: frames.conv1.0" in result.output
        folder = tmp_path / "out" / f"{row}-method-4"
        network = load_network(folder, None, torch.device("cpu"))
        first = dict(network.model.named_parameters())["frames.conv1.0.weight"]
        torch.testing.assert_close(first, torch.full_like(first, 0.01))
        assert len(read_run(folder).config.initial or "") == 64
    plain = [word for word in args if word not in ("--initial", tmp_path / "alexnet.pth")]
    assert "initial: " in call(*plain, "--option", "features=torchvision", code=2).output


def test_the_time_of_an_epoch_is_the_mean_over_all(table: Compared) -> None:
    _, folder, found = table
    for place in found["places"]:
        name = f"{place['model'].replace(':', '-').replace('=', '-')}-{place['sampling']}"
        runs = [json.loads((folder / f"{name}{s}" / "history.json").read_text()) for s in ("", "-seed-1")]
        means = [sum(r["seconds"] for r in history) / len(history) for history in runs]
        assert place["seconds"] == pytest.approx(sum(means) / 2)


def test_fit_begins_with_weights_from_a_file_and_remembers_which(path: Path, tmp_path: Path) -> None:
    state = write_alexnet(tmp_path / "alexnet.pth")
    args = [
        "fit", path, tmp_path / "r", "--model", "1d-convgru", "--size", "16x16", "--epochs", "1",
        "--sampling", "method-4", "--option", "stride=1", "--option", "features=torchvision",
    ]  # fmt: skip
    result = call(*args, "--initial", tmp_path / "alexnet.pth")
    assert (
        "first weights from the file: frames.conv1.0, frames.conv2.0, frames.conv3.0, frames.conv4.0"
        in result.output
    )
    assert len(read_run(tmp_path / "r").config.initial or "") == 64
    torch.save({**state, "features.0.bias": torch.ones(64)}, tmp_path / "other.pth")
    result = call(*args, "--initial", tmp_path / "other.pth", code=2)
    assert "initial:" in result.output
    narrow = [
        "fit",
        path,
        tmp_path / "n",
        "--model",
        "1d-convgru",
        *TINY,
        "--initial",
        tmp_path / "alexnet.pth",
    ]
    assert "no layer fits" in call(*narrow, code=2).output
    assert not (tmp_path / "n").exists()
