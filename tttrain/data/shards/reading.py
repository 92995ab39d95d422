"""Read rows from shards, as fast as from one file: each is opened once, and its blocks compared once."""

from __future__ import annotations

import resource
from collections import OrderedDict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tttrain.data.sealed_file import Blocks, damaged, open_sealed
from tttrain.data.shards.table import ARRAYS, Shards, read_shards, require_shard
from tttrain.errors import TrainError

Array = NDArray[Any]


def most_open() -> int:
    """Return how many shards may be open at a time: three quarters of what this process may."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1024 if soft == resource.RLIM_INFINITY else max(8, min(1024, 3 * soft // 4))


class ShardReader:
    """Rows of arrays that lie in shards; of this process.

    Parameters
    ----------
    path : Path
        The dataset file.
    file : h5py.File
        The same, open; its head was compared with its seal.

    Raises
    ------
    TrainError
        Its table of shards cannot be used.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self._path, self._shards = path, read_shards(file, path)
        names = [f"{group}/{array}" for group in self._shards for array in ARRAYS]
        self._forms = {n: (file[n].dtype, file[n].shape[1:]) for n in names if n in file}
        self._open: OrderedDict[str, tuple[h5py.File, dict[str, h5py.Dataset]]] = OrderedDict()
        self._blocks: dict[str, Blocks] = {}
        self._most = most_open()

    def rows(self, name: str, first: int, count: int) -> Array | None:
        """Read rows of an array such as ``cuboids/rgb``; None where they lie in the dataset file itself.

        Raises
        ------
        TrainError
            They cannot be read, or are not what was written.
        """
        shards = self._shards.get(name.partition("/")[0])
        if shards is None or name not in self._forms:
            return None
        parts: list[Array] = []
        at, stop = first, min(first + count, shards.total)
        index = int(np.searchsorted(shards.first, first, "right")) - 1
        while at < stop:
            low = int(shards.first[index])
            high = min(stop, low + int(shards.rows[index]))
            parts.append(self._read(shards, index, name, at - low, high - low))
            at, index = high, index + 1
        if not parts:
            kind, row = self._forms[name]
            return np.zeros((0, *row), kind)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _read(self, shards: Shards, index: int, name: str, first: int, stop: int) -> Array:
        data = self._dataset(shards, index, name)
        if data.chunks is None:  # chunks have checksums of HDF5's own
            row = data.size // len(data) * data.dtype.itemsize
            start = data.id.get_offset()
            try:
                self._blocks[shards.names[index]].require(start + first * row, start + stop * row)
            except TrainError:
                raise self._wrong(shards, index) from None
        values: Array = data[first:stop]
        return values

    def _dataset(self, shards: Shards, index: int, name: str) -> h5py.Dataset:
        shard = shards.names[index]
        if shard in self._open:
            self._open.move_to_end(shard)
        else:
            self._opened(shards, index)
        file, arrays = self._open[shard]
        if name not in arrays:
            data = file[name.partition("/")[2]]
            kind, row = self._forms[name]
            here = data.dtype == kind and data.shape == (int(shards.rows[index]), *row)
            if not here or data.is_virtual or data.external:
                raise self._wrong(shards, index)
            arrays[name] = data
        return arrays[name]

    def _opened(self, shards: Shards, index: int) -> None:
        name = shards.names[index]
        while len(self._open) >= self._most:
            self._open.popitem(last=False)[1][0].close()
        place = shards.folder / name
        require_shard(self._path, place, int(shards.size[index]), shards.seal[index])
        try:
            file, seal = open_sealed(place)
        except TrainError:
            raise self._wrong(shards, index) from None
        self._open[name] = file, {}
        if name not in self._blocks:  # what was compared before counts: a shard never changes
            self._blocks[name] = Blocks(place, seal, keep=False)

    def _wrong(self, shards: Shards, index: int) -> TrainError:
        shown = f"{shards.folder.name}/{shards.names[index]}"
        return damaged(self._path, f"damaged: its shard {shown} is not what was written")

    def close(self) -> None:
        """Close what is open."""
        for file, _ in self._open.values():
            file.close()
        self._open.clear()
