"""tttrain reads a dataset in shards as it reads one file, and refuses one of which a part is missing."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader

import ttprep
import tttrain.data.shards.reading as reading
from pipeline.inputs.manifest import Manifest
from tests.support.projects import export_here, project
from tttrain.data.dataset_file import Reader, read_info
from tttrain.data.frame_windows import FrameDataset
from tttrain.data.samples import StrokeDataset
from tttrain.data.view import make_view
from tttrain.errors import TrainError

ACTIONS = {"one": [(5, 25, "Up"), (40, 46, "Down"), (45, 69, "Across")], "two": [(1, 20, "Down")]}
ARRAYS = [
    f"{group}/{name}" for group in ("cuboids", "untrimmed") for name in ("rgb", "flow", "roi", "window")
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("in_shards")
    manifest = project(folder, {"one": 70, "two": 30}, ACTIONS, untrimmed=True)
    export_here(manifest, folder / "one.h5")
    export_here(manifest, folder / "s.h5", shards=0.2)
    export_here(manifest, folder / "compact.h5", compact=True, shards=0.2)
    return manifest


@pytest.fixture
def here(made: Manifest, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    shutil.copytree(made.folder / "s.shards", tmp_path / "s.shards")
    return Path(shutil.copy2(made.folder / "s.h5", tmp_path))


@pytest.mark.parametrize("name", ["s.h5", "compact.h5"])
def test_rows_are_those_of_the_single_file(made: Manifest, name: str) -> None:
    one, other = made.folder / "one.h5", made.folder / name
    assert len(list((made.folder / name).with_suffix(".shards").iterdir())) > 3
    for array in ARRAYS:
        with h5py.File(one) as file:
            whole = file[array][()]
        reader: Reader = pickle.loads(pickle.dumps(Reader(other)))
        for first, count in ((0, len(whole)), (3, 20), (len(whole) - 5, 5), (0, 1), (17, 30)):
            np.testing.assert_array_equal(reader.rows(array, first, count), whole[first : first + count])
        with pytest.raises(TrainError, match="ends at row"):
            reader.rows(array, len(whole) - 5, 9)
        reader.close()
    with ttprep.open_dataset(one) as a, ttprep.open_dataset(other) as b:
        assert a.samples.equals(b.samples)
        for i in range(len(a)):
            np.testing.assert_array_equal(a[i].rgb, b[i].rgb)
            np.testing.assert_array_equal(a[i].flow, b[i].flow)


def test_few_shards_are_open_at_a_time(made: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "most_open", lambda: 2)
    one, other = Reader(made.folder / "one.h5"), Reader(made.folder / "s.h5")
    for first in (0, 90, 10, 60, 30, 90, 0):
        np.testing.assert_array_equal(
            other.rows("cuboids/rgb", first, 20), one.rows("cuboids/rgb", first, 20)
        )
    assert other._shards is not None
    assert len(other._shards._open) == 2


def test_samples_and_windows_are_the_same_in_workers(made: Manifest) -> None:
    batches = []
    for name in ("one.h5", "s.h5"):
        info = read_info(made.folder / name)
        data = StrokeDataset(info, info.rows_of("all"), make_view(info), ("rgb", "flow"), "train", seed=3)
        batches.append(list(DataLoader(data, batch_size=2, num_workers=2)))
        frames = FrameDataset(info, "all", make_view(info), ("rgb", "flow"), drawn=True)
        batches[-1] += [frames[i] for i in range(len(frames))]
    assert len(batches[0]) == len(batches[1]) > 2
    for one, other in zip(*batches, strict=True):
        assert all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("folder", "is missing (copy the folder s.shards together with the file)"),
        ("missing", "is missing"),
        ("short", "bytes instead of"),
        ("other", "is not the one that was written"),
        ("head", "is not what was written"),
        ("pixel", "is not what was written"),
    ],
)
def test_what_is_missing_or_damaged_is_never_read(here: Path, how: str, message: str) -> None:
    with h5py.File(here) as file:
        name = file["shards/name"].asstr()[0]
        size = file["shards/bytes"][0]
    shard = here.with_suffix(".shards") / name
    data = bytearray(shard.read_bytes())
    if how == "folder":
        shutil.rmtree(shard.parent)
    elif how == "missing":
        shard.unlink()
    else:
        if how == "short":
            del data[-10:]
        else:
            data[{"other": -1, "head": 200, "pixel": size // 2}[how]] ^= 1
        shard.write_bytes(data)
    at_once = how not in ("head", "pixel")
    with pytest.raises(TrainError) as error:
        read_info(here) if at_once else Reader(here).rows("cuboids/rgb", 0, 30)
    assert message in str(error.value)
    assert f"`ttprep export {here}` writes it anew" in str(error.value)
    with pytest.raises(ttprep.Damaged):  # noqa: SIM117
        with ttprep.open_dataset(here) as dataset:
            dataset[0].rgb.sum()


@pytest.mark.parametrize("field", ["name", "folder", "first", "group", "table"])
def test_a_table_that_leads_elsewhere_is_refused(here: Path, field: str) -> None:
    """Without a seal, as after an edit: anybody could have written it."""
    with h5py.File(here, "r+") as file:
        del file.attrs["sealed"]
        if field == "table":
            del file["shards"]
        elif field == "folder":
            file.attrs["shards"] = "../s.shards"
        elif field == "first":
            file["shards/first"][1] += 1
        else:
            file[f"shards/{field}"][0] = b"../x.h5" if field == "name" else b"videos"
    with pytest.raises(TrainError, match=r"table of shards cannot be used|lies in another file"):
        read_info(here)
