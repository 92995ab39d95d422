"""Map seconds of a file's timeline to frames, by the times at which a player shows the frames.

Where every frame is shown at its number divided by the frame rate, no times are needed. A phone that changes
its rate, or a file whose first picture is later than its sound, has a :class:`Timeline`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

#: containers that keep milliseconds are this far off at most, s
TOLERANCE = 0.0011

#: a step between two frames may differ by this part of the usual one, or by two roundings to milliseconds
_UNEVEN, _ROUNDINGS = 0.25, 0.0015

#: two times are halfway between frames if they differ by less, s
_TIE = 1e-7


@dataclass(frozen=True)
class Timeline:
    """The time at which each frame of a video is shown.

    Attributes
    ----------
    data : bytes
        float64, seconds from the beginning of the file's timeline; in ascending order, one or more.
    real : bool
        Whether a second of the file is a second of the scene: not where the manifest gives another rate.
    """

    data: bytes
    real: bool = True

    @property
    def times(self) -> NDArray[np.float64]:
        """Return the times, s."""
        return np.frombuffer(self.data, np.float64)

    @cached_property
    def step(self) -> float:
        """Return the usual time between two frames, s."""
        return _usual_step(self.times) or 1.0

    @cached_property
    def last_step(self) -> float:
        """Return how long the last frame is shown, s: as long as the one before, and not less than usual."""
        return max(self.step, float(np.diff(self.times)[-1:].max(initial=0.0)))

    def frame_at(self, seconds: Fraction) -> int:
        """Return the frame whose time is nearest; halves go up, and the end of the last frame is a frame too.

        What lies before the first picture means the first frame.
        """
        times, wanted = self.times, float(seconds)
        if wanted < times[0]:
            return min(0, math.floor(wanted / self.step + 0.5))
        if wanted >= times[-1]:
            return len(times) - 1 + math.floor((wanted - float(times[-1]) + _TIE) / self.last_step + 0.5)
        at = int(np.searchsorted(times, wanted, side="right")) - 1
        halfway = float(times[at] + times[at + 1]) / 2
        return at + 1 if wanted >= halfway - _TIE else at

    def time_of(self, frame: int) -> float:
        """Return when a frame begins, s; of one outside the video, when it would."""
        times = self.times
        if frame < 0:
            return float(times[0]) + frame * self.step
        if frame >= len(times):
            return float(times[-1]) + (frame - len(times) + 1) * self.last_step
        return float(times[frame])


def make_timeline(
    times: Sequence[float] | NDArray[np.float64], fps: Fraction, origin: float = 0.0, *, real: bool = True
) -> Timeline | None:
    """Return the timeline of a video whose frames have times of their own.

    Parameters
    ----------
    times : sequence of float
        One per frame, s. Files of earlier versions have those of an AVI out of order; they are put in order.
    fps : Fraction
        The frame rate in use, 1/s.
    origin : float
        The time at which a player's clock stands at 0, s.
    real : bool
        See :class:`Timeline`.

    Returns
    -------
    Timeline or None
        None where every frame is shown at its number divided by ``fps``, or where the file has no times.
    """
    values = np.sort(np.asarray(times, np.float64)) - origin
    if not len(values) or not np.isfinite(values).all() or (len(values) > 1 and values[0] == values[-1]):
        return None
    if deviation(values, fps) <= TOLERANCE:
        return None
    return Timeline(np.ascontiguousarray(values).tobytes(), real)


def deviation(times: NDArray[np.float64], fps: Fraction) -> float:
    """Return how far frames are shown from their number divided by the rate at most, s."""
    even = np.arange(len(times)) / float(fps)
    return float(np.abs(times - even).max(initial=0.0))


def is_variable(times: Sequence[float] | NDArray[np.float64]) -> bool:
    """Tell whether the time from frame to frame changes; a late beginning or a wrong rate is no change."""
    values = np.sort(np.asarray(times, np.float64))
    if len(values) < 3 or not np.isfinite(values).all():
        return False
    usual = _usual_step(values)
    return bool(np.abs(np.diff(values) - usual).max() > max(_UNEVEN * usual, _ROUNDINGS))


def _usual_step(times: NDArray[np.float64]) -> float:
    steps = np.diff(times)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else 0.0
