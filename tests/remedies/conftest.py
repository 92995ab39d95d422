"""Folders of small videos, in which commands are called."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.projects import write_video


@pytest.fixture(scope="session")
def two_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder ``videos`` of two videos of two seconds, and their parent."""
    folder = tmp_path_factory.mktemp("remedies")
    write_video(folder / "videos" / "clip.mp4", 120, 0, fps=60)
    write_video(folder / "videos" / "other.mp4", 120, 1, fps=60)
    return folder


@pytest.fixture
def here(two_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them that is the working folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(two_videos, tmp_path, dirs_exist_ok=True)
    return tmp_path
