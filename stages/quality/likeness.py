"""What a recording is recognised by, whatever it was encoded with: how its picture changes at a few moments.

A fixed camera sees the same hall in every recording, so the pictures themselves tell nothing. What changes in
them from one tenth of a second to the next does, and changes alike in a copy: of other size, rate or quality,
or cut elsewhere.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.base import Array

#: cells in which changes are measured
COLUMNS, ROWS = 32, 18
#: steps of a moment, half of them on each side, and how many moments are kept
LENGTH, MOMENTS = 8, 3
#: a level is so many stored steps
STEPS = 4
#: mean square of what changes in a moment, levels², below which it is noise
LEAST = 0.01

Floats = NDArray[np.float64]


def cell_means(picture: Array) -> NDArray[np.float32]:
    """Return the mean levels of the cells of a picture (H, W) uint8, (ROWS·COLUMNS,) float32."""
    small = cv2.resize(picture.astype(np.float32), (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    return np.asarray(small.ravel(), np.float32)


def moments(cells: list[NDArray[np.float32]]) -> list[dict[str, Any]]:
    """Describe the moments at which a recording changes most.

    Parameters
    ----------
    cells : list of (ROWS·COLUMNS,) float32
        Mean levels of the cells of each measured picture.

    Returns
    -------
    list of dict
        At most :data:`MOMENTS`, the liveliest first: ``step``, the middle of the moment, and ``change``:
        (LENGTH, ROWS·COLUMNS) int8 in 1/:data:`STEPS` levels, deflated, in base64. A recording in which
        nothing changes has none.
    """
    if len(cells) < 2:
        return []
    change = np.diff(np.array(cells, np.float64), axis=0)
    change -= np.median(change, axis=1, keepdims=True)  # lamps flicker on all cells alike
    energy = np.square(change).sum(axis=1)
    half = LENGTH // 2
    padded = np.pad(change, ((half, half), (0, 0)))
    found: list[dict[str, Any]] = []
    free = np.ones(len(energy), bool)
    for at in np.argsort(-energy, kind="stable"):
        if not free[at]:
            continue
        around = padded[at : at + LENGTH]
        if np.square(around).mean() < LEAST or len(found) == MOMENTS:
            break
        free[max(0, at - half) : at + half] = False
        stored = np.clip(np.rint(around * STEPS), -127, 127).astype(np.int8)
        found.append(
            {"step": int(at), "change": base64.b64encode(zlib.compress(stored.tobytes(), 6)).decode()}
        )
    return found


def vectors(told: Sequence[dict[str, Any]]) -> Floats:
    """Return moments as they were described, of length 1 each: (moments, LENGTH·ROWS·COLUMNS) float64."""
    size = LENGTH * ROWS * COLUMNS
    stored = [np.frombuffer(zlib.decompress(base64.b64decode(m["change"])), np.int8) for m in told]
    rows = [r.astype(np.float64) for r in stored]
    rows = [r / np.linalg.norm(r) for r in rows if r.size == size and r.any()]
    return np.array(rows).reshape(len(rows), size)
