"""Lay down large arrays: the rows of pieces one after another, in one HDF5 file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from pipeline.dataset.hdf5_writer import Hdf5Writer, copy_chunks
from pipeline.dataset.pixels.pieces import Piece, merged
from pipeline.dataset.pixels.readers import VerifiedReaders
from pipeline.execution.layouts import SAMPLE_ROWS
from stages.base import Array
from store import Column, DamagedError, Store

#: rows read at a time; bounds memory
BLOCK_ROWS = 5 * SAMPLE_ROWS
#: called with the rows just written and the total
Progress = Callable[[int, int], None]


def silent(rows: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Large:
    """One large array.

    Attributes
    ----------
    col : Column
    row : tuple of int
        Shape of a row.
    chunked : bool
        Keep the store's compressed chunks; else contiguous and not compressed.
    """

    col: Column
    row: tuple[int, ...]
    chunked: bool

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, not compressed."""
        return prod(self.row) * np.dtype(self.col.dtype).itemsize

    def form(self) -> list[Any]:
        """Return what decides the bytes of its rows, as JSON values."""
        layout = self.col.layout
        how = [list(layout.clipped(self.row)), layout.codec, layout.level] if self.chunked else []
        return [self.col.name, str(np.dtype(self.col.dtype)), list(self.row), how]


class Source:
    """The store that pixels come from; each of its files is hashed once, before a byte of it is copied.

    Parameters
    ----------
    store : Store
    progress : callable
        Called with the rows of ``/cuboids`` just written and their total number.
    """

    def __init__(self, store: Store, progress: Progress = silent) -> None:
        self.store = store
        self.progress = progress
        self._verified: set[str] = set()

    def readers(self, stack: ExitStack) -> VerifiedReaders:
        """Return what opens the store's files."""
        return VerifiedReaders(self.store, stack, self._verified)

    def lay_down(
        self, out: Hdf5Writer, prefix: str, arrays: Sequence[Large], pieces: Sequence[Piece], total: int = 0
    ) -> None:
        """Write arrays whose rows are those of the pieces, in order.

        Parameters
        ----------
        out : Hdf5Writer
        prefix : str
            Of the arrays' names in the file.
        arrays : sequence of Large
        pieces : sequence of Piece
        total : int
            Rows to report progress of; 0: of none.

        Raises
        ------
        OSError
            The disk refused.
        DamagedError
            A file of the store is not what was published.
        """
        rows, spans = sum(p.total for p in pieces), merged(pieces)
        chunked = []
        tell = partial(self._tell, total)
        for array in arrays:
            name, shape = f"{prefix}{array.col.name}", (rows, *array.row)
            if array.chunked:
                target = out.create(name, shape, array.col.dtype, array.col.layout, array.col.attrs)
                chunked.append((array.col.name, target))
            else:
                values = partial(self._rows, spans, array, tell)
                out.reserve(name, shape, array.col.dtype, array.col.attrs, values)
                tell = partial(self._tell, 0)  # RGB and flow have the same rows: count them once
        at = 0
        for span in spans if chunked else ():
            with ExitStack() as stack:
                reader = self.readers(stack).open(span.node)
                for name, target in chunked:
                    copy_chunks(reader.dataset(name), target, at, (span.first, span.first + span.rows))
            out.raise_failure()
            tell(span.total)
            at += span.total

    def _tell(self, total: int, rows: int) -> None:
        if total:
            self.progress(rows, total)

    def _rows(self, spans: Sequence[Piece], array: Large, tell: Callable[[int], None]) -> Iterator[Array]:
        """Yield all rows of one array, in order."""
        for span in spans:
            with ExitStack() as stack:
                reader = self.readers(stack).open(span.node)
                source = reader.dataset(array.col.name)
                if source.shape[1:] != array.row:
                    raise DamagedError(
                        f"{reader.path}: its windows differ in size from those of other videos; "
                        "run `ttprep run`"
                    )
                last = span.first + span.rows
                for start in range(span.first, last, BLOCK_ROWS):
                    yield reader.read(array.col.name, start, min(start + BLOCK_ROWS, last))
            if span.total > span.rows:
                yield np.zeros((span.total - span.rows, *array.row), array.col.dtype)
            tell(span.total)
