"""The course of a player's joints: smoothed, in body lengths, mirrored. Nothing here invents a joint.

The filter is robust locally weighted regression [LOESS]: a parabola is fitted to the frames around each
frame, near ones and sure ones counting more, and twice again with less weight for what lies far from it. It
shifts nothing in time, reaches no further than its window, and a joint that jumps elsewhere for a frame or
two does not move it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stages.base import Array
from stages.descriptor import JOINTS
from stages.kinematics.params import KinematicsParams

Floats = NDArray[np.float64]

#: how often the fit is repeated with less weight for outliers
REPEATS = 2
#: median distances from the fit beyond which a frame does not count [LOESS §2]
OUTLIER = 6.0
#: px; a median distance below it is taken for it: a movement that no parabola follows is no outlier
LEAST_ERROR = 1.0
#: power of the score that is a frame's weight; tuned on demo clips
POWER = 2
#: holds a parabola that too few frames decide, as a share of their weight
RIDGE = 1e-6
#: row of each joint
INDEX = {name: row for row, name in enumerate(JOINTS)}
#: rows of the joints, left and right exchanged
_EXCHANGED = [
    INDEX[name.replace("left", "right") if "left" in name else name.replace("right", "left")]
    for name in JOINTS
]


@dataclass(frozen=True)
class Course:
    """Where 13 joints are over time.

    Attributes
    ----------
    joints : (T, 13, 2) float64
        x right, y down, px of the stored frame, in the order of :data:`stages.descriptor.JOINTS`; NaN where
        nobody saw the joint and the gap is not a short one.
    confidence : (T, 13) float64
        The joints' scores, 0 … 1; 0 where the joint is bridged or unknown.
    rate : float
        Frames per second.
    """

    joints: Floats
    confidence: Floats
    rate: float

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.joints)

    def joint(self, name: str) -> Floats:
        """Return the course of one joint, (T, 2) px."""
        return self.joints[:, INDEX[name]]

    def part(self, begin: int, end: int) -> Course:
        """Return the frames from ``begin`` to before ``end``."""
        return replace(self, joints=self.joints[begin:end], confidence=self.confidence[begin:end])


def runs(known: Array) -> Iterator[tuple[int, int]]:
    """Yield begin and end (exclusive) of each stretch of true values of (T,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def smoothed(
    joints: Array,
    scores: Array,
    rate: float,
    parameters: KinematicsParams,
    carried: Mapping[int, Floats] | None = None,
) -> Course:
    """Smooth the courses of joints, bridging short gaps.

    A joint is seen in a frame where its score reaches ``least_score``. A gap of at most ``longest_gap``
    seconds between two such frames is bridged by what is fitted to the frames around it. What lies between
    longer gaps is smoothed apart, so that nothing leaks across them.

    Parameters
    ----------
    joints : (T, 13, 2)
        x, y, px.
    scores : (T, 13)
        0 … 1; 0 where nobody was found.
    rate : float
        Frames per second.
    parameters : KinematicsParams
    carried : mapping of int to (T, 2), optional
        Row of a joint → where the flow carries it, px (:func:`stages.kinematics.motion.carried`). Of such a
        joint the difference to that is smoothed, over ``drift_window``.

    Returns
    -------
    Course

    Raises
    ------
    ValueError
        The rate is not positive.
    """
    if not rate > 0:
        raise ValueError(f"a rate of {rate} frames per second: it must be positive")
    points = np.array(joints, np.float64)
    sure = np.clip(np.nan_to_num(np.asarray(scores, np.float64)), 0.0, 1.0)
    seen = (sure >= parameters.least_score) & (sure > 0) & np.isfinite(points).all(axis=-1)
    weights = np.where(seen, sure**POWER, 0.0)
    points[~seen] = np.nan
    longest = int(parameters.longest_gap * rate + 1e-9)
    for column in range(points.shape[1]):
        _bridge(points[:, column], seen[:, column], longest)
        way = (carried or {}).get(column)
        base = np.zeros_like(points[:, column]) if way is None else way
        half = max(2, round((parameters.half_window if way is None else parameters.drift_window) * rate))
        for begin, end in runs(np.isfinite(points[:, column, 0])):
            if end - begin > 2:  # two frames have no course
                piece = points[begin:end, column] - base[begin:end]
                fitted = _fitted(piece, weights[begin:end, column], half)
                points[begin:end, column] = fitted + base[begin:end]
    return Course(points, np.where(seen, sure, 0.0), float(rate))


def _fitted(points: Floats, weights: Floats, half: int) -> Floats:
    """Return robust local parabolas at each frame of (n, 2) points that are weighted by (n,)."""
    n, around = len(points), np.arange(-half, half + 1)
    near = (1 - (np.abs(around) / (half + 1)) ** 3) ** 3
    rows = np.arange(n)[:, None] + around
    inside = (rows >= 0) & (rows < n)
    rows = rows.clip(0, n - 1)
    powers = np.stack([(around / half) ** k for k in range(3)], axis=-1)
    outer = powers[:, :, None] * powers[:, None, :]
    trust, out = np.ones(n), points
    for _ in range(1 + REPEATS):
        w = near * inside * (weights * trust)[rows]
        total = np.maximum(w.sum(axis=1), 1e-12)[:, None, None]
        left = np.einsum("nk,kij->nij", w, outer) / total + RIDGE * np.eye(3)
        right = np.einsum("nk,ki,nkc->nic", w, powers, points[rows] - points[:, None]) / total
        out = points + np.linalg.solve(left, right)[:, 0]
        away = np.linalg.norm(points - out, axis=-1)
        usual = float(np.median(away[weights > 0])) if (weights > 0).any() else 0.0
        trust = np.clip(1 - (away / (OUTLIER * max(usual, LEAST_ERROR))) ** 2, 0, None) ** 2
    return np.asarray(out)


def _bridge(points: Floats, seen: Array, longest: int) -> None:
    """Fill gaps of at most so many frames in (T, 2) on a straight line, in place, until they are fitted."""
    at = np.flatnonzero(seen)
    for before, after in itertools.pairwise(at):
        if 1 < after - before <= longest + 1:
            share = np.arange(1, after - before)[:, None] / (after - before)
            points[before + 1 : after] = (1 - share) * points[before] + share * points[after]


def middle(course: Course, part: str) -> Floats:
    """Return the point between the left and the right one of a part, ``hip`` or ``shoulder``; (T, 2) px.

    NaN where either of the two is unknown.
    """
    return (course.joint(f"left_{part}") + course.joint(f"right_{part}")) / 2


def body_length(course: Course) -> float:
    """Return the yard-stick: the distance from shoulder to hip, px; NaN where no frame shows one.

    It is the median over frames of the mean of the two sides, or of the one side that is known. One number
    for the whole course, so that a trunk that leans towards the camera does not make its arms faster.
    """
    sides = np.stack(
        [
            np.linalg.norm(course.joint(f"{side}_shoulder") - course.joint(f"{side}_hip"), axis=-1)
            for side in ("left", "right")
        ]
    )
    known = np.isfinite(sides)
    here = known.any(axis=0)
    if not here.any():
        return float("nan")
    length = float(np.median(np.where(known, sides, 0).sum(axis=0)[here] / known.sum(axis=0)[here]))
    return length if length > 0 else float("nan")


def normalised(course: Course) -> Floats:
    """Return the joints in body lengths around the hips.

    Returns
    -------
    (T, 13, 2) float64
        x right, y up, in body lengths (:func:`body_length`); the origin lies between the hips of the same
        frame. NaN where the joint or a hip is unknown.
    """
    relative = course.joints - middle(course, "hip")[:, None]
    return np.asarray(relative * (1, -1) / body_length(course))


def mirrored(course: Course, width: float = 320) -> Course:
    """Return the course as a mirror shows it: left and right joints exchanged, x turned round.

    Parameters
    ----------
    course : Course
    width : float
        Of the stored frame, px.
    """
    points = course.joints[:, _EXCHANGED] * (-1, 1) + (width - 1, 0)
    return replace(course, joints=points, confidence=course.confidence[:, _EXCHANGED])
