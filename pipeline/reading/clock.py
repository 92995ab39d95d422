"""Between seconds and frames of a video in the store, by the times at which its frames are shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.reading.arrays import Handles, attributes, describe, take
from store import Slot

#: two times are halfway between frames if they differ by less, s
_TIE = 1e-7


@dataclass(frozen=True)
class Clock:
    """The times of a video's frames.

    Attributes
    ----------
    times : (n,) float64
        When each frame is shown, s, ascending, on the clock on which annotations give seconds; NaN where the
        video has no times.
    """

    times: NDArray[np.float64]

    @cached_property
    def known(self) -> bool:
        """Whether the frames have times."""
        return len(self.times) > 0 and bool(np.isfinite(self.times).all())

    @cached_property
    def last_step(self) -> float:
        """How long the last frame is shown, s: as long as the one before, and not less than usual."""
        steps = np.diff(self.times)
        moving = steps[steps > 0]
        usual = float(np.median(moving)) if len(moving) else 0.0
        return max(usual, float(steps[-1:].max(initial=0.0)))

    @property
    def end(self) -> float:
        """When the last frame ends, s."""
        return float(self.times[-1]) + self.last_step

    @property
    def duration(self) -> float:
        """From the beginning of the first frame to the end of the last, s; NaN where times are not known."""
        return self.end - float(self.times[0]) if self.known else float("nan")

    def frame_at(self, seconds: float) -> int:
        """Return the frame whose time is nearest, halves up, in 0 … n: the end of the last frame is n.

        This is the rule by which seconds of annotations become frames
        (:class:`pipeline.annotations.timeline.Timeline`).
        """
        times, n = self.times, len(self.times)
        if seconds <= times[0]:
            return 0
        if seconds >= times[-1]:
            step = self.last_step or 1.0
            return min(n, n - 1 + int(np.floor((seconds - times[-1] + _TIE) / step + 0.5)))
        at = int(np.searchsorted(times, seconds, side="right")) - 1
        halfway = float(times[at] + times[at + 1]) / 2
        return at + 1 if seconds >= halfway - _TIE else at


def read_clock(handles: Handles, frames: Slot) -> Clock:
    """Return the clock of a video from its frames' file.

    Raises
    ------
    DamagedError, OSError
        As :meth:`pipeline.reading.arrays.Handles.use`.
    """
    n = describe(handles, frames, "time").shape[0]
    origin: Any = attributes(handles, frames).get("time_origin", 0.0)
    times = take(handles, frames, "time", range(n))
    # files of earlier versions have those of an AVI out of order
    return Clock(np.sort(np.asarray(times, np.float64)) - float(origin))
