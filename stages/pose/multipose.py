"""Multi-person decoding of PoseNet's output tensors.

Papandreou et al., *PersonLab* (ECCV 2018, arXiv:1803.08225), §3.1–3.2, in the fast greedy form that
PoseNet publishes: every local maximum of a part's heatmap is the root of a candidate, the candidate
follows the displacement vectors through the tree of parts, and candidates are taken in the order of
their root's score unless their root or their parts repeat a person already taken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.pose.skeleton import walks

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_WALKS = walks()
#: Offsets of a 3×3 neighbourhood.
_DY, _DX = (a.reshape(9, 1) for a in np.mgrid[-1:2, -1:2])


def decode(
    heatmap: Floats,
    offset: Floats,
    displacement_fwd: Floats,
    displacement_bwd: Floats,
    *,
    stride: int = 16,
    max_poses: int = 10,
    score_threshold: float = 0.5,
    nms_radius: float = 20.0,
    min_pose_score: float = 0.25,
) -> tuple[Doubles, Doubles, Doubles]:
    """Find the people in the four output tensors of one picture.

    Parameters
    ----------
    heatmap : (17, h, w) float32
        Part scores in [0, 1].
    offset : (34, h, w) float32
        Net pixels from the cell to the part: 17 y, then 17 x.
    displacement_fwd, displacement_bwd : (32, h, w) float32
        Net pixels along the 16 edges of the tree, parent → child and child → parent: 16 y, then 16 x.
    stride : int
        Net pixels a cell.
    max_poses : int
    score_threshold : float
        Least score of a root.
    nms_radius : float
        Net pixels; a root this near the same part of a person already taken is that person, and a
        part this near adds nothing to the pose's score.
    min_pose_score : float
        Poses below it are dropped (0 keeps all, as first published).

    Returns
    -------
    scores : (P,) float64
        Mean over 17 parts of the scores that no earlier pose claims.
    keypoint_scores : (P, 17) float64
    keypoints : (P, 17, 2) float64
        (x, y) in net pixels, in the order in which the poses were taken: by root score.
    """
    part, row, column = local_maxima(heatmap, score_threshold)
    displacement = np.concatenate([d.reshape(2, 16, -1) for d in (displacement_fwd, displacement_bwd)], 1)
    scores, points = _follow(heatmap, offset, displacement, part, row, column, stride)
    taken, pose_scores = _select(scores, points, part, max_poses, nms_radius, min_pose_score)
    return pose_scores, scores[taken], points[::-1, taken].transpose(1, 2, 0)


def local_maxima(
    heatmap: Floats, threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Cells of at least `threshold` that no neighbour in their 3×3 window exceeds.

    Returns
    -------
    part, row, column : (K,) intp
        By falling score; equal scores in the order part, row, column.
    """
    _, height, width = heatmap.shape
    flat = heatmap.ravel()
    (cell,) = np.nonzero(flat >= threshold)
    part, row, column = np.unravel_index(cell, heatmap.shape)
    # at the border the window is clipped, which repeats cells that are in it anyway
    rows = np.minimum(np.maximum(row + _DY, 0), height - 1)
    columns = np.minimum(np.maximum(column + _DX, 0), width - 1)
    value = flat[cell]
    (peak,) = np.nonzero(flat[(part * height + rows) * width + columns].max(axis=0) == value)
    peak = peak[np.argsort(-value[peak], kind="stable")]
    return part[peak], row[peak], column[peak]


def _follow(
    heatmap: Floats,
    offset: Floats,
    displacement: Floats,
    part: NDArray[np.intp],
    row: NDArray[np.intp],
    column: NDArray[np.intp],
    stride: int,
) -> tuple[Doubles, Doubles]:
    """Complete all K candidates at once, one depth of the tree after the other.

    Parameters
    ----------
    heatmap, offset : (17, h, w), (34, h, w) float32
    displacement : (2, 32, h·w) float32
        y and x along the directed edges of `Walks`.
    part, row, column : (K,) intp
        The roots.
    stride : int

    Returns
    -------
    scores : (K, 17) float64
    points : (2, K, 17) float64
        (y, x) in net pixels.
    """
    n, (height, width) = len(part), heatmap.shape[1:]
    cells = height * width
    heat, offset, displacement = heatmap.ravel(), offset.reshape(2, -1), displacement.reshape(2, -1)
    first = 17 * np.arange(n)  # keypoint j of candidate k is at 17·k + j
    source, target = _WALKS.source[:, part] + first, _WALKS.target[:, part] + first
    plane, edge = _WALKS.target[:, part] * cells, _WALKS.edge[:, part] * cells
    limit = np.array([height - 1, width - 1], np.float64)[:, None, None]

    def nearest(point: Doubles) -> Doubles:
        """Rows and columns of the cells nearest to some points, as whole float64 numbers."""
        at = np.rint(point / stride)
        return np.minimum(np.maximum(at, 0, out=at), limit, out=at)

    scores, points = np.empty(17 * n), np.empty((2, 17 * n))
    cell = part * cells + row * width + column
    scores[first + part] = heat[cell]
    points[:, first + part] = np.array([row, column]) * float(stride) + offset[:, cell]
    for depth in _WALKS.depths:
        point = points.take(source[depth], axis=1)
        at = nearest(point)
        point += displacement.take((at[0] * width + at[1]).astype(np.intp) + edge[depth], axis=1)
        at = nearest(point)
        cell = (at[0] * width + at[1]).astype(np.intp) + plane[depth]
        at *= stride
        at += offset.take(cell, axis=1)
        points[:, target[depth]] = at
        scores[target[depth]] = heat.take(cell)
    return scores.reshape(n, 17), points.reshape(2, n, 17)


def _select(
    scores: Doubles,
    points: Doubles,
    part: NDArray[np.intp],
    max_poses: int,
    nms_radius: float,
    min_pose_score: float,
) -> tuple[list[int], Doubles]:
    """Take candidates greedily in their order; returns their indices and pose scores (P,)."""
    each = np.arange(len(part))
    own = scores.copy()  # part scores that no pose taken so far claims
    free = np.ones(len(part), bool)  # roots that no pose taken so far claims
    taken: list[int] = []
    pose_scores: list[float] = []
    while len(taken) < max_poses:
        # what is refused once stays so, because own scores only fall: the first that fits is the next
        means = own.sum(axis=1) / 17
        (fit,) = np.nonzero(free & (means >= min_pose_score))
        if not len(fit):
            break
        best = int(fit[0])
        taken.append(best)
        pose_scores.append(float(means[best]))
        apart = points - points[:, best : best + 1]
        near = np.square(apart, out=apart).sum(axis=0) <= nms_radius**2
        own[near] = 0.0
        free &= ~near[each, part]
    return taken, np.array(pose_scores)
