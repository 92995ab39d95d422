"""When pictures are shown: ascending times, the frame rate, and pictures at even steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

#: frames a second: more is no rate but a time base
MOST_FPS = 1000
#: a single picture proves no rate; one above this that equals the time base is the time base
MOST_UNPROVEN_FPS = 300
#: a forward jump of a broadcast clock that is a new clock, s; FFmpeg's command takes the same
JUMP_S = 10
#: the same backwards, s
BACK_S = 0.1
#: times are even while the earliest and the latest picture, each against its place, are less than this part
#: of a step apart; a single picture too few makes it 1 …
EVEN = 0.5
#: … with this, s, for containers that keep milliseconds, but never more than MOST_UNEVEN steps in all
ROUNDING_S = 0.001
MOST_UNEVEN = 0.9
#: the same in words, for the file
RATE_TOLERANCE = (
    "constant: times against even steps differ among each other by at most half a step (and 1 ms of rounding)"
)
#: times that differ by less are equal, s
_TIE_S = 1e-9

T = TypeVar("T")


class Clock:
    """Display times of decoded pictures, in ticks of the stream's time base; they always ascend.

    Parameters
    ----------
    time_base : Fraction
        Seconds a tick.
    fps : Fraction
        Nominal rate, 0 where unknown; fills in for times that are missing.
    by_packets : bool
        The container times packets, not pictures (AVI): the n-th picture shown has the n-th packet's time.
    jumps : bool
        Whether the container's clock may be set anew (MPEG streams).
    """

    def __init__(self, time_base: Fraction, fps: Fraction, by_packets: bool, jumps: bool) -> None:
        self._base = time_base
        self._known = 0 < fps <= MOST_FPS
        self._step = max(1, round(1 / (fps * time_base))) if self._known else 1
        self._by_packets = by_packets
        self._jumps = jumps
        self._packets: deque[int | None] = deque()
        self._offset = 0
        self._last: int | None = None
        self.times: list[int] = []
        self.disordered = 0
        self.missing = 0
        self.restarts: list[int] = []

    def feed(self, packet: Any) -> None:
        """Take note of a packet that is to give a picture."""
        if self._by_packets:
            self._packets.append(packet.dts if packet.dts is not None else packet.pts)

    def show(self, stamp: int | None, key: bool = False) -> int:
        """Return the time of the picture shown next, from its own time stamp.

        Parameters
        ----------
        stamp : int or None
        key : bool
            Whether a recording may begin with it.
        """
        if self._by_packets and self._packets:
            stamp = self._packets.popleft()
        last = self._last
        if stamp is None:
            self.missing += 1
            time = 0 if last is None else last + self._step
        else:
            time = stamp + self._offset
        if last is not None and stamp is not None:
            ahead = (time - last) * self._base
            self.disordered += ahead <= 0
            if ahead < -BACK_S or (self._jumps and (ahead > JUMP_S or (key and ahead <= 0))):
                self.restarts.append(len(self.times))
                self._offset += last + self._step - time
                time = last + self._step
            elif ahead <= 0:
                time = last + max(1, self._step // 2)
            elif not self._known:
                self._step = time - last
        self._last = time
        self.times.append(time)
        return time


@dataclass(frozen=True)
class Rate:
    """The frame rate of a video and whether its pictures keep to it.

    Attributes
    ----------
    fps : Fraction
        1/s; 0 where there is none.
    origin : {"container", "timestamps"}
    variable : bool
        Whether pictures are shown at uneven steps: :data:`EVEN` says how uneven.
    """

    fps: Fraction
    origin: str
    variable: bool


def rate_of(nominal: Fraction, time_base: Fraction, times: Sequence[float]) -> Rate:
    """Find the rate to work with and where it comes from.

    Containers that keep milliseconds (phones, browsers, screen recorders) claim rates such as 1000/s,
    interlaced streams their field rate: where the claim is more than a tenth off what most pairs of
    consecutive times say, or drifts by more than half a frame from times that are even, the mean
    rate of the times is taken. More than 1000/s is never a rate.

    Parameters
    ----------
    nominal : Fraction
        What the container claims, 1/s.
    time_base : Fraction
        Seconds a tick of its clock, 0 where it has none.
    times : sequence of float
        Ascending times of all pictures, s; NaN where unknown.
    """
    if nominal > MOST_FPS or (len(times) < 2 and nominal > MOST_UNPROVEN_FPS and nominal * time_base == 1):
        nominal = Fraction(0)
    at = np.array(times, np.float64)
    steps = np.diff(at)
    if not len(steps) or not np.isfinite(steps).all() or not (steps > 0).all():
        return Rate(nominal, "container", False)
    median, mean = 1 / float(np.median(steps)), len(steps) / float(steps.sum())
    measured = _usual(mean, ROUNDING_S / float(steps.sum()))
    found = Rate(nominal, "container", not _even(at, float(nominal)))
    if not nominal or abs(float(nominal) / median - 1) > 0.1 or (found.variable and _even(at, mean)):
        found = Rate(measured, "timestamps", not _even(at, float(measured)))
    return found if found.fps <= MOST_FPS else Rate(Fraction(0), "timestamps", found.variable)


def _usual(fps: float, uncertainty: float) -> Fraction:
    """Return a whole rate, or one of NTSC's, where the measured one is that as far as can be told."""
    for rate in (Fraction(round(fps)), Fraction(round(fps * 1.001) * 1000, 1001)):
        if abs(float(rate) / fps - 1) <= uncertainty:
            return rate
    return Fraction(fps).limit_denominator(1001)


def _even(at: NDArray[np.float64], fps: float) -> bool:
    if not fps:
        return False
    away = (at - at[0]) * fps - np.arange(len(at))
    return bool(np.ptp(away) <= min(MOST_UNEVEN, EVEN + ROUNDING_S * fps))


def nearest(times: Sequence[float], fps: Fraction) -> NDArray[np.int64]:
    """Choose pictures for even steps.

    Parameters
    ----------
    times : sequence of float
        Ascending, s.
    fps : Fraction
        Steps a second; the first is at the first picture, the last within half a step of the last.

    Returns
    -------
    (m,) int64
        For every step the picture nearest in time, of two equally near the earlier one.
    """
    at = np.array(times, np.float64)
    steps = at[0] + np.arange(int(np.floor((at[-1] - at[0]) * float(fps) + 0.5)) + 1) / float(fps)
    middles = (at[1:] + at[:-1]) / 2
    return np.asarray(np.searchsorted(middles, steps - _TIE_S), np.int64)


class Follower(Generic[T]):
    """Hands out, of pictures that come in order, the one nearest in time, as :func:`nearest` chooses.

    Parameters
    ----------
    pictures : iterator of (float, picture)
        Ascending times, s, each with its picture.
    """

    def __init__(self, pictures: Iterator[tuple[float, T]]) -> None:
        self._pictures = pictures
        self._now = next(pictures, None)
        self._next = next(pictures, None)

    def at(self, times: Iterable[float]) -> Iterator[T]:
        """Yield one picture for each time; the times ascend over all calls."""
        for time in times:
            while self._now and self._next and (self._now[0] + self._next[0]) / 2 < time - _TIE_S:
                self._now, self._next = self._next, next(self._pictures, None)
            if self._now is None:
                return
            yield self._now[1]
