"""The report's folder: only what a report wrote is replaced or removed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.report.folder import MARK, MARKER, Folder
from tests.pipeline.report.conftest import Project


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_new_and_an_empty_folder_are_taken_and_known_again(tmp_path: Path) -> None:
    nonce = Folder(tmp_path / "a" / "b").nonce
    (tmp_path / "c").mkdir()
    assert Folder(tmp_path / "a" / "b").nonce == nonce != Folder(tmp_path / "c").nonce


@pytest.mark.parametrize("name", ["thesis.pdf", ".hidden", "index.html", "videos"])
def test_a_folder_with_other_things_is_refused_and_left_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(UserError, match="is no report of ttprep; name a new or empty folder"):
        Folder(tmp_path)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("text", ["{}", "no json", json.dumps({"format": "ttprep-report", "nonce": "x' 'y"})])
def test_a_damaged_marker_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MARKER).write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        Folder(tmp_path)
    assert (tmp_path / MARKER).read_text() == text


def test_a_file_or_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="is a file"):
        Folder(tmp_path / "file")
    with pytest.raises(UserError, match="cannot be used"):
        Folder(tmp_path / "file" / "below")


def test_foreign_files_inside_a_report_are_neither_replaced_nor_removed(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "r")
    assert folder.write("videos/0123456789abcdef.html", f"<!-- {MARK} -->")
    assert not folder.write("videos/0123456789abcdef.html", f"<!-- {MARK} -->")
    mine = folder.path / "videos" / "fedcba9876543210.html"
    mine.write_text("mine")
    target = tmp_path / "elsewhere.html"
    target.write_text(f"{MARK}, but of another report")
    link = folder.path / "videos" / "1111111111111111.html"
    link.symlink_to(target)
    for path in (mine, link):
        with pytest.raises(UserError, match="was not made by ttprep and is not replaced"):
            folder.write(f"videos/{path.name}", MARK)
    assert folder.prune(set()) == 1
    assert mine.read_text() == "mine"
    assert link.is_symlink()
    assert target.exists()


def test_nothing_is_written_through_a_link_to_a_folder(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "r")
    (tmp_path / "away").mkdir()
    (folder.path / "videos").symlink_to(tmp_path / "away")
    with pytest.raises(UserError, match="is a link"):
        folder.write("videos/0123456789abcdef.html", MARK)
    assert not any((tmp_path / "away").iterdir())


def test_what_a_killed_report_left_is_swept(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "r")
    folder.write("videos/0123456789abcdef.html", MARK)
    host = os.uname().nodename.replace("-", "_")
    gone = folder.path / "videos" / f"0123456789abcdef.mp4.tmp-{host}-4194304-0123abcd"
    alive = folder.path / "videos" / f"0123456789abcdef.mp4.tmp-{host}-{os.getpid()}-0123abcd"
    gone.touch()
    alive.touch()
    Folder(tmp_path / "r")
    assert not gone.exists()
    assert alive.exists()


def test_the_store_is_only_read(project: Project, tmp_path: Path) -> None:
    def state() -> dict[str, tuple[int, int, bytes]]:
        files = [p for p in sorted(project.request.store_root.rglob("*")) if p.is_file()]
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_ino, p.read_bytes()) for p in files}

    before = state()
    project.report(tmp_path / "r")
    assert state() == before


def test_a_report_inside_the_store_is_refused(project: Project) -> None:
    with pytest.raises(UserError, match="is no report of ttprep"):
        project.report(project.request.store_root)
