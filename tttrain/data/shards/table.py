"""Which shards a dataset has, and whether all of them are there.

HDF5 shows a fill value where a shard is missing, without a word. So nothing is read through the virtual
datasets: the table ``/shards``, which the seal of the dataset file covers, says which file holds a row.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tttrain.data.sealed_file import damaged

#: root attribute that names the folder, and group that lists the shards
FOLDER = TABLE = "shards"
#: arrays that may lie in shards
ARRAYS = ("rgb", "flow")
MOST_SHARDS = 10**6
_NAME = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}\.h5")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Shards:
    """The shards with the rows of one group of arrays.

    Attributes
    ----------
    folder : Path
    names : tuple of str
    first, rows, size : array of int
        First row of the group, number of rows, bytes of the file.
    seal : tuple of str
        sha256 of the JSON of each seal.
    """

    folder: Path
    names: tuple[str, ...]
    first: NDArray[np.int64]
    rows: NDArray[np.int64]
    size: NDArray[np.int64]
    seal: tuple[str, ...]

    @property
    def total(self) -> int:
        """Rows of all of them."""
        return int(self.rows.sum())


def read_shards(file: h5py.File, path: Path) -> dict[str, Shards]:
    """Read the table of an open dataset file: group of arrays → its shards; empty where it has none.

    Raises
    ------
    TrainError
        It is not a table of shards.
    """
    if TABLE not in file:
        return {}
    try:
        group = file[TABLE]
        names, groups, seals = (_texts(group[name]) for name in ("name", "group", "seal"))
        first, rows, size = (_numbers(group[name], len(names)) for name in ("first", "rows", "bytes"))
        folder = str(file.attrs[FOLDER])
        right = (
            len(groups) == len(seals) == len(names)
            and all(map(_NAME.fullmatch, names))
            and all(map(_SHA256.fullmatch, seals))
            and folder == Path(folder).name
            and folder not in ("", ".", "..")
            and bool((rows > 0).all())
        )
        if not right:
            raise ValueError("an entry is out of range")
        found = {}
        for kind in dict.fromkeys(groups):
            of = [i for i, g in enumerate(groups) if g == kind]
            if not np.array_equal(first[of], np.cumsum(rows[of]) - rows[of]):
                raise ValueError("a shard does not begin where the one before it ends")
            if any(len(file[kind][a]) != rows[of].sum() for a in ARRAYS if a in file[kind]):
                raise ValueError(f"the shards of {kind} do not have as many rows as its arrays")
            found[kind] = Shards(
                _place(path, folder),
                tuple(names[i] for i in of),
                first[of],
                rows[of],
                size[of],
                tuple(seals[i] for i in of),
            )
        return found
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, MemoryError) as error:
        raise damaged(path, f"its table of shards cannot be used ({str(error).splitlines()[0]})") from None


def _place(path: Path, folder: str) -> Path:
    """Return the folder beside the file, or beside what it is a link to."""
    there = Path(os.path.realpath(path)).with_name(folder)
    return there if there.is_dir() or not path.with_name(folder).is_dir() else path.with_name(folder)


def _texts(data: Any) -> list[str]:
    if data.ndim != 1 or len(data) > MOST_SHARDS or data.dtype.itemsize > 64 or data.is_virtual:
        raise ValueError(f"{data.name} is {data.dtype} {data.shape}")
    return [str(v) for v in data.asstr()[()]]


def _numbers(data: Any, n: int) -> NDArray[np.int64]:
    if data.shape != (n,) or data.dtype.kind not in "iu" or data.is_virtual:
        raise ValueError(f"{data.name} is {data.dtype} {data.shape}")
    return np.asarray(data[()], np.int64)


def in_shards(file: h5py.File, name: str) -> bool:
    """Tell whether an array of an open dataset file is one whose rows are read from shards."""
    group, _, array = name.partition("/")
    try:
        return array in ARRAYS and TABLE in file and group in _texts(file[TABLE]["group"])
    except (ValueError, TypeError, KeyError, AttributeError, UnicodeDecodeError):
        return False


def require_shards(path: Path, shards: dict[str, Shards]) -> None:
    """Make sure that every shard is there, has its size, and ends with its seal.

    Raises
    ------
    TrainError
        One is missing or is another file.
    """
    for group in shards.values():
        for name, size, seal in zip(group.names, group.size.tolist(), group.seal, strict=True):
            require_shard(path, group.folder / name, size, seal)


def require_shard(path: Path, place: Path, size: int, seal: str) -> None:
    """Make sure that one shard is there; as :func:`require_shards`."""
    shown = f"its shard {place.parent.name}/{place.name}"
    try:
        handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
        try:
            found = os.fstat(handle).st_size
            if found != size:
                raise damaged(path, f"{shown} has {found} bytes instead of {size}")
            if os.pread(handle, 32, max(0, size - 32)).hex() != seal:
                raise damaged(path, f"{shown} is not the one that was written")
        finally:
            os.close(handle)
    except FileNotFoundError:
        raise damaged(
            path, f"{shown} is missing (copy the folder {place.parent.name} together with the file)"
        ) from None
    except OSError as error:
        raise damaged(path, f"{shown} cannot be read ({error.strerror or error})") from None
