"""Whole trainings: learning, reproducing, killed and resumed, out of memory, in several processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch
from torch import Tensor

from tests.support.dataset_writer import write_dataset
from tests.support.trainings import CPU, Quiet, curve, run
from tttrain import atomic
from tttrain.data.dataset_file import Array, DatasetInfo, read_info
from tttrain.errors import TrainError
from tttrain.evaluation.metrics import majority_share
from tttrain.training import train
from tttrain.training.checkpoint import Checkpoints
from tttrain.training.config import RunConfig
from tttrain.training.device import choose_precision
from tttrain.training.memory import largest_batch
from tttrain.training.preflight import check_classes
from tttrain.training.run_folder import HISTORY, make_record, open_run, read_run

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("run") / "d.h5", videos=3, strokes=9)


def small(**changes: Any) -> RunConfig:
    """Settings of a training that takes a second or two."""
    base = {"model": "pose", "epochs": 4, "batch": 6, "lr": 0.05, "momentum": 0.9, "weight_decay": 0.0}
    return RunConfig(**{**base, **changes})


def weights(trainer: train.Trainer) -> dict[str, Tensor]:
    return {name: values.clone() for name, values in trainer.network.state_dict().items()}


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def test_a_twin_learns_moving_blobs(path: Path, tmp_path: Path) -> None:
    config = RunConfig(
        model="twin",
        size=(12, 12),
        length=8,
        every=2,
        epochs=30,
        batch=5,
        lr=0.02,
        momentum=0.9,
        weight_decay=0,
    )
    trainer, history = run(path, tmp_path / "r", config)
    info = trainer.info
    assert majority_share(info, "validation") < 0.5
    assert max(r["validation_accuracy"] for r in history) >= 0.9
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert [r["epoch"] for r in history] == list(range(1, 31))
    assert json.loads((tmp_path / "r" / HISTORY).read_text()) == history
    best = [r for r in history if r["improved"]][-1]
    assert Checkpoints(tmp_path / "r").load("best", CPU)["epoch"] == best["epoch"]


def test_the_same_seed_gives_the_same_weights_whatever_the_workers(path: Path, tmp_path: Path) -> None:
    config = small(model="three-stream", size=(8, 8), length=8, options={"attention": 1}, epochs=2)
    first, a = run(path, tmp_path / "a", config)
    second, b = run(path, tmp_path / "b", config, runtime=train.Runtime(workers=2))
    assert_same(weights(first), weights(second))
    assert curve(a) == curve(b)
    other, _ = run(path, tmp_path / "c", small(**{**config.model_dump(), "seed": 1}))
    assert not torch.equal(weights(first)["rgb.fc.weight"], weights(other)["rgb.fc.weight"])


@pytest.mark.parametrize(
    ("changes", "save_every", "kills", "kept"),
    [
        ({"epochs": 5}, 1, [(1, 3), (3, 1)], 3),
        ({"epochs": 8}, 3, [(5, 2)], 3),
        # with dropout, whose random numbers must go on where they were
        ({"model": "i3d-rgb", "size": (8, 8), "length": 8, "epochs": 2, "lr": 0.01}, 1, [(1, 2)], 1),
    ],
)
def test_kill_9_in_mid_epoch_and_resume_gives_the_undisturbed_weights(
    path: Path,
    tmp_path: Path,
    changes: dict[str, Any],
    save_every: int,
    kills: list[tuple[int, int]],
    kept: int,
) -> None:
    config, runtime = small(**changes), train.Runtime(save_every=save_every)
    whole, history = run(path, tmp_path / "whole", config, runtime=runtime)
    spawn = multiprocessing.get_context("spawn")
    for kill_at in kills:
        args = (path, tmp_path / "cut", config, kill_at, save_every)
        child = spawn.Process(target=_run_to_death, args=args)
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
    listener = Quiet()
    resumed, again = run(path, tmp_path / "cut", config, runtime=runtime, listener=listener)
    assert listener.began == kept
    assert curve(again) == curve(history)
    assert_same(weights(whole), weights(resumed))
    best = [Checkpoints(tmp_path / name).load("best", CPU) for name in ("whole", "cut")]
    assert_same(best[0]["model"], best[1]["model"])
    files = [sorted(p.name for p in (tmp_path / name).glob("*.pt")) for name in ("whole", "cut")]
    assert files[0] == files[1]


def _run_to_death(
    path: Path, folder: Path, config: RunConfig, kill_at: tuple[int, int], save_every: int
) -> None:
    listener = Quiet(kill_at, lambda: os.kill(os.getpid(), signal.SIGKILL))
    run(path, folder, config, runtime=train.Runtime(save_every=save_every), listener=listener)


def test_a_failure_at_any_write_leaves_a_run_that_goes_on_to_the_same_end(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small(epochs=3)
    whole, history = run(path, tmp_path / "whole", config)
    real = atomic.write
    for number in range(1, 12):
        writes = 0

        def failing(target: Path, fill: Callable[[IO[bytes]], None], number: int = number) -> None:
            nonlocal writes
            writes += 1
            if writes == number:
                target.with_name(f".{target.name}.1.tmp").write_bytes(b"half")
                raise OSError(28, "No space left on device", str(target))
            real(target, fill)

        folder = tmp_path / f"fail{number}"
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "write", failing)
            with pytest.raises(OSError, match="No space left"):
                run(path, folder, config)
        if number == 1:
            assert not (folder / "run.json").exists()
            for left in folder.iterdir():
                left.unlink()
        resumed, again = run(path, folder, config)
        assert curve(again) == curve(history), number
        assert_same(weights(whole), weights(resumed))


def test_warm_restart_goes_back_to_the_best_state(path: Path, tmp_path: Path) -> None:
    # any rise of the training loss after two epochs at one rate
    config = small(
        model="flow-stcnn", size=(8, 8), length=8, epochs=12, patience=2, recent=1, before=1, clip=0
    )
    trainer, history = run(path, tmp_path / "r", config)
    reloads = [i for i, r in enumerate(history) if r["reload"]]
    assert reloads
    at = reloads[0]
    assert history[at + 1]["lr"] == pytest.approx(history[at]["lr"] / 10)
    assert "mean training loss" in history[at]["note"]
    assert not history[at]["improved"]
    # a run that ends just there holds the best state's weights
    cut, short = run(path, tmp_path / "cut", small(**{**config.model_dump(), "epochs": at + 1}))
    assert short[at]["reload"]
    best = cut.checkpoints.load("best", CPU)
    assert best["epoch"] < at + 1
    assert_same(weights(cut), best["model"])
    # and goes on, when given more epochs, as the long one did
    more, longer = run(path, tmp_path / "cut", config)
    assert curve(longer) == curve(history)
    assert_same(weights(more), weights(trainer))


def test_momentum_of_the_siamese_schedule_reaches_the_optimizer(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tttrain.training.config.SIAMESE_MOMENTUM", ((0, 0.5), (2, 0.1), (3, 0.05)))
    _, history = run(path, tmp_path / "r", small(schedule="siamese", momentum=0.5))
    assert [r["momentum"] for r in history] == [0.5, 0.5, 0.1, 0.05]


def test_accumulated_gradients_are_those_of_the_whole_batch(path: Path, tmp_path: Path) -> None:
    config = small(epochs=2, batch=6)
    whole, _ = run(path, tmp_path / "a", config)
    parts, _ = run(path, tmp_path / "b", small(epochs=2, batch=2, accumulate=3))
    for name, values in weights(whole).items():
        torch.testing.assert_close(values, weights(parts)[name], atol=1e-6, rtol=1e-4)


def _one_of_two(rank: int, path: Path, folder: Path, config: RunConfig, out: Path) -> None:
    os.environ.update(RANK=str(rank), WORLD_SIZE="2", LOCAL_RANK=str(rank), MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(1)
    from tttrain.training.device import join_world

    world = join_world(CPU)
    if rank == 0:
        open_run(folder, make_record(config, read_info(path)), force=False)
    world.wait()
    info = read_info(path)
    trainer = train.Trainer(make_record(config, info), info, folder, CPU, train.Runtime(), world)
    history = trainer.run(Quiet())
    torch.save(
        {"weights": weights(trainer), "loss": [r["validation_loss"] for r in history]}, out / f"{rank}.pt"
    )
    torch.distributed.destroy_process_group()


def test_two_processes_train_as_one_with_twice_the_batch(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MASTER_PORT", str(s.getsockname()[1]))
    one, history = run(path, tmp_path / "one", small(epochs=2, batch=6))
    spawn = multiprocessing.get_context("spawn")
    config = small(epochs=2, batch=3)
    args = (path, tmp_path / "two", config, tmp_path)
    children = [spawn.Process(target=_one_of_two, args=(rank, *args)) for rank in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    results = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert_same(results[0]["weights"], results[1]["weights"])
    for name, values in weights(one).items():
        torch.testing.assert_close(values, results[0]["weights"][name], atol=1e-5, rtol=1e-3)
    assert results[0]["loss"] == pytest.approx([r["validation_loss"] for r in history], rel=1e-4)
    assert json.loads((tmp_path / "two" / HISTORY).read_text())


class _Glutton(torch.nn.Module):
    """Needs too much memory for more than two samples."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.layer = torch.nn.Linear(42 * 16, 4)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        if len(inputs["pose"]) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        out: Tensor = self.layer(inputs["pose"].flatten(1))
        return out


@pytest.mark.parametrize(
    ("most", "words"), [(2, "batch 2 fits: --batch 2 --accumulate 3"), (0, "with a single sample")]
)
def test_out_of_memory_names_the_batch_that_fits(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, words: str
) -> None:
    monkeypatch.setattr(train, "make_model", lambda record, view: _Glutton(most))
    with pytest.raises(TrainError, match="out of memory") as caught:
        run(path, tmp_path / "r", small(batch=6))
    assert words in str(caught.value)


def test_other_errors_are_not_taken_for_lack_of_memory(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "make_model", lambda record, view: torch.nn.Linear(3, 4))
    with pytest.raises(TypeError):
        run(path, tmp_path / "r", small())


def test_largest_batch_is_found_by_trying() -> None:
    tried: list[int] = []

    def attempt(size: int) -> None:
        tried.append(size)
        if size > 11:
            raise torch.OutOfMemoryError("no")

    assert largest_batch(attempt, 32) == 11
    assert len(tried) <= 5

    def broken(size: int) -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        largest_batch(broken, 8)


def test_a_loss_that_is_no_number_ends_the_run_with_advice(path: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="the loss is not a number any more; take a smaller --lr"):
        run(path, tmp_path / "r", small(lr=1e18, drop=0.0))


def test_a_folder_with_another_run_is_not_touched(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    run(path, folder, small(epochs=1))
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(TrainError, match=r"holds a run with other settings \(lr: 0.05 → 0.01\)"):
        run(path, folder, small(epochs=1, lr=0.01))
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    _, history = run(path, folder, small(epochs=1, lr=0.01), force=True)
    assert history[0]["lr"] == 0.01
    assert read_run(folder).config.lr == 0.01


def test_a_run_does_not_go_on_with_other_samples(path: Path, tmp_path: Path) -> None:
    run(path, tmp_path / "r", small(epochs=1))
    other = write_dataset(tmp_path / "other.h5", videos=3, strokes=9, seed=1)
    with pytest.raises(TrainError, match="other samples or labels"):
        run(other, tmp_path / "r", small(epochs=2))


def test_a_folder_of_something_else_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(TrainError, match="holds files, but no run"):
        run(path, tmp_path, small())


def test_damaged_checkpoints_are_named(path: Path, tmp_path: Path) -> None:
    run(path, tmp_path, small(epochs=1))
    last = next(tmp_path.glob("last-*.pt"))
    content = last.read_bytes()
    last.write_bytes(content[: len(content) // 2])
    with pytest.raises(TrainError, match=rf"{last.name}: damaged .*--force"):
        run(path, tmp_path, small(epochs=2))
    last.unlink()
    with pytest.raises(TrainError, match="is missing"):
        run(path, tmp_path, small(epochs=2))


def _with_splits(path: Path, change: Callable[[Array, Array], Array]) -> DatasetInfo:
    import h5py

    with h5py.File(path, "a") as file:
        split, label = file["samples/split"][:], file["samples/label"][:]
        file["samples/split"][...] = change(split, label)
    return read_info(path)


def test_a_class_absent_from_training_is_an_error_that_can_be_waived(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d.h5", videos=2, strokes=6)
    info = _with_splits(path, lambda split, label: np.where(label == 1, 2, split))
    with pytest.raises(TrainError, match="absent from split 'train' but not from the others: Down"):
        check_classes(info, small())
    assert check_classes(info, small(), allow_absent=True) == ["absent from training: Down"]


def test_an_empty_split_is_an_error(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d.h5", videos=1, strokes=3)
    info = _with_splits(path, lambda split, label: np.zeros_like(split))
    with pytest.raises(TrainError, match="split 'validation' has no sample"):
        check_classes(info, small())


def test_classes_that_occur_nowhere_are_only_noted(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d.h5", videos=2, strokes=2)
    info = read_info(path)
    missing = [c for i, c in enumerate(info.classes) if i not in info.samples.label]
    assert missing
    assert check_classes(info, small(), allow_absent=True)[0] == f"classes without any sample: {missing[0]}"


def test_a_cpu_works_in_fp32() -> None:
    assert choose_precision(CPU, "auto") == choose_precision(CPU, "fp32") == "fp32"
    with pytest.raises(TrainError, match="--precision bf16 needs a GPU"):
        choose_precision(CPU, "bf16")


def test_history_is_plain_json(path: Path, tmp_path: Path) -> None:
    run(path, tmp_path, small(epochs=2))
    records = json.loads((tmp_path / "history.json").read_text())
    assert set(records[0]) == {
        "epoch", "lr", "momentum", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
        "improved", "reload", "note", "seconds", "waiting",
    }  # fmt: skip


def test_a_run_of_a_version_that_knew_fewer_options_goes_on(path: Path, tmp_path: Path) -> None:
    _, first = run(path, tmp_path / "run", small(epochs=1, options={"attention": 0}))
    _, more = run(path, tmp_path / "run", small(epochs=2, options={"attention": 0, "residual": 0}))
    assert curve(more)[:1] == curve(first)
    with pytest.raises(TrainError, match="options: "):
        run(path, tmp_path / "run", small(epochs=2, options={"residual": 1}))


def test_the_siamese_paper_s_augmentation_reaches_the_data(path: Path, tmp_path: Path) -> None:
    config = small(sampling="siamese", flip=False)
    trainer, _ = run(path, tmp_path / "run", config)
    data, _ = trainer._of_samples()
    assert (data.sampling, data.flip) == ("siamese", False)
    drawn = [data[epoch, i]["transform"] for epoch in range(5) for i in range(len(data))]
    assert {float(t[4]) for t in drawn} == {1.0}


def test_the_siamese_law_needs_frame_rates(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "d.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "a") as file:
        file["videos/fps"][0] = 0
    info = read_info(copy)
    with pytest.raises(TrainError, match=r"frame rate of video_0\.mp4 is not known.*--sampling normal"):
        check_classes(info, small(sampling="siamese"))
    check_classes(info, small())
