"""Where in a stroke the T frames are taken [3S §2.6], [SSTC §IV-C, §V-A]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def centre_start(rows: int, span: int) -> int:
    """Return the first row of the window in the middle of a sample."""
    return (rows - span) // 2


def normal_start(rng: np.random.Generator, rows: int, span: int) -> int:
    """Draw the first row of a window about the middle of a sample.

    The start is normally distributed about the centred start, σ = (Δt − T)/6, and is drawn again until
    the window lies inside [3S §2.6].

    Parameters
    ----------
    rng : numpy.random.Generator
    rows : int
        Δt, rows of the sample; at least ``span``.
    span : int
        T.
    """
    room = rows - span
    if room <= 0:
        return 0
    while True:
        start = round(rng.normal(room / 2, room / 6))
        if 0 <= start <= room:
            return int(start)


def uniform_start(rng: np.random.Generator, rows: int, span: int) -> int:
    """Draw the first row of a window uniformly within a sample.

    For detection, where a network meets the beginning and the end of a stroke as often as its middle.
    """
    return int(rng.integers(0, max(rows - span, 0) + 1))


def sliding_starts(rows: int, span: int, step: int) -> NDArray[np.intp]:
    """Return the first rows of the windows that slide through a sample [SSTC §V-A], at least one."""
    return np.arange(0, max(rows - span, 0) + 1, step)


#: distributions from which a training window's start is drawn
STARTS: dict[str, Callable[[np.random.Generator, int, int], int]] = {
    "normal": normal_start,
    "uniform": uniform_start,
}


def sample_rng(seed: int, epoch: int, sample: int) -> np.random.Generator:
    """Make the random generator of one sample in one epoch.

    Its numbers depend on nothing else: not on the number of workers, their order, or where a run was
    interrupted.
    """
    return np.random.Generator(np.random.Philox(key=np.array([seed, epoch << 32 | sample], np.uint64)))
