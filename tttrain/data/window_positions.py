"""Where in a stroke the T frames are taken [3S §2.6], [SSTC §IV-C, §V-A].

Δt is the length of the stroke, not of what is stored of it: a stroke shorter than the file's T is stored with
frames around it, from which no window is taken unless the stroke is shorter than the window too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Place:
    """Where a stroke lies among the rows that are stored of it.

    Attributes
    ----------
    begin : int
        Its first row.
    length : int
        Δt, frames.
    rows : int
        Stored rows; at least T.
    fps : float
        Of its video, 1/s.
    """

    begin: int
    length: int
    rows: int
    fps: float

    def first(self, span: int) -> int:
        """Return the first row of the earliest window of ``span`` frames within the stroke.

        A window longer than the stroke has the stroke in its middle, as far as the stored rows allow.
        """
        before = max(span - self.length, 0) // 2
        return min(max(self.begin - before, 0), self.rows - span)

    def room(self, span: int) -> int:
        """Return how many rows later than the earliest the latest window within the stroke begins."""
        return max(self.length - span, 0)


def centre_start(place: Place, span: int) -> int:
    """Return the first row of the window in the middle of a stroke."""
    return place.first(span) + place.room(span) // 2


def normal_start(rng: np.random.Generator, place: Place, span: int) -> int:
    """Draw the first row of a window about the middle of a stroke.

    The start is normally distributed about the centred start, σ = (Δt − T)/6, and is drawn again until
    the window lies inside [3S §2.6].

    Parameters
    ----------
    rng : numpy.random.Generator
    place : Place
    span : int
        T.
    """
    return _normal_start(rng, place, span, place.room(span) / 6)


def siamese_sigma(fps: float) -> float:
    """Return the deviation of the windows of [SSTC] §IV-C, frames.

    σ = 0.3·((wt − 1)·0.5 − 1) + 0.8 with wt = (2·fps + 1)/6, whatever the stroke's length: 6.375 at 120/s.
    """
    wt = (2 * fps + 1) / 6
    return 0.3 * ((wt - 1) * 0.5 - 1) + 0.8


def siamese_start(rng: np.random.Generator, place: Place, span: int) -> int:
    """Draw the first row of a window about the middle of a stroke, as :func:`normal_start`, by that law."""
    return _normal_start(rng, place, span, siamese_sigma(place.fps))


def _normal_start(rng: np.random.Generator, place: Place, span: int, sigma: float) -> int:
    room = place.room(span)
    while room:
        start = round(rng.normal(room / 2, sigma))
        if 0 <= start <= room:
            return place.first(span) + start
    return place.first(span)


def uniform_start(rng: np.random.Generator, place: Place, span: int) -> int:
    """Draw the first row of a window uniformly within a stroke.

    For detection, where a network meets the beginning and the end of a stroke as often as its middle.
    """
    return place.first(span) + int(rng.integers(0, place.room(span) + 1))


def sliding_starts(place: Place, span: int, step: int) -> NDArray[np.intp]:
    """Return the first rows of the windows that slide through a stroke [SSTC §V-A], at least one.

    The methods "consider all the frames of an action": where the last step would leave some of the last ones
    out, a window that ends with the stroke follows.
    """
    room = place.room(span)
    starts = np.arange(0, room + 1, step)
    return place.first(span) + np.union1d(starts, [room])


#: distributions from which a training window's start is drawn
STARTS: dict[str, Callable[[np.random.Generator, Place, int], int]] = {
    "normal": normal_start,
    "siamese": siamese_start,
    "uniform": uniform_start,
}


def sample_rng(seed: int, epoch: int, sample: int) -> np.random.Generator:
    """Make the random generator of one sample in one epoch.

    Its numbers depend on nothing else: not on the number of workers, their order, or where a run was
    interrupted.
    """
    return np.random.Generator(np.random.Philox(key=np.array([seed, epoch << 32 | sample], np.uint64)))
