"""Where strokes begin and end: the decision rules' frame, or the stillest moment near it.

A network that labels the frame in the middle of its window knows a stroke by its fast part, and places the
ends about where they usually are from there: too far out where a stroke is short, too far in where it is
long. The player, though, slows down between two movements. That segments movements without any network: at
the minima of the speed of the limbs ([Fod] in docs/bibliography.md). Here the network says which minimum
counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.predicting.network import Scores, Span

#: s: length of the Hann window that smooths the motion; the noise of single pictures goes, the stop between
#: two movements stays
SMOOTHING = 0.3
#: s: how far, by the standard deviation, the decision rules' ends lie from where they belong
DEVIATION = 0.125
#: s: an end is moved no further than this; three deviations
REACH = 3 * DEVIATION
#: motion below this share of a fast stroke's is none: who waits is still, however much a little noise varies
STILL = 0.05

Motion = NDArray[np.float64]
Interval = tuple[int, int]


def smooth(motion: Motion, rate: float) -> Motion:
    """Smooth with a Hann window of :data:`SMOOTHING`; the values at both ends are repeated.

    Parameters
    ----------
    motion : (n,) float
    rate : float
        Rows per second.

    Returns
    -------
    (n,) float64
    """
    half = max(1, round(SMOOTHING * rate / 2))
    kernel = np.hanning(2 * half + 1)  # zero at both ends: one row a side less
    padded = np.pad(np.asarray(motion, np.float64), half, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), "valid")


def still_ends(intervals: Sequence[Interval], motion: Motion, rate: float) -> list[Interval]:
    """Move begins and ends to where the player moves least near them.

    An end at row ``a`` goes to the row ``t`` with the least ``log(m(t) + s) + ((t − a)/σ)²/2`` within
    :data:`REACH`; ``m`` is the smoothed motion, ``s`` is :data:`STILL` of its 90th percentile in all
    strokes, σ is :data:`DEVIATION`. This is the most probable row where the rules are off by a normal error
    and the chance that a movement ends in a row falls as the motion in it.

    A begin stays between the middle of the pause before it and the middle of its stroke, an end between the
    latter and the middle of the pause behind it; where two strokes touch, their common end is moved once.
    So the order stays, and no stroke vanishes. A stroke that begins with the first row or ends with the last
    is cut off there, and that end stays.

    Parameters
    ----------
    intervals : sequence of (int, int)
        Rows [begin, end) of strokes, ascending, none empty, none overlapping.
    motion : (n,) float
        How much the player moves from each row to the next, at least 0, e.g. in px.
    rate : float
        Rows per second.

    Returns
    -------
    list of (int, int)
        As many, in the same order.
    """
    if not intervals:
        return []
    moved = smooth(motion, rate)
    fast = float(np.percentile(np.concatenate([moved[begin:end] for begin, end in intervals]), 90))
    if fast <= 0:  # nothing moves, so nothing tells where
        return list(intervals)
    cost = np.log(moved + STILL * fast)
    middles = [(begin + end) // 2 for begin, end in intervals]

    def stillest(at: int, low: int, high: int) -> int:
        if at in (0, len(cost)):
            return at
        reach = round(REACH * rate)
        rows = np.arange(max(low, at - reach), min(high, at + reach) + 1)
        # the motion at row t is that to it and that from it
        here = (cost[np.maximum(rows - 1, 0)] + cost[np.minimum(rows, len(cost) - 1)]) / 2
        return int(rows[np.argmin(here + ((rows - at) / (DEVIATION * rate)) ** 2 / 2)])

    found: list[Interval] = []
    for i, (begin, end) in enumerate(intervals):
        before = intervals[i - 1][1] if i else 0
        touches = i > 0 and before == begin
        first = found[-1][1] if touches else stillest(begin, -(-(before + begin) // 2), middles[i])
        high = len(motion)
        if i + 1 < len(intervals):
            after = intervals[i + 1][0]
            high = middles[i + 1] if after == end else (end + after) // 2
        found.append((first, stillest(end, middles[i] + 1, high)))
    return found


def with_still_ends(spans: Sequence[Span], motion: Motion, rate: float, scores: Scores) -> list[Span]:
    """Return strokes with :func:`still_ends`, and the mean score of the rows that they then have.

    Parameters
    ----------
    spans : sequence of Span
    motion : (n,) float
    rate : float
        Rows per second.
    scores : (n, C) float
    """
    moved = still_ends([(s.begin, s.end) for s in spans], motion, rate)
    return [
        Span(begin, end, span.label, float(scores[begin:end, span.label].mean()))
        for span, (begin, end) in zip(spans, moved, strict=True)
    ]
