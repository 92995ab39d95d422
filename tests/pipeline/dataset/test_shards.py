"""A dataset in shards: the values of the single file, one shard for one change, nothing made up."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

from pipeline.dataset.pixels.pieces import MOST, Piece, divided, mark_of, shard_bytes
from pipeline.dataset.pixels.shard_files import folder_of, shards_of
from pipeline.dataset.receipt import look_at
from pipeline.dataset.verify import verify_datasets
from pipeline.errors import UserError
from pipeline.inputs.manifest import Manifest
from tests.support import ROOT
from tests.support.projects import export_here, run_here, write_actions

#: MB; a shard then holds two or three of the tiny samples
SIZE = 0.2


def values(path: Path) -> dict[str, Any]:
    """Everything in a dataset file, read through plain h5py, except what names its form."""
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if name.partition("/")[0] == "shards":
            return
        if isinstance(item, h5py.Dataset):
            found[name] = (item.dtype.str, item.shape, item[()].tobytes())
        for key, value in item.attrs.items():
            found[f"{name}@{key}"] = np.asarray(value).tolist()

    with h5py.File(path) as file:
        file.visititems(visit)
        left = ("fingerprint", "shards", "sealed", "complete")
        found |= {k: np.asarray(v).tolist() for k, v in file.attrs.items() if k not in left}
    return found


def names(path: Path) -> set[str]:
    return {s.name for s in shards_of(path)[1]}


@pytest.fixture(scope="module")
def sharded(made: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharded")
    export_here(made, folder / "s.h5", shards=SIZE)
    return folder


@pytest.fixture
def here(sharded: Path, tmp_path: Path) -> Path:
    shutil.copytree(sharded, tmp_path / "set", copy_function=shutil.copy2)
    return tmp_path / "set" / "s.h5"


@pytest.mark.parametrize("compact", [False, True])
def test_plain_h5py_reads_what_the_single_file_holds(made: Manifest, tmp_path: Path, compact: bool) -> None:
    single, path = tmp_path / "one.h5", tmp_path / "s.h5"
    export_here(made, single, compact=compact)
    done = export_here(made, path, compact=compact, shards=SIZE)
    assert done.shards == done.written == len(names(path)) > 3
    assert values(path) == values(single)
    assert path.stat().st_size < single.stat().st_size
    with h5py.File(path) as file:
        assert file["cuboids/rgb"].is_virtual
        assert not file["cuboids/roi"].is_virtual
        assert file.attrs["shards"] == "s.shards"
    assert not export_here(made, path, compact=compact, shards=SIZE).made


def test_the_pair_is_moved_together(here: Path, sharded: Path) -> None:
    """Names are relative; the shards of a copy are found beside it, and by a link to it."""
    (here.parent / "s.h5").rename(here.parent / "other name.h5")
    link = here.parent.parent / "link.h5"
    link.symlink_to(here.parent / "other name.h5")
    assert values(link) == values(here.parent / "other name.h5") == values(sharded / "s.h5")
    assert look_at(here.parent / "other name.h5", read_data=True).problem == ""


def test_one_more_annotation_writes_one_shard(copied: Manifest) -> None:
    path = copied.folder / "d.h5"
    export_here(copied, path, shards=SIZE)
    before = {p.name: p.stat().st_ino for p in folder_of(path).iterdir()}
    old = names(path)
    write_actions(copied.folder / "annotations" / "none.xml", [(3, 20, "Up")])
    run_here(copied)
    done = export_here(copied, path, shards=SIZE)
    assert done.written <= 2  # the sample's own, and the one it is cut from or joined with
    assert len(names(path) - old) == done.written
    there = {p.name: p.stat().st_ino for p in folder_of(path).iterdir()}
    assert before.items() <= there.items()  # old readers keep theirs
    assert old <= set(before)


def test_labels_and_splits_move_no_shard(copied: Manifest) -> None:
    path = copied.folder / "d.h5"
    export_here(copied, path, shards=SIZE)
    write_actions(copied.folder / "annotations" / "short.xml", [(1, 10, "Up")])
    run_here(copied)
    done = export_here(copied, path, shards=SIZE)
    assert (done.made, done.written) == (True, 0)


def test_an_old_reader_is_not_disturbed(copied: Manifest) -> None:
    path = copied.folder / "d.h5"
    export_here(copied, path, shards=SIZE)
    before = values(path)
    with h5py.File(path) as old:
        write_actions(copied.folder / "annotations" / "none.xml", [(3, 20, "Up"), (21, 28, "Up")])
        write_actions(copied.folder / "annotations" / "short.xml", [])
        run_here(copied)
        assert export_here(copied, path, shards=SIZE).made
        assert old["cuboids/rgb"][()].tobytes() == before["cuboids/rgb"][2]
    assert values(path) != before


def test_from_one_file_to_shards_and_back(copied: Manifest, made: Manifest, tmp_path: Path) -> None:
    path = copied.folder / "d.h5"
    export_here(copied, path)
    before = values(path)
    done = export_here(copied, path, shards="auto")
    assert done.shards == len(names(path)) <= 3  # a small set: cuboids and whole videos
    assert values(path) == before
    assert export_here(copied, path).shards == 0
    assert values(path) == before
    assert len(list(folder_of(path).iterdir())) == done.shards  # until `ttprep gc`


def test_a_name_with_a_placeholder_of_hdf5(made: Manifest, sharded: Path, tmp_path: Path) -> None:
    path = tmp_path / "50%b of %%.h5"
    export_here(made, path, shards=SIZE)
    assert values(path) == values(sharded / "s.h5")


def test_the_check_of_the_documents_finds_a_missing_shard(here: Path) -> None:
    text = (ROOT / "docs" / "dataset-format.md").read_text(encoding="utf-8")
    (snippet,) = (s for s in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "assert" in s)
    with h5py.File(here) as f:
        exec(snippet, {"f": f})
        (folder_of(here) / min(names(here))).unlink()
        with pytest.raises(FileNotFoundError):
            exec(snippet, {"f": f})


# -- damage --------------------------------------------------------------------------------------


def spoil(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
        return
    if how == "short":
        del data[-1000:]
    else:
        at = {"head": 200, "pixel": len(data) // 2, "seal": len(data) - 60}[how]
        data[at] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["missing", "short", "head", "pixel", "seal"])
def test_a_damaged_shard_is_found_and_written_anew_alone(made: Manifest, here: Path, how: str) -> None:
    right = values(here)
    shard = folder_of(here) / sorted(names(here))[1]
    whole = shard.read_bytes()
    inodes = {p.name: p.stat().st_ino for p in folder_of(here).iterdir()}
    spoil(shard, how)
    state = look_at(here, read_data=False)  # its time of modification is another
    assert f"its shard s.shards/{shard.name}" in state.problem
    (bad,) = [f for f in verify_datasets([here], read_data=True) if f.problem]
    assert bad.path == here
    done = export_here(made, here, shards=SIZE)
    assert (done.made, done.written) == (True, 1)
    assert "was damaged" in str(done)
    assert shard.read_bytes() == whole
    assert values(here) == right
    same = {p.name: p.stat().st_ino for p in folder_of(here).iterdir() if p.name != shard.name}
    assert same.items() <= inodes.items()
    assert [f.problem for f in verify_datasets([here], read_data=True) if f.problem] == []


def test_a_shard_under_the_name_of_another_is_found(here: Path) -> None:
    first, second = (folder_of(here) / name for name in sorted(names(here))[:2])
    shutil.copy2(first, second)
    assert second.name in look_at(here, read_data=True).problem


def test_a_missing_shard_shows_in_what_plain_h5py_reads(here: Path) -> None:
    shutil.rmtree(folder_of(here))
    with h5py.File(here) as file:
        assert (file["cuboids/rgb"][:4] == 255).all()
        assert (file["cuboids/flow"][:4] == -32768).all()


def test_a_file_where_the_folder_should_be_is_named(made: Manifest, tmp_path: Path) -> None:
    (tmp_path / "d.shards").write_text("mine")
    with pytest.raises(UserError, match=r"d\.shards: is no folder"):
        export_here(made, tmp_path / "d.h5", shards="auto")
    assert export_here(made, tmp_path / "d.h5").made  # one file needs none


# -- grouping --------------------------------------------------------------------------------


def pieces(count: int, rows: int = 100) -> list[Piece]:
    return [Piece(None, 0, rows, rows, mark_of("x", i)) for i in range(count)]  # type: ignore[arg-type]


def held(found: Iterator[list[Piece]]) -> list[frozenset[str]]:
    return [frozenset(p.mark for p in shard) for shard in found]


def test_a_piece_more_or_less_touches_its_own_shard_alone() -> None:
    row, size = 235_000, 60e6
    every = pieces(600)
    before = held(divided(every, row, size))
    for i in range(0, 600, 7):
        after = held(divided(every[:i] + every[i + 1 :], row, size))
        assert len(set(after) - set(before)) <= 1
        assert len(set(before) - set(after)) <= 2  # it was the last of one: that is joined with the next


def test_the_number_of_shards_is_bounded_and_grows_without_leaps() -> None:
    counts = {}
    for n in (100, 1000, 4000, 16000):
        size = shard_bytes("auto", "cuboids", n * 100 * 235_000)
        counts[n] = len(held(divided(pieces(n), 235_000, size)))
    assert counts[100] < 100
    assert all(0.8 * MOST["cuboids"] < counts[n] < 1.2 * MOST["cuboids"] for n in (4000, 16000))
    # one sample more of 4000 changes the size of shards, too: one or two follow
    old = held(divided(pieces(4000), 235_000, shard_bytes("auto", "cuboids", 4000 * 100 * 235_000)))
    new = held(divided(pieces(4001), 235_000, shard_bytes("auto", "cuboids", 4001 * 100 * 235_000)))
    assert len(set(new) - set(old)) <= 2


def test_a_long_piece_has_a_shard_of_its_own() -> None:
    assert len(held(divided(pieces(5, rows=1000), 235_000, 32e6))) == 5
