"""Sequential decoding with PyAV, and proof that nothing was lost on the way.

A damaged file rarely raises: decoders conceal, containers claim, readers stop early without a
word. :func:`decode` therefore counts packets and frames against the container's index and listens to
the decoder's own error messages; on twenty-one damaged and seventeen sound files every damage was
seen and no sound file accused (tests/test_decode.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging

from stages.base import StageError


@dataclass
class Report:
    """What decoding met; filled while :func:`decode` runs, complete once it is exhausted.

    Attributes
    ----------
    codec, pixel_format : str
    fps : Fraction
        Nominal frame rate of the stream, 1/s.
    pixel_aspect : Fraction
        Width of a pixel over its height.
    claimed : int
        Frames the container claims, 0 where it claims nothing.
    packets, discarded, frames : int
        Packets read, packets that an edit list hides, pictures decoded.
    interlaced : int
        Pictures flagged as interlaced.
    faults : list of str
        Every sign of damage, in the order met.
    """

    codec: str = ""
    pixel_format: str = ""
    fps: Fraction = Fraction(0)
    pixel_aspect: Fraction = Fraction(1)
    claimed: int = 0
    packets: int = 0
    discarded: int = 0
    frames: int = 0
    interlaced: int = 0
    faults: list[str] = field(default_factory=list)


def _open(path: Path) -> Any:
    if not path.exists():
        raise StageError(f"{path}: no such file", "check the path")
    if path.stat().st_size == 0:
        raise StageError(f"{path}: the file is empty (0 bytes)", "copy or record it again")
    try:
        return av.open(str(path))
    except PermissionError:
        raise StageError(f"{path}: may not be read", "check the file's permissions") from None
    except (av.error.FFmpegError, OSError, ValueError) as e:
        log = getattr(e, "log", None)
        detail = (log[2] if log else getattr(e, "strerror", None) or str(e)).strip()
        raise StageError(
            f"{path}: not a video that can be opened ({detail})",
            "it may be truncated (no index) or no video at all: copy it again from the camera",
        ) from None


def decode(path: Path, report: Report) -> Iterator[Any]:
    """All pictures of a file in presentation order.

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
        The file cannot be opened or holds no video. Damage further in is not raised but
        recorded in ``report.faults``: the caller decides.
    """
    av.logging.set_level(av.logging.ERROR)  # PyAV's default drops the decoder's messages
    with av.logging.Capture() as messages, _open(path) as container:
        if not container.streams.video:
            held = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
            raise StageError(f"{path}: holds no video stream (only {held})", "give a video file")
        stream = container.streams.video[0]
        context = stream.codec_context
        if context is None:
            raise StageError(f"{path}: no decoder for its video codec", "re-encode it, e.g. as H.264")
        stream.thread_type = "NONE"  # one thread a task: parallelism is over videos
        report.codec, report.pixel_format = context.name, context.pix_fmt or ""
        report.claimed = stream.frames
        report.pixel_aspect = Fraction(stream.sample_aspect_ratio or 1)
        report.fps = Fraction(stream.guessed_rate or stream.average_rate or 0)
        yield from _pictures(container, stream, report)
        _judge(report, messages)


def _pictures(container: Any, stream: Any, report: Report) -> Iterator[Any]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError) as e:
            report.faults.append(f"reading stopped after frame {report.frames - 1}: {e}")
            return
        if packet.size:
            report.packets += 1
            report.discarded += bool(packet.is_discard)
            if packet.is_corrupt:
                report.faults.append(f"incomplete packet after frame {report.frames - 1}")
        try:
            pictures = packet.decode()
        except av.error.FFmpegError as e:
            report.faults.append(f"undecodable data after frame {report.frames - 1}: {e.strerror}")
            continue
        for picture in pictures:
            if picture.is_corrupt:
                report.faults.append(f"frame {report.frames} is damaged")
            report.interlaced += bool(picture.interlaced_frame)
            report.frames += 1
            yield picture


def _judge(report: Report, messages: list[tuple[int, str, str]]) -> None:
    severe = [m for m in messages if m[0] <= av.logging.ERROR]
    if severe:
        more = f" (and {len(severe) - 1} more messages)" if len(severe) > 1 else ""
        report.faults.append(f"{severe[0][1]} decoder: {severe[0][2].strip()}{more}")
    if report.claimed > report.packets:
        report.faults.append(
            f"the index lists {report.claimed} frames, {report.packets} are there: truncated"
        )
