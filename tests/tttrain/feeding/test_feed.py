"""Feeding: wherever the windows lie and whoever reads them, the same batches in the same order."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch
from hypothesis import given
from hypothesis import strategies as st

import tttrain.feeding.feed as feed_module
from tests.support.dataset_writer import write_dataset
from tests.support.trainings import Quiet, curve, run
from tttrain.data import cache
from tttrain.data.cache import choose_cache, free_memory, take
from tttrain.data.dataset_file import DatasetInfo, read_info
from tttrain.data.frame_windows import FrameDataset
from tttrain.data.samples import Clip, Mode, StrokeDataset
from tttrain.data.view import make_view
from tttrain.errors import TrainError
from tttrain.feeding.feed import PREFETCH, Feed
from tttrain.feeding.loader import EpochBatches
from tttrain.training import train
from tttrain.training.config import RunConfig

torch.set_num_threads(1)
ALL = ("rgb", "flow", "pose")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> DatasetInfo:
    return read_info(write_dataset(tmp_path_factory.mktemp("data") / "d.h5", videos=2, strokes=6))


def copies(feed: Feed, order: EpochBatches, epochs: int = 2) -> list[Clip]:
    """All batches, copied as they come: a slot is written again later."""
    out = []
    for epoch in range(epochs):
        order.epoch = epoch
        out += [{name: values.clone() for name, values in clip.items()} for clip in feed]
    return out


def same(a: list[Clip], b: list[Clip]) -> bool:
    return len(a) == len(b) and all(
        x.keys() == y.keys() and all(torch.equal(x[n], y[n]) for n in x) for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("mode", ["train", "tests", "centre"])
@pytest.mark.parametrize(("length", "every"), [(8, 2), (16, 1)])
def test_the_same_batches_from_everywhere(info: DatasetInfo, mode: Mode, length: int, every: int) -> None:
    rows, view = info.rows_of("train"), make_view(info, (12, 12), length=length, every=every)

    def got(prepare: Callable[[StrokeDataset], None], workers: int, start: str | None = None) -> list[Clip]:
        data = StrokeDataset(info, rows, view, ALL, mode, seed=7)
        prepare(data)
        order = EpochBatches(len(data), 2, seed=7)
        return copies(Feed(data, order, CPU, workers=workers, start_method=start), order)

    plain = got(lambda data: None, 0)
    assert len(plain) == 2 * len(EpochBatches(len(rows), 2)) > 2 * (PREFETCH + 2)  # slots are used again
    assert same(plain, got(lambda data: data.keep(), 0))
    assert same(plain, got(lambda data: data.keep(), 2))
    assert same(plain, got(lambda data: None, 1))
    assert same(plain, got(lambda data: None, 2, "spawn" if mode == "train" and every == 1 else "fork"))


def test_whole_videos_too(info: DatasetInfo, tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d.h5", videos=3, strokes=3, untrimmed=True)
    whole = read_info(path)
    view = make_view(whole, (12, 12), length=8)
    out = []
    for keep, workers in ((False, 0), (True, 0), (False, 2)):
        data = FrameDataset(whole, "all", view, ALL, drawn=True, augment=True, seed=3)
        if keep:
            data.keep()
        order = EpochBatches(len(data), 3, seed=3)
        out.append(copies(Feed(data, order, CPU, workers=workers), order))
    assert same(out[0], out[1])
    assert same(out[0], out[2])


def test_two_batches_are_whole_at_once(info: DatasetInfo) -> None:
    """The one that is worked on, and the one that is being copied to the device."""
    data = StrokeDataset(info, info.rows_of("train"), make_view(info), ("rgb",), "train")
    order = EpochBatches(len(data), 1)
    before: Clip | None = None
    copy: Clip = {}
    for clip in Feed(data, order, CPU, workers=1):
        if before is not None:
            assert torch.equal(before["rgb"], copy["rgb"])
        before, copy = clip, {name: values.clone() for name, values in clip.items()}


def test_too_little_shared_memory_is_no_hindrance(info: DatasetInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    data = StrokeDataset(info, info.rows_of("train"), make_view(info), ALL, "train")
    order = EpochBatches(len(data), 4)
    plain = copies(Feed(data, order, CPU), order)
    monkeypatch.setattr(feed_module, "SHM_SHARE", 0.0)
    narrow = Feed(data, order, CPU, workers=1)
    assert not narrow._slots
    assert same(plain, copies(narrow, order))


def test_a_damaged_file_is_one_error_from_a_worker_too(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d.h5", videos=2, strokes=3)
    info = read_info(path)
    data = StrokeDataset(info, info.rows_of("train"), make_view(info), ("rgb",), "train")
    order = EpochBatches(len(data), 4)
    feed = Feed(data, order, CPU, workers=1)
    path.unlink()
    with pytest.raises(TrainError, match=r"d\.h5"):
        list(feed)


@given(n=st.integers(1, 20), length=st.integers(1, 6), step=st.integers(1, 4), seed=st.integers(0, 99))
def test_taking_rows_is_indexing(n: int, length: int, step: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 255, (n + length * step, 2), np.uint8)
    for rows in (n - 1 + step * np.arange(length), np.arange(length)[::-1], np.array([[0, 2 % n], [0, 0]])):
        for source in (values, torch.from_numpy(values)):
            got = take(source, rows.astype(np.intp))
            np.testing.assert_array_equal(got.numpy(), values[rows])


def test_where_windows_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    free = {"gpu": 100, "memory": 1000}
    monkeypatch.setattr(cache, "free_memory", lambda place, device: free[place])
    assert choose_cache("auto", 40, gpu) == "gpu"
    assert choose_cache("auto", 41, gpu) == "memory"
    assert choose_cache("auto", 500, gpu) == "memory"
    assert choose_cache("auto", 501, gpu) == "none"
    assert choose_cache("auto", 501, gpu, limit=501) == "memory"
    assert choose_cache("auto", 40, CPU) == "memory"
    assert choose_cache("auto", 40, CPU, limit=39) == "none"
    assert choose_cache("auto", 400, CPU, processes=2) == "none"
    assert choose_cache("none", 1, gpu) == "none"
    assert choose_cache("memory", 40, gpu) == "memory"
    for wanted, needed, device, limit, why in (
        ("gpu", 1, CPU, None, "--cache memory"),
        ("gpu", 41, gpu, None, "--cache none"),
        ("memory", 501, CPU, None, "--cache none"),
        ("memory", 501, CPU, 500, "is the limit"),
    ):
        with pytest.raises(TrainError) as caught:
            choose_cache(wanted, needed, device, limit)  # type: ignore[arg-type]
        assert why in str(caught.value)


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs Linux")
def test_free_memory_is_that_of_the_machine() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < free_memory("memory", CPU) <= total


def test_a_training_does_not_depend_on_the_cache(info: DatasetInfo, tmp_path: Path) -> None:
    config = RunConfig(model="twin", size=(16, 16), length=16, epochs=2, batch=4, lr=0.001)
    listener = Quiet()
    kept, a = run(info.path, tmp_path / "kept", config, listener=listener)
    read, b = run(info.path, tmp_path / "read", config, runtime=train.Runtime(cache="none", workers=1))
    assert (kept.cache, read.cache) == ("memory", "none")
    needed = kept.train_data.bytes + kept.validation_data.bytes
    assert listener.kept == (needed, needed, "memory")
    assert curve(a) == curve(b)
    for name, values in kept.network.state_dict().items():
        assert torch.equal(values, read.network.state_dict()[name])


def test_workers_read_where_nothing_is_to_validate(info: DatasetInfo, tmp_path: Path) -> None:
    config = RunConfig(model="pose", epochs=1, batch=4, lr=0.01, validation_split="none", schedule="constant")
    _, a = run(info.path, tmp_path / "alone", config, runtime=train.Runtime(cache="none"))
    _, b = run(info.path, tmp_path / "workers", config, runtime=train.Runtime(cache="none", workers=2))
    assert curve(a) == curve(b)
