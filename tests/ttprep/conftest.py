"""A demo project, made once: two little videos, labels, manifest, store, dataset; nothing may change it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import ttprep
from pipeline.inputs.manifest import Manifest, read_manifest
from pipeline.planning.request import Request, Where
from pipeline.run import run
from tests.conftest import encode, scene
from tests.support.pose import write_checkpoint
from tests.support.projects import QUIET, export_here, write_actions

#: name → frames; 10 per second
VIDEOS = {"match1.mp4": 145, "match2.mp4": 30}
SIZE = (160, 90)
MANIFEST: dict[str, Any] = {
    "videos": ["videos"],
    "annotations": ["labels"],
    "dataset": None,
    "pose_weights": "weights",
    "untrimmed": True,
    "cleaning": {"min_seconds": 0.2, "max_seconds": 10, "negatives": {"min_actions": 99}},
    "stages": {
        "frames": {"width": SIZE[0], "height": SIZE[1]},
        "flow": {"method": "dis"},
        "pose": {"model": "0.50", "scale": 0.5},
        "roi": {"crop_width": 48, "crop_height": 48},
        "cuboids": {"crop_width": 48, "crop_height": 48, "length": 4},
        "untrimmed": {"crop_width": 48, "crop_height": 48},
    },
}


def write_project(root: Path, **changes: Any) -> Manifest:
    """Write videos, labels, weights and the manifest."""
    (root / "videos").mkdir(parents=True)
    for seed, (name, n) in enumerate(VIDEOS.items()):
        encode(root / "videos" / name, scene(n, SIZE, seed), fps=10, options={"preset": "ultrafast"})
    actions = [(t, t + 5, "Offensive Forehand Hit") for t in range(2, 135, 7)]
    write_actions(root / "labels" / "match1.xml", actions)
    write_checkpoint(root / "weights", "0.50")
    (root / "data_manifest.yaml").write_text(yaml.safe_dump({**MANIFEST, **changes}))
    return read_manifest(root / "data_manifest.yaml")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``videos/``, ``labels/``, ``data_manifest.yaml``, ``ttprep-store/`` and ``d.h5``."""
    root = tmp_path_factory.mktemp("demo")
    manifest = write_project(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        result = run(Request(manifest, root / "ttprep-store", where=Where(workers=0)), QUIET)
        assert result.code == 0, [j.reason for j in result.jobs]
        export_here(manifest, root / "d.h5")
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep PoseNet's converted weights out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def store(demo: Path) -> Iterator[ttprep.Store]:
    """The demo store, opened."""
    opened = ttprep.open(demo / "ttprep-store")
    with contextlib.closing(opened):
        yield opened
