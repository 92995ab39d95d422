"""Seal a dataset file: checksums behind its HDF5 part, which are compared before HDF5 parses a byte of it.

HDF5 has no checksum over some of its structures, and a flipped size there can make it loop for ever. HDF5
does not look behind its own end of file, so that is where the seal lies (docs/dataset-format.md)::

    HDF5 part | JSON | "TTPSEAL1" | length of the JSON (8 bytes, little-endian) | sha256 of the JSON

The *head* is all that lies outside the pixels: tables, attributes, HDF5's own structures. It is small, and
its sha256 is compared whenever the file is opened. The pixels have one CRC-32 for each MiB, compared when
they are read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = b"TTPSEAL1"
BLOCK = 1 << 20
_TAIL = len(MAGIC) + 8 + 32
_LARGEST = 1 << 30
_READ = 1 << 22

#: first byte, first byte after it
Range = tuple[int, int]


class SealError(Exception):
    """What is wrong with a file, in a few words."""


@dataclass(frozen=True)
class Seal:
    """What a seal says.

    Attributes
    ----------
    size : int
        Bytes of the HDF5 part.
    fingerprint : str
        See :mod:`pipeline.dataset.fingerprint`.
    sha256, head_sha256 : str
        Of the HDF5 part and of the head.
    head : list of (int, int)
    crc32 : bytes
        Little-endian, four bytes for each :data:`BLOCK` of the HDF5 part.
    """

    size: int
    fingerprint: str
    sha256: str
    head: list[Range]
    head_sha256: str
    crc32: bytes


class BlockSums:
    """CRC-32 of each block of a stream."""

    def __init__(self) -> None:
        self._sums: list[int] = []
        self._at = 0

    def update(self, data: memoryview) -> None:
        """Go on with the next bytes."""
        while len(data):
            part = data[: BLOCK - self._at % BLOCK]
            if self._at % BLOCK == 0:
                self._sums.append(0)
            self._sums[-1] = zlib.crc32(part, self._sums[-1])
            self._at += len(part)
            data = data[len(part) :]

    def to_bytes(self) -> bytes:
        """Return the sums of all blocks."""
        return np.array(self._sums, "<u4").tobytes()


def outside(pixels: Iterable[Range], size: int) -> list[Range]:
    """Return the ranges of a file of ``size`` bytes that lie outside others."""
    found, at = [], 0
    for start, stop in sorted(pixels):
        if start > at:
            found.append((at, start))
        at = max(at, stop)
    return [*found, (at, size)] if at < size else found


def hash_ranges(handle: int, ranges: Iterable[Range]) -> str:
    """Return the sha256 of ranges of an open file, in hexadecimal.

    Raises
    ------
    SealError
        The file ends before them.
    """
    digest = hashlib.sha256()
    for start, stop in ranges:
        while start < stop:
            data = os.pread(handle, min(_READ, stop - start), start)
            if not data:
                raise SealError("it ends too early")
            digest.update(data)
            start += len(data)
    return digest.hexdigest()


def hash_file(path: Path, size: int) -> tuple[str, str]:
    """Return the sha256 of the first ``size`` bytes of a file and that of all, in hexadecimal.

    Raises
    ------
    SealError
        It is no regular file.
    OSError
        It cannot be read.
    """
    digest, part = hashlib.sha256(), ""
    left = size
    with open(open_regular(path), "rb") as file:
        while data := file.read(min(_READ, left) if left else _READ):
            digest.update(data)
            left = max(0, left - len(data))
            if not left and not part:
                part = digest.hexdigest()
    return part, digest.hexdigest()


def make_seal(handle: int, pixels: Iterable[Range], fingerprint: str, sha256: str, crc32: bytes) -> bytes:
    """Return the seal of an open, complete HDF5 file as it is to be appended."""
    size = os.fstat(handle).st_size
    head = outside(pixels, size)
    text = json.dumps(
        {
            "format": "ttprep-seal",
            "version": 1,
            "size": size,
            "fingerprint": fingerprint,
            "sha256": sha256,
            "head": head,
            "head_sha256": hash_ranges(handle, head),
            "block": BLOCK,
            "crc32": base64.b64encode(crc32).decode(),
        }
    ).encode()
    return text + MAGIC + len(text).to_bytes(8, "little") + hashlib.sha256(text).digest()


def open_regular(path: Path) -> int:
    """Open a regular file for reading; a pipe in its place holds nobody up.

    Raises
    ------
    SealError
        It is something else.
    OSError
        It cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise SealError("it is no regular file")
    return handle


def read_seal(path: Path) -> Seal | None:
    """Read the seal of a file; None where it has none, as files of earlier versions.

    Raises
    ------
    SealError
        It is damaged.
    OSError
        The file cannot be read.
    """
    handle = open_regular(path)
    try:
        found = _seal_of(handle)
        return found[0] if found else None
    finally:
        os.close(handle)


def sound_seal(path: Path) -> tuple[Seal, str, int]:
    """Read the seal of a file that must have one, and compare the head with it.

    Returns
    -------
    seal : Seal
    digest : str
        sha256 of its JSON, which is what the file ends with, in hexadecimal.
    size : int
        Bytes of the file.

    Raises
    ------
    SealError
        It has none, or is damaged.
    OSError
        The file cannot be read.
    """
    handle = open_regular(path)
    try:
        found = _seal_of(handle)
        if found is None:
            raise SealError("it has lost its seal")
        _compare_head(handle, found[0])
        return (*found, os.fstat(handle).st_size)
    finally:
        os.close(handle)


def _seal_of(handle: int) -> tuple[Seal, str] | None:
    size = os.fstat(handle).st_size
    tail = os.pread(handle, _TAIL, max(0, size - _TAIL))
    if len(tail) < _TAIL or tail[: len(MAGIC)] != MAGIC:
        return None
    length = int.from_bytes(tail[len(MAGIC) : len(MAGIC) + 8], "little")
    if length > min(_LARGEST, size - _TAIL):
        raise SealError("its seal is damaged")
    text = os.pread(handle, length, size - _TAIL - length)
    if hashlib.sha256(text).digest() != tail[-32:]:
        raise SealError("its seal is damaged")
    seal = _parse(text)
    if seal.size != size - _TAIL - length:
        raise SealError("it has lost or gained bytes")
    return seal, tail[-32:].hex()


def _parse(text: bytes) -> Seal:
    try:
        value: Any = json.loads(text)
        seal = Seal(
            int(value["size"]),
            str(value["fingerprint"]),
            str(value["sha256"]),
            [(int(a), int(b)) for a, b in value["head"]],
            str(value["head_sha256"]),
            base64.b64decode(value["crc32"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SealError("its seal is damaged") from None
    return seal


def check_head(path: Path, seal: Seal) -> None:
    """Compare the head of a file with its seal: all that HDF5 parses.

    Raises
    ------
    SealError
        It differs.
    OSError
        The file cannot be read.
    """
    handle = open_regular(path)
    try:
        _compare_head(handle, seal)
    finally:
        os.close(handle)


def _compare_head(handle: int, seal: Seal) -> None:
    if hash_ranges(handle, seal.head) != seal.head_sha256:
        raise SealError("its tables or structures are not those that were written (sha256 differs)")
