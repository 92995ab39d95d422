"""A dataset file through ``ttprep.open_dataset``: what h5py gives by hand; nothing where it is damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

import ttprep
from pipeline.inputs.manifest import read_manifest
from pipeline.reading import dataset_file
from tests.support.projects import export_here


def test_all_samples(demo: Path) -> None:
    with ttprep.open_dataset(demo / "d.h5") as d, h5py.File(demo / "d.h5") as file:
        table = d.samples
        assert len(d) == len(table) == 19
        scale = file["cuboids/flow"].attrs["scale"]
        for n, sample in enumerate(d):
            first, rows = int(file["samples/first"][n]), int(file["samples/rows"][n])
            place = slice(first, first + rows)
            np.testing.assert_array_equal(sample.rgb, file["cuboids/rgb"][place])
            np.testing.assert_array_equal(sample.flow, (file["cuboids/flow"][place] * scale).astype("f4"))
            for name, array in (("pose", sample.pose), ("roi", sample.roi), ("window", sample.window)):
                np.testing.assert_array_equal(array, file[f"cuboids/{name}"][place])
            assert sample.flow.dtype == np.float32
            assert sample.frames[sample.stroke].tolist() == list(range(sample.begin, sample.end))
            line = table.loc[n]
            found = (sample.id, sample.begin, sample.end, sample.class_name, sample.label, sample.split)
            assert found == tuple(line[["id", "begin", "end", "class", "label", "split"]])
            assert d[sample.id].index == d[n - 19].index == n
        assert d.classes[table["label"][0]] == table["class"][0] == "Offensive Forehand Hit"
        assert d.splits == ("train", "validation", "test")
        assert set(table["split"]) <= set(d.splits)
        assert (d.length, d.crop, d.frame_size, d.modalities) == (
            4,
            (48, 48),
            (160, 90),
            ("rgb", "flow", "pose"),
        )
        assert d.window == tuple(reversed(file["cuboids/rgb"].shape[1:3]))
        assert len(d.joints) == 14
        assert d.statistics["flow_divisor"] == tuple(file["statistics"].attrs["flow_divisor"])
        assert d.taxonomies[d.taxonomy] == d.classes
        np.testing.assert_array_equal(d.labels(d.taxonomy), table["label"])


def test_rows_and_whole_videos(demo: Path) -> None:
    d = ttprep.open_dataset(demo / "d.h5")
    sample, whole = d[7], d[7].rgb
    for rows in (slice(1, 3), slice(None, None, 2), slice(None, None, -1), slice(4, 0, -2), slice(9, 9)):
        np.testing.assert_array_equal(sample.array("rgb", rows), whole[rows])
    assert [s.index for s in d[3:9:2]] == [3, 5, 7]
    assert d.videos[["name", "frames", "untrimmed"]].to_numpy().tolist() == [
        ["videos/match1.mp4", 145, True], ["videos/match2.mp4", 30, True],
    ]  # fmt: skip
    video = d.untrimmed("match1.mp4")
    assert (video.rgb.shape, video.flow.shape, len(video)) == ((145, 48, 48, 3), (145, 48, 48, 2), 145)
    assert set(video.label[2:7]) == {d.classes.index("Offensive Forehand Hit")}


@pytest.mark.parametrize(
    ("key", "said"), [(19, "holds 19"), (-20, "holds 19"), ("x", "no sample 'x'"), (1.5, "neither")]
)
def test_what_is_no_sample(demo: Path, key: object, said: str) -> None:
    with pytest.raises(ttprep.BadIndex, match=said):
        ttprep.open_dataset(demo / "d.h5")[key]


def test_what_the_file_does_not_hold(demo: Path, tmp_path: Path) -> None:
    shutil.copytree(demo, tmp_path / "p", copy_function=shutil.copy2)
    manifest = tmp_path / "p" / "data_manifest.yaml"
    text = manifest.read_text()
    manifest.write_text(text.replace("untrimmed: true", "untrimmed: false") + "modalities: [rgb, flow]\n")
    read = read_manifest(manifest)
    assert ttprep.run(manifest=manifest, store=tmp_path / "p/ttprep-store", workers=0).ok
    export_here(read, tmp_path / "two.h5")
    d = ttprep.open_dataset(tmp_path / "two.h5")
    with pytest.raises(ttprep.MissingResult, match=r"holds no 'pose'.*modalities: \[rgb, flow, pose\]"):
        _ = d[0].pose
    with pytest.raises(ttprep.UnknownVideo, match="untrimmed: true"):
        d.untrimmed("match1.mp4")


def test_damage(demo: Path, tmp_path: Path) -> None:
    """Flipped bits of pixels, tables and the seal; a cut; a seal that is gone."""
    whole = (demo / "d.h5").read_bytes()
    with h5py.File(demo / "d.h5") as file:
        pixel = file["cuboids/rgb"].id.get_offset() + 5
        table = file["samples/label"].id.get_offset()
    size = len(whole)
    path = tmp_path / "d.h5"

    def changed(at: int) -> None:
        data = bytearray(whole)
        data[at] ^= 4
        path.write_bytes(data)

    changed(pixel)
    d = ttprep.open_dataset(path)
    with pytest.raises(ttprep.Damaged, match=r"have changed; `ttprep export .*d.h5` writes it anew"):
        _ = d[0].rgb
    for harm in (table, size - 100, size - 10):
        changed(harm)
        with pytest.raises(ttprep.Damaged, match="damaged"):
            ttprep.open_dataset(path)
    path.write_bytes(whole[: size // 2])
    with pytest.raises(ttprep.Damaged):
        ttprep.open_dataset(path)
    shutil.copy(demo / "d.h5", path)
    with h5py.File(path, "a") as file:
        file.attrs["note"] = "edited"
    with pytest.raises(ttprep.Damaged):
        ttprep.open_dataset(path)


def test_a_file_without_a_seal(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As earlier versions wrote them: another process reads the tables first."""
    path = tmp_path / "old.h5"
    shutil.copy(demo / "d.h5", path)
    with h5py.File(path, "a") as file:
        del file.attrs["sealed"]
    with ttprep.open_dataset(demo / "d.h5") as d, ttprep.open_dataset(path) as old:
        np.testing.assert_array_equal(old[4].rgb, d[4].rgb)
        assert old.samples.equals(d.samples)
    monkeypatch.setattr(dataset_file, "PROBE_S", 0.001)
    with pytest.raises(ttprep.Damaged, match="cannot be read in"):
        ttprep.open_dataset(path)


def test_replaced_while_open(demo: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    shutil.copy(demo / "d.h5", path)
    d = ttprep.open_dataset(path)
    before = d[3].rgb
    shutil.copy(demo / "d.h5", tmp_path / "new.h5")
    (tmp_path / "new.h5").replace(path)
    np.testing.assert_array_equal(d[3].rgb, before)  # the old file is open
    d.close()
    with pytest.raises(ttprep.Damaged, match="was replaced since it was opened"):
        _ = d[3].rgb


@pytest.mark.parametrize("what", ["nothing", "text", "folder", "store's own"])
def test_what_is_no_dataset(demo: Path, tmp_path: Path, what: str) -> None:
    path = tmp_path / "it.h5"
    if what == "text":
        path.write_text("hello")
    elif what == "folder":
        path.mkdir()
    elif what != "nothing":
        shutil.copy(next((demo / "ttprep-store").rglob("roi-*.h5")), path)
    with pytest.raises(ttprep.NoSuchFile) as error:
        ttprep.open_dataset(path)
    assert str(path) in str(error.value)
    assert isinstance(error.value, FileNotFoundError)
