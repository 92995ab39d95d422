"""Pose on the source's own pictures: same coordinates as on the stored frames, more detail."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from store import FeatureReader
from tests.support.command_line import as_json, ttprep, write_manifest

SHARED = os.environ.get("TTPREP_SHARED")
pytestmark = pytest.mark.skipif(not SHARED, reason="TTPREP_SHARED is not set: no clips, no PoseNet weights")


def best(folder: Path, source: str) -> tuple[np.ndarray, np.ndarray]:
    clip = Path(str(SHARED)) / "videos" / "tt_rally_720p30_progressive.mp4"
    manifest = write_manifest(folder, f"stages: {{pose: {{source: {source}}}}}\n")
    weights = Path(str(SHARED)) / "posenet" / "mobilenet_v1_075"
    done = ttprep(
        "run", "--store", "s", "--manifest", manifest, "--stage", "pose", "--pose-weights", weights, clip,
        "--workers", "1", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    plan = as_json(
        ttprep("plan", "--store", "s", "--manifest", manifest, "--stage", "pose", "--pose-weights", weights,
               "--json", clip, cwd=folder)
    )  # fmt: skip
    assert not plan["to_do"]
    newest = max((folder / "s" / "videos").glob("*/pose-*.h5"), key=lambda p: p.stat().st_mtime_ns)
    with FeatureReader(newest) as reader:
        return reader.read("pose_scores")[:, 0], reader.read("keypoints")[:, 0]


def test_coordinates_agree_and_scores_do_not_fall(tmp_path: Path) -> None:
    frame_scores, frame_points = best(tmp_path, "frames")
    scores, points = best(tmp_path, "original")
    assert points.shape == frame_points.shape == (95, 17, 2)
    torso = [5, 6, 11, 12]  # shoulders and hips are found alike in both
    apart = np.linalg.norm(points[:, torso] - frame_points[:, torso], axis=2)
    assert np.median(apart) < 1.5
    assert scores.mean() > frame_scores.mean() - 0.01
