"""The command line never removes or empties a file that is the user's, wherever the store lies."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

from pipeline.errors import NO_STORE, OK, SOME_FAILED
from tests.store.results import snapshot
from tests.support.command_line import as_json, stage_files, ttprep, write_clip

FRAMES = ("--store", "store", "--stage", "frames")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with one clip and a finished store."""
    write_clip(tmp_path / "videos" / "day1" / "a.mp4", 6)
    (tmp_path / "videos" / "day1" / "notes.txt").write_text("notes")
    assert ttprep("run", *FRAMES, "videos", cwd=tmp_path).returncode == OK
    return tmp_path


def test_the_project_folder_is_not_taken_for_a_store(folder: Path) -> None:
    shutil.rmtree(folder / "store")
    before = snapshot(folder / "videos")
    done = ttprep("run", "--store", ".", "--stage", "frames", "videos", cwd=folder)
    assert done.returncode == NO_STORE
    assert "is not a ttprep store and not empty (it holds videos/day1)" in done.stderr
    assert "give a new or empty folder with --store" in done.stderr
    assert ttprep("gc", "--store", ".", "--yes", "videos", cwd=folder).returncode == NO_STORE
    assert snapshot(folder / "videos") == before
    assert [p.name for p in folder.iterdir()] == ["videos"]
    # what the message says
    assert ttprep("run", "--store", "new", "--stage", "frames", "videos", cwd=folder).returncode == OK


def test_gc_names_what_is_not_its_own_and_leaves_it(folder: Path) -> None:
    (folder / "home").mkdir()
    (folder / "home" / "thesis.tex").write_text("thesis")
    store = folder / "store"
    (next((store / "videos").iterdir()) / "parts").mkdir(exist_ok=True)
    (store / "videos" / "0000000000000000").symlink_to(folder / "home")
    (store / "videos" / "a.mp4").write_bytes(b"video")
    (store / "r\u00e9sum\u00e9.txt").write_text("mine")
    before, files = snapshot(folder / "home", store / "videos" / "a.mp4"), stage_files(store)
    listed = as_json(ttprep("gc", *FRAMES, "--dry-run", "--json", "videos", cwd=folder))
    assert listed["foreign"] == ["r\u00e9sum\u00e9.txt", "videos/0000000000000000", "videos/a.mp4"]
    (folder / "data_manifest.yaml").write_text("version: 1\nstages:\n  frames: {width: 64, height: 36}\n")
    done = ttprep("gc", *FRAMES, "--yes", "videos", cwd=folder)
    assert done.returncode == OK
    assert (
        "3 files or folders in the store are not ttprep's and stay: r\u00e9sum\u00e9.txt, "
        "videos/0000000000000000, videos/a.mp4" in done.stdout
    )
    assert files
    assert stage_files(store) == {}
    assert snapshot(folder / "home", store / "videos" / "a.mp4") == before
    assert (store / "videos" / "0000000000000000").is_symlink()


def test_locks_that_are_links_are_followed_by_nobody(folder: Path) -> None:
    locks, home = folder / "store" / "locks", folder / "home"
    home.mkdir()
    (home / "keep").write_text("keep")
    note = {"kind": "run", "host": socket.gethostname(), "pid": 999_999_999}
    name = f"run-{note['host']}-{note['pid']}-0123abcd.json"
    (home / name).write_text(json.dumps(note))
    (locks / name).symlink_to(home / name)  # a single lock
    before = snapshot(home)
    assert ttprep("run", *FRAMES, "videos", cwd=folder).returncode == OK
    assert ttprep("gc", *FRAMES, "--yes", "videos", cwd=folder).returncode == OK
    assert (locks / name).is_symlink()
    assert snapshot(home) == before
    shutil.rmtree(locks)
    locks.symlink_to(home)  # all of them
    for command in ("run", "gc"):
        done = ttprep(command, *FRAMES, "videos", cwd=folder)
        assert done.returncode not in (OK, SOME_FAILED)
        assert "locks: is a link" in done.stderr
    assert snapshot(home) == before


def test_a_result_that_is_a_link_is_made_anew_and_its_target_stays(folder: Path) -> None:
    (result,) = (folder / "store" / "videos").glob("*/frames-*.h5")
    files, victim = stage_files(folder / "store"), folder / "victim"
    victim.write_bytes(b"mine")
    result.unlink()
    result.symlink_to(victim)
    assert ttprep("run", *FRAMES, "videos", cwd=folder).returncode == OK
    assert not result.is_symlink()
    assert stage_files(folder / "store") == files
    assert victim.read_bytes() == b"mine"


def test_a_file_in_the_place_of_a_result_fails_that_video_alone(folder: Path) -> None:
    (result,) = (folder / "store" / "videos").glob("*/frames-*.h5")
    result.with_suffix(".json").unlink()
    result.write_bytes(b"mine")
    write_clip(folder / "videos" / "b.mp4", 6, seed=1)
    done = ttprep("run", *FRAMES, "videos", cwd=folder)
    assert done.returncode == SOME_FAILED
    assert f"{result}: was not made by ttprep and is not replaced; move it out of the store" in done.stdout
    assert result.read_bytes() == b"mine"
    done_names = {p.parent for p in (folder / "store" / "videos").glob("*/frames-????????????????.json")}
    assert len(done_names - {result.parent}) == 1
    assert not result.with_suffix(".json").exists()
    result.rename(folder / "elsewhere")  # what the message says
    assert ttprep("run", *FRAMES, "videos", cwd=folder).returncode == OK
