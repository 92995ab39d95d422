"""PoseNet's 17 keypoints, the tree that joins them, and the walks through it from every root."""

from __future__ import annotations

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


def walks() -> list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]]:
    """The breadth-first walk through the tree from each of the 17 possible roots.

    Returns
    -------
    list of (edge, source, target)
        One entry a depth, each array (17 roots, widest root): the directed edges to follow, 0–15
        parent → child and 16–31 child → parent, and the keypoints they join. A root with fewer edges
        at that depth repeats one of its earlier ones, which finds the same keypoint again.
    """
    index = {name: i for i, name in enumerate(KEYPOINTS)}
    directed = [(e, index[a], index[b]) for e, (a, b) in enumerate(EDGES)]
    directed += [(e + len(EDGES), b, a) for e, a, b in directed]
    levels: list[list[list[tuple[int, int, int]]]] = []
    for root in range(len(KEYPOINTS)):
        reached, frontier, depth = {root}, [root], 0
        while step := [d for d in directed if d[1] in frontier and d[2] not in reached]:
            if depth == len(levels):
                levels.append([[] for _ in KEYPOINTS])
            levels[depth][root] = step
            frontier = [d[2] for d in step]
            reached.update(frontier)
            depth += 1
    out = []
    for depth, by_root in enumerate(levels):
        width = max(map(len, by_root))
        rows = []
        for root, step in enumerate(by_root):
            known = step or next(levels[d][root] for d in range(depth, -1, -1) if levels[d][root])
            rows.append((step + known * width)[:width])
        table = np.array(rows, np.intp)
        out.append((table[:, :, 0].copy(), table[:, :, 1].copy(), table[:, :, 2].copy()))
    return out
