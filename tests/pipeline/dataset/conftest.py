"""A processed project of three small videos, and its dataset."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.inputs.manifest import Manifest
from tests.support.projects import export_here, manifest_in, project

#: name → frames
VIDEOS = {"long": 70, "short": 12, "none": 30}
#: name → (begin, end, move)
ACTIONS = {
    "long": [(5, 25, "Up"), (40, 46, "Down"), (45, 69, "Across")],
    "short": [(1, 10, "Down")],
}


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A processed project; tests that change it take a copy."""
    return project(tmp_path_factory.mktemp("made"), VIDEOS, ACTIONS, untrimmed=True)


@pytest.fixture
def copied(made: Manifest, tmp_path: Path) -> Manifest:
    shutil.copytree(made.folder, tmp_path / "project", copy_function=shutil.copy2)
    return manifest_in(tmp_path / "project", untrimmed=True)


@pytest.fixture(scope="package")
def dataset(made: Manifest) -> Path:
    path = made.folder / "set.h5"
    export_here(made, path)
    return path
