"""Which moment of one stroke belongs to which of another: dynamic time warping, by dtaidistance.

The distance between two moments is the Euclidean one over the places of all parts that both strokes show. A
path may leave out the ends, where annotators differ, and must stay near the diagonal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.comparing.measuring.movement import MOMENTS, Movement
from pipeline.errors import USAGE, UserError
from stages.kinematics.course import Floats

#: furthest from the diagonal, moments
WINDOW = MOMENTS // 4
#: moments that may be left out at either end of either stroke
LOOSE = MOMENTS // 12
#: added for each step that is not diagonal, body lengths: standing still must pay
PENALTY = 0.05
#: a part that is known in a smaller share of either stroke does not help to align them
ENOUGH = 0.8


def _dtaidistance() -> Any:
    try:
        from dtaidistance import dtw_ndim
    except ImportError:
        raise UserError(
            "comparing strokes needs dtaidistance, which is not installed; `pip install dtaidistance`", USAGE
        ) from None
    return dtw_ndim


def _rows(one: Movement, other: Movement) -> tuple[Floats, Floats, int] | None:
    """Return the places of the parts that both show well enough, (M, 2 k) each, and k; None where k is 0."""
    enough = np.minimum(one.seen, other.seen) >= ENOUGH
    count = int(enough.sum())
    if not count:
        return None
    a, b = (m.filled if enough.all() else m.filled[:, enough] for m in (one, other))
    # the library's C code wants rows without gaps in memory
    return np.ascontiguousarray(a.reshape(MOMENTS, -1)), np.ascontiguousarray(b.reshape(MOMENTS, -1)), count


def distance(one: Movement, other: Movement) -> float:
    """Return how far two strokes are apart once they are aligned, body lengths.

    It is the root of the mean square distance of a part over the moments of a stroke, where both show it; NaN
    where they have no part in common.

    Raises
    ------
    UserError
        dtaidistance is not installed.
    """
    rows = _rows(one, other)
    if rows is None:
        return float("nan")
    a, b, count = rows
    # squares are summed along the path and over the parts
    root = float(_dtaidistance().distance_fast(a, b, window=WINDOW, psi=LOOSE, penalty=PENALTY))
    return root / float(np.sqrt(MOMENTS * count))


def path(one: Movement, other: Movement) -> list[tuple[int, int]]:
    """Return the pairs of moments that belong together, from the first to the last.

    Empty where the strokes have no part in common.

    Raises
    ------
    UserError
        dtaidistance is not installed.
    """
    rows = _rows(one, other)
    if rows is None:
        return []
    found = _dtaidistance().warping_path(*rows[:2], window=WINDOW, psi=LOOSE, penalty=PENALTY, use_c=True)
    return [(int(i), int(j)) for i, j in found]


def carried(values: Floats, pairs: list[tuple[int, int]]) -> Floats:
    """Return a course at the moments of another stroke: means over those that belong to each.

    Parameters
    ----------
    values : (M, …)
        Of the first stroke of each pair.
    pairs : list of (int, int)

    Returns
    -------
    (M, …) float64
        NaN where nothing belongs to a moment, or something that is unknown.
    """
    total, count = np.zeros(values.shape), np.zeros(len(values))
    for i, j in pairs:
        total[j] += values[i]
        count[j] += 1
    count = count.reshape(-1, *(1 for _ in values.shape[1:]))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
