"""Folders of small videos, in which commands are called."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import IO

import h5py
import pytest
from matplotlib.figure import Figure

from tests.support.dataset_writer import write_dataset
from tests.support.projects import export_here, project, write_video
from tests.support.trials_writer import write_trials


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


@pytest.fixture(scope="session")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two videos of 40 frames, run, and its dataset ``d.h5``."""
    folder = tmp_path_factory.mktemp("processed")
    actions = [(n, n + 8, "Up") for n in range(2, 30, 9)]
    made = project(folder, {"clip": 40, "other": 40}, {"clip": actions}, modalities=["rgb"])
    export_here(made, folder / "d.h5")
    return folder


@pytest.fixture
def copied(processed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that is the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copytree(processed, tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    return tmp_path


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets: whole, with few samples, of RGB alone, of trials, one with a class that one split lacks."""
    folder = tmp_path_factory.mktemp("datasets")
    write_dataset(folder / "whole.h5", videos=2, strokes=9)
    write_dataset(folder / "few.h5", videos=1, strokes=3)
    write_dataset(folder / "rgb.h5", videos=2, strokes=9, modalities=("rgb",))
    write_trials(folder / "trials.h5")
    shutil.copy(folder / "whole.h5", folder / "absent.h5")
    with h5py.File(folder / "absent.h5", "a") as file:
        in_test = (file["samples/split"][:] == 2) & (file["samples/label"][:] == 0)
        file["samples/split"][in_test] = 0
    return folder


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Save no figures: drawing takes most of a small training's time, and is tested elsewhere."""

    def no_picture(self: Figure, file: IO[bytes], **_: object) -> None:
        file.write(b"picture")

    patch.setattr(Figure, "savefig", no_picture)


@pytest.fixture
def trainings(datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with links to them, in which no picture is drawn."""
    draw_nothing(monkeypatch)
    for path in datasets.iterdir():
        os.link(path, tmp_path / path.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
