"""A video file, decoded from front to back with PyAV, and proof that nothing was lost on the way.

A damaged file rarely raises: decoders conceal, containers claim, readers stop early without a word.
:func:`decode_video` therefore counts packets and frames against the container's index, asks every packet
and picture whether it is whole, and listens to the decoder's own messages. What it sees, and what no
reader can see (a stream without an index that ends between two packets), is measured in
tests/stages/frames/test_decode.py.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.format
import av.logging

from stages.base import StageError
from stages.frames.report import Message, Report, listening, reason


def _open(path: Path) -> Any:
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
        container = _open(path)
    with container:
        if not container.streams.video:
            held = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
            raise StageError(f"{path}: holds no video stream (only {held})", "give a video file")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context is None:
            raise StageError(f"{path}: no decoder for its video codec", "re-encode it, e.g. as H.264")
        # one thread a task: parallelism is over videos, and messages of other threads are not heard
        stream.thread_type, context.thread_count = "NONE", 1
        report.codec, report.pixel_format = context.name, context.pix_fmt or ""
        report.claimed = stream.frames
        report.pixel_aspect = Fraction(stream.sample_aspect_ratio or 1)
        report.origin = _origin(container)
        report.fps = Fraction(stream.guessed_rate or stream.average_rate or 0)
        slots = _Slots("avi" in container.format.name.split(","))
        yield from _pictures(container, stream, report, messages, slots)
    _judge(report, messages, slots)


def _origin(container: Any) -> float:
    """Return the time at which a player's clock stands at 0, s.

    MPEG streams start at any time of the recorder's clock, other containers count from 0.
    """
    adrift = container.format.flags & av.format.Flags.ts_discont.value
    return container.start_time / av.time_base if adrift and container.start_time else 0.0


@dataclass
class _Slots:
    """How far the index was read.

    The index of an AVI counts time slots, and a dropped picture leaves an empty one that never
    arrives as a packet; every other container counts packets.
    """

    timed: bool
    last: int = -1
    widest: int = 1

    def take(self, packet: Any) -> None:
        if self.timed and packet.dts is not None and packet.dts > self.last:
            if self.last >= 0:
                self.widest = max(self.widest, packet.dts - self.last)
            self.last = packet.dts

    def reached(self, packets: int) -> int:
        """Entries accounted for."""
        return max(packets, self.last + self.widest) if self.timed else packets


def _pictures(
    container: Any, stream: Any, report: Report, messages: list[Message], slots: _Slots
) -> Iterator[Any]:
    packets = container.demux(stream)
    while True:
        try:
            with listening(messages):
                packet = next(packets, None)
        except (av.error.FFmpegError, OSError) as e:
            report.fault(f"reading stopped after frame {report.frames - 1}: {reason(e)}")
            return
        if packet is None:
            return
        if packet.size:
            report.packets += 1
            report.discarded += bool(packet.is_discard)
            slots.take(packet)
            if packet.is_corrupt:
                report.fault(f"incomplete packet after frame {report.frames - 1}")
        try:
            with listening(messages):
                pictures = packet.decode()
        except av.error.FFmpegError as e:
            report.fault(f"undecodable data after frame {report.frames - 1}: {e.strerror}")
            continue
        for picture in pictures:
            if picture.is_corrupt:
                report.fault(f"frame {report.frames} is damaged")
            report.interlaced += bool(picture.interlaced_frame)
            report.frames += 1
            yield picture


def _judge(report: Report, messages: list[Message], slots: _Slots) -> None:
    if messages:
        more = f" (and {len(messages) - 1} more messages)" if len(messages) > 1 else ""
        report.fault(f"{messages[0][1]} decoder: {' '.join(messages[0][2].split())}{more}")
    reached = slots.reached(report.packets)
    if report.claimed > reached:
        report.fault(f"the index lists {report.claimed} frames, {reached} are there: truncated")
