"""Where large arrays go: into the dataset file itself, or into shards that it shows as its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np

from pipeline.dataset.hdf5_writer import Hdf5Writer, completing, sweep
from pipeline.dataset.pixels.arrays import Large, Source
from pipeline.dataset.pixels.pieces import Piece, Shards, divided, shard_bytes, shard_key
from pipeline.dataset.pixels.shard_files import (
    FORMAT,
    FORMAT_VERSION,
    Shard,
    by_key,
    find_shard,
    folder_of,
    listed,
    name_of,
    named_like,
    write_table,
)
from pipeline.dataset.seal import sound_seal
from store.atomic import fsync_folder, temp_name


class Sink(Protocol):
    """Takes the large arrays of a dataset.

    Attributes
    ----------
    whole : bool
        Whether all pixels are written, so that every file of the store is hashed in any case.
    """

    whole: bool

    def put(self, group: str, arrays: Sequence[Large], pieces: Sequence[Piece]) -> None:
        """Take arrays of a group, whose rows are those of the pieces."""

    def finish(self) -> None:
        """Put everything on the disk that the dataset file refers to, before that gets its name."""


class InFile:
    """The arrays lie in the dataset file.

    Parameters
    ----------
    out : Hdf5Writer
    source : Source
    """

    whole = True

    def __init__(self, out: Hdf5Writer, source: Source) -> None:
        self._out, self._source = out, source

    def put(self, group: str, arrays: Sequence[Large], pieces: Sequence[Piece]) -> None:
        """Take arrays of a group; see :class:`Sink`."""
        total = sum(p.total for p in pieces) if group == "cuboids" else 0
        self._source.lay_down(self._out, f"{group}/", arrays, pieces, total)

    def finish(self) -> None:
        """Do nothing."""


class InShards:
    """The arrays lie in shards; those that are there already are left as they are.

    Parameters
    ----------
    out : Hdf5Writer
    source : Source
    path : Path
        Of the dataset.
    shards : "auto" or float
        Size, see :mod:`pipeline.dataset.pixels.pieces`.
    sound : mapping
        Shards known to be as they were written, by name; others that are there are hashed before they count.

    Attributes
    ----------
    shards : list of Shard
        Of the dataset, so far.
    written : int
        How many of them are new.
    """

    whole = False

    def __init__(
        self, out: Hdf5Writer, source: Source, path: Path, shards: Shards, sound: Mapping[str, Shard]
    ) -> None:
        self._out, self._source, self._size = out, source, shards
        self._sound = dict(sound)
        self.folder = folder_of(path)
        self.folder.mkdir(exist_ok=True)
        sweep(self.folder)
        self._there = by_key(listed(self.folder))
        self.shards: list[Shard] = []
        self.written = 0

    def put(self, group: str, arrays: Sequence[Large], pieces: Sequence[Piece]) -> None:
        """Take arrays of a group; see :class:`Sink`."""
        total = sum(p.total for p in pieces)
        row = sum(a.row_bytes for a in arrays)
        if not total or not row:
            self._source.lay_down(self._out, f"{group}/", arrays, pieces)
            return
        reported = total if group == "cuboids" else 0
        found: list[Shard] = []
        at = 0
        for part in divided(pieces, row, shard_bytes(self._size, group, total * row)):
            key = shard_key([a.form() for a in arrays], part)
            shard = self._find(key)
            rows = sum(p.total for p in part)
            if shard is None:
                shard = self._make(key, arrays, part, reported)
            elif reported:
                self._source.progress(rows, reported)
            found.append(replace(shard, group=group, first=at, rows=rows))
            at += rows
        for array in arrays:
            self._show(group, array, found, total)
        self.shards += found

    def _find(self, key: str) -> Shard | None:
        names = self._there.get(named_like(key), ())
        for name in names:
            if name in self._sound:
                return self._sound[name]
        for name in names:
            shard = find_shard(self.folder, name, key)
            if shard is not None:
                return shard
        return None

    def _make(self, key: str, arrays: Sequence[Large], pieces: Sequence[Piece], reported: int) -> Shard:
        temp = temp_name(self.folder / f"{named_like(key)}.h5")
        try:
            with completing(temp, self.folder) as out:
                out.attrs(out.h5, {"format": FORMAT, "format_version": FORMAT_VERSION, "fingerprint": key})
                self._source.lay_down(out, "", arrays, pieces, reported)
            name = name_of(key, out.sha256)
            _, digest, size = sound_seal(temp)
            shard = Shard(name, "", 0, 0, size, out.sha256, digest)
            os.replace(temp, self.folder / name)
        finally:
            temp.unlink(missing_ok=True)
        self.written += 1
        self._sound[name] = shard
        self._there.setdefault(named_like(key), []).append(name)
        return shard

    def _show(self, group: str, array: Large, shards: Sequence[Shard], total: int) -> None:
        """Create the dataset that shows the shards' rows as one array."""
        kind = np.dtype(array.col.dtype)
        layout = h5py.VirtualLayout((total, *array.row), kind)
        for shard in shards:
            place = f"{self.folder.name}/{shard.name}"
            rows = slice(shard.first, shard.first + shard.rows)
            layout[rows] = h5py.VirtualSource(place, array.col.name, (shard.rows, *array.row), kind)
        # what no camera and no flow gives, so that a lost shard shows in pictures
        missing = int(np.iinfo(kind).min or np.iinfo(kind).max)
        self._out.virtual(f"{group}/{array.col.name}", layout, array.col.attrs, missing)

    def finish(self) -> None:
        """Write the table of shards, and make their names durable; the folder's own is, with the file's."""
        write_table(self._out, self.folder.name, self.shards)
        if self.written:
            fsync_folder(self.folder)
