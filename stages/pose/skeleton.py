"""PoseNet's 17 keypoints, the tree that joins them, and the walks through it from every root."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KEYPOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

#: Parent → child; the order is that of the displacement channels.
EDGES = (
    ("nose", "left_eye"),
    ("left_eye", "left_ear"),
    ("nose", "right_eye"),
    ("right_eye", "right_ear"),
    ("nose", "left_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("left_shoulder", "left_hip"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("nose", "right_shoulder"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("right_shoulder", "right_hip"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
)


@dataclass(frozen=True)
class Walks:
    """The breadth-first walk through the tree from each of the 17 possible roots.

    Attributes
    ----------
    edge, source, target : (steps, 17 roots) intp
        The directed edge to follow at each step, 0–15 parent → child and 16–31 child → parent, and the
        keypoints that it joins. A root with fewer steps at some depth repeats one of its earlier ones,
        which finds the same keypoint again.
    depths : tuple of slice
        The steps of each depth; they depend only on those of smaller depths.
    """

    edge: NDArray[np.intp]
    source: NDArray[np.intp]
    target: NDArray[np.intp]
    depths: tuple[slice, ...]


def walks() -> Walks:
    """Tabulate the walks."""
    index = {name: i for i, name in enumerate(KEYPOINTS)}
    directed = [(e, index[a], index[b]) for e, (a, b) in enumerate(EDGES)]
    directed += [(e + len(EDGES), b, a) for e, a, b in directed]
    by_root: list[list[list[tuple[int, int, int]]]] = []  # root → depth → steps
    for root in range(len(KEYPOINTS)):
        reached, frontier = {root}, [root]
        by_root.append([])
        while steps := [d for d in directed if d[1] in frontier and d[2] not in reached]:
            by_root[root].append(steps)
            frontier = [d[2] for d in steps]
            reached.update(frontier)
    rows: list[list[tuple[int, int, int]]] = []
    depths = []
    for depth in range(max(map(len, by_root))):
        steps_of = [root[depth] if depth < len(root) else root[0] for root in by_root]
        width = max(map(len, steps_of))
        depths.append(slice(len(rows), len(rows) + width))
        rows += [[steps[i % len(steps)] for steps in steps_of] for i in range(width)]
    edge, source, target = np.ascontiguousarray(np.array(rows, np.intp).transpose(2, 0, 1))
    return Walks(edge, source, target, tuple(depths))
