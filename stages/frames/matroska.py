"""What FFmpeg does not pass on of a Matroska or WebM file: cropping, where the segment ends (RFC 9559)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT, _TRACKS, _TRACK, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1654AE6B, 0xAE, 0x1F43B675
_TYPE, _VIDEO = 0x83, 0xE0
_PICTURES = 1
#: PixelCropLeft, -Top, -Right, -Bottom
_CROP = (0x54CC, 0x54BB, 0x54DD, 0x54AA)
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
_UNKNOWN_UNIT = 4
#: bytes of a list of tracks that are read
MOST_BYTES = 16_000_000


@dataclass(frozen=True)
class Segment:
    """What a Matroska file says of one track.

    Attributes
    ----------
    crop : (int, int, int, int)
        Coded pixels that are not to be shown: left, top, right, bottom.
    display : (int, int)
        Width and height, in any unit, at which what is left is to be shown; zeros where nothing is said.
    end : int
        Position where the segment ends as its header says; 0 where it says nothing (live recordings).
    """

    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    display: tuple[int, int] = (0, 0)
    end: int = 0


def read_segment(path: Path, track: int) -> Segment:
    """Read the headers of a Matroska file.

    Parameters
    ----------
    path : Path
    track : int
        Which of its tracks of pictures, from 0 on; FFmpeg does not pass on the number in the file.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for kind, at, length in _elements(file, 0, size):
            if kind != _SEGMENT:
                continue
            end = at + length if length is not None else 0
            for part, start, extent in _elements(file, at, min(end or size, size)):
                if part == _CLUSTER:
                    break
                if part == _TRACKS and extent is not None:
                    file.seek(start)
                    return _read_track(file.read(min(extent, MOST_BYTES)), track, end)
            return Segment(end=end)
    return Segment()


def _elements(file: BinaryIO, at: int, end: int) -> Iterator[tuple[int, int, int | None]]:
    while at < end:
        file.seek(at)
        head = file.read(12)
        if (one := _element(head, 0)) is None:
            return
        kind, skip, length = one
        yield kind, at + skip, length
        if length is None:
            return
        at += skip + length


def _element(data: bytes, at: int) -> tuple[int, int, int | None] | None:
    """Id, bytes of the header, and length (None: unknown) of the element at a position."""
    n = _width(data, at)
    m = _width(data, at + n) if n else 0
    if not n or n > 4 or not m or at + n + m > len(data):
        return None
    kind = int.from_bytes(data[at : at + n], "big")
    length = int.from_bytes(data[at + n : at + n + m], "big") & (1 << 7 * m) - 1
    return kind, n + m, None if length == (1 << 7 * m) - 1 else length


def _width(data: bytes, at: int) -> int:
    return 9 - data[at].bit_length() if at < len(data) and data[at] else 0


def _children(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while (one := _element(data, at)) is not None:
        kind, skip, length = one
        if length is None:
            return
        yield kind, data[at + skip : at + skip + length]
        at += skip + length


def _read_track(tracks: bytes, track: int, end: int) -> Segment:
    entries = [dict(_children(content)) for kind, content in _children(tracks) if kind == _TRACK]
    videos = [parts for parts in entries if _uint(parts, _TYPE) == _PICTURES]
    if track >= len(videos):
        return Segment(end=end)
    video = dict(_children(videos[track].get(_VIDEO, b"")))
    left, top, right, bottom = (_uint(video, name) for name in _CROP)
    display = _uint(video, _DISPLAY_WIDTH), _uint(video, _DISPLAY_HEIGHT)
    if 0 in display or _uint(video, _DISPLAY_UNIT) >= _UNKNOWN_UNIT:
        display = 0, 0
    return Segment((left, top, right, bottom), display, end)


def _uint(parts: dict[int, bytes], name: int) -> int:
    return int.from_bytes(parts.get(name, b""), "big")
