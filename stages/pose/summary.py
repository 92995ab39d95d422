"""What the poses of one video look like in a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def summarise(
    joints: NDArray[np.float32], found: NDArray[np.uint8], n_poses: NDArray[np.uint8], fps: float
) -> dict[str, Any]:
    """Summarise the descriptor of one video.

    Parameters
    ----------
    joints : (n, 14, 3) float32
        ``descriptor.joints``: x px, y px, score.
    found : (n,) uint8
        ``descriptor.found``: with a focus, people may be in the frame and none of them the player.
    n_poses : (n,) uint8
        ``descriptor.n_poses``.
    fps : float
        Frames a second.

    Returns
    -------
    dict
        ``frames``; ``found`` share of frames with a pose, ``several`` with more than one, both nan
        without frames; ``pose_score`` and ``joint_score``: 5th, 50th and 95th percentile over the
        frames with a pose; ``jitter_px`` and ``jitter_px_s2``: median over joints and frames of the
        second difference |p(t-1) - 2p(t) + p(t+1)|, in px and as acceleration in px/s², over runs of
        three frames with a pose (a steady movement has none); ``jump_px``: 95th percentile of the
        chosen person's displacement between neighbouring frames. Without such frames nan.
    """
    seen = found > 0
    points = joints[:, 1:, :2].astype(np.float64)
    triples = seen[:-2] & seen[1:-1] & seen[2:]
    bends = np.linalg.norm(points[:-2] - 2 * points[1:-1] + points[2:], axis=2)[triples]
    steps = np.linalg.norm(np.diff(joints[:, 0, :2].astype(np.float64), axis=0), axis=1)
    steps = steps[seen[:-1] & seen[1:]]
    jitter = float(np.median(bends)) if bends.size else float("nan")
    return {
        "frames": len(seen),
        "found": float(seen.mean()) if len(seen) else float("nan"),
        "several": float((n_poses > 1).mean()) if len(seen) else float("nan"),
        "pose_score": _percentiles(joints[seen, 0, 2]),
        "joint_score": _percentiles(joints[seen, 1:, 2]),
        "jitter_px": jitter,
        "jitter_px_s2": jitter * fps**2,
        "jump_px": float(np.percentile(steps, 95)) if steps.size else float("nan"),
    }


def _percentiles(values: NDArray[np.float32]) -> dict[str, float]:
    names = ("p5", "p50", "p95")
    if not values.size:
        return dict.fromkeys(names, float("nan"))
    return dict(zip(names, map(float, np.percentile(values, (5, 50, 95))), strict=True))
