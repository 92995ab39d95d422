"""Tables and xarray datasets hold what the arrays hold, in stores of earlier versions too."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ttprep
from store import FeatureReader
from tests.archive.test_archive import ARCHIVES
from tests.ttprep.test_arrays import by_hand


def test_roi_and_statistics(store: ttprep.Store) -> None:
    v = store["match1.mp4"]
    table = v.roi
    assert table["frame"].tolist() == list(range(145))
    np.testing.assert_array_equal(table["time"], v.times)
    np.testing.assert_array_equal(table[["x", "y"]], v.array("roi", "centre")[:])
    np.testing.assert_array_equal(table[["raw_x", "raw_y"]], v.array("roi", "raw")[:])
    np.testing.assert_array_equal(table["moving"], v.array("roi", "moving")[:] == 1)
    assert table["moving"].dtype == bool
    largest = np.abs(v.flow[:]).max(axis=(1, 2))
    np.testing.assert_array_equal(v.statistics[["max_x", "max_y"]], largest)
    assert v.statistics["frame"].tolist() == list(range(144))
    assert table.attrs["units"]["x"] == v.statistics.attrs["units"]["max_x"] == "px"


def test_people(store: ttprep.Store) -> None:
    v = store["match1.mp4"]
    n, points = v.array("pose", "n_poses")[:], v.array("pose", "keypoints")[:]
    scores, sure = v.array("pose", "pose_scores")[:], v.array("pose", "keypoint_scores")[:]
    table = v.pose
    assert len(table) == 17 * n.sum() > 0
    assert table["keypoint"].cat.categories[0] == "nose"
    by = table.set_index(["frame", "pose", "keypoint"])
    for t in (0, 3, 77, 144):
        for who in range(n[t]):
            there: Any = by.loc[(t, who)]
            np.testing.assert_array_equal(there[["x", "y"]], points[t, who])
            np.testing.assert_array_equal(there["score"], sure[t, who])
            assert (there["pose_score"] == scores[t, who]).all()
            assert (there["time"] == v.times[t]).all()
    joints, found = v.array("descriptor", "joints")[:], v.array("descriptor", "found")[:]
    table = v.descriptor
    assert len(table) == 145 * 14
    np.testing.assert_array_equal(table[["x", "y", "score"]].to_numpy().reshape(145, 14, 3), joints)
    np.testing.assert_array_equal(table["found"].to_numpy().reshape(145, 14)[:, 0], found == 1)
    assert table["joint"].cat.categories[0] == "pose"
    assert table.loc[~table["found"], "roi_distance"].isna().all()


def test_some_rows(store: ttprep.Store) -> None:
    v = store["match1.mp4"]
    for stage in ("roi", "statistics", "pose", "descriptor"):
        whole = v.table(stage)
        part = v.table(stage, slice("2s", "3s"))
        expected = whole[whole["frame"].between(20, 29)].reset_index(drop=True)
        assert part.equals(expected)
        assert v.table(stage, [7, 3])["frame"].unique().tolist() == [
            f for f in (7, 3) if f in set(whole["frame"])
        ]
        assert len(v.table(stage, slice(0, 0))) == 0


def test_xarray_reads_when_it_is_used(store: ttprep.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    v = store["match1.mp4"]
    read: list[tuple[str, int]] = []
    real = FeatureReader.span

    def span(self: FeatureReader, name: str, start: int, stop: int, **more: object) -> object:
        read.append((name, start))
        return real(self, name, start, stop, **more)  # type: ignore[arg-type]

    ds = v.to_xarray()
    monkeypatch.setattr(FeatureReader, "span", span)
    part = ds.flow.sel(pair=slice(30, 40)).compute()
    assert {name for name, _ in read} == {"flow"}
    np.testing.assert_array_equal(part, v.flow[30:41])
    np.testing.assert_array_equal(ds.rgb.isel(frame=[100, 3], x=slice(5, 9)), v.frames[[100, 3], :, 5:9])
    np.testing.assert_array_equal(ds.time, v.times)
    np.testing.assert_array_equal(ds.pair_time, v.flow.times)
    assert ds.descriptor_joints.sel(joint="nose", xy_score="score").dims == ("frame",)
    assert (ds.flow.attrs["units"], ds.roi_centre.attrs["units"]) == ("px", "px")
    assert ds.untrimmed_rgb.dims == ("frame", "untrimmed_y", "untrimmed_x", "channel")
    assert "cuboids_rgb" not in ds


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("older")
    with tarfile.open(ARCHIVES[0]) as tar:
        tar.extractall(place, filter="data")
    return place


def test_stores_of_earlier_versions(older: Path) -> None:
    """Their receipts vouch for whole files, and nothing in them names the videos."""
    for project, videos in {"matches": "videos/*.mp4", "posed": "videos/*.mp4"}.items():
        store = ttprep.open(older / project / "store")
        for path in sorted((older / project).glob(videos)):
            v = store[path]  # known by its content
            places = {r.stage: r.path for r in v.results()}
            np.testing.assert_array_equal(v.frames[:], by_hand(places["frames"], "rgb"))
            np.testing.assert_array_equal(v.flow[:], by_hand(places["flow"], "flow"))
            assert v.name == v.id
    store = ttprep.open(older / "trials" / "store")
    assert not store.videos["faults"].any()
    for v in store:  # joints that came with the pictures
        assert len(v.pose) == 26 * 17
        assert len(v.descriptor) == 26 * 14
    with ttprep.open_dataset(older / "matches" / "dataset.h5") as d:
        assert d[0].rgb.any()
        assert len(d.samples) == len(d) > 0


def test_a_damaged_file_of_an_earlier_version(older: Path) -> None:
    store = ttprep.open(older / "matches" / "store")
    v = next(iter(store))
    path = v.results("flow")[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ttprep.Damaged):
        v.flow[:]
