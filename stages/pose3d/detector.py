"""BlazePose's detector: people in a picture, each as the hips and the circle around the body.

A single-shot detector of 2254 anchors; what is published with it (MediaPipe's graph ``pose_detection_cpu``)
is followed: letterbox of 224×224 in [-1, 1], anchors of five layers, scores clipped at ±100, weighted
non-maximum suppression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.pose3d.rects import Rect, around, cut, squared
from stages.pose3d.runtime import Network

Array = NDArray[Any]

SIDE = 224
STRIDES = (8, 16, 32, 32, 32)
#: keypoints of a detection: hips, circle around the body; shoulders, circle around the upper body
HIPS, CIRCLE, SHOULDERS = 0, 1, 2
N_KEYPOINTS = 4
LEAST_SCORE = 0.5
#: overlap (intersection over union) from which two detections are of one person
LEAST_OVERLAP = 0.3
_MOST_LOGIT = 100.0


@dataclass(frozen=True)
class Detections:
    """The P people found, best first.

    Attributes
    ----------
    scores : (P,) float64
        In [0.5, 1].
    keypoints : (P, 4, 2) float64
        px of the picture.
    """

    scores: Array
    keypoints: Array

    def rect(self, person: int) -> Rect:
        """Return the square around one of them."""
        return around(self.keypoints[person, HIPS], self.keypoints[person, CIRCLE])


@lru_cache(maxsize=1)
def anchors() -> Array:
    """Return the middles of the anchors, (2254, 2) in shares of the input: two a layer and cell."""
    found = []
    for stride in sorted(set(STRIDES)):
        cells = -(-SIDE // stride)
        y, x = np.mgrid[:cells, :cells]
        grid = (np.stack([x, y], -1).reshape(-1, 2) + 0.5) / cells
        # layers of one stride are interleaved, one anchor of each a cell
        found.append(np.repeat(grid, STRIDES.count(stride), axis=0))
    # each layer has an anchor of its own scale and one between it and the next
    return np.concatenate([np.repeat(grid, 2, axis=0) for grid in found])


def decode(raw: Array, logits: Array) -> tuple[Array, Array, Array]:
    """Turn the network's numbers into boxes, keypoints and scores of all who reach :data:`LEAST_SCORE`.

    Parameters
    ----------
    raw : (2254, 12) float32
        Box (x, y, width, height), then four keypoints, relative to the anchors, px of the input.
    logits : (2254,) float32

    Returns
    -------
    boxes : (P, 4) float64
        Left, top, right, bottom in shares of the input.
    keypoints : (P, 4, 2) float64
        Likewise.
    scores : (P,) float64
    """
    clipped = np.clip(logits.astype(np.float64), -_MOST_LOGIT, _MOST_LOGIT)
    scores = 1 / (1 + np.exp(-clipped))
    kept = np.flatnonzero(scores >= LEAST_SCORE)
    numbers, middles = raw[kept].astype(np.float64) / SIDE, anchors()[kept]
    centre, size = numbers[:, :2] + middles, numbers[:, 2:4]
    keypoints = numbers[:, 4:].reshape(-1, N_KEYPOINTS, 2) + middles[:, None]
    return np.hstack([centre - size / 2, centre + size / 2]), keypoints, scores[kept]


def merged(boxes: Array, keypoints: Array, scores: Array) -> tuple[Array, Array]:
    """Merge what overlaps: the mean of the keypoints, weighted by the scores, and the best score.

    Parameters
    ----------
    boxes : (P, 4)
    keypoints : (P, 4, 2)
    scores : (P,)

    Returns
    -------
    keypoints : (Q, 4, 2), scores : (Q,)
        Best first.
    """
    left = np.argsort(-scores, kind="stable")
    found, best = [], []
    while len(left):
        near = _overlap(boxes[left[0]], boxes[left]) > LEAST_OVERLAP
        near[0] = True  # a box without an area overlaps with nothing, itself included
        same = left[near]
        found.append(np.average(keypoints[same], axis=0, weights=scores[same]))
        best.append(scores[left[0]])
        left = left[~near]
    return np.array(found).reshape(-1, N_KEYPOINTS, 2), np.array(best)


def _overlap(box: Array, others: Array) -> Array:
    inner = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    both = np.clip(inner, 0, None).prod(axis=1)
    area = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - both
    return np.asarray(both / np.maximum(area, 1e-12))


class Detector:
    """BlazePose's detector, loaded. One thread; use one a process.

    Parameters
    ----------
    path : Path
        ``pose_detection.tflite``.
    """

    def __init__(self, path: Path) -> None:
        self._network = Network(path, (1, SIDE, SIDE, 3), {"raw": (1, 2254, 12), "logits": (1, 2254, 1)})

    def detect(self, rgb: Array, window: Rect | None = None) -> Detections:
        """Find the people.

        Parameters
        ----------
        rgb : (H, W, 3) uint8
        window : Rect, optional
            A square of the picture to look into; default: all of it.

        Returns
        -------
        Detections
        """
        window = window or squared(rgb.shape[1], rgb.shape[0])
        picture = cut(rgb, window, SIDE, black=True).astype(np.float32) * np.float32(2 / 255) - np.float32(1)
        out = self._network.run(picture[None])
        keypoints, scores = merged(*decode(out["raw"][0], out["logits"][0, :, 0]))
        return Detections(scores, window.to_picture(keypoints))
