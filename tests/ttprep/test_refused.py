"""What is damaged, missing, failed or unknown is refused with a text that helps; no wrong values come."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ttprep
from pipeline.reading import arrays as reading
from store import Store
from store.notes import signed


@pytest.fixture
def copy(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ttprep.Store:
    """A store of one's own, to be harmed."""
    monkeypatch.setattr(reading, "REPLACED_S", 0.01)
    shutil.copytree(demo / "ttprep-store", tmp_path / "store", copy_function=shutil.copy2)
    return ttprep.open(tmp_path / "store")


def place(v: ttprep.Video, stage: str) -> Path:
    return v.results(stage)[0].path


def faults(store: ttprep.Store) -> str:
    return str(store.videos.set_index("name").loc["match2.mp4", "faults"])


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 8
    path.write_bytes(data)


def a_chunk(path: Path, name: str) -> int:
    """A byte in the middle of the first chunk."""
    with h5py.File(path) as file:
        info = file[name].id.get_chunk_info(0)
    return int(info.byte_offset + info.size // 2)


def in_the_header(path: Path) -> int:
    return path.read_bytes().index(b"frame_convention") + 3


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "pixels": (lambda p: flip(p, a_chunk(p, "flow")), "sha256 differs"),
    "header": (lambda p: flip(p, in_the_header(p)), "its header is not what was published"),
    "cut": (lambda p: p.write_bytes(p.read_bytes()[:-1000]), "its header lies elsewhere"),
    "empty": (lambda p: p.write_bytes(b""), "its header lies elsewhere"),
    "missing": (lambda p: p.unlink(), "the file is missing"),
    "foreign": (lambda p: p.write_bytes(b"x" * p.stat().st_size), "its header is not what was published"),
}


@pytest.mark.parametrize("harm", HARM)
def test_damaged_files(copy: ttprep.Store, harm: str) -> None:
    v = copy["match2.mp4"]
    path = place(v, "flow")
    HARM[harm][0](path)
    left = sorted(p.name for p in path.parent.iterdir())
    with pytest.raises(ttprep.Damaged) as error:
        v.flow[:]
    assert HARM[harm][1] in str(error.value)
    assert str(path) in str(error.value)
    assert f"`ttprep run --store {path.parents[2]}` makes it anew" in str(error.value)
    assert sorted(p.name for p in path.parent.iterdir()) == left  # no verdict is written
    assert v.frames[:].any()
    assert len(v.roi) == 30


def test_damaged_behind_an_open_file(copy: ttprep.Store) -> None:
    """Chunks that were read stay; one that is read after the damage is refused."""
    v = copy["match1.mp4"]
    flow = v.flow
    flow[140]
    flip(place(v, "flow"), a_chunk(place(v, "flow"), "flow"))
    with pytest.raises(ttprep.Damaged):
        flow[0]


def test_made_anew_behind_an_open_file(copy: ttprep.Store, demo: Path) -> None:
    """As a run does it: the file is replaced, and read on."""
    v = copy["match1.mp4"]
    flow, path = v.flow, place(v, "flow")
    expected = flow[0]
    whole = path.read_bytes()
    flow[140]
    flip(path, a_chunk(path, "flow"))
    with pytest.raises(ttprep.Damaged):
        flow[0]
    new = path.with_suffix(".new")
    new.write_bytes(whole)
    new.replace(path)
    np.testing.assert_array_equal(flow[0], expected)


def test_a_file_without_a_receipt_counts_for_nothing(copy: ttprep.Store) -> None:
    v = copy["match2.mp4"]
    place(v, "flow").with_suffix(".json").unlink()
    with pytest.raises(ttprep.MissingResult, match="flow is not computed; `ttprep run --stage flow --store"):
        _ = v.flow
    assert "flow" not in v.stages


def test_removed_behind_ones_back(copy: ttprep.Store) -> None:
    """As `ttprep gc` does: what is open is read on, what is not is missing."""
    v = copy["match2.mp4"]
    flow, later = v.flow, ttprep.open(copy.path)["match2.mp4"].flow
    later._handles.close()
    expected = flow[:]
    for path in (place(v, "roi"), place(v, "flow")):
        path.with_suffix(".json").unlink()
        path.unlink()
    np.testing.assert_array_equal(flow[:], expected)
    with pytest.raises(ttprep.MissingResult, match="no longer in the store"):
        later[:]
    with pytest.raises(ttprep.MissingResult, match="roi is not computed"):
        _ = v.roi


def test_a_damaged_receipt(copy: ttprep.Store) -> None:
    v = copy["match2.mp4"]
    note = place(v, "flow").with_suffix(".json")
    note.write_text(note.read_text().replace('"size": ', '"size": 1'))
    with pytest.raises(ttprep.Damaged, match="its checksum is wrong; `ttprep verify --read-data --store"):
        _ = v.flow
    copy = ttprep.open(copy.path)
    v = copy["match2.mp4"]
    with pytest.raises(ttprep.MissingResult, match=r"flow damaged \(.*checksum.*\).*makes it anew"):
        _ = v.flow
    assert "flow damaged: its checksum is wrong" in faults(copy)
    assert copy.states.set_index("name").loc["match2.mp4", "flow"] == "damaged"


def test_a_receipt_of_another_video(copy: ttprep.Store) -> None:
    one, other = place(copy["match1.mp4"], "flow"), place(copy["match2.mp4"], "flow")
    for suffix in (".h5", ".json"):
        shutil.copy2(one.with_suffix(suffix), other.parent / f"{one.stem}{suffix}")
    assert copy["match2.mp4"].flow.shape[0] == 29
    assert copy["match2.mp4"].results("flow")[0].path == other


def test_verdicts_and_failures_of_others(copy: ttprep.Store) -> None:
    v = copy["match2.mp4"]
    flow, roi = place(v, "flow"), place(v, "roi")
    flow.with_suffix(".damaged.json").write_text(json.dumps(signed({"reason": "the disk"})))
    roi.with_suffix(".json").unlink()
    roi.with_suffix(".failed.json").write_text(json.dumps(signed({"reason": "no memory", "at": 4e9})))
    assert faults(copy) == "flow damaged: the disk; roi failed: no memory"
    with pytest.raises(ttprep.MissingResult, match=r"flow damaged \(the disk\)"):
        _ = v.flow
    with pytest.raises(ttprep.MissingResult, match=r"roi failed \(no memory\); .* tries again"):
        _ = v.roi


def test_a_failure_that_was_made_up_for(copy: ttprep.Store) -> None:
    v = copy["match2.mp4"]
    note = place(v, "flow").with_name("flow-0123456789abcdef.failed.json")
    note.write_text(json.dumps(signed({"reason": "long ago", "at": 5.0})))
    assert not copy.videos["faults"].any()


def test_no_permission(copy: ttprep.Store) -> None:
    path = place(copy["match2.mp4"], "flow")
    path.unlink()
    path.mkdir()  # what root cannot read either
    with pytest.raises((ttprep.Damaged, ttprep.Unreadable)):
        copy["match2.mp4"].flow[:]


# -- names ---------------------------------------------------------------------------------------


def test_ways_to_name_a_video(store: ttprep.Store, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    v = store["match1.mp4"]
    monkeypatch.chdir(demo / "videos")
    for name in (demo / "videos/match1.mp4", "videos/match1.mp4", "./match1.mp4", v.id, v.id[:8], "match1"):
        assert store[name].id == v.id, name
    full = Store(store.path).receipts(v.id).__next__().parts["source"]
    assert store[full].id == v.id


def test_unknown_names(store: ttprep.Store) -> None:
    with pytest.raises(ttprep.UnknownVideo) as error:
        store["macth1.mp4"]
    assert str(error.value).endswith("holds no video 'macth1.mp4'; near are match1.mp4, match2.mp4")
    assert error.value.candidates == ("match1.mp4", "match2.mp4")
    assert isinstance(error.value, KeyError)
    with pytest.raises(ttprep.UnknownVideo, match=r"it holds match1.mp4, match2.mp4"):
        store["zzz"]
    assert "zzz" not in store
    assert 7 not in store


def test_one_name_for_several(copy: ttprep.Store, tmp_path: Path) -> None:
    """Cameras that number their files."""
    for path in (copy.path / "sources").iterdir():
        path.unlink()
    for n, v in enumerate(copy):
        real = Store(copy.path)
        note = {"path": f"/cards/{n}/0001.mp4", "sha256": real.receipts(v.id).__next__().parts["source"]}
        real.publish(real.note_path(Path(f"/cards/{n}/0001.mp4")), note | {"size": 1, "mtime_ns": 1})
    for v in copy:  # what the receipts say is older than the notes
        assert v.name == "0001.mp4"
    with pytest.raises(ttprep.UnknownVideo) as error:
        copy["0001.mp4"]
    assert "means 2 videos" in str(error.value)
    assert set(error.value.candidates) == {"/cards/0/0001.mp4", "/cards/1/0001.mp4"}
    assert copy["1/0001.mp4"].path == Path("/cards/1/0001.mp4")


@pytest.mark.parametrize("what", ["nothing", "file", "empty", "newer"])
def test_what_is_no_store(tmp_path: Path, what: str) -> None:
    path = tmp_path / "it is"
    if what == "file":
        path.write_text("x")
    elif what != "nothing":
        path.mkdir()
    if what == "newer":
        (path / "ttprep-store.json").write_text(json.dumps({"format": "ttprep-store", "version": 99}))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ttprep.NoSuchFile) as error:
        ttprep.open(path)
    assert isinstance(error.value, FileNotFoundError)
    assert sorted(tmp_path.rglob("*")) == before
    if what == "nothing":
        assert f"`ttprep run --store '{path}' VIDEOS` makes a store" in str(error.value)


def test_an_empty_store(tmp_path: Path) -> None:
    Store.create(tmp_path / "s")
    store = ttprep.open(tmp_path / "s")
    assert (len(store), list(store), len(store.videos), len(store.states)) == (0, [], 0, 0)
    assert store.videos.columns.tolist()[:5] == ["name", "id", "path", "frames", "fps"]
    with pytest.raises(ttprep.UnknownVideo, match="no video yet"):
        store["a.mp4"]


# -- which results ---------------------------------------------------------------------------------


def test_several_results(demo: Path, tmp_path: Path) -> None:
    shutil.copytree(demo, tmp_path / "p", copy_function=shutil.copy2)
    root = tmp_path / "p"
    stages = {"frames": {"width": 160, "height": 90}, "flow": {"method": "farneback"}}
    manifest = {"folder": root, "stages": stages}
    v = ttprep.open(root / "ttprep-store")["match2.mp4"]
    old = v.flow
    was = old[:]
    where: dict[str, Any] = {"store": root / "ttprep-store", "workers": 0}
    result = ttprep.run(root / "videos/match2.mp4", stages="flow", manifest=manifest, **where)
    assert [j.stage for j in result.jobs] == ["flow"]
    new = v.flow
    assert [r.chosen for r in v.results("flow")] == [True, False]
    assert v.results("flow")[0].parameters["method"] == "farneback"
    assert new.key == v.results("flow")[0].key != old.key
    assert (new[:] != was).any()
    np.testing.assert_array_equal(old[:], was)  # what is at hand stays what it is
    np.testing.assert_array_equal(v.choose(v.results("flow")[1]).flow[:], was)
    np.testing.assert_array_equal(v.choose(old.key[:10]).flow[:], was)
    for given, key in ((manifest, new.key), (root / "data_manifest.yaml", old.key)):
        chosen = ttprep.open(root / "ttprep-store", manifest=given)["match2.mp4"]
        assert chosen.flow.key == key
    with pytest.raises(ttprep.MissingResult, match=r"roi is not computed with the manifest's .* \(1 with"):
        _ = ttprep.open(root / "ttprep-store", manifest=manifest)["match2.mp4"].roi
    with pytest.raises(ttprep.MissingResult, match="no results with the key 'ffff'"):
        v.choose("ffff")
    gone = v.choose(old.key)
    v.results("flow")[1].path.with_suffix(".json").unlink()
    with pytest.raises(ttprep.MissingResult, match="no longer there"):
        _ = gone.flow


def test_stages_that_do_not_exist(store: ttprep.Store) -> None:
    v = store["match1.mp4"]
    with pytest.raises(ttprep.MissingResult, match="there is no stage 'flw'; the stages are frames"):
        v.array("flw", "flow")
    with pytest.raises(ttprep.MissingResult, match="flow holds no array 'x'; it holds clipped, flow"):
        v.array("flow", "x")
    with pytest.raises(ttprep.BadRequest, match="no table of 'flow'"):
        v.table("flow")
    rows = v.array("cuboids", "rgb")
    assert rows[3:5].shape == (2, 76, 76, 3)
    with pytest.raises(ttprep.BadIndex, match="rows of samples"):
        rows["1s":"2s"]
    with pytest.raises(ttprep.BadRequest, match="open_dataset"):
        v.to_xarray("cuboids")
