"""Copies: videos of other bytes that show the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.quality.likeness import vectors

#: moments that are compared with all others at a time; bounds memory
BATCH = 2000


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
    found = [vectors(moments[name]).astype(np.float32) for name in names]
    owner = np.repeat(np.arange(len(names)), [len(v) for v in found])
    if not len(owner):
        return {}
    every = np.concatenate(found)
    copies: dict[int, tuple[int, float]] = {}
    for start in range(0, len(every), BATCH):
        alike = every[start : start + BATCH] @ every.T
        for row, column in np.argwhere(alike >= limit):
            first, later = int(owner[column]), int(owner[start + row])
            if first >= later or contents[names[first]] == contents[names[later]]:
                continue
            known = copies.get(later)
            value = float(alike[row, column])
            if known is None or first < known[0] or (first == known[0] and value > known[1]):
                copies[later] = (first, value)
    return {names[later]: (names[first], min(value, 1.0)) for later, (first, value) in sorted(copies.items())}
