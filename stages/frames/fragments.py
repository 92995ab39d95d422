"""What an MP4 or QuickTime file promises: samples by its tables and fragments, and bytes by its boxes.

Readers stop at the first thing that is missing and say nothing, so that what is there is counted against the
boxes themselves (ISO/IEC 14496-12): ``stsz`` of the movie, ``trun`` of every fragment (``moof``), the segment
index (``sidx``) and the index of fragments at the end (``mfra``).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

#: boxes of one file that are looked at; an hour of fragments of a tenth of a second has a tenth of it
MOST_BOXES = 1_000_000
#: bytes of a box that is read as a whole (a movie's tables, a fragment's)
MOST_BYTES = 256_000_000


@dataclass
class Promise:
    """What the boxes of a file say of one track.

    Attributes
    ----------
    samples : int
        Samples in the movie's table and in all fragments.
    fragments : int
        Fragments that hold samples of the track.
    faults : list of str
        What is said to be there and is not.
    notes : list of str
        What is odd about the file and concerns none of its pictures.
    """

    samples: int = 0
    fragments: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


#: type, position of its content in the file, size of its content as stated
Box = tuple[bytes, int, int]


def read_promise(path: Path, track: int) -> Promise:
    """Read what an MP4 or QuickTime file promises for a track.

    Parameters
    ----------
    path : Path
    track : int
        Its number in the file (``track_ID``).

    Raises
    ------
    OSError
        The file cannot be read.
    """
    promise = Promise()
    with path.open("rb") as file:
        end = os.fstat(file.fileno()).st_size
        moofs: set[int] = set()
        promised: list[int] = []
        for kind, at, size in _top_boxes(file, end):
            if at + size > end and kind != b"free":
                text = f"the file ends {at + size - end} bytes before its part {_name(kind)} does"
                # whether pictures are missing from the data itself is told by counting them
                (promise.notes if kind == b"mdat" else promise.faults).append(text)
            if kind not in (b"moov", b"moof", b"sidx", b"mfra"):
                continue
            file.seek(at)
            content = file.read(min(size, end - at, MOST_BYTES))
            if kind == b"moof":
                moofs.add(at)
                count = sum(_samples_of(part, track) for part in _boxes(content, b"traf"))
                promise.samples += count
                promise.fragments += count > 0
            elif kind == b"moov":
                promise.samples += _in_movie(content, track)
            elif kind == b"sidx":
                last = _sidx_end(content, at + size, track)
                if last > end:
                    promise.faults.append(f"its index (sidx) reaches {last - end} bytes past its end")
            else:
                promised += _mfra_offsets(content, track)
    missing = sum(offset + 8 not in moofs and offset + 16 not in moofs for offset in promised)
    if missing:
        promise.faults.append(f"its index (mfra) lists {len(promised)} fragments, {missing} are not there")
    return promise


def _name(kind: bytes) -> str:
    return kind.decode("latin-1").strip()


def _top_boxes(file: BinaryIO, end: int) -> Iterator[Box]:
    at = 0
    for _ in range(MOST_BOXES):
        if at + 8 > end:
            return
        file.seek(at)
        head = file.read(16)
        size, kind, skip = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1 and len(head) == 16:
            size, skip = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:  # to the end of the file, which zeros behind it are too
            return
        if size < skip or not kind.isalnum() or not kind.isascii():
            return  # no box: what somebody put behind the file
        yield kind, at + skip, size - skip
        at += size


def _boxes(content: bytes, *names: bytes, start: int = 0) -> Iterator[bytes]:
    """The contents of all boxes on a path of names, e.g. ``trak``, ``mdia``."""
    at = start
    while at + 8 <= len(content):
        size, kind, skip = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8], 8
        if size == 1:
            size, skip = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(content) - at
        if size < skip:
            return
        if kind == names[0]:
            inner = content[at + skip : at + size]
            if len(names) == 1:
                yield inner
            else:
                yield from _boxes(inner, *names[1:])
        at += size


def _u32(content: bytes, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "big")


def _samples_of(fragment: bytes, track: int) -> int:
    if not any(_u32(head, 4) == track for head in _boxes(fragment, b"tfhd")):
        return 0
    return sum(_u32(run, 4) for run in _boxes(fragment, b"trun"))


def _in_movie(content: bytes, track: int) -> int:
    total = 0
    for trak in _boxes(content, b"trak"):
        for head in _boxes(trak, b"tkhd"):
            if _u32(head, 20 if head[:1] == b"\x01" else 12) == track:
                total += sum(_u32(t, 8) for t in _boxes(trak, b"mdia", b"minf", b"stbl", b"stsz"))
                total += sum(_u32(t, 8) for t in _boxes(trak, b"mdia", b"minf", b"stbl", b"stz2"))
    return total


def _sidx_end(content: bytes, anchor: int, track: int) -> int:
    """Where the last part that a segment index lists ends in the file; 0 where it lists another track's."""
    if len(content) < 12 or _u32(content, 4) != track:
        return 0
    wide = content[:1] == b"\x01"
    first = int.from_bytes(content[20:28], "big") if wide else _u32(content, 16)
    at = 28 if wide else 20
    count = int.from_bytes(content[at + 2 : at + 4], "big")
    entries = content[at + 4 : at + 4 + 12 * count]
    sizes = [
        int(word) & 0x7FFFFFFF for (word,) in struct.iter_unpack(">I8x", entries[: len(entries) // 12 * 12])
    ]
    return anchor + first + sum(sizes)


def _mfra_offsets(content: bytes, track: int) -> list[int]:
    """Positions of the fragments of a track, one for each entry; fragments begin with their header."""
    found = []
    for table in _boxes(content, b"tfra"):
        if _u32(table, 4) != track:
            continue
        wide, sizes, count = table[:1] == b"\x01", _u32(table, 8), _u32(table, 12)
        numbers = sum((sizes >> shift & 3) + 1 for shift in (4, 2, 0))
        step = (16 if wide else 8) + numbers
        for k in range(min(count, (len(table) - 16) // step)):
            at = 16 + k * step
            found.append(int.from_bytes(table[at + 8 : at + 16], "big") if wide else _u32(table, at + 4))
    return list(dict.fromkeys(found))
