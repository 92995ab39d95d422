"""Copies: videos of other bytes that show the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.quality.likeness import COLUMNS, LENGTH, ROWS, vectors

#: moments that are compared with all others at a time; bounds memory
BATCH = 2000
#: more moments than these are first compared by their shadows
MANY = 3000
#: numbers of a shadow, and by how many standard deviations the correlation of two may be off
SHADOW, DEVIATIONS = 128, 8.0
#: what projections of unlike moments correlate by at most, but for one pair in ten thousand
CHANCE = 0.35


def find_copies(
    moments: Mapping[str, Sequence[dict[str, Any]]], contents: Mapping[str, str], limit: float
) -> dict[str, tuple[str, float]]:
    """Find the videos that show what an earlier one shows.

    Moments of two videos are compared, wherever in the videos they lie, so that a copy that was cut or has
    another rate is found too.

    Parameters
    ----------
    moments : mapping of str to list
        Video → its moments, see :mod:`stages.quality.likeness`; in the order of the videos.
    contents : mapping of str to str
        Video → digest of its bytes: views of one video are no copies.
    limit : float
        Correlation from which on two moments are the same.

    Returns
    -------
    dict of str to (str, float)
        Video → the earliest one that it is a copy of, and how alike they are; the earliest itself is none.
    """
    names = list(moments)
    owner = np.repeat(np.arange(len(names)), [len(moments[name]) for name in names])
    every = [moment for name in names for moment in moments[name]]
    copies: dict[int, tuple[int, float]] = {}
    for row, column, value in _alike(every, limit):
        first, later = int(owner[column]), int(owner[row])
        if first == later or contents[names[first]] == contents[names[later]]:
            continue
        known = copies.get(later)
        if known is None or first < known[0] or (first == known[0] and value > known[1]):
            copies[later] = (first, value)
    return {names[later]: (names[first], min(value, 1.0)) for later, (first, value) in sorted(copies.items())}


def _alike(moments: Sequence[dict[str, Any]], limit: float) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs of moments that correlate as much as the limit, and how much they do.

    Of many moments random projections to :data:`SHADOW` dimensions are compared first. Where two moments
    correlate by r, their projections do so with a standard deviation of (1 - r²)/√SHADOW: no pair is
    missed in practice, and those that are left are compared as they are.
    """
    room = DEVIATIONS * (1 - limit**2) / np.sqrt(SHADOW)
    if len(moments) <= MANY or limit - room < CHANCE:
        yield from _above(_unit(moments), limit)
        return
    mixing = np.random.default_rng(0).normal(size=(LENGTH * ROWS * COLUMNS, SHADOW)).astype(np.float32)
    shadows = np.concatenate([_unit(moments[a : a + BATCH]) @ mixing for a in range(0, len(moments), BATCH)])
    lengths = np.linalg.norm(shadows, axis=1, keepdims=True)
    shadows /= np.where(lengths > 0, lengths, 1)
    for row, column, _ in _above(shadows, limit - room):
        value = float(np.prod(_unit([moments[row], moments[column]]), axis=0).sum())
        if value >= limit:
            yield row, column, value


def _unit(moments: Sequence[dict[str, Any]]) -> NDArray[np.float32]:
    """Return the vectors of moments; of one that cannot be read zeros, which are like nothing."""
    found = [vectors([moment]) for moment in moments]
    empty = np.zeros((1, LENGTH * ROWS * COLUMNS))
    return np.concatenate([v if len(v) else empty for v in found] or [empty[:0]], dtype=np.float32)


def _above(rows: NDArray[np.float32], limit: float) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs, the later one first, whose product is as large as the limit."""
    for start in range(0, len(rows), BATCH):
        alike = rows[start : start + BATCH] @ rows[: start + BATCH].T
        own = alike[:, start:]
        own[np.triu_indices(len(own))] = 0  # each pair once, and none with itself
        for row, column in np.argwhere(alike >= limit):
            yield start + int(row), int(column), float(alike[row, column])
