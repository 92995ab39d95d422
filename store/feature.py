"""Feature files: one HDF5 file per stage and video.

Written once, front to back, by :class:`FeatureWriter`; read by row ranges through
:class:`FeatureReader`. The format is specified in docs/store-format.md.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from store.atomic import CheckedFile
from store.errors import DamagedError, StoreError
from store.layout import Layout, decode, encode
from store.names import valid_text
from store.receipt import Receipt, check_file, check_once
from store.sealed_file import SealedFile

FORMAT = "ttprep-feature"
FORMAT_VERSION = 1
#: what h5py raises where HDF5 complains
_HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError)


@dataclass(frozen=True)
class Column:
    """Describe a dataset to be written: name, dtype, layout and the attributes that explain it."""

    name: str
    dtype: str
    layout: Layout
    attrs: Mapping[str, Any]


class FeatureWriter:
    """Write one feature file; nothing counts until :meth:`close` has returned.

    Parameters
    ----------
    path : Path
        A new file (the store passes a temporary name).
    columns : sequence of Column
    attrs : mapping
        Root attributes; dictionaries and lists are stored as JSON text.
    """

    def __init__(self, path: Path, columns: tuple[Column, ...], attrs: Mapping[str, Any]) -> None:
        self._raw = CheckedFile(path)
        self._columns = {c.name: c for c in columns}
        self._pending: dict[str, list[NDArray[Any]]] = {c.name: [] for c in columns}
        self._written = dict.fromkeys(self._columns, 0)
        # rdcc_nbytes=0: chunks are written whole, once; a cache would only delay errors
        self._file = h5py.File(self._raw, "w", rdcc_nbytes=0, libver="v110")
        self._file.attrs["format"] = FORMAT
        self._file.attrs["format_version"] = FORMAT_VERSION
        self.set_attrs(attrs)

    def set_attrs(self, attrs: Mapping[str, Any]) -> None:
        """Add root attributes; dictionaries, lists and tuples become JSON."""
        for name, value in attrs.items():
            plain = isinstance(value, str | int | float | bool | np.generic)
            text = valid_text(value) if isinstance(value, str) else value
            self._file.attrs[name] = text if plain else json.dumps(value, sort_keys=True)

    def append(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add rows to any of the datasets; chunks are written as they fill.

        Raises
        ------
        OSError
            The disk refused an earlier write.
        """
        for name, rows in arrays.items():
            column = self._columns[name]
            if rows.dtype != np.dtype(column.dtype):
                raise StoreError(f"{name}: declared {column.dtype}, the stage gave {rows.dtype}")
            if len(rows):
                self._pending[name].append(rows)
            elif name not in self._file:
                self._create(column, rows.shape[1:])
            self._drain(name, last=False)
        if self._raw.failure is not None:
            raise self._raw.failure

    def _create(self, column: Column, row_shape: tuple[int, ...]) -> h5py.Dataset:
        dataset = self._file.create_dataset(
            column.name,
            shape=(0, *row_shape),
            maxshape=(None, *row_shape),
            dtype=column.dtype,
            chunks=column.layout.clipped(row_shape),
            **column.layout.filters(),
        )
        for name, value in {**column.attrs, "encoding": column.layout.encoding}.items():
            dataset.attrs[name] = list(value) if isinstance(value, tuple) else value
        return dataset

    def _drain(self, name: str, *, last: bool) -> None:
        column, parts = self._columns[name], self._pending[name]
        size, held = column.layout.chunk[0], sum(len(p) for p in parts)
        if not held or (held < size and not last):
            return
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        dataset = self._file[name] if name in self._file else self._create(column, rows.shape[1:])
        take = held if last else held - held % size
        start = self._written[name]
        dataset.resize(start + take, axis=0)
        for at in range(0, take, size):
            piece = rows[at : min(at + size, take)]
            dataset[start + at : start + at + len(piece)] = encode(piece, column.layout.encoding)
        self._written[name] = start + take
        # a view would keep the whole block alive
        self._pending[name] = [rows[take:].copy()] if take < held else []

    def copy_rows(self, source: FeatureReader, name: str, start: int, stop: int) -> None:
        """Append rows of another file without decompressing them, chunk by chunk.

        Both ``start`` and the number of rows written so far must lie on a chunk boundary, and the layouts
        must agree. ``stop`` may lie within a chunk only at the end of the source.
        """
        column, theirs = self._columns[name], source.dataset(name)
        mine = self._file[name] if name in self._file else self._create(column, theirs.shape[1:])
        size, at = column.layout.chunk[0], self._written[name]
        ragged = stop % size and stop != len(theirs)
        if self._pending[name] or at % size or start % size or ragged or mine.chunks != theirs.chunks:
            raise StoreError(f"{name}: rows {start}-{stop} do not lie on chunk boundaries")
        mine.resize(at + stop - start, axis=0)
        grid = [range(0, n, c) for n, c in zip(theirs.shape[1:], theirs.chunks[1:], strict=True)]
        for offset in itertools.product(range(start, stop, size), *grid):
            try:
                mask, data = theirs.id.read_direct_chunk(offset)
            except _HDF5_ERRORS as e:
                raise source._judged(f"{name}, rows from {offset[0]}", e) from e
            mine.id.write_direct_chunk((offset[0] - start + at, *offset[1:]), data, mask)
        self._written[name] = at + stop - start
        if self._raw.failure is not None:
            raise self._raw.failure

    def close(self, attrs: Mapping[str, Any] | None = None) -> dict[str, list[int]]:
        """Write what is pending, mark the file complete, and flush it to the disk.

        Returns
        -------
        dict
            Dataset name → shape.

        Raises
        ------
        OSError
            Any write failed (disk full, …); the file is then worthless.
        StoreError
            A declared dataset never got rows.
        """
        try:
            for name in self._columns:
                self._drain(name, last=True)
            self.set_attrs(attrs or {})
            missing = [n for n in self._columns if n not in self._file]
            if missing and self._raw.failure is None:
                raise StoreError(f"nothing was written to {', '.join(missing)}")
            shapes = {n: list(self._file[n].shape) for n in self._columns if n in self._file}
            self._file.attrs["complete"] = True
        finally:
            self._file.close()
            if self._raw.failure is not None:
                self._raw.close()
                raise self._raw.failure
        self._raw.finish()
        return shapes

    def abandon(self) -> None:
        """Close without finishing; the caller removes the file."""
        if not self._raw.closed:
            self._raw.failure = self._raw.failure or OSError("abandoned")
            self._file.close()
            self._raw.close()


class FeatureReader:
    """Read one feature file by row ranges; opened at first use, picklable, one per process.

    Parameters
    ----------
    path : Path
    receipt : callable, optional
        Returns what vouches for the file; asked when it is opened. Without it the caller vouches: HDF5 may
        loop for ever over wrong bytes.
    mark : callable, optional
        Told why, where the file is found damaged.
    """

    def __init__(
        self,
        path: Path,
        receipt: Callable[[], Receipt] | None = None,
        mark: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.path, self._receipt, self._mark = path, receipt, mark
        self._raw: SealedFile | None = None
        self._file: h5py.File | None = None
        self._cache: dict[tuple[str, int], NDArray[Any]] = {}
        self._encodings: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_raw": None, "_file": None, "_cache": {}, "_encodings": {}}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; it opens again when next used."""
        if self._file is not None:
            self._file.close()
        if self._raw is not None:
            self._raw.close()
        self._raw, self._file, self._cache, self._encodings = None, None, {}, {}

    @property
    def file(self) -> h5py.File:
        """The open h5py file.

        Raises
        ------
        DamagedError
            Not what was published, not HDF5, or not marked complete.
        OSError
            It cannot be read now.
        """
        if self._file is None:
            receipt = self._receipt() if self._receipt is not None else None
            self._raw = self._checked(receipt)
            try:
                opened = h5py.File(self._raw, "r", rdcc_nbytes=0)
                complete = opened.attrs.get("complete", False)
            except _HDF5_ERRORS as e:
                raise self._judged("cannot be opened", e) from e
            if not complete:
                opened.close()
                raise DamagedError(f"{self.path}: was never completed", self.path)
            self._file = opened
        return self._file

    def _checked(self, receipt: Receipt | None) -> SealedFile:
        """Open the file; compare its header with the receipt, or all of it where the receipt is old."""
        header = receipt.sealed_header if receipt is not None else None
        try:
            raw = SealedFile(self.path, header)
        except FileNotFoundError:
            raise DamagedError(f"{self.path}: the file is missing", self.path) from None
        except DamagedError as e:
            self._mark(e.reason)
            raise
        if receipt is not None and header is None and (problem := check_once(self.path, receipt)):
            raw.close()
            self._mark(problem)
            raise DamagedError(f"{self.path}: {problem}", self.path)
        return raw

    def _judged(self, what: str, error: Exception) -> Exception:
        """Return what an error of HDF5 means: of the disk, of the file, or of this process."""
        if self._raw is not None and self._raw.failure is not None:
            return self._raw.failure
        if self._receipt is None:
            return DamagedError(f"{self.path}: {what} ({error})", self.path)
        problem = check_file(self.path, self._receipt(), read_data=True)
        if problem:
            self._mark(problem)
            return DamagedError(f"{self.path}: {what}: {problem}", self.path)
        # sound, or made anew meanwhile: try once more
        return DamagedError(f"{self.path}: {what} ({error}) though its bytes are right", self.path)

    def dataset(self, name: str) -> h5py.Dataset:
        """Return the raw h5py dataset (still encoded)."""
        found = self.file.get(name)
        if not isinstance(found, h5py.Dataset):
            raise DamagedError(f"{self.path}: holds no dataset {name!r}", self.path)
        return found

    @property
    def names(self) -> list[str]:
        """The names of the datasets."""
        return [n for n, d in self.file.items() if isinstance(d, h5py.Dataset)]

    def attrs(self) -> dict[str, Any]:
        """Return the root attributes; JSON texts are decoded."""
        out: dict[str, Any] = {}
        for name, value in self.file.attrs.items():
            out[name] = value.item() if isinstance(value, np.generic) else value
            if isinstance(value, str) and value[:1] in "[{":
                try:
                    out[name] = json.loads(value)
                except ValueError:
                    continue
        return out

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return rows [start, stop) of a dataset, decoded.

        Raises
        ------
        DamagedError
            A chunk is missing or its checksum is wrong.
        """
        dataset = self.dataset(name)
        stop = len(dataset) if stop is None else stop
        if not 0 <= start <= stop <= len(dataset):
            raise IndexError(f"{self.path.name}/{name}: rows {start}-{stop} of {len(dataset)}")
        if start == stop:
            return np.zeros((0, *dataset.shape[1:]), dataset.dtype)
        if stop - start == len(dataset) and self._encoding(dataset, name) == "none":
            return self.span(name, start, stop)  # all of a table: chunk by chunk takes longer
        size = self.chunk_rows(name)
        first, last = start // size, (stop - 1) // size
        parts = []
        for index in range(first, last + 1):
            rows = self._chunk(name, index)
            low = index * size
            parts.append(rows[max(start - low, 0) : stop - low])
        self._cache = {k: v for k, v in self._cache.items() if k[0] != name or k[1] >= last}
        return parts[0].copy() if len(parts) == 1 else np.concatenate(parts)

    def chunk_rows(self, name: str) -> int:
        """Return the rows of a dataset that lie in one chunk and are decoded together."""
        dataset = self.dataset(name)
        return int(dataset.chunks[0]) if dataset.chunks else max(1, len(dataset))

    def span(
        self, name: str, start: int, stop: int, band: slice = slice(None), out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return rows [start, stop) that lie in one chunk, decoded; they are the caller's, and not kept.

        Parameters
        ----------
        name : str
        start, stop : int
        band : slice
            Part of the second axis, where there is one.
        out : array, optional
            Contiguous, of the rows' shape and dtype; may hold them afterwards, which saves a copy. What is
            returned counts.

        Raises
        ------
        DamagedError
            The chunk is missing or its checksum is wrong.
        """
        dataset = self.dataset(name)
        encoding = self._encoding(dataset, name)
        # differences begin with the chunk
        first = start if encoding == "none" else start - start % self.chunk_rows(name)
        place = slice(first, stop)
        try:
            if out is not None and out.size and first == start:
                dataset.read_direct(out, place)
                rows = out
            else:
                rows = dataset[place] if dataset.ndim < 2 else dataset[place, band]
        except _HDF5_ERRORS as e:
            raise self._judged(f"{name}, rows from {first}", e) from e
        rows = decode(rows, encoding)
        return rows[start - first :] if first < start else rows

    def _encoding(self, dataset: h5py.Dataset, name: str) -> str:
        if name not in self._encodings:  # asked for each chunk
            self._encodings[name] = str(dataset.attrs.get("encoding", "none"))
        return self._encodings[name]

    def _chunk(self, name: str, index: int) -> NDArray[Any]:
        # blocks with a halo ask for the same chunk twice in a row
        rows = self._cache.get((name, index))
        if rows is None:
            size = self.chunk_rows(name)
            rows = self._cache[name, index] = self.span(name, index * size, (index + 1) * size)
        return rows
