"""From BlazePose's 33 points to the 13 joints of the descriptor, and from its axes to ours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.descriptor import JOINTS

Array = NDArray[Any]

#: BlazePose's points in the order of the 13 joints
POINTS = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24)
#: rows of the hips among the 13
HIPS = (JOINTS.index("left_hip"), JOINTS.index("right_hip"))
#: from x right, y down, z away from the camera to x right, y up, z towards the camera
TO_OURS = np.array([1.0, -1.0, -1.0])


def of_hips(points: Array) -> Array:
    """Return the middle of the hips of joints (…, 13, k): (…, 1, k)."""
    return np.asarray(points[..., list(HIPS), :].mean(axis=-2, keepdims=True))


def joints_of(metres: Array) -> Array:
    """Return the 13 joints of BlazePose's points in metres.

    Parameters
    ----------
    metres : (33, 3) float
        x right, y down, z away from the camera.

    Returns
    -------
    (13, 3) float64
        x right, y up, z towards the camera, relative to the middle of the hips.
    """
    joints = metres[list(POINTS)] * TO_OURS
    return np.asarray(joints - of_hips(joints))
