"""Read a feature file through what its receipt vouches for.

HDF5 trusts its own metadata: a flipped bit there makes it loop for ever or decode other values, and no
checksum lies over texts. The receipt therefore keeps a sha256 over everything in the file that is not a chunk
of array data (a chunk has a checksum of its own). Those bytes are read and compared before HDF5 sees any, and
HDF5 is served from the very bytes that were compared.
"""

from __future__ import annotations

import bisect
import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from store.atomic import not_stale
from store.errors import DamagedError


@dataclass(frozen=True)
class Header:
    """Everything in a file that is not a chunk of array data.

    Attributes
    ----------
    sha256 : str
        Of those bytes, in the file's order.
    ranges : tuple of (int, int)
        Where they lie: begin and end, ascending.
    """

    sha256: str
    ranges: tuple[tuple[int, int], ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: the digest, and begin, end, begin, end, … in one list."""
        return {"sha256": self.sha256, "ranges": [at for both in self.ranges for at in both]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Header:
        """Undo :meth:`to_json`."""
        places = value["ranges"]
        return cls(value["sha256"], tuple(zip(places[::2], places[1::2], strict=True)))


def header_of(path: Path) -> Header:
    """Return the header of a file that was just written."""
    with SealedFile(path) as raw:
        chunks: list[tuple[int, int]] = []
        with h5py.File(raw, "r") as file:
            for dataset in file.values():
                dataset.id.chunk_iter(lambda c: chunks.append((c.byte_offset, c.byte_offset + c.size)))
        ranges = tuple(_between(sorted(chunks), raw.size))
        return Header(raw.digest(ranges), ranges)


def _between(chunks: Iterable[tuple[int, int]], size: int) -> Iterable[tuple[int, int]]:
    at = 0
    for begin, end in chunks:
        if begin > at:
            yield at, begin
        at = max(at, end)
    if size > at:
        yield at, size


class SealedFile(io.RawIOBase):
    """Serve as HDF5's file object for reading; no lock of HDF5's own is taken on it.

    Parameters
    ----------
    path : Path
    header : Header, optional
        Compared at once. Without it the caller vouches for the bytes.

    Raises
    ------
    DamagedError
        The header's bytes are not those that were published.
    OSError
        The file cannot be read now.
    """

    def __init__(self, path: Path, header: Header | None = None) -> None:
        super().__init__()
        self.path = path
        #: the first error of the operating system: then HDF5's complaints say nothing about the file
        self.failure: OSError | None = None
        self._at, self._fd = 0, -1
        self._header = header
        self._begins: list[int] = []
        self._kept: list[bytes] = []
        try:
            not_stale(self._open)
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        """Open what lies under the name now, and compare its header."""
        path, header = self.path, self._header
        self._kept, self.failure = [], None
        self._close_handle()
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in the file's place must not hold us
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode):
            raise DamagedError(f"{path}: is no regular file", path)
        self.size = found.st_size
        if header is not None:
            if not header.ranges or header.ranges[0][0] or header.ranges[-1][1] > self.size:
                raise DamagedError(f"{path}: its header lies elsewhere than its receipt says", path)
            self._begins = [begin for begin, _ in header.ranges]
            if self.digest(header.ranges, self._kept) != header.sha256:
                raise DamagedError(f"{path}: its header is not what was published (sha256 differs)", path)

    def digest(self, ranges: Iterable[tuple[int, int]], keep: list[bytes] | None = None) -> str:
        """Return the sha256 of some ranges of the file; append their bytes to ``keep``."""
        digest = hashlib.sha256()
        for begin, end in ranges:
            data = self._pread(begin, end - begin)
            digest.update(data)
            if keep is not None:
                keep.append(data)
        return digest.hexdigest()

    def __repr__(self) -> str:
        """Return the path: h5py shows this as the file's name."""
        return str(self.path)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, as :meth:`io.IOBase.seek` does."""
        self._at = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence] + offset
        return self._at

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` from the current position.

        Raises
        ------
        OSError
            The disk refused, or the file has become shorter; h5py passes it on.
        """
        view = memoryview(buffer).cast("B")
        begin, end = self._at, self._at + len(view)
        self._at = end
        index = bisect.bisect_right(self._begins, begin) - 1
        if index >= 0 and end <= self._begins[index] + len(self._kept[index]):
            at = begin - self._begins[index]
            view[:] = self._kept[index][at : at + len(view)]
            return len(view)
        try:
            self._fill(view, begin)
        except OSError as e:
            if e.errno != errno.ESTALE or self._header is None:
                raise
            not_stale(self._refill, view, begin)
        for n in range(max(index, 0), len(self._kept)):  # HDF5 may read on from header into data
            first = self._begins[n]
            if first >= end:
                break
            low, high = max(begin, first), min(end, first + len(self._kept[n]))
            if low < high:
                view[low - begin : high - begin] = self._kept[n][low - first : high - first]
        return len(view)

    def _refill(self, view: memoryview, at: int) -> None:
        """Read from what lies under the name now: the file was replaced, by one with the same header."""
        self._open()
        self._fill(view, at)

    def _pread(self, begin: int, count: int) -> bytes:
        data = bytearray(count)
        self._fill(memoryview(data), begin)
        return bytes(data)

    def _fill(self, view: memoryview, at: int) -> None:
        done = 0
        try:
            while done < len(view):
                count = os.preadv(self._fd, [view[done:]], at + done)
                if count == 0:
                    raise OSError(errno.EIO, "the file ends too early", str(self.path))
                done += count
        except OSError as e:
            self.failure = self.failure or OSError(e.errno, e.strerror, str(self.path))
            raise self.failure from e

    def _close_handle(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def close(self) -> None:
        """Close the file."""
        self._close_handle()
        super().close()
