"""How an array lies in a file: chunk shape, codec, encoding.

The figures behind the choices are in docs/design.md, "Storing".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from store.errors import DamagedError

Encoding = Literal["none", "temporal-delta"]


@dataclass(frozen=True)
class Layout:
    """Describe the chunk shape and codec of one dataset.

    Attributes
    ----------
    chunk : tuple of int
        Elements per chunk and axis; clipped to the array's own shape beyond the first axis.
    codec : str
        ``zstd`` (with ``level``), ``lz4``, ``bitshuffle-zstd``, ``bitshuffle-lz4`` or ``raw``.
    level : int
        Compression level for the Zstd codecs.
    encoding : {"none", "temporal-delta"}
        ``temporal-delta``: within a chunk, row t holds x[t] − x[t−1] modulo 2^bits and row 0 holds x[0].
    """

    chunk: tuple[int, ...]
    codec: str = "zstd"
    level: int = 3
    encoding: Encoding = "none"

    def clipped(self, row_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the chunk shape for rows of ``row_shape``; missing trailing axes are taken whole."""
        tail = self.chunk[1:] + row_shape[len(self.chunk) - 1 :]
        return (self.chunk[0], *(max(1, min(c, s)) for c, s in zip(tail, row_shape, strict=True)))

    def filters(self) -> dict[str, Any]:
        """Return keyword arguments for ``create_dataset``; every dataset carries a fletcher32 checksum."""
        options: dict[str, Any] = {"fletcher32": True}
        if self.codec == "zstd":
            options["compression"] = hdf5plugin.Zstd(clevel=self.level)
        elif self.codec == "bitshuffle-zstd":
            options["compression"] = hdf5plugin.Bitshuffle(cname="zstd", clevel=self.level)
        elif self.codec == "bitshuffle-lz4":
            options["compression"] = hdf5plugin.Bitshuffle(cname="lz4")
        elif self.codec == "lz4":  # no shuffle: it would break up the runs of zeros that LZ4 lives on
            options["compression"] = hdf5plugin.LZ4()
        elif self.codec != "raw":
            raise ValueError(f"unknown codec {self.codec!r}")
        return options


def encode(rows: NDArray[Any], encoding: str) -> NDArray[Any]:
    """Encode the rows of one chunk (modular arithmetic for integers: exact)."""
    if encoding == "none" or len(rows) < 2:
        return rows
    out = rows.copy()
    out[1:] -= rows[:-1]
    return out


def decode(rows: NDArray[Any], encoding: str) -> NDArray[Any]:
    """Undo :func:`encode`, in place.

    Raises
    ------
    DamagedError
        No such encoding was ever written.
    """
    if encoding not in get_args(Encoding):
        raise DamagedError(f"encoding {encoding!r} is none of {', '.join(get_args(Encoding))}")
    if encoding == "temporal-delta":
        for t in range(1, len(rows)):  # faster than accumulate: each addition is vectorised
            np.add(rows[t], rows[t - 1], out=rows[t])
    return rows
