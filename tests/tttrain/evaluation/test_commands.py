"""A trained network put to use: classification, detection, attention, and the command line around it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
from matplotlib.image import imread as read_png

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch
from torch import Tensor
from torch.nn import functional

from tests.support.dataset_writer import CLASSES, write_dataset
from tests.support.trainings import CPU, call
from tttrain.data.dataset_file import Array
from tttrain.data.samples import StrokeDataset
from tttrain.evaluation.attention_maps import soft_masks
from tttrain.evaluation.detect import true_strokes, video_scores
from tttrain.evaluation.evaluate import sample_scores
from tttrain.evaluation.feature_maps import first_responses
from tttrain.evaluation.trained_network import (
    TrainedNetwork,
    load_network,
)
from tttrain.models import InputShape, build, specs
from tttrain.models.outputs import probabilities

torch.set_num_threads(1)
#: a dataset, a run at reduced size, one at full size
Paths = tuple[Path, Path, Path]
FIT = ["--epochs", "30", "--batch", "5", "--lr", "0.01", "--momentum", "0.9", "--weight-decay", "0"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A dataset, a trained twin with attention at reduced size, and one at full size."""
    folder = tmp_path_factory.mktemp("apply")
    data = write_dataset(folder / "d.h5", videos=3, strokes=9)
    reduced, full = folder / "reduced", folder / "full"
    view = ["--size", "12x12", "--length", "8", "--every", "2"]
    call("fit", data, reduced, "--model", "twin", "--option", "attention=1", *view, *FIT)
    call("fit", data, full, "--model", "three-stream", *FIT[:1], "2", *FIT[2:])
    return data, reduced, full


def brute_force(
    network: TrainedNetwork, arrays: dict[str, Array], corner: Array, first: int, count: int
) -> Array:
    """Scores of one window straight from the stored arrays, for a network at full size."""
    rows = range(first, first + count)
    rgb = np.stack([arrays["rgb"][r][y : y + 24, x : x + 24] for r, (x, y) in zip(rows, corner, strict=True)])
    flow = np.stack(
        [arrays["flow"][r][y : y + 24, x : x + 24] for r, (x, y) in zip(rows, corner, strict=True)]
    )
    flow = np.clip(flow / 64 / np.array([0.8, 0.9]), -1, 1)
    pose = arrays["pose"][first : first + count] / np.array([64, 48, 1])
    inputs = {
        "rgb": torch.tensor(rgb / 255, dtype=torch.float32).permute(3, 0, 1, 2)[None],
        "flow": torch.tensor(flow, dtype=torch.float32).permute(3, 0, 1, 2)[None],
        "pose": torch.tensor(pose.reshape(count, -1).T, dtype=torch.float32)[None],
    }
    with torch.no_grad():
        return np.asarray(probabilities(network.model(inputs))[0])


def test_windows_of_samples_are_what_they_should_be(paths: Paths) -> None:
    data, _, full = paths
    network = load_network(full, None, CPU)
    info = network.info
    with h5py.File(data) as file:
        arrays = {name: file[f"cuboids/{name}"][:] for name in ("rgb", "flow", "pose", "roi", "window")}
    rows = info.rows_of("test")
    for batch in (1, 3):
        for scored, row in zip(sample_scores(network, rows, step=2, batch=batch), rows, strict=True):
            assert scored.row == row
            n, first = int(info.samples.rows[row]), int(info.samples.first[row])
            starts = [(n - 16) // 2, *sorted({*range(0, n - 15, 2), n - 16})]
            found = [scored.centre, *scored.windows]
            assert len(found) == len(starts)
            for start, scores in zip(starts, found, strict=True):
                at = slice(first + start, first + start + 16)
                corner = (
                    np.floor(arrays["roi"][at].astype(float) - 12 + 0.5).astype(int) - arrays["window"][at]
                )
                expected = brute_force(network, arrays, corner, first + start, 16)
                np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("block", [512, 40])
def test_windows_of_videos_are_what_they_should_be(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    data, _, full = paths
    monkeypatch.setattr("tttrain.evaluation.along_time.sliding_window.BLOCK", block)
    network = load_network(full, None, CPU)
    with h5py.File(data) as file:
        arrays = {name: file[f"untrimmed/{name}"][:] for name in ("rgb", "flow", "pose")}
    first, n = int(network.info.videos.first[1]), int(network.info.videos.rows[1])
    scores = video_scores(network, 1, step=7, batch=4)
    assert scores.shape == (n, 4)
    nothing = np.zeros((16, 2), int)
    for frame in (0, 8, 9, 100, n - 1):
        starts = np.array(sorted({*range(0, n - 15, 7), n - 16}))
        nearest = starts[np.abs(starts + 8 - frame).argmin()]
        expected = brute_force(network, arrays, nothing, first + nearest, 16)
        np.testing.assert_allclose(scores[frame], expected, atol=1e-5)


def test_a_video_shorter_than_a_window_repeats_its_last_frame(paths: Paths, tmp_path: Path) -> None:
    data, _, full = paths
    copy = tmp_path / "short.h5"
    copy.write_bytes(data.read_bytes())
    with h5py.File(copy, "a") as file:
        file["videos/rows"][0] = 5
    scores = video_scores(load_network(full, copy, CPU), 0)
    assert scores.shape == (5, 4)
    assert np.isfinite(scores).all()
    assert (scores == scores[0]).all()


def test_true_strokes_are_the_annotated_ones(paths: Paths) -> None:
    network = load_network(paths[1], None, CPU)
    s = network.info.samples
    found = true_strokes(network.info, 2)
    assert len(found) == 9
    assert all(CLASSES[stroke.label] != "Negative" for stroke in found)
    assert {(x.begin, x.end) for x in found} == {
        (int(b), int(e))
        for b, e, v, k in zip(s.begin, s.end, s.video, s.label, strict=True)
        if v == 2 and k != 3
    }


def test_evaluation_from_the_command_line(paths: Paths, tmp_path: Path) -> None:
    _, reduced, _ = paths
    out = tmp_path / "e"
    report = json.loads(call("evaluate", reduced, "--json", "-o", out, "--step", "2").stdout)
    assert report["decisions"]["average"]["accuracy"] >= 0.8
    assert report["majority"] < 0.7
    assert json.loads((out / "report.json").read_text()) == report
    assert sum(map(sum, report["decisions"]["vote"]["confusion"])) == report["samples"]
    right = sum(p["true"] == p["centre"] for p in report["predictions"])
    assert report["decisions"]["centre"]["accuracy"] == pytest.approx(right / report["samples"])
    for name in ("centre", "vote", "average"):
        assert (out / f"confusion-{name}.png").read_bytes().startswith(b"\x89PNG")
    moves = [
        action.attrib["move"]
        for xml in (out / "vote").glob("*.xml")
        for action in ElementTree.parse(xml).getroot()
    ]
    assert sorted(moves) == sorted(p["vote"] for p in report["predictions"])
    shown = call("evaluate", reduced, "-o", out).output
    assert "without negative" in shown
    assert f"{report['majority']:.1%}" in shown


def test_a_dataset_that_changed_since_the_training_is_noted(paths: Paths, tmp_path: Path) -> None:
    data, reduced, _ = paths
    out = ("--json", "-o", tmp_path / "e")
    same = call("evaluate", reduced, *out)
    assert "note:" not in same.stderr
    assert json.loads(same.stdout)["notes"] == []
    assert json.loads(same.stdout)["states"][0]["epochs"] == 30
    other = tmp_path / "other.h5"
    other.write_bytes(data.read_bytes())
    with h5py.File(other, "a") as file:
        split = file["samples/split"][:]
        moved = np.flatnonzero((split == 0) & (file["samples/label"][:] >= 0))[:2]
        split[moved] = 2
        file["samples/split"][...] = split
    changed = call("evaluate", reduced, "--dataset", other, *out)
    report = json.loads(changed.stdout)
    first, second = report["notes"]
    assert "other samples, labels or splits than those that" in first
    assert f"trained on frames of 2 of the {report['samples']} samples" in second
    assert [f"note: {first}", f"note: {second}"] == changed.stderr.splitlines()
    masks = call("attention", reduced, "--dataset", other, "--split", "test").stderr
    assert masks.splitlines() == [f"note: {first}"]
    epoch = report["states"][0]["epoch"]
    assert f"state of epoch {epoch} of 30" in call("evaluate", reduced, "-o", tmp_path / "e").stdout


def test_several_runs_decide_together(paths: Paths, tmp_path: Path) -> None:
    data, reduced, full = paths
    both = json.loads(call("evaluate", reduced, full, "--json", "-o", tmp_path / "both").stdout)
    single = [
        json.loads(call("evaluate", run, "--json", "-o", tmp_path / run.name).stdout)["predictions"]
        for run in (reduced, full)
    ]
    for together, a, b in zip(both["predictions"], *single, strict=True):
        np.testing.assert_allclose(together["scores"], np.mean([a["scores"], b["scores"]], axis=0), atol=2e-6)
    other = tmp_path / "short"
    call("fit", data, other, "--model", "pose", "--length", "8", "--epochs", "1")
    assert "windows of 16 and 8 frames" in call("evaluate", full, other, code=2).stderr


def test_detection_from_the_command_line(paths: Paths, tmp_path: Path) -> None:
    _, reduced, _ = paths
    out = tmp_path / "d"
    args = ["--window", "9", "--gauss-window", "15", "--shortest", "5", "--step", "2"]
    result = call("detect", reduced, "--json", "-o", out, "--video", "video_1.mp4", *args)
    report = json.loads(result.stdout)
    assert list(report["rules"]) == ["gross", "vote", "average", "gauss"]
    frames = report["videos"][0]["frames"]
    for rule, found in report["rules"].items():
        assert sum(map(sum, found["confusion"])) == frames
        assert found["accuracy"] > 0.5
        xml = ElementTree.parse(out / rule / "video_1.xml").getroot()
        assert [(int(a.attrib["begin"]), a.attrib["move"]) for a in xml] == [
            (s["begin"], s["class"]) for s in report["videos"][0]["strokes"][rule]
        ]
        assert found["intervals"]["true"] == 9
    with np.load(out / "video_1.npz") as kept:
        assert kept["scores"].shape == (frames, 4)
    assert (out / "video_1.png").read_bytes().startswith(b"\x89PNG")
    assert report["videos"][0]["trained_on"]
    again = ("detect", reduced, "-o", out, "--step", "9")
    assert "note: this is no test: the network was trained on strokes of video_0.mp4" in call(*again).stderr
    other = write_dataset(tmp_path / "other.h5", videos=1, strokes=3, seed=9)
    assert "no test" not in call(*again, "--dataset", other).stderr


def test_windows_of_a_detection_follow_the_rate_unless_they_are_given(paths: Paths, tmp_path: Path) -> None:
    data, reduced, _ = paths
    slow = tmp_path / "slow.h5"
    slow.write_bytes(data.read_bytes())
    with h5py.File(slow, "a") as file:
        file["videos/fps"][...] = 30
    words = ("detect", reduced, "--video", "video_1.mp4", "--step", "9", "--json", "-o", tmp_path / "d")
    names = ("window", "gauss_window", "shortest")
    fast = call(*words)
    assert [json.loads(fast.stdout)[n] for n in names] == [150, 201, 30]
    assert "rates" not in fast.stderr
    scaled = call(*words, "--dataset", slow)
    assert [json.loads(scaled.stdout)[n] for n in names] == [38, 51, 8]
    assert "by the videos' rates, --window 38 --gauss-window 51 --shortest 8 (150" in scaled.stderr
    given = call(*words, "--dataset", slow, "--window", "150", "--gauss-window", "201", "--shortest", "30")
    assert json.loads(given.stdout)["rules"] == json.loads(fast.stdout)["rules"]


def test_features_from_the_command_line(paths: Paths, tmp_path: Path) -> None:
    _, reduced, _ = paths
    picture = tmp_path / "f.png"
    lines = call("features", reduced, "3", "-o", picture).stdout.splitlines()
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [line.split(":")[0] for line in lines[:-1]] == ["rgb.features.0", "flow.features.0"]
    assert len(lines[0].split(",")) == 8
    call("features", reduced, "3")
    assert (reduced / "features.png").is_file()
    assert "no sample 'x'" in call("features", reduced, "x", code=2).stderr


SHAPE = InputShape((24, 24), 8)


@pytest.mark.parametrize(
    ("name", "options", "layers"),
    [
        ("twin", {"attention": 1}, {"rgb.features.0": "rgb", "flow.features.0": "flow"}),
        ("rgb-stcnn", {}, {"branch.features.0": "rgb"}),
        ("early-fusion", {}, {"branch.features.0": "both"}),
        ("late-fusion", {}, {"models.0.branch.features.0": "rgb", "models.1.branch.features.0": "flow"}),
        ("2d-convgru", {"stride": 1, "width": 0.05}, {"frames.conv1.0": "rgb"}),
        ("pose", {}, {}),
    ],
)
def test_first_responses_are_the_convolution_of_the_input(
    name: str, options: dict[str, Any], layers: dict[str, str]
) -> None:
    torch.manual_seed(0)
    model = build(name, SHAPE, 4, options).eval()
    inputs = {"rgb": torch.rand(1, 3, 8, 24, 24), "flow": torch.rand(1, 2, 8, 24, 24),
              "pose": torch.rand(1, 42, 8)}  # fmt: skip
    inputs = {k: v for k, v in inputs.items() if k in specs()[name].inputs}
    found = first_responses(model, inputs)
    assert list(found) == list(layers)
    modules: dict[str, Any] = dict(model.named_modules())
    for layer, what in layers.items():
        pixels = torch.cat([inputs["rgb"], inputs["flow"]], dim=1) if what == "both" else inputs[what]
        conv = modules[layer]
        if isinstance(conv, torch.nn.Conv3d):
            expected = functional.conv3d(pixels, conv.weight, conv.bias, padding=1)[0].transpose(0, 1)
        else:  # frame by frame
            frames = [functional.conv2d(f[None], conv.weight, conv.bias, 1, 2) for f in pixels[0].unbind(1)]
            expected = torch.cat(frames)
        torch.testing.assert_close(found[layer], expected)


def test_attention_from_the_command_line(paths: Paths, tmp_path: Path) -> None:
    _, reduced, full = paths
    picture = tmp_path / "a.png"
    name = load_network(reduced, None, CPU).info.samples.id[3]
    by_id = call("attention", reduced, name, "-o", picture).stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    right = read_png(picture)[:, -90:-15].reshape(-1, 4)  # the last colour bar
    assert len(np.unique(right, axis=0)) > 100
    assert by_id == call("attention", reduced, "3", "-o", picture).stdout
    blocks = by_id.splitlines()[:-1]
    assert [line.split(":")[0] for line in blocks] == ["rgb.features.3", "flow.features.3"]
    for line in blocks:
        low, high = (float(word) for word in line.replace("between", "and").split(" and ")[1:])
        assert 0 <= low < high <= 1
    over = call("attention", reduced, "--split", "train").stdout.splitlines()
    network = load_network(reduced, None, CPU)
    masks: dict[str, list[Tensor]] = {}
    for row in network.info.rows_of("train"):  # one sample after the other
        clip = StrokeDataset(network.info, np.array([row]), network.view, ("rgb", "flow"))[0]
        inputs = network.preparer()({k: v[None] for k, v in clip.items()})
        for block, mask in soft_masks(network.model, inputs).items():
            masks.setdefault(block, []).append(mask)
    for line, (block, parts) in zip(over, masks.items(), strict=True):
        low, high = min(float(m.min()) for m in parts), max(float(m.max()) for m in parts)
        assert line == f"{block}: soft mask between {low:.3f} and {high:.3f} over all samples of train"
    both = call("attention", reduced, "3", "--split", "train", "-o", picture).stdout.splitlines()
    assert both == over + by_id.splitlines()
    assert "--split train" in call("attention", reduced, code=2).stderr
    assert "no split 'tset'" in call("attention", reduced, "--split", "tset", code=1).stderr
    assert "no attention blocks" in call("attention", full, "--split", "train", code=2).stderr
    assert "no attention blocks" in call("attention", full, "3", code=2).stderr
    assert "no sample 'x'" in call("attention", reduced, "x", code=2).stderr
    assert "no frame 8 in an input of 8" in call("attention", reduced, "3", "--frame", "8", code=2).stderr


def test_models_are_listed() -> None:
    rows = json.loads(call("models", "--json").stdout)
    table = {(r["model"], r["options"].get("attention", 0)): r["parameters_without_fc"] for r in rows}
    assert table["twin", 3] == 996_030
    assert table["rgb-stcnn", 0] == 180_800
    small = json.loads(call("models", "--json", "--size", "32x32", "--length", "16", "--classes", "5").stdout)
    assert small[0]["parameters_without_fc"] == 180_800
    assert small[0]["parameters"] < 2_000_000
    text = call("models").stdout
    assert "996 030" in text
    assert "[ATT] §III-A" in text


def test_fit_reports_json_and_goes_on(paths: Paths, tmp_path: Path) -> None:
    data, _, _ = paths
    args = ["fit", data, tmp_path / "r", "--model", "pose", "--json", "--epochs"]
    first = json.loads(call(*args, "1").stdout)
    assert first["epochs"] == 1
    assert 0 < first["majority"] < 1
    assert first["device"] == "cpu"
    second = call(*args, "2")
    assert json.loads(second.stdout)["epochs"] == 2
    assert "going on after epoch 1 of 2" in second.stderr
    assert (tmp_path / "r" / "curves.png").exists()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["fit", "none.h5", "r", "--model", "twin"], 1, "none.h5: no such file"),
        (["fit", "DATA", "r", "--model", "twim"], 2, "did you mean twin?"),
        (["fit", "DATA", "r", "--model", "twin", "--option", "attention"], 2, "write it as NAME=VALUE"),
        (["fit", "DATA", "r", "--model", "twin", "--option", "attention=9"], 2, "attention"),
        (["fit", "DATA", "r", "--model", "twin", "--lr", "-1"], 2, "--lr"),
        (["fit", "DATA", "r", "--model", "twin", "--size", "big"], 2, "is not like 32x32"),
        (["fit", "DATA", "r", "--model", "twin", "--size", "6x6"], 1, "gone after three poolings"),
        (["fit", "DATA", "r", "--model", "twin", "--taxonomy", "hands"], 1, "no taxonomy"),
        (["fit", "DATA", "r", "--model", "twin", "--train", "tests"], 1, "no split"),
        (["fit", "DATA", "r", "--model", "pose", "--device", "cuda:7"], 2, "try --device cpu"),
        (["evaluate", "nowhere"], 1, "nowhere: no run there"),
        (["evaluate", "RUN", "--split", "dev"], 1, "no split 'dev'"),
        (["detect", "RUN", "--video", "x"], 2, "no untrimmed video 'x'"),
        (["detect", "RUN", "--gauss-window", "4"], 2, "odd"),
        (["detect", "RUN", "--dataset", "SMALL"], 1, "its crop are"),
        (["detect"], 2, "RUN"),
    ],
)
def test_errors_are_one_line_with_a_code(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], code: int, words: str
) -> None:
    data, reduced, _ = paths
    monkeypatch.chdir(tmp_path)
    if "SMALL" in args:
        write_dataset(tmp_path / "s.h5", videos=1, strokes=3, crop=(20, 20))
    known = {"DATA": data, "RUN": reduced, "SMALL": tmp_path / "s.h5"}
    result = call(*(known.get(a, a) for a in args), code=code)
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "r").exists()  # nothing is left of a run that could not begin


def test_a_run_without_untrimmed_videos_cannot_detect(paths: Paths, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "d.h5", videos=3, strokes=9, untrimmed=False)
    assert "holds no untrimmed videos" in call("detect", paths[1], "--dataset", data, code=1).stderr


def test_an_interrupt_says_that_the_run_can_go_on(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tttrain.training.train import Listener, Trainer

    def interrupted(self: Trainer, listener: Listener) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "run", interrupted)
    result = call("fit", paths[0], tmp_path / "r", "--model", "pose", code=130)
    assert "run again to go on" in result.stderr


def test_an_interrupt_within_the_writing_of_a_checkpoint_loses_nothing(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tttrain.training import checkpoint

    fit = ("fit", paths[0], tmp_path / "r", "--model", "pose", "--schedule", "constant")
    call(*fit, "--epochs", "1")
    before = {p.name: p.read_bytes() for p in (tmp_path / "r").glob("*.pt")}
    real, writes = checkpoint._Hashing.write, 0

    def interrupted(self: Any, data: Any) -> int:
        nonlocal writes
        writes += 1
        if writes == 20:  # the middle of the archive, which torch then tries to close
            signal.raise_signal(signal.SIGINT)  # to this very thread
        return real(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint._Hashing, "write", interrupted)
        result = call(*fit, "--epochs", "2", code=130)
    assert result.stderr.splitlines()[-1] == "cancelled; finished epochs are kept, run again to go on"
    assert "Traceback" not in result.stderr
    assert {p.name: p.read_bytes() for p in (tmp_path / "r").glob("*.pt")} == before
    assert not list((tmp_path / "r").glob(".*.tmp"))
    assert "going on after epoch 1 of 2" in call(*fit, "--epochs", "2").stderr


@pytest.mark.parametrize("command", ["evaluate", "detect", "features"])
def test_whatever_a_library_makes_of_an_interrupt_it_stays_one(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def interrupted(*_: object) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("unexpected pos")

    monkeypatch.setattr("tttrain.evaluation.trained_network.load_network", interrupted)
    words = ("3",) if command == "features" else ()
    assert call(command, paths[1], *words, code=130).stderr.strip() == "cancelled; run again"


def test_tttrain_needs_nothing_else_of_ttprep() -> None:
    code = (
        "import sys, importlib, pkgutil, tttrain\n"
        "for m in pkgutil.walk_packages(tttrain.__path__, 'tttrain.'):\n"
        "    m.name.endswith('__main__') or importlib.import_module(m.name)\n"
        "others = {'pipeline', 'stages', 'store', 'ttdemo', 'cv2', 'dask'}\n"
        "bad = {m.split('.')[0] for m in sys.modules} & others\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_does_not_load_torch() -> None:
    code = "import sys, tttrain.cli.main\nsys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
