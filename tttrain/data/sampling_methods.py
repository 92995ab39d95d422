"""Sampling methods 1 to 7 of the ConvGRU paper [GRU Table II]: which of a trial's 40 frames a network sees.

A method is written ``{first frame}, step, length`` in the table. A training sample begins at a first
frame drawn from its set; a trial's test score is the mean over all the test samples. Frame numbers count
from the trial's start; at frame rates other than the paper's 30/s they count every ``every``-th frame.

Method 5 is the nearly fixed interval, ``{0, 1, 2, 3}, {3, 4, 5}, 10``: each of its nine steps is drawn by
itself. (One step for the whole sample cannot be meant: nine steps of 5 leave the interval.) "Sampling is
limited in 40 frames": a draw that leaves them is repeated, so that all samples inside are equally likely.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: frames of a trial that training and testing use, from its starting frame on [GRU §IV-A]
INTERVAL = 40


@dataclass(frozen=True)
class SamplingMethod:
    """A sampling method: one row of the table.

    Attributes
    ----------
    number : int
    firsts : tuple of int
        First frames of training samples.
    steps : tuple of int
        Steps between frames of a training sample; where there are several, each step is drawn by itself.
    length : int
        Frames of a sample.
    test_firsts : tuple of int
        First frames of test samples.
    test_step : int
    """

    number: int
    firsts: tuple[int, ...]
    steps: tuple[int, ...]
    length: int
    test_firsts: tuple[int, ...]
    test_step: int

    @property
    def name(self) -> str:
        """Name of the method, as ``--sampling`` takes it."""
        return f"method-{self.number}"

    @property
    def tests(self) -> NDArray[np.intp]:
        """Frame numbers of the test samples, (K, length)."""
        return np.array(self.test_firsts)[:, None] + np.arange(self.length) * self.test_step

    def draw(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Draw the frames of one training sample: ascending, within the interval; (length,).

        Parameters
        ----------
        rng : numpy.random.Generator
        """
        while True:
            first = rng.choice(self.firsts)
            steps = rng.choice(self.steps, self.length - 1)
            frames: NDArray[np.intp] = (first + np.concatenate([[0], np.cumsum(steps)])).astype(np.intp)
            if frames[-1] < INTERVAL:
                return frames


def _method(
    number: int, firsts: int, step: int, length: int, tests: tuple[int, ...] | None = None
) -> SamplingMethod:
    return SamplingMethod(number, tuple(range(firsts)), (step,), length, tests or tuple(range(firsts)), step)


#: Table II by name
METHODS = {
    m.name: m
    for m in (
        _method(1, 2, 2, 20),
        _method(2, 4, 4, 10),
        _method(3, 5, 5, 8),
        _method(4, 8, 8, 5),
        SamplingMethod(5, (0, 1, 2, 3), (3, 4, 5), 10, (0, 1, 2, 3), 4),
        _method(6, 30, 1, 10, (0, 10, 20, 30)),
        _method(7, 20, 2, 10, (0, 1, 20, 21)),
    )
}
