"""The pictures of one stream, read once from front to back, with proof that none was lost on the way."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.format import Flags

from stages.frames.damage import Complaints, end_of_content
from stages.frames.fragments import read_promise
from stages.frames.matroska import Segment, read_segment
from stages.frames.report import Message, Report, listening, reason
from stages.frames.times import Clock

#: packets looked at to learn whether time stamps are those of pictures …
AHEAD = 32
#: … and to find the first picture that needs no other
MOST_AHEAD = 600
#: zeros behind a recording that are more than its own last bytes
LEAST_ZEROS = 512

Heard = tuple[Any, list[Message]]


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


def holds_idr(data: bytes, extradata: bytes) -> bool:
    """Whether an H.264 packet holds a slice after which nothing refers to what was before (IDR).

    Parameters
    ----------
    data, extradata : bytes
        Of the packet, in either of its forms, and of its stream.
    """
    if extradata[:1] != b"\x01":
        return re.search(rb"\0\0\x01[\x05\x25\x45\x65]", data) is not None
    width, at = (extradata[4] & 3) + 1 if len(extradata) > 4 else 4, 0
    while at + width < len(data):
        if data[at + width] & 31 == 5:
            return True
        at += width + int.from_bytes(data[at : at + width], "big")
    return False


class Film:
    """The stream of pictures of an open file.

    Parameters
    ----------
    container : av.container.InputContainer
    stream : av.video.stream.VideoStream
    path : Path
    report : Report
        ``codec``, ``fps``, ``time_base``, ``claimed`` are set; the rest is filled by :meth:`pictures`.
    messages : list of Message
        Heard while the file was opened.
    """

    def __init__(
        self, container: Any, stream: Any, path: Path, report: Report, messages: list[Message]
    ) -> None:
        self._container, self._stream, self._path, self._report = container, stream, path, report
        self._names = set(container.format.name.split(","))
        self._complaints = Complaints(report, report.codec, stream.index)
        self._complaints.opening(messages)
        self._slots = _Slots("avi" in self._names)
        self._segment = Segment()
        self._end: list[Message] = []
        self._stopped = ""
        self._last_byte = 0
        self._keys = 0
        #: time stamp of the first picture that needs no other; those before it in time may refer to nothing
        self._first: int | None = None
        self._opened_within = False
        self._unshown: set[int | None] = set()
        #: text and age of a doubt that the next packets dispel or confirm
        self._doubt: tuple[str, int] | None = None
        self._joins: list[int] = []
        self._read_headers()

    def pictures(self) -> Iterator[Any]:
        """Yield all pictures, in presentation order, with ascending ``pts``.

        Yields
        ------
        av.VideoFrame
        """
        report, read = self._report, self._read()
        ahead: deque[Heard] = deque()
        key = False
        for heard in read:
            ahead.append(heard)
            key = key or bool(heard[0].size and heard[0].is_keyframe)
            if len(ahead) >= (AHEAD if key else MOST_AHEAD):
                break
        clock, start = self._clock([packet for packet, _ in ahead if packet.size])
        wait = key and "avi" not in self._names  # an AVI's index is often wrong about keys
        for packet, messages in chain(ahead, read):
            if packet.size:
                report.packets += 1
                report.discarded += bool(packet.is_discard)
                self._slots.take(packet)
                self._last_byte = max(self._last_byte, (packet.pos or 0) + packet.size)
                if wait and not self._keys and not packet.is_keyframe:
                    report.unreferenced += 1
                    self._opened_within = True
                    continue
                self._check(packet)
                if not packet.is_discard:
                    clock.feed(packet)
            for picture in self._decoded(packet, messages):
                picture.pts = clock.show(picture.pts, bool(picture.key_frame)) - start
                picture.time_base = self._stream.time_base
                report.interlaced += bool(picture.interlaced_frame)
                report.frames += 1
                yield picture
        report.disordered = clock.disordered
        self._judge(clock)

    def _read_headers(self) -> None:
        """Read what FFmpeg does not pass on: the promise of fragments, cropping."""
        report = self._report
        if "mp4" in self._names:
            promise = read_promise(self._path, self._stream.id)
            if promise.fragments:
                report.claimed = promise.samples
            for text in promise.faults:
                report.fault(text)
            for text in promise.notes:
                report.note(text)
        elif "matroska" in self._names:
            before = [s for s in self._container.streams.video if s.index < self._stream.index]
            self._segment = segment = read_segment(self._path, len(before))
            context = self._stream.codec_context
            left, top, right, bottom = segment.crop
            width, height = context.width - left - right, context.height - top - bottom
            if any(segment.crop) and width > 0 and height > 0:
                report.crop = segment.crop
                aspect = Fraction(*segment.display) if all(segment.display) else Fraction(width, height)
                report.pixel_aspect = aspect / Fraction(width, height)

    def _clock(self, packets: list[Any]) -> tuple[Clock, int]:
        """The clock, and the ticks at which the file starts where that is not its zero."""
        base = Fraction(self._stream.time_base or 1)
        stamped = [p for p in packets if p.pts is not None]
        by_packets = self._slots.timed or (
            bool(self._stream.codec_context.has_b_frames) and all(p.pts == p.dts for p in stamped)
        )
        jumps = bool(self._container.format.flags & Flags.ts_discont.value)
        start = Fraction(self._container.start_time or 0, av.time_base)
        self._report.start = 0.0 if jumps else float(start)
        return Clock(base, self._report.fps, by_packets, jumps), round(start / base) if jumps else 0

    def _read(self) -> Iterator[Heard]:
        packets = self._container.demux(self._stream)
        while True:
            messages: list[Message] = []
            try:
                with listening(messages):
                    packet = next(packets, None)
            except (av.error.FFmpegError, OSError) as e:
                self._end += messages
                self._stopped = reason(e)
                return
            if packet is None:
                self._end += messages
                return
            if not packet.size:  # the last: it only asks the decoder for what it still holds
                self._end += messages
                messages = []
            yield packet, messages

    def _check(self, packet: Any) -> None:
        """Look at a packet's marks: a place to begin at, incomplete."""
        if packet.is_keyframe:
            self._keys += 1
            if self._keys == 1:
                self._first = packet.pts
                context = self._stream.codec_context
                self._opened_within |= context.name == "h264" and not holds_idr(
                    bytes(packet), bytes(context.extradata or b"")
                )
            if self._doubt:  # the last packet of a recording that another was put behind looks incomplete
                self._joins.append(self._report.frames)
                self._doubt = None
        elif self._doubt:
            text, age = self._doubt
            self._doubt = (text, age + 1)
            if age == 2:
                self._report.fault(text)
                self._doubt = None
        if packet.is_corrupt:
            text = f"incomplete packet after frame {self._report.frames - 1}"
            if "mpegts" in self._names:
                self._doubt = (text, 0)
            else:
                self._report.fault(text)

    def _decoded(self, packet: Any, messages: list[Message]) -> Iterator[Any]:
        leading = self._is_leading(packet)
        self._opened_within |= leading
        pictures, error = [], ""
        try:
            with listening(messages):
                pictures = packet.decode()
        except av.error.FFmpegError as e:
            error = reason(e)
        opening = self._opened_within and self._keys == 1
        unshown = self._complaints.hear(messages, leading, opening)
        if unshown:
            self._unshown.add(packet.pts)
            self._report.unreferenced += not packet.is_discard
        elif error:
            self._report.fault(f"undecodable data after frame {self._report.frames - 1}: {error}")
        for picture in pictures:
            first, at = self._first, picture.pts
            before = self._opened_within and first is not None and at is not None and at < first
            if before and (picture.is_corrupt or picture.pts in self._unshown):
                self._report.unreferenced += picture.pts not in self._unshown
                continue
            if picture.is_corrupt:
                self._report.fault(f"frame {self._report.frames} is damaged")
            yield picture

    def _is_leading(self, packet: Any) -> bool:
        """Whether a packet is shown before the first picture that needs no other, and may need others."""
        if not packet.size or self._keys != 1 or packet.is_keyframe or self._first is None:
            return False
        return packet.pts is None or packet.pts < self._first

    def _judge(self, clock: Clock) -> None:
        report = self._report
        if self._doubt:
            report.fault(self._doubt[0])
        for at in self._joins:
            near = np.diff(np.array(clock.times[max(0, at - 12) : at + 12]))
            if len(near) and near.max() > 1.5 * np.median(near):
                report.fault(f"incomplete packet near frame {at}, and a picture is missing there")
            else:
                report.note(f"recordings were put together near frame {at}")
        reached = self._slots.reached(report.packets)
        if (self._end or self._stopped) and report.claimed <= reached and (zeros := self._zeros_behind()):
            report.note(f"{zeros} zero bytes behind the recording")
        else:
            self._complaints.hear(self._end)
            if self._stopped:
                report.fault(f"reading stopped after frame {report.frames - 1}: {self._stopped}")
        self._complaints.close()
        if report.claimed > reached:
            report.fault(f"the index lists {report.claimed} frames, {reached} are there: truncated")
        if report.unreferenced:
            report.note(
                f"the recording begins within a group of pictures: {report.unreferenced} pictures that "
                "refer to others before it are left out"
            )
        if clock.restarts:
            where = ", ".join(map(str, clock.restarts[:5])) + (" …" if len(clock.restarts) > 5 else "")
            report.note(f"its clock is set anew at frame {where}: times go on by one step there")
        if clock.missing:
            report.note(f"{clock.missing} pictures carry no time: even steps are assumed there")

    def _zeros_behind(self) -> int:
        """Zeros behind the recording, as recorders leave that reserve room; 0 where they may be a loss."""
        content, size = end_of_content(self._path), self._path.stat().st_size
        if size - content < LEAST_ZEROS or self._last_byte > content or self._segment.end > content:
            return 0
        return size - content
