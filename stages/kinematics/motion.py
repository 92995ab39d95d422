"""How the wrists move, from the flow: a network's joints wander, moving pixels do not.

The flow is added up along the wrist's way. That is exact from frame to frame and drifts over seconds; what
the network finds is right on average and wanders from frame to frame. So :func:`stages.kinematics.course.
smoothed` takes the quick part of the movement from here and the slow part, which corrects the drift, from
the joints.
"""

from __future__ import annotations

import numpy as np

from stages.base import Array
from stages.flow.quantise import QUANTUM
from stages.kinematics.angles import SIDES
from stages.kinematics.course import INDEX, Course, Floats, body_length

#: pixels count by their distance from the wrist, as a Gaussian with this share of the body length; tuned on a
#: demo clip
SPREAD = 1 / 6
#: of these standard deviations it is cut off
CUT = 2.5


def carried(course: Course, flow: Array) -> dict[int, Floats]:
    """Return where the flow carries both wrists.

    Parameters
    ----------
    course : Course
        Smoothed joints, whose wrists say where to look.
    flow : (T - 1 or more, H, W, 2) int16
        Masked, from frame t to t + 1, as the flow stage stores it.

    Returns
    -------
    dict of int to (T, 2) float64
        Row of the joint → px from where it was in frame 0. Empty where no frame shows how large the player
        is. Where no pixel at the wrist moves, or nobody knows where it is, it moves as the course does.
    """
    if not body_length(course) > 0:
        return {}
    rows = [INDEX[f"{side}_wrist"] for side in SIDES]
    return {row: way(steps(course, row, flow)) for row in rows}


def way(steps: Floats) -> Floats:
    """Return where (T - 1, 2) steps lead from 0, (T, 2)."""
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def steps(course: Course, row: int, flow: Array | None) -> Floats:
    """Return how a joint moves from each frame to the next, by the flow where pixels move around it.

    Parameters
    ----------
    course : Course
        Of one frame or more, that shows how large the player is.
    row : int
        Of the joint.
    flow : (T - 1 or more, H, W, 2) int16 or None
        As :func:`carried` takes it; None: the joint moves as the course does.

    Returns
    -------
    (T - 1, 2) float64
        px; 0 where neither says anything.
    """
    points = course.joints[:, row]
    out = np.nan_to_num(np.diff(points, axis=0))
    if flow is None:
        return out
    spread = SPREAD * body_length(course)
    for t, middle in enumerate((points[:-1] + points[1:]) / 2):
        if np.isfinite(middle).all():
            found = moved(flow[t], middle, spread)
            out[t] = out[t] if found is None else found
    return out


def moved(flow: Array, place: Floats, spread: float) -> Floats | None:
    """Return the mean flow around a place; None where nothing moves.

    Pixels count by their speed: the hand is faster than the trunk behind it. More than that, and the racket
    decides.

    Parameters
    ----------
    flow : (H, W, 2) int16
        Of one pair.
    place : (2,)
        x, y, px.
    spread : float
        Standard deviation of the weights, px.

    Returns
    -------
    (2,) float64 or None
        px.
    """
    reach = int(np.ceil(CUT * spread))
    x, y = np.rint(place).astype(int)
    left, top = max(x - reach, 0), max(y - reach, 0)
    part = flow[top : max(y + reach + 1, 0), left : max(x + reach + 1, 0)] * np.float64(QUANTUM)
    across, down = (
        np.exp(-((np.arange(begin, begin + size) - at) ** 2) / (2 * spread**2))
        for begin, size, at in ((left, part.shape[1], place[0]), (top, part.shape[0], place[1]))
    )
    weights = down[:, None] * across * np.linalg.norm(part, axis=-1)
    total = weights.sum()
    return np.asarray(np.einsum("yx,yxc->c", weights, part) / total) if total > 0 else None
