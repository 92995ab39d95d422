"""From what stands in brackets to frames: numbers, times, slices of both, lists and masks."""

from __future__ import annotations

import datetime
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.reading.clock import Clock
from ttprep.errors import BadIndex

#: rows, and whether a single one was asked for
Rows = tuple["range | NDArray[np.intp]", bool]

_TEXT = re.compile(
    r"\s*(?P<sign>[-+]?)(?:(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>ms|s|min)"
    r"|(?:(?P<h>\d+):)?(?P<m>\d+):(?P<sec>\d+(?:\.\d*)?))\s*"
)
_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0}
#: rows that a step in time may give at most
_MOST = 100_000_000


class Time(float):
    """Seconds, told from a frame's number; negative ones count from the end, ``-0.0`` among them."""


def time_of(key: object) -> Time | None:
    """Return the time that a key means, None where it is none.

    Parameters
    ----------
    key : object
        Texts such as ``"12.5s"``, ``"800ms"``, ``"2min"``, ``"1:02.5"`` and ``"0:01:02.5"``;
        ``datetime.timedelta`` and what derives from it; ``numpy.timedelta64``.

    Raises
    ------
    BadIndex
        A text that is no time.
    """
    if isinstance(key, datetime.timedelta):
        return Time(key.total_seconds())
    if isinstance(key, np.timedelta64):
        return Time(key / np.timedelta64(1, "s"))
    if not isinstance(key, str):
        return None
    found = _TEXT.fullmatch(key)
    if found is None:
        raise BadIndex(
            f'{key!r} is no time; write seconds as "12.5s", or "800ms", "2min", "1:02.5"; frames are plain '
            "numbers"
        )
    if found["number"] is not None:
        seconds = float(found["number"]) * _UNITS[found["unit"]]
    else:
        seconds = (int(found["h"] or 0) * 60 + int(found["m"])) * 60 + float(found["sec"])
    return Time(-seconds if found["sign"] == "-" else seconds)


def rows_of(key: Any, length: int, clock: Callable[[], Clock], what: str) -> Rows:
    """Return the rows that a key means.

    Parameters
    ----------
    key : object
        A frame, a time, a slice of them, a list of them, or one truth value for each row.
    length : int
        Rows that there are.
    clock : callable
        Returns the times of the video's frames; asked only where the key holds a time.
    what : str
        For messages: the video and the array.

    Returns
    -------
    rows : range or array of int
    single : bool

    Raises
    ------
    BadIndex
    """
    if isinstance(key, slice):
        return _of_slice(key, length, clock, what), False
    if isinstance(key, (list, np.ndarray)) or (hasattr(key, "__array__") and not np.isscalar(key)):
        return _of_list(key, length, clock, what), False
    row = _position(key, length, clock, what)
    return range(row, row + 1), True


def _position(key: Any, length: int, clock: Callable[[], Clock], what: str) -> int:
    """Return one row, inside the array."""
    time = time_of(key)
    if time is not None:
        known = _known(clock(), what)
        seconds = known.end + time if _from_end(time) else float(time)
        # half a rounding to milliseconds, as containers keep them, is no reason to refuse the first frame
        low, high = float(known.times[0]) - 0.0011, known.end
        row = known.frame_at(seconds)
        if not (low <= seconds <= high and row < length):
            raise BadIndex(f"{what}: {key!r} lies outside; it lasts from {low + 0.0011:.3f} to {high:.3f} s")
        return row
    index = _integer(key, what)
    if not -length <= index < length:
        raise BadIndex(f"{what}: there is no {index}; it has {length} rows, 0 to {length - 1}")
    return index % length


def _from_end(time: Time) -> bool:
    return bool(np.signbit(time))


def _integer(key: Any, what: str) -> int:
    try:
        if isinstance(key, (bool, np.bool_)):
            raise TypeError
        return operator.index(key)
    except TypeError:
        hint = f'; write "{key:g}s" for seconds' if isinstance(key, (float, np.floating)) else ""
        raise BadIndex(f"{what}: {key!r} is neither a frame's number nor a time{hint}") from None


def _of_slice(key: slice, length: int, clock: Callable[[], Clock], what: str) -> range | NDArray[np.intp]:
    step = time_of(key.step)
    if step is not None:
        return _even(key, step, length, _known(clock(), what), what)
    start, stop = _end(key.start, clock, what), _end(key.stop, clock, what)
    by = None if key.step is None else _integer(key.step, what)
    if by == 0:
        raise BadIndex(f"{what}: the step of a slice cannot be 0")
    return range(*slice(start, stop, by).indices(length))


def _end(end: Any, clock: Callable[[], Clock], what: str) -> int | None:
    if end is None:
        return None
    time = time_of(end)
    if time is None:
        return _integer(end, what)
    known = _known(clock(), what)
    return known.frame_at(known.end + time if _from_end(time) else float(time))


def _even(key: slice, step: Time, length: int, clock: Clock, what: str) -> NDArray[np.intp]:
    """Return the rows nearest to even times."""
    if not abs(step) > 0:
        raise BadIndex(f"{what}: the step of a slice cannot be 0")
    first, last = float(clock.times[0]), clock.end
    begin, end = (first, last) if step > 0 else (float(clock.times[-1]), -np.inf)

    def seconds(bound: Any, default: float) -> float:
        time = None if bound is None else time_of(bound)
        if time is not None:
            return last + time if _from_end(time) else float(time)
        if bound is None:
            return default
        row = _integer(bound, what)
        row += len(clock.times) if row < 0 else 0
        return float(clock.times[row]) if 0 <= row < len(clock.times) else (last if row > 0 else first)

    begin, end = seconds(key.start, begin), seconds(key.stop, end)
    begin = max(begin, first) if step > 0 else min(begin, last)
    end = min(end, last) if step > 0 else max(end, first - 1e-7)
    count = max(0, int(np.ceil((end - begin) / step - 1e-9)))
    if count > _MOST:
        raise BadIndex(f"{what}: a step of {float(step):g} s gives {count} rows; take a longer one")
    rows = np.array([clock.frame_at(begin + k * step) for k in range(count)], np.intp)
    return rows[rows < length]


def _of_list(key: Any, length: int, clock: Callable[[], Clock], what: str) -> NDArray[np.intp]:
    values = key if isinstance(key, list) else np.asarray(key)
    if isinstance(values, list) and not all(isinstance(v, (bool, np.bool_)) for v in values):
        return np.array([_position(v, length, clock, what) for v in values], np.intp)
    found = np.asarray(values)
    if found.ndim != 1:
        raise BadIndex(f"{what}: a list of frames has one axis, this one {found.ndim}")
    if (found.dtype == bool and len(found)) or (isinstance(values, list) and len(values)):
        if len(found) != length:
            raise BadIndex(f"{what}: {len(found)} truth values for {length} rows; give one for each")
        return np.flatnonzero(found)
    if found.dtype.kind in "iu":
        found = found.astype(np.int64)
        wrong = (found < -length) | (found >= length)
        if wrong.any():
            raise BadIndex(f"{what}: there is no {found[wrong][0]}; it has {length} rows, 0 to {length - 1}")
        return np.asarray(np.where(found < 0, found + length, found), np.intp)
    return np.array([_position(v, length, clock, what) for v in found], np.intp)


def _known(clock: Clock, what: str) -> Clock:
    if not clock.known:
        raise BadIndex(f"{what}: its frames have no times in the file; give frames by number")
    return clock
