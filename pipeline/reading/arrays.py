"""Rows of the arrays of a store, decoded to what they mean, a whole chunk at a time.

HDF5's handles belong to a thread and a process, so each thread has its own, and a process that was forked
opens them again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from store import DamagedError, FeatureReader, Slot, Store, StoreError

T = TypeVar("T")

#: files that a thread keeps open
MOST_OPEN = 32
#: bytes of decoded rows from which on a chunk is read in bands: frames may be 4096 px wide
MOST_BYTES = 1 << 26
#: bytes that are scaled at a time
_CACHED = 1 << 19
#: s to wait before a file that does not agree with its receipt is opened again: it may just be replaced
REPLACED_S = 0.2


class GoneError(StoreError):
    """A result that was there has been removed from the store."""


@dataclass
class _Open:
    """An open file, with the chunk of each array that was read last."""

    reader: FeatureReader
    last: dict[str, tuple[int, NDArray[Any]]] = field(default_factory=dict)
    described: dict[str, Described] = field(default_factory=dict)


class Handles:
    """Open files of a store: each thread of each process has its own. Picklable.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._local, self._pid = threading.local(), os.getpid()

    def __reduce__(self) -> tuple[type[Handles], tuple[Store]]:
        return Handles, (self.store,)

    def use(self, slot: Slot, read: Callable[[_Open], T]) -> T:
        """Return what ``read`` makes of a result's open file; a file that was replaced is opened again.

        Raises
        ------
        DamagedError
            The file is not what its receipt says, or has none.
        GoneError
            It was removed.
        OSError
            It cannot be read now.
        """
        try:
            return read(self._open(slot))
        except DamagedError:
            self._drop(slot)
        time.sleep(REPLACED_S)
        try:
            return read(self._open(slot))
        except DamagedError:
            self._drop(slot)
            if not self.store.beside(slot, ".json").exists() and not self.store.path(slot).exists():
                gone = f"{self.store.path(slot)}: is no longer in the store"
                raise GoneError(f"{gone} (`ttprep gc`?); look for the result anew") from None
            raise

    def _files(self) -> dict[Slot, _Open]:
        if self._pid != os.getpid():  # forked: the parent's handles are not ours, not even to close
            self._local, self._pid = threading.local(), os.getpid()
        found: dict[Slot, _Open] | None = getattr(self._local, "files", None)
        if found is None:
            found = self._local.files = {}
        return found

    def _open(self, slot: Slot) -> _Open:
        files = self._files()
        found = files.pop(slot, None) or _Open(self.store.reader(slot))
        files[slot] = found  # the last used stands last
        while len(files) > MOST_OPEN:
            files.pop(next(iter(files))).reader.close()
        return found

    def _drop(self, slot: Slot) -> None:
        found = self._files().pop(slot, None)
        if found is not None:
            found.reader.close()

    def close(self) -> None:
        """Close the files of the calling thread; they open again when next used."""
        for found in self._files().values():
            found.reader.close()
        self._files().clear()


@dataclass(frozen=True)
class Described:
    """What a file says of one of its arrays.

    Attributes
    ----------
    shape : tuple of int
    stored : numpy.dtype
        As it lies in the file.
    axes : tuple of str
    units : str
        Of the decoded values.
    scale : float
        Decoded value = stored value × scale.
    description : str
    chunk : int
        Rows that are decoded together.
    """

    shape: tuple[int, ...]
    stored: np.dtype[Any]
    axes: tuple[str, ...]
    units: str
    scale: float
    description: str
    chunk: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the decoded values: float32 where they are scaled, else as stored."""
        return self.stored if self.scale == 1 else np.dtype(np.float32)


def describe(handles: Handles, slot: Slot, name: str) -> Described:
    """Return what a result's file says of an array.

    Raises
    ------
    DamagedError, OSError
        As :meth:`Handles.use`; there is no such array.
    """
    return handles.use(slot, lambda file: _described(file, name))


def _described(file: _Open, name: str) -> Described:
    known = file.described.get(name)
    if known is None:
        data = file.reader.dataset(name)
        axes = tuple(str(a) for a in data.attrs.get("axes", [f"axis_{n}" for n in range(data.ndim)]))
        known = file.described[name] = Described(
            tuple(data.shape),
            data.dtype,
            axes,
            str(data.attrs.get("units", "1")),
            float(data.attrs.get("scale", 1.0)),
            str(data.attrs.get("description", "")),
            file.reader.chunk_rows(name),
        )
    return known


def attributes(handles: Handles, slot: Slot) -> dict[str, Any]:
    """Return the root attributes of a result's file; errors as :func:`describe`."""
    return handles.use(slot, lambda file: file.reader.attrs())


def array_names(handles: Handles, slot: Slot) -> list[str]:
    """Return the names of a result's arrays; errors as :func:`describe`."""
    return handles.use(slot, lambda file: file.reader.names)


def take(
    handles: Handles, slot: Slot, name: str, rows: range | NDArray[np.intp], rest: tuple[Any, ...] = ()
) -> NDArray[Any]:
    """Read rows of an array, decoded and scaled; memory goes with what is returned, and one chunk.

    Parameters
    ----------
    handles : Handles
    slot : Slot
    name : str
    rows : range or array of int
        Within the array, in any order; a chunk is decoded once.
    rest : tuple
        What is taken of each row: an index of its axes, as numpy takes it (slices and integers).

    Returns
    -------
    array
        (len(rows), …), of :attr:`Described.dtype`.

    Raises
    ------
    DamagedError, OSError
        As :meth:`Handles.use`.
    """
    return handles.use(slot, lambda file: _take(file, name, rows, rest))


def _take(file: _Open, name: str, rows: range | NDArray[np.intp], rest: tuple[Any, ...]) -> NDArray[Any]:
    about = _described(file, name)
    inner = about.shape[1:]
    every = (slice(None), *rest)
    one = np.broadcast_to(np.empty((), about.dtype), (1, *inner))
    out = np.empty((len(rows), *one[every].shape[1:]), about.dtype)
    block_bytes = about.chunk * int(np.prod(inner)) * about.stored.itemsize
    banded = len(inner) > 0 and block_bytes > MOST_BYTES
    pieces = list(_pieces(rows, about.chunk))
    for n, (index, to, of) in enumerate(pieces):
        start = index * about.chunk
        low, high = (of.start, of.stop) if isinstance(of, slice) else (int(of[0]), int(of[-1]) + 1)
        near = slice(0, high - low, of.step) if isinstance(of, slice) else of - low
        kept = file.last.get(name)
        if banded:
            count = len(range(high - low)[near]) if isinstance(near, slice) else len(near)
            whole = np.empty((count, *inner), about.dtype)
            for band in _bands(inner[0], block_bytes):
                _decode(file.reader.span(name, start + low, start + high, band)[near], about, whole[:, band])
            out[to] = whole[every]
        elif kept is not None and kept[0] == index:
            _decode(kept[1][of][every], about, out, to)
        elif n < len(pieces) - 1 or 2 * (high - low) >= about.chunk:
            as_stored = about.scale == 1 and not rest and isinstance(to, slice) and to.step is None
            there = out[to] if as_stored and isinstance(near, slice) and near.step == 1 else None
            span = file.reader.span(name, start + low, start + high, out=there)
            if span is not there:
                _decode(span[near][every], about, out, to)
        else:  # a few rows: the next read may be of their neighbours
            size = min(about.chunk, about.shape[0] - start)
            file.last[name] = (index, file.reader.span(name, start, start + size))
            _decode(file.last[name][1][of][every], about, out, to)
    return out


def _bands(length: int, block_bytes: int) -> Iterator[slice]:
    step = max(1, length * MOST_BYTES // block_bytes)
    yield from (slice(at, min(at + step, length)) for at in range(0, length, step))


def _decode(
    stored: NDArray[Any], about: Described, out: NDArray[Any], to: slice | NDArray[np.intp] = slice(None)
) -> None:
    if about.scale == 1:
        out[to] = stored
    elif isinstance(to, slice):
        part, scale = out[to], np.float32(about.scale)
        # in place: a product of mixed types goes through a buffer, at half the speed; a few rows at a time,
        # that they are still in the processor's cache
        some = max(1, _CACHED * len(part) // max(1, part.nbytes))
        for at in range(0, len(part), some):
            few = part[at : at + some]
            few[...] = stored[at : at + some]
            few *= scale
    else:
        out[to] = stored * np.float32(about.scale)


#: number of a chunk, which rows of the result it gives, which of its own rows these are, ascending
Piece = tuple[int, "slice | NDArray[np.intp]", "slice | NDArray[np.intp]"]


def _pieces(rows: range | NDArray[np.intp], size: int) -> Iterator[Piece]:
    """Divide rows by the chunk in which they lie, in the order of the file."""
    if isinstance(rows, range):
        yield from _pieces_of_range(rows, size)
        return
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    chunks = ascending // size
    cuts = np.flatnonzero(np.diff(chunks)) + 1
    for at, here in zip(np.split(order, cuts), np.split(ascending, cuts), strict=True):
        if len(at):
            index = int(here[0]) // size
            yield index, at, here - index * size


def _pieces_of_range(rows: range, size: int) -> Iterator[Piece]:
    if not rows:
        return
    backwards = rows.step < 0
    up = rows[::-1] if backwards else rows
    n, at = len(up), 0
    while at < n:
        index = up[at] // size
        count = min(n - at, ((index + 1) * size - 1 - up[at]) // up.step + 1)
        of = slice(up[at] - index * size, up[at + count - 1] - index * size + 1, up.step)
        if backwards:
            last = n - 1 - at
            yield index, slice(last, last - count if last >= count else None, -1), of
        else:
            yield index, slice(at, at + count), of
        at += count
