"""A demo store of two real little videos, made once; nothing may write into it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import ttprep
from pipeline.inputs.manifest import Manifest
from pipeline.planning.request import Request, Where
from pipeline.run import run
from tests.conftest import encode, scene
from tests.support.projects import QUIET

#: name → frames; 120 per second
VIDEOS = {"match1.mp4": 60, "match2.mp4": 40}


def write_videos(folder: Path) -> Path:
    """Write the two videos."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, n) in enumerate(VIDEOS.items()):
        encode(folder / name, scene(n, seed=seed), fps=120, options={"preset": "ultrafast"})
    return folder


def manifest_of(root: Path, **changes: object) -> Manifest:
    """RGB and a flow that costs little; no dataset."""
    values: dict[str, object] = {
        "modalities": ("rgb", "flow"),
        "dataset": None,
        "stages": {"flow": {"method": "dis"}},
        "folder": root,
    }
    return Manifest(**{**values, **changes})


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``videos/`` and ``ttprep-store/``; frames, foreground, flow, ROI and statistics."""
    root = tmp_path_factory.mktemp("demo")
    videos = write_videos(root / "videos")
    request = Request(manifest_of(root), root / "ttprep-store", (videos,), where=Where(workers=0))
    result = run(request, QUIET)
    assert result.code == 0, [j.reason for j in result.jobs]
    return root


@pytest.fixture
def store(demo: Path) -> Iterator[ttprep.Store]:
    """The demo store, opened."""
    opened = ttprep.open(demo / "ttprep-store")
    with contextlib.closing(opened):
        yield opened
