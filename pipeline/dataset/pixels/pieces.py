"""Divide the rows of a dataset into pieces that stay together, and the pieces into shards.

A piece is a sample, or a whole video. Which pieces share a shard depends on each piece alone, as in
content-defined chunking: a shard ends behind a piece with the probability ``bytes of the piece / size of a
shard``, where chance is the sha256 of what the piece shows. A piece that comes in or goes therefore touches
the one shard that it lies in, whatever came before, and equal contents have equal shards. The size grows
with the dataset, continuously, so that the number of shards stays below the files that a process may open.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pipeline.planning.graph import Node

#: to be raised by hand when equal pieces are laid down differently
VERSION = 1
#: as the manifest has it: the size of a shard in MB, or chosen here, or none
Shards = Literal["auto"] | float | None
#: bytes of pixels in a shard on average, at least
LEAST = 24_000_000
#: shards on average of a large dataset, by the group of its arrays. HDF5 keeps every source of a virtual
#: dataset open that it has read, and takes one that it may not open (of 1024 files, mostly) for missing
MOST = {"cuboids": 448, "untrimmed": 128}


@dataclass(frozen=True)
class Piece:
    """Rows of a result that stay together.

    Attributes
    ----------
    node : Node
        The result.
    first, rows : int
        Its rows ``first`` … ``first + rows``.
    total : int
        Rows in the dataset: filler follows.
    mark : str
        sha256 of all that decides the pixels.
    """

    node: Node
    first: int
    rows: int
    total: int
    mark: str


def family(node: Node) -> str:
    """Return what the samples of a result have in common with those of others of the same video."""
    return _sha256({**node.parts(), "samples": None})


def mark_of(family: str, *place: int) -> str:
    """Return what tells a piece of a result from all others."""
    return hashlib.sha256(" ".join(map(str, (family, *place))).encode()).hexdigest()


def merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Join pieces that follow each other in a result without filler between them."""
    found: list[Piece] = []
    for piece in pieces:
        last = found[-1] if found else None
        if (
            last is not None
            and last.node is piece.node
            and last.rows == last.total
            and last.first + last.rows == piece.first
        ):
            joined = replace(last, rows=last.rows + piece.rows, total=last.total + piece.total)
            found[-1] = joined
        else:
            found.append(piece)
    return found


def shard_bytes(shards: Shards, group: str, total: int) -> float:
    """Return the bytes of pixels in a shard on average, before compression.

    Parameters
    ----------
    shards : "auto" or float
    group : str
        Of the dataset.
    total : int
        Bytes of the group.
    """
    if isinstance(shards, int | float):
        return shards * 1e6
    return max(LEAST, total / MOST[group])


def divided(pieces: Sequence[Piece], row_bytes: int, size: float) -> Iterator[list[Piece]]:
    """Divide pieces into shards, in order.

    Parameters
    ----------
    pieces : sequence of Piece
    row_bytes : int
        Bytes of a row.
    size : float
        Bytes of a shard, on average.
    """
    shard: list[Piece] = []
    for piece in pieces:
        shard.append(piece)
        if int(piece.mark[:13], 16) / 16**13 < piece.total * row_bytes / size:
            yield shard
            shard = []
    if shard:
        yield shard


def shard_key(form: Any, pieces: Iterable[Piece]) -> str:
    """Return the sha256 of all that decides the bytes of a shard.

    Parameters
    ----------
    form : JSON value
        Names, types and layout of its arrays.
    pieces : iterable of Piece
    """
    return _sha256([VERSION, form, [[p.mark, p.rows, p.total] for p in pieces]])


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
