"""Write one HDF5 file atomically, and copy compressed chunks between files."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import itertools
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np

from pipeline.dataset.seal import BlockSums, Range, make_seal
from pipeline.errors import USAGE, UserError
from store import DamagedError, Layout
from store.atomic import TEMP_MARK, CheckedFile, replacing, temp_owner_alive
from store.names import valid_text

if TYPE_CHECKING:  # readers of datasets import this module, and need no stage
    from stages.base import Array

#: as a column's dtype: text of any length
TEXT = "text"


class Hdf5Writer:
    """A new HDF5 file; see :func:`writing`.

    Small arrays go through HDF5 as usual. For the pixels, nearly all of the bytes, space is only *reserved*:
    once HDF5 has closed the file, they are filled in, in the order of the file. While the caller makes the
    next block, a second thread writes the previous ones and a third hashes them.

    Attributes
    ----------
    h5 : h5py.File
    sha256 : str
        Of the whole file, its seal included, once it is complete.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sha256 = ""
        self._raw = CheckedFile(path)
        self._reserved: list[tuple[int, int, Callable[[], Iterable[Array]]]] = []
        # rdcc_nbytes=0: every chunk is written whole, once
        self.h5 = h5py.File(self._raw, "w", rdcc_nbytes=0, libver="v110")

    def raise_failure(self) -> None:
        """Raise the first failed write. Called now and then, or a full disk would only show at the end."""
        if self._raw.failure is not None:
            raise self._raw.failure

    def attrs(self, group: h5py.HLObject, values: Mapping[str, Any]) -> None:
        """Set attributes; dictionaries, lists and tuples of text are stored as JSON."""
        for name, value in values.items():
            numbers = isinstance(value, tuple) and all(isinstance(v, int | float) for v in value)
            plain = numbers or isinstance(value, str | int | float | bool | np.generic)
            group.attrs[name] = value if plain else json.dumps(value, sort_keys=True, ensure_ascii=False)

    def create(
        self, name: str, shape: tuple[int, ...], dtype: Any, layout: Layout | None, attrs: Mapping[str, Any]
    ) -> h5py.Dataset:
        """Create a dataset of known size: in chunks where a layout is given, contiguous where none is."""
        options: dict[str, Any] = {}
        if layout is not None:
            options = {"chunks": layout.clipped(shape[1:]), **layout.filters()}
        dataset = self.h5.create_dataset(name, shape=shape, dtype=dtype, **options)
        for key, value in attrs.items():
            dataset.attrs[key] = list(value) if isinstance(value, tuple) else value
        return dataset

    def reserve(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: Any,
        attrs: Mapping[str, Any],
        rows: Callable[[], Iterable[Array]],
    ) -> None:
        """Create a contiguous dataset whose values are written last, by :meth:`close`.

        Parameters
        ----------
        name, shape, dtype, attrs
            As for :meth:`create`.
        rows : callable
            Returns all rows in order, as arrays of any number of rows.
        """
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_layout(h5py.h5d.CONTIGUOUS)
        plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        dataset = self.h5.create_dataset(name, shape=shape, dtype=dtype, dcpl=plan)
        for key, value in attrs.items():
            dataset.attrs[key] = list(value) if isinstance(value, tuple) else value
        if dataset.size:
            size = dataset.size * dataset.dtype.itemsize
            self._reserved.append((dataset.id.get_offset(), size, rows))

    def virtual(self, name: str, layout: h5py.VirtualLayout, attrs: Mapping[str, Any], missing: int) -> None:
        """Create a dataset that shows rows of other files; where one is missing, HDF5 shows ``missing``."""
        dataset = self.h5.create_virtual_dataset(name, layout, fillvalue=missing)
        for key, value in attrs.items():
            dataset.attrs[key] = list(value) if isinstance(value, tuple) else value

    def table(self, group: str, columns: Mapping[str, tuple[Any, Any]]) -> None:
        """Write small datasets: name → (dtype, values)."""
        for name, (dtype, values) in columns.items():
            data: Any = np.array(values, dtype=None if dtype == TEXT else dtype)
            if dtype == TEXT:
                # fixed length: HDF5 crashes over its heap of variable-length strings when a disk is full
                texts = [valid_text(str(v)).encode() for v in values]
                dtype = h5py.string_dtype(length=max(1, *map(len, texts)) if texts else 1)
                data = np.array(texts, dtype=dtype)
            self.h5.create_dataset(f"{group}/{name}", data=data, dtype=dtype)

    def close(self) -> None:
        """Complete the file and flush it to the disk; raise what failed on the way."""
        self.h5.attrs["complete"] = True
        self.h5.attrs["sealed"] = True
        pixels = [(offset, offset + size) for offset, size, _ in self._reserved] + self._chunks()
        fingerprint = str(self.h5.attrs.get("fingerprint", ""))
        self.h5.close()
        self._raw.finish()
        handle = os.open(self.path, os.O_RDWR)
        try:
            with _Pipe(handle) as pipe:
                for offset, size, rows in sorted(self._reserved, key=lambda r: r[0]):
                    pipe.skip_to(offset)
                    for block in rows():
                        pipe.put(np.ascontiguousarray(block))
                    if pipe.at != offset + size:
                        raise DamagedError(
                            f"{self.path}: only {pipe.at - offset} of {size} bytes were written"
                        )
                pipe.skip_to(os.fstat(handle).st_size)
            seal = make_seal(handle, pixels, fingerprint, pipe.digest.hexdigest(), pipe.sums.to_bytes())
            with _Pipe(handle, pipe) as rest:
                rest.put(np.frombuffer(seal, np.uint8))
            self.sha256 = rest.digest.hexdigest()
            os.fsync(handle)
        finally:
            os.close(handle)

    def _chunks(self) -> list[Range]:
        """Return where the chunks of all datasets lie."""
        found: list[Range] = []

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset) and item.chunks is not None:
                item.id.chunk_iter(lambda c: found.append((c.byte_offset, c.byte_offset + c.size)))

        self.h5.flush()
        self.h5.visititems(visit)
        return found

    def abandon(self) -> None:
        """Close without completing; the caller removes the file."""
        if not self._raw.closed:
            self._raw.failure = self._raw.failure or OSError("abandoned")
            with contextlib.suppress(OSError, RuntimeError):
                self.h5.close()
            self._raw.close()


class _Pipe:
    """Write, hash and sum blocks in order, each in its own thread, at most a few blocks behind the caller.

    With ``before``, go on where that one ended.
    """

    _DEPTH = 3

    def __init__(self, handle: int, before: _Pipe | None = None) -> None:
        self.at: int = before.at if before else 0
        self.digest: hashlib._Hash = before.digest.copy() if before else hashlib.sha256()
        self.sums = BlockSums()
        self._handle = handle
        self._writer, self._hasher, self._summer = (ThreadPoolExecutor(1) for _ in range(3))
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            while kind is None and self._waiting:
                self._waiting.popleft().result()
        finally:
            for thread in (self._writer, self._hasher, self._summer):
                thread.shutdown(cancel_futures=True)

    def put(self, block: Array) -> None:
        """Write a block at the current position."""
        data = block.data.cast("B")
        self._later(self._writer, self._write, data, self.at)
        self._later(self._hasher, self.digest.update, data)
        self._later(self._summer, self.sums.update, data)
        self.at += len(data)

    def skip_to(self, stop: int) -> None:
        """Move on to ``stop``; the bytes in between are there already and are only hashed."""
        while self.at < stop:
            data = os.pread(self._handle, min(1 << 22, stop - self.at), self.at)
            if not data:
                raise DamagedError("the file ends too early; run the export again")
            self._later(self._hasher, self.digest.update, data)
            self._later(self._summer, self.sums.update, memoryview(data))
            self.at += len(data)

    def _later(self, thread: ThreadPoolExecutor, work: Callable[..., None], *words: Any) -> None:
        self._waiting.append(thread.submit(work, *words))
        while len(self._waiting) > 3 * self._DEPTH:
            self._waiting.popleft().result()

    def _write(self, data: memoryview, at: int) -> None:
        done = 0
        while done < len(data):
            done += os.pwrite(self._handle, data[done:], at + done)


def link_target(path: Path) -> Path:
    """Return the file to replace: ``path``, or what it points to where it is a symbolic link.

    Raises
    ------
    UserError
        The link leads into a folder that does not exist, or round in a circle.
    """
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink() or not target.parent.is_dir():
        raise UserError(
            f"{path}: is a symbolic link to {path.readlink()}, where no file can be made; "
            "mount its disk or create its folder, or remove the link",
            USAGE,
        )
    return target


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Hdf5Writer]:
    """Write a file that replaces ``path`` when the block ends well; readers of the old file keep it.

    Where ``path`` is a symbolic link, its target is replaced and the link stays: that is how a dataset comes
    to lie on a larger disk.

    Raises
    ------
    UserError
        ``path`` is a link that leads nowhere.
    OSError
        The disk refused; ``path`` is as it was.
    DamagedError
        The file is not complete when read back.
    """
    target = link_target(path)
    sweep(target.parent, target.name)
    with replacing(target) as temp, completing(temp, path) as out:
        yield out


@contextlib.contextmanager
def completing(temp: Path, path: Path) -> Iterator[Hdf5Writer]:
    """Write a file that is complete, and on the disk, when the block ends well.

    Parameters
    ----------
    temp : Path
        Its name for now.
    path : Path
        What messages call it.

    Raises
    ------
    OSError, DamagedError
        As :func:`writing`.
    """
    out = Hdf5Writer(temp)
    try:
        yield out
        out.close()
    except Exception:
        out.raise_failure()  # a full disk makes HDF5 fail later, and elsewhere: report the cause
        raise
    finally:
        out.abandon()
    _require_complete(temp, path)


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove what killed exports left of a file, or of all that they wrote into a folder of shards."""
    for left in folder.glob(f"{'*' if name is None else glob.escape(name)}{TEMP_MARK}*"):
        if not temp_owner_alive(left):
            with contextlib.suppress(OSError):
                left.unlink()


def _require_complete(temp: Path, path: Path) -> None:
    """Raise DamagedError unless every chunk was written: a missing one would read as zeros."""

    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or item.size == 0:
            return
        if item.is_virtual:
            whole = True  # its sources were complete before they had a name
        elif item.chunks is None:
            whole = item.id.get_storage_size() > 0  # allocated in one piece at the first write
        else:
            whole = item.id.get_num_chunks() == int(
                np.prod([-(-n // c) for n, c in zip(item.shape, item.chunks, strict=True)])
            )
        if not whole:
            raise DamagedError(f"{path}: {name} was not written completely; run the export again")

    with h5py.File(temp, "r") as file:
        file.visititems(visit)


def copy_chunks(source: h5py.Dataset, target: h5py.Dataset, at: int, rows: tuple[int, int]) -> None:
    """Copy rows of a dataset into another one, chunk by chunk, without decompressing.

    Parameters
    ----------
    source, target : h5py.Dataset
        With the same chunk shape and filters.
    at : int
        Row of ``target`` where the first row goes; a multiple of the chunk's length.
    rows : (int, int)
        First row, and the one after the last: multiples too, or the end of ``source``.

    Raises
    ------
    DamagedError
        The layouts differ.
    """
    first, last = rows
    same = source.chunks == target.chunks and source.dtype == target.dtype
    if not same or at % target.chunks[0] or first % target.chunks[0] or last > len(source):
        raise DamagedError(f"{source.file.filename}: {source.name} has another layout than the dataset")
    inner = zip(source.shape[1:], source.chunks[1:], strict=True)
    steps = [range(first, last, source.chunks[0]), *(range(0, n, c) for n, c in inner)]
    for offset in itertools.product(*steps):
        mask, data = source.id.read_direct_chunk(offset)
        target.id.write_direct_chunk((offset[0] - first + at, *offset[1:]), data, mask)
