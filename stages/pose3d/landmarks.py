"""BlazePose's landmark network: 33 points of the person in a turned square, in the picture and in metres.

Bazarevsky et al. 2020 (arXiv:2006.10204); the points in metres are those of BlazePose GHUM (Grishchenko et
al. 2022, arXiv:2206.11678). Steps and constants are those of MediaPipe's graph ``pose_landmark_by_roi_cpu``:
256×256 in [0, 1], coordinates refined in the heat map, visibility and presence through a sigmoid.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.pose3d.rects import Rect, around, cut
from stages.pose3d.runtime import Network

Array = NDArray[Any]

SIDE = 256
#: of the network: 33 points of the body, the hips and the circle around the body, four that nothing reads
N_POINTS, N_BODY = 39, 33
HIPS, CIRCLE = 33, 34
#: least score of the network that there is somebody
LEAST_SCORE = 0.5
#: half of the square of the heat map in which a point is refined, cells; the text of the graph says 3,
#: but what MediaPipe 0.10 runs is 4, the default of the step
_REACH = 4
#: least confidence of the heat map from which it counts
_LEAST_HEAT = 0.5


@dataclass(frozen=True)
class Landmarks:
    """Who is in a square.

    Attributes
    ----------
    score : float
        That there is somebody, in [0, 1]; below :data:`LEAST_SCORE` MediaPipe drops the rest.
    points : (33, 2) float64
        px of the picture.
    metres : (33, 3) float64
        x right, y down, z away from the camera, m; the origin lies between the hips, roughly.
    visibility, presence : (33,) float64
        That a point is in the picture and not hidden; that it is in the picture.
    around : Rect
        The square around this person, for another look.
    """

    score: float
    points: Array
    metres: Array
    visibility: Array
    presence: Array
    around: Rect


def refined(points: Array, heat: Array) -> Array:
    """Move points to the middle of the heat near them, where it is sure enough.

    Parameters
    ----------
    points : (39, 2) float64
        Shares of the input.
    heat : (h, w, 39) float32
        Logits, one map a point.

    Returns
    -------
    (39, 2) float64
    """
    out = points.copy()
    h, w = heat.shape[:2]
    for i, (x, y) in enumerate(points):
        column, row = int(x * w), int(y * h)  # towards zero, as the published code does
        if not (0 <= column < w and 0 <= row < h):
            continue
        columns = np.arange(max(0, column - _REACH), min(w, column + _REACH + 1))
        rows = np.arange(max(0, row - _REACH), min(h, row + _REACH + 1))
        near = 1 / (1 + np.exp(-heat[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, i].astype(float)))
        if near.max() >= _LEAST_HEAT:
            total = near.sum()
            out[i] = (near.sum(0) @ columns / w / total, near.sum(1) @ rows / h / total)
    return out


class LandmarkNetwork:
    """The landmark network, loaded. One thread; use one a process.

    Parameters
    ----------
    path : Path
        ``pose_landmark_lite.tflite``, ``…_full`` or ``…_heavy``.
    """

    def __init__(self, path: Path) -> None:
        shapes = {
            "points": (1, 5 * N_POINTS),
            "score": (1, 1),
            "heat": (1, SIDE // 4, SIDE // 4, N_POINTS),
            "metres": (1, 3 * N_POINTS),
        }
        self._network = Network(path, (1, SIDE, SIDE, 3), shapes)

    def find(self, rgb: Array, rect: Rect) -> Landmarks:
        """Find the points of the person in a turned square.

        Parameters
        ----------
        rgb : (H, W, 3) uint8
        rect : Rect

        Returns
        -------
        Landmarks
        """
        picture = cut(rgb, rect, SIDE, black=False).astype(np.float32) * np.float32(1 / 255)
        out = self._network.run(picture[None])
        points = out["points"].reshape(N_POINTS, 5).astype(np.float64)
        places = rect.to_picture(refined(points[:, :2] / SIDE, out["heat"][0]))
        metres = out["metres"].reshape(N_POINTS, 3)[:N_BODY].astype(np.float64)
        c, s = np.cos(rect.rotation), np.sin(rect.rotation)
        metres[:, :2] = metres[:, :2] @ np.array([[c, s], [-s, c]])
        sure = 1 / (1 + np.exp(-points[:N_BODY, 3:]))
        return Landmarks(
            float(out["score"][0, 0]),
            places[:N_BODY],
            metres,
            sure[:, 0],
            sure[:, 1],
            around(places[HIPS], places[CIRCLE]),
        )
