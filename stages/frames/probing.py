"""The frame rate of a video file and the times of its pictures, from its packets: nothing is decoded."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path

import av.error

from stages.base import StageError
from stages.frames.report import Message, Report, listening, reason
from stages.frames.streams import choose
from stages.frames.times import Rate, rate_of
from stages.frames.video import open_video


def probe_rate(path: Path) -> Rate:
    """Return the rate of a video file as :func:`stages.frames.times.rate_of` finds it.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StageError
        It cannot be opened, holds no film, or cannot be read.
    """
    nominal, base, times = _packets(path)
    # an AVI numbers packets: its claim is all there is
    return rate_of(nominal, base, times) if times else Rate(nominal, "container", False)


def probe_times(path: Path) -> list[float]:
    """Return when the pictures of a video file are shown, s, ascending; empty where its packets do not say.

    Raises
    ------
    StageError
        As :func:`probe_rate`.
    """
    return _packets(path)[2]


def _packets(path: Path) -> tuple[Fraction, Fraction, list[float]]:
    """Return the rate that the container claims, its time base, and the times of the pictures."""
    messages: list[Message] = []
    try:
        with listening(messages), open_video(path) as container:
            stream = choose(container, partial(open_video, path), Report())
            if stream is None:
                raise StageError(f"{path}: holds no video stream")
            base = Fraction(stream.time_base or 0)
            nominal = Fraction(stream.guessed_rate or stream.average_rate or 0)
            shown = [p.pts for p in container.demux(stream) if p.size and not p.is_discard]
    except (av.error.FFmpegError, OSError) as e:
        raise StageError(f"{path}: cannot be read ({reason(e)})") from None
    if None in shown or len(set(shown)) < len(shown):
        return nominal, base, []
    return nominal, base, [float(stamp * base) for stamp in sorted(shown)]
