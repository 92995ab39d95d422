"""Alarms about annotations: each where it belongs, none about videos that are not asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.inputs.manifest import Manifest
from tests.pipeline.cli.conftest import Ttprep

HEAD = "video,begin,end,label\n"


@pytest.fixture
def folder(made: Manifest, tmp_path: Path) -> Path:
    shutil.copytree(made.folder, tmp_path / "copy")
    (tmp_path / "copy/annotations/b.xml").unlink()
    return tmp_path / "copy"


@pytest.mark.parametrize("command", [("plan",), ("run", "--workers", 0), ("annotations",)])
def test_a_file_without_one_sound_row_fails_each_command(
    folder: Path, ttprep: Ttprep, command: tuple[str, ...]
) -> None:
    (folder / "annotations/b.csv").write_text(f"{HEAD}b.mp4,0.1,1.3,Up\nb.mp4,0.2,1.4,Up\n")
    done = ttprep(*command, folder=folder)
    assert done.exit_code in (1, 3)
    assert "none of its entries (2) can be used" in done.stdout
    assert "'0.1' is no frame number; if the table holds seconds: annotation_options: {csv:" in done.stdout


def test_a_run_on_one_video_is_silent_about_the_others(folder: Path, ttprep: Ttprep) -> None:
    rows = "b.mp4,5,25,Up\nb.mp4,30,20,Up\nc.mp4,30,20,Up\nc.mp4,5,900,Up\nz.mp4,5,25,Up\n"
    (folder / "annotations/all.csv").write_text(HEAD + rows)
    every = ttprep("run", "--workers", 0, folder=folder).stderr
    assert [f"all.csv:{n}:" in every for n in (2, 3, 4, 5, 6)] == [False, True, True, True, True]
    one = ttprep("run", "--workers", 0, "videos/b.mp4", folder=folder).stderr
    assert [f"all.csv:{n}:" in one for n in (3, 5, 6)] == [True, False, False]
    assert "findings on other videos are left out; `ttprep annotations` lists them" in one
    other = ttprep("run", "--workers", 0, f"videos/{'c'}.mp4", folder=folder).stderr
    assert [f"all.csv:{n}:" in other for n in (5, 6)] == [True, False]
