"""What a recording is recognised by, whatever it was encoded with: how its picture changes at a few moments.

A fixed camera sees the same hall in every recording, so the pictures themselves tell nothing. What changes in
them from one tenth of a second to the next does, and changes alike in a copy: of other size, rate or quality,
or cut elsewhere.
"""

from __future__ import annotations

import base64
import zlib
from collections import deque
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.base import Array

#: cells in which changes are measured
COLUMNS, ROWS = 32, 18
#: s from one step of a moment to the next
STEP_SECONDS = 0.1
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


class Moments:
    """Watches a recording frame by frame and keeps the moments at which it changes most.

    A moment lies where the picture changes more within :data:`STEP_SECONDS` than anywhere near it, so that a
    copy that begins at another frame has the same ones.

    Parameters
    ----------
    fps : float
    """

    def __init__(self, fps: float) -> None:
        steps = np.arange(-(LENGTH // 2), LENGTH // 2 + 1)
        self._offsets = np.rint(steps * STEP_SECONDS * fps).astype(int)
        self._reach, self._lag = int(self._offsets[-1]), max(1, round(STEP_SECONDS * fps))
        self._kept: deque[NDArray[np.float32]] = deque(maxlen=2 * self._reach + self._lag + 1)
        self._energies: deque[float] = deque(maxlen=2 * self._reach + 1)
        self._n = 0
        self._best: list[tuple[float, int, NDArray[np.int8]]] = []

    def add(self, picture: Array) -> None:
        """Take the next frame, (H, W) uint8."""
        self._kept.append(cell_means(picture))
        self._n += 1
        late = len(self._kept) > self._lag
        self._energies.append(_energy(self._kept[-1] - self._kept[-1 - self._lag]) if late else 0.0)
        if self._n > self._reach:
            self._look(self._n - 1 - self._reach)

    def _look(self, centre: int) -> None:
        """Keep what is round a frame if it changes most there; all that is near it is known."""
        first = self._n - len(self._energies)
        near = list(self._energies)[max(0, centre - self._reach - first) :]
        energy = self._energies[centre - first]
        before = near[: centre - first - max(0, centre - self._reach - first)]
        if energy < max(near) or energy in before or energy <= 0:
            return
        start = self._n - len(self._kept)
        at = centre + self._offsets
        known = (at >= start) & (at < self._n)
        cells = np.stack(
            [self._kept[i - start] if ok else self._kept[0] for i, ok in zip(at, known, strict=True)]
        )
        change = np.diff(cells.astype(np.float64), axis=0)
        change -= np.median(change, axis=1, keepdims=True)  # lamps flicker on all cells alike
        change[~(known[1:] & known[:-1])] = 0
        if np.square(change).mean() >= LEAST:
            stored = np.clip(np.rint(change * STEPS), -127, 127).astype(np.int8)
            self._best = sorted([*self._best, (-energy, centre, stored)], key=lambda m: m[:2])[:MOMENTS]

    def told(self) -> list[dict[str, Any]]:
        """Return the moments once all frames were taken.

        Returns
        -------
        list of dict
            At most :data:`MOMENTS`, the liveliest first: ``frame``, the middle of the moment, and ``change``:
            (LENGTH, ROWS·COLUMNS) int8 in 1/:data:`STEPS` levels, deflated, in base64. A recording in which
            nothing changes has none.
        """
        for centre in range(max(0, self._n - self._reach), self._n):
            self._look(centre)
        return [
            {"frame": frame, "change": base64.b64encode(zlib.compress(stored.tobytes(), 6)).decode()}
            for _, frame, stored in self._best
        ]


def _energy(change: NDArray[np.float32]) -> float:
    return float(np.square(change - np.median(change), dtype=np.float64).sum())


def vectors(told: Sequence[dict[str, Any]]) -> Floats:
    """Return moments as they were described, of length 1 each: (moments, LENGTH·ROWS·COLUMNS) float64."""
    size = LENGTH * ROWS * COLUMNS
    stored = [np.frombuffer(zlib.decompress(base64.b64decode(m["change"])), np.int8) for m in told]
    rows = [r.astype(np.float64) for r in stored]
    rows = [r / np.linalg.norm(r) for r in rows if r.size == size and r.any()]
    return np.array(rows).reshape(len(rows), size)
