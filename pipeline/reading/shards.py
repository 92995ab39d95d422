"""Read rows that lie in shards of a dataset (docs/dataset-format.md, Shards); no virtual dataset is read.

HDF5 shows a fill value where a shard is missing, so the rows come from the shards themselves.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.pixels.shard_files import Shard, check_shard
from pipeline.dataset.seal import BLOCK, Seal, SealError, read_seal
from store import DamagedError
from store.sealed_file import Header, SealedFile

#: shards that a thread keeps open
MOST_OPEN = 64


class OpenShard:
    """A shard that is open for reading.

    Parameters
    ----------
    path : Path
    checked : array of bool
        Which blocks were compared in this process; grows.

    Raises
    ------
    SealError, DamagedError
        It is not what was written.
    OSError
        It cannot be read.
    """

    def __init__(self, path: Path, seal: Seal, checked: NDArray[np.bool_]) -> None:
        self._seal, self._checked = seal, checked
        self._sums = np.frombuffer(seal.crc32, "<u4")
        self._raw = SealedFile(path, Header(seal.head_sha256, tuple(seal.head)))
        try:
            self.file = h5py.File(self._raw, "r")
        except BaseException:
            self._raw.close()
            raise

    def rows(self, array: str, first: int, stop: int) -> NDArray[Any]:
        """Read rows of an array, compared with the seal."""
        data = self.file[array]
        if data.chunks is None and data.size:
            row = data.size // len(data) * data.dtype.itemsize
            begin = data.id.get_offset()
            require_blocks(
                self._raw, self._seal, self._sums, self._checked, begin + first * row, begin + stop * row
            )
        values: NDArray[Any] = data[first:stop]
        return values

    def close(self) -> None:
        """Close the file."""
        self.file.close()
        self._raw.close()


class ShardRows:
    """Rows of the arrays that lie in shards; of one thread.

    Parameters
    ----------
    folder : Path
    shards : sequence of Shard
    checked : dict
        Name → which blocks were compared, for all threads.
    """

    def __init__(self, folder: Path, shards: Sequence[Shard], checked: dict[str, NDArray[np.bool_]]) -> None:
        self._folder, self._checked = folder, checked
        self._shards: dict[str, list[Shard]] = {}
        for shard in shards:
            self._shards.setdefault(shard.group, []).append(shard)
        self._first = {group: [s.first for s in found] for group, found in self._shards.items()}
        self._open: OrderedDict[str, OpenShard] = OrderedDict()

    def read(self, name: str, first: int, count: int) -> NDArray[Any]:
        """Read rows of an array such as ``cuboids/rgb``; fewer where it ends before.

        Raises
        ------
        SealError
            They are not what was written.
        """
        group, _, array = name.partition("/")
        shards = self._shards[group]
        index = max(0, int(np.searchsorted(self._first[group], first, "right")) - 1)
        parts: list[NDArray[Any]] = []
        at, stop = first, first + count
        while index < len(shards) and (at < stop or not parts):
            shard = shards[index]
            low, high = at - shard.first, min(stop - shard.first, shard.rows)
            parts.append(self._of(shard).rows(array, min(low, shard.rows), high))
            at, index = shard.first + max(high, low), index + 1
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _of(self, shard: Shard) -> OpenShard:
        found = self._open.get(shard.name)
        if found is not None:
            self._open.move_to_end(shard.name)
            return found
        while len(self._open) >= MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        shown = f"its shard {self._folder.name}/{shard.name}"
        try:
            problem = check_shard(self._folder, shard, read_data=False)
            seal = None if problem else read_seal(self._folder / shard.name)
            if seal is None:
                raise SealError(problem or "its seal is gone")
            blank = np.zeros(-(-seal.size // BLOCK), bool)
            checked = self._checked.setdefault(shard.name, blank)
            found = self._open[shard.name] = OpenShard(self._folder / shard.name, seal, checked)
        except (SealError, DamagedError, RuntimeError, ValueError, KeyError) as error:
            raise SealError(f"{shown}: {error}") from None
        return found

    def close(self) -> None:
        """Close what is open."""
        for shard in self._open.values():
            shard.close()
        self._open.clear()


def missing(folder: Path, shards: Sequence[Shard]) -> str:
    """Return what is wrong with the first shard that is missing or has another size; empty where none is."""
    for shard in shards:
        shown = f"its shard {folder.name}/{shard.name}"
        try:
            size = (folder / shard.name).stat().st_size
        except FileNotFoundError:
            return f"{shown} is missing (copy the folder {folder.name} together with the file)"
        if size != shard.size:
            return f"{shown} has {size} bytes instead of {shard.size}"
    return ""


def require_blocks(
    raw: SealedFile,
    seal: Seal,
    sums: NDArray[np.uint32],
    checked: NDArray[np.bool_],
    begin: int,
    end: int,
) -> None:
    """Compare the blocks of some bytes with the seal, each once in this process.

    Raises
    ------
    SealError
        They have changed.
    """
    todo = [i for i in range(begin // BLOCK, -(-end // BLOCK)) if not checked[i]]
    if not todo:
        return
    block = memoryview(bytearray(BLOCK))
    for i in todo:
        part = block[: min(BLOCK, seal.size - i * BLOCK)]
        raw.seek(i * BLOCK)
        raw.readinto(part)
        if zlib.crc32(part) != sums[i]:
            raise SealError(f"bytes {i * BLOCK} to {i * BLOCK + len(part)} have changed")
        checked[i] = True
