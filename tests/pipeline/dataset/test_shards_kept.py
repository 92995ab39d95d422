"""Shards and time: killed exports, readers of what was replaced, and what `ttprep gc` may remove."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cli.main import main
from pipeline.dataset.pixels.collecting import folders_with_shards, remove_shards, unused_shards
from pipeline.dataset.pixels.shard_files import folder_of
from pipeline.dataset.receipt import look_at, read_receipt
from pipeline.inputs.manifest import Manifest
from tests.pipeline.dataset.conftest import ACTIONS
from tests.pipeline.dataset.test_shards import SIZE, names, values
from tests.support.projects import export_here, manifest_in, run_here, write_actions

Actions = list[tuple[int, int, str]]
#: what else may be known of the videos: strokes more, less, at other places, of other names
CHANGES: list[tuple[str, Actions]] = [
    ("short", []),
    ("short", [(1, 10, "Up")]),
    ("short", [(2, 11, "Down")]),
    ("none", [(3, 20, "Up")]),
    ("none", [(3, 20, "Up"), (21, 28, "Across")]),
    ("none", []),
    ("long", ACTIONS["long"][1:]),
    ("long", [*ACTIONS["long"], (26, 39, "Up")]),
    ("long", [(5, 25, "Down"), (40, 46, "Down"), (45, 69, "Across")]),
    ("long", [(6, 26, "Up")]),
]


@settings(max_examples=2)
@given(st.lists(st.sampled_from(CHANGES), min_size=3, max_size=4))
def test_after_any_changes_shards_show_what_one_file_holds(
    made: Manifest, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, Actions]]
) -> None:
    folder = tmp_path_factory.mktemp("changing") / "project"
    shutil.copytree(made.folder, folder, copy_function=shutil.copy2)
    manifest = manifest_in(folder, untrimmed=True)
    path, single = folder / "d.h5", folder / "single.h5"
    export_here(manifest, path, shards=SIZE)
    for video, actions in changes:
        write_actions(folder / "annotations" / f"{video}.xml", actions)
        run_here(manifest)
        before = names(path)
        done = export_here(manifest, path, shards=SIZE)
        assert done.written <= len(names(path) - before)
        export_here(manifest, single)
        assert values(path) == values(single)
    fresh = folder / "fresh.h5"  # nothing depends on what was there before
    export_here(manifest, fresh, shards=SIZE)
    assert names(fresh) == names(path)
    assert values(fresh) == values(path)


def die_at(moment: int, manifest: Manifest, path: Path) -> bool:
    """Export in a child that is killed before its n-th step that changes names; return whether it was."""
    child = os.fork()
    if child == 0:
        left = iter(range(moment))
        for name in ("replace", "fsync", "unlink"):
            real = getattr(os, name)

            def step(*words: object, real: object = real, **more: object) -> object:
                if next(left, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*words, **more)  # type: ignore[operator]

            setattr(os, name, step)
        try:
            export_here(manifest, path, shards=SIZE)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_killed_at_any_moment_old_or_new(copied: Manifest) -> None:
    path = copied.folder / "d.h5"
    export_here(copied, path, shards=SIZE)
    old = values(path)
    write_actions(copied.folder / "annotations" / "none.xml", [(3, 20, "Up"), (21, 28, "Across")])
    run_here(copied)
    right = copied.folder / "right.h5"
    export_here(copied, right)
    new, states = values(right), []
    start = copied.folder / "start"
    start.mkdir()
    for beside in copied.folder.glob("d.*"):
        copy = shutil.copytree if beside.is_dir() else shutil.copy2
        copy(beside, start / beside.name)
    moment = 0
    while die_at(moment, copied, path):
        found = values(path)
        states.append("old" if found == old else "new" if found == new else "neither")
        if states[-1] == "old":
            assert look_at(path, read_data=True).problem == ""
        # a user exports again, on what the killed one left
        if len(states) % 3 == 2:
            assert export_here(copied, path, shards=SIZE).damaged == ""
            assert values(path) == new
            assert not list(folder_of(path).glob("*.tmp-*"))
        shutil.rmtree(folder_of(path))
        for beside in start.iterdir():
            copy = shutil.copytree if beside.is_dir() else shutil.copy2
            copy(beside, copied.folder / beside.name)
        moment += 3
    assert "neither" not in states
    assert states == sorted(states, key=("old", "new").index)
    assert {"old", "new"} == set(states)


# -- gc --------------------------------------------------------------------------------------


@pytest.fixture
def changed(copied: Manifest) -> Path:
    """A dataset in shards after a change: some are unused."""
    path = copied.folder / "d.h5"
    export_here(copied, path, shards=SIZE)
    write_actions(copied.folder / "annotations" / "short.xml", [(2, 11, "Down")])
    run_here(copied)
    export_here(copied, path, shards=SIZE)
    return path


def unused(path: Path, days: float = 0.0) -> set[str]:
    return {g.path.name for g in unused_shards(folder_of(path), days)}


def test_only_what_no_dataset_lists_is_unused_and_only_after_some_days(changed: Path) -> None:
    there = {p.name for p in folder_of(changed).iterdir()}
    idle = there - names(changed)
    assert idle
    assert unused(changed) == idle
    assert unused(changed, 7) == set()
    receipt = read_receipt(changed)
    assert receipt is not None
    assert set(receipt.unused) == idle
    assert all(time.time() - since < 600 for since in receipt.unused.values())


def test_a_shard_that_is_unused_for_long_goes_whatever_else_is_exported(
    copied: Manifest, changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later exports do not set the time back."""
    idle, now = unused(changed), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 5 * 86400)
    write_actions(copied.folder / "annotations" / "short.xml", [(1, 10, "Up")])  # the first ones are back
    run_here(copied)
    export_here(copied, changed, shards=SIZE)
    back = names(changed)
    monkeypatch.setattr(time, "time", lambda: now + 8 * 86400)
    assert unused(changed, 7) == idle - back
    monkeypatch.setattr(time, "time", lambda: now + 13 * 86400)
    assert unused(changed, 7) == {p.name for p in folder_of(changed).iterdir()} - back


def test_shards_of_copies_and_of_unreadable_datasets_stay(changed: Path) -> None:
    old = changed.with_name("of a colleague.h5")
    shutil.copy2(changed, old)
    assert unused(changed)
    data = bytearray(old.read_bytes())
    data[300] ^= 1
    old.write_bytes(data)
    assert unused(changed) == set()
    old.unlink()
    (folder_of(changed) / "notes.txt").write_text("mine")
    strange = folder_of(changed) / f"{'a' * 16}-{'b' * 16}.h5"
    strange.write_bytes(b"mine too")
    assert strange.name not in unused(changed)
    changed.unlink()  # moved away: its shards are to follow
    assert unused(changed) == set()


def test_gc_removes_them_and_old_readers_had_time(
    changed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(changed.parent)
    monkeypatch.setenv("COLUMNS", "250")
    idle, right = unused(changed), values(changed)
    assert folders_with_shards(None, Path()) == [Path("d.shards")]
    with pytest.raises(SystemExit) as end:
        main(["gc", "--yes"])
    assert end.value.code == 0
    assert idle <= {p.name for p in folder_of(changed).iterdir()}
    with pytest.raises(SystemExit):
        main(["gc", "--yes", "--unused-days", "0"])
    assert "a shard that no dataset lists" in capsys.readouterr().out
    assert {p.name for p in folder_of(changed).iterdir()} == names(changed)
    assert values(changed) == right


def test_what_changed_since_it_was_listed_stays(changed: Path) -> None:
    items = list(unused_shards(folder_of(changed), 0))
    os.utime(items[0].path, (1, 1))
    assert remove_shards(items) == sum(i.size for i in items[1:])
    assert items[0].path.exists()
    with h5py.File(changed) as file:
        assert len(file["cuboids/rgb"][()])
