"""A video file, decoded from front to back with PyAV, and proof that nothing was lost on the way.

A damaged file rarely raises: decoders conceal, containers claim, readers stop early without a word.
:func:`decode_video` therefore counts packets and frames against the container's index and fragments, asks
every packet and picture whether it is whole, and listens to the decoder's own messages. What it sees, and
what no reader can see (a stream without an index that ends between two packets), is measured in
tests/stages/frames/test_decode.py. What harms no shown picture is a note, not a fault.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging

from stages.base import StageError
from stages.frames.film import Film
from stages.frames.report import Message, Report, listening, reason
from stages.frames.streams import choose


def open_video(path: Path) -> Any:
    """Open a video file; a StageError says why where that fails."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise StageError(f"{path}: no such file", "check the path") from None
    except OSError as e:
        raise StageError(f"{path}: cannot be reached ({reason(e)})", "check path and permissions") from None
    if not stat.S_ISREG(status.st_mode):
        raise StageError(f"{path}: not a regular file", "give a video file")
    if status.st_size == 0:
        raise StageError(f"{path}: the file is empty (0 bytes)", "copy or record it again")
    try:
        # the protocol is named because a colon in a file's name would be taken for one
        return av.open(f"file:{path}")
    except PermissionError:
        raise StageError(f"{path}: may not be read", "check the file's permissions") from None
    except (av.error.FFmpegError, OSError, ValueError) as e:
        raise StageError(
            f"{path}: not a video that can be opened ({reason(e)})",
            "it may be truncated (no index) or no video at all: copy it again from the camera",
        ) from None


def decode_video(path: Path, report: Report) -> Iterator[Any]:
    """Decode all pictures of a video file, in presentation order.

    Parameters
    ----------
    path : Path
    report : Report
        Filled on the way.

    Yields
    ------
    av.VideoFrame
        ``pts`` ascends: see :class:`stages.frames.times.Clock`.

    Raises
    ------
    StageError
        The file cannot be opened or holds no video.
    """
    av.logging.set_level(av.logging.INFO)  # PyAV's default drops the decoder's messages
    # else the same message of a second damaged file would be dropped, and the file pass for sound
    av.logging.set_skip_repeated(False)
    messages: list[Message] = []
    with listening(messages):
        container = open_video(path)
    with container:
        stream = choose(container, partial(open_video, path), report)
        if stream is None:
            held = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
            held = "an attached picture" if container.streams.video else held
            raise StageError(f"{path}: holds no video stream (only {held})", "give a video file")
        context = stream.codec_context
        if context is None:
            raise StageError(f"{path}: no decoder for its video codec", "re-encode it, e.g. as H.264")
        # one thread a task: parallelism is over videos, and messages of other threads are not heard
        stream.thread_type, context.thread_count = "NONE", 1
        report.codec, report.pixel_format = context.name, context.pix_fmt or ""
        report.claimed = stream.frames
        report.pixel_aspect = Fraction(stream.sample_aspect_ratio or 1)
        report.fps = Fraction(stream.guessed_rate or stream.average_rate or 0)
        report.time_base = Fraction(stream.time_base or 0)
        yield from Film(container, stream, path, report, messages).pictures()
