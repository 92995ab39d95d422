"""Writing one HDF5 file atomically, and moving compressed chunks between files."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from store import DamagedError, Layout
from store.atomic import CheckedFile, replacing

#: as a column's dtype: text of any length
TEXT = "text"


class DatasetFile:
    """A new HDF5 file; see :func:`writing`.

    Attributes
    ----------
    h5 : h5py.File
    """

    def __init__(self, path: Path) -> None:
        self._raw = CheckedFile(path)
        # rdcc_nbytes=0: every chunk is written whole, once
        self.h5 = h5py.File(self._raw, "w", rdcc_nbytes=0, libver="v110")

    def check(self) -> None:
        """Raise the first failed write: without looking, a full disk shows at the very end."""
        if self._raw.failure is not None:
            raise self._raw.failure

    def attrs(self, group: h5py.HLObject, values: Mapping[str, Any]) -> None:
        """Set attributes; dictionaries, lists and tuples of text become JSON."""
        for name, value in values.items():
            numbers = isinstance(value, tuple) and all(isinstance(v, int | float) for v in value)
            plain = numbers or isinstance(value, str | int | float | bool | np.generic)
            group.attrs[name] = value if plain else json.dumps(value, sort_keys=True, ensure_ascii=False)

    def create(
        self, name: str, shape: tuple[int, ...], dtype: Any, layout: Layout | None, attrs: Mapping[str, Any]
    ) -> h5py.Dataset:
        """A dataset of a size known beforehand: contiguous, or in chunks where there is a layout."""
        options: dict[str, Any] = {}
        if layout is not None:
            options = {"chunks": layout.clipped(shape[1:]), **layout.filters()}
        dataset = self.h5.create_dataset(name, shape=shape, dtype=dtype, **options)
        for key, value in attrs.items():
            dataset.attrs[key] = list(value) if isinstance(value, tuple) else value
        return dataset

    def table(self, group: str, columns: Mapping[str, tuple[Any, Any]]) -> None:
        """Small datasets: name → (dtype, values)."""
        for name, (dtype, values) in columns.items():
            data: Any = np.array(values, dtype=None if dtype == TEXT else dtype)
            if dtype == TEXT:
                # of fixed length: a heap of loose strings is what HDF5 trips over when a disk is full
                texts = [str(v).encode() for v in values]
                dtype = h5py.string_dtype(length=max(1, *map(len, texts)) if texts else 1)
                data = np.array(texts, dtype=dtype)
            self.h5.create_dataset(f"{group}/{name}", data=data, dtype=dtype)

    def close(self) -> None:
        """Mark the file complete and flush it to the disk; raises what failed on the way."""
        self.h5.attrs["complete"] = True
        self.h5.close()
        self._raw.finish()

    def abandon(self) -> None:
        """Close without finishing; the caller removes the file."""
        if not self._raw.closed:
            self._raw.failure = self._raw.failure or OSError("abandoned")
            with contextlib.suppress(OSError, RuntimeError):
                self.h5.close()
            self._raw.close()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[DatasetFile]:
    """Write a file that replaces ``path`` when the block ends well; whoever reads the old one goes on.

    Raises
    ------
    OSError
        The disk refused; ``path`` is as it was.
    DamagedError
        What was written does not read back.
    """
    with replacing(path) as temp:
        out = DatasetFile(temp)
        try:
            yield out
            out.close()
        except Exception:
            out.check()  # HDF5 stumbles over what a full disk swallowed: say what began it
            raise
        finally:
            out.abandon()
        _check(temp, path)


def _check(temp: Path, path: Path) -> None:
    """Everything that was to be written is there: what is not would read as zeros."""

    def visit(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset) or item.size == 0:
            return
        if item.chunks is None:
            whole = item.id.get_storage_size() > 0  # allocated in one piece at the first write
        else:
            whole = item.id.get_num_chunks() == int(
                np.prod([-(-n // c) for n, c in zip(item.shape, item.chunks, strict=True)])
            )
        if not whole:
            raise DamagedError(f"{path}: {name} was not written completely; run the export again")

    with h5py.File(temp, "r") as file:
        file.visititems(visit)


def copy_chunks(source: h5py.Dataset, target: h5py.Dataset, at: int) -> None:
    """Copy all rows of a dataset into another one, compressed chunk by compressed chunk.

    Parameters
    ----------
    source, target : h5py.Dataset
        Of one chunk shape and filter.
    at : int
        Row of ``target`` that the first row goes to, on a chunk boundary.

    Raises
    ------
    DamagedError
        The layouts differ.
    """
    if source.chunks != target.chunks or source.dtype != target.dtype or at % target.chunks[0]:
        raise DamagedError(f"{source.file.filename}: {source.name} has another layout than the dataset")
    steps = [range(0, n, c) for n, c in zip(source.shape, source.chunks, strict=True)]
    for offset in itertools.product(*steps):
        mask, data = source.id.read_direct_chunk(offset)
        target.id.write_direct_chunk((offset[0] + at, *offset[1:]), data, mask)
