"""People who are drawn as joints: where they walk, and when they are seen, is chosen by the test."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.base import VideoInfo
from stages.contract import run_whole
from stages.registry import registry

Arrays = dict[str, NDArray[Any]]

WIDTH, HEIGHT = 320, 180
#: joints of somebody 60 px high, about the mean of the first 13, as PoseNet orders them
BODY = np.array(
    [
        [0, -20], [-2, -22], [2, -22], [-4, -21], [4, -21], [-7, -12], [7, -12], [-10, -2], [10, -2],
        [-10, 8], [10, 8], [-5, 10], [5, 10], [-5, 24], [5, 24], [-5, 38], [5, 38],
    ],
    float,
)  # fmt: skip
BODY -= BODY[:13].mean(axis=0)
MIRRORED = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]


def info_of(n: int, fps: float) -> VideoInfo:
    return VideoInfo(n, Fraction(fps).limit_denominator(1001), WIDTH, HEIGHT)


def detections(
    places: NDArray[np.float64],
    seen: NDArray[np.bool_] | None = None,
    scale: NDArray[np.float64] | None = None,
    order: np.random.Generator | None = None,
) -> tuple[Arrays, NDArray[np.int64]]:
    """The pose stage's arrays for people at places (n, people, 2), and who is in which row (n, 10), or -1."""
    n, people = places.shape[:2]
    seen = np.ones((n, people), bool) if seen is None else seen
    scale = np.ones(people) if scale is None else scale
    keypoints, who = np.zeros((n, 10, 17, 2), np.float32), np.full((n, 10), -1)
    for t in range(n):
        here = np.flatnonzero(seen[t])
        if order is not None:
            here = order.permutation(here)
        for k, person in enumerate(here):
            keypoints[t, k], who[t, k] = places[t, person] + scale[person] * BODY, person
    scores = np.where(who >= 0, 0.8, 0).astype(np.float32)
    return {
        "pose.n_poses": seen.sum(axis=1).astype(np.uint8),
        "pose.pose_scores": scores,
        "pose.keypoint_scores": np.repeat(scores[..., None], 17, axis=2),
        "pose.keypoints": keypoints,
    }, who


def mirrored(data: Arrays) -> Arrays:
    """The same seen in a mirror."""
    out = dict(data)
    there = np.arange(10) < data["pose.n_poses"][:, None]
    points = data["pose.keypoints"][:, :, MIRRORED].copy()
    points[..., 0] = WIDTH - 1 - points[..., 0]
    out["pose.keypoints"] = points * there[..., None, None]
    out["pose.keypoint_scores"] = data["pose.keypoint_scores"][:, :, MIRRORED]
    if "flow.flow" in data:
        out["flow.flow"] = data["flow.flow"][:, :, ::-1] * np.array([-1, 1], np.int16)
    return out


def run(stage: str, data: Arrays, fps: float, **params: Any) -> Arrays:
    """Run a stage on the data and add to it what it gives."""
    found = registry()[stage]
    values = found.params.model_validate(params)
    made = run_whole(found, values, info_of(len(data["pose.n_poses"]), fps), data)
    return data | {f"{stage}.{name}": array for name, array in made.items()}
