"""Small results for the tests of the store."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from store import Column, Layout, Slot, Store
from store.atomic import not_stale

COLUMN = Column("x", "uint8", Layout((8, 4, 5), "zstd", 3, "temporal-delta"), {"axes": ("t", "y", "x")})


def rows(n: int, seed: int = 0) -> NDArray[np.uint8]:
    """Random rows."""
    return np.random.default_rng(seed).integers(0, 256, (n, 9, 11), dtype=np.uint8)


def put(store: Store, slot: Slot, data: NDArray[np.uint8]) -> None:
    """Write and seal a result."""
    shapes = put_unsealed(store, slot, data)
    store.seal(slot, 1, {"params": {}}, shapes, {}, {})


def put_unsealed(store: Store, slot: Slot, data: NDArray[np.uint8]) -> dict[str, list[int]]:
    """Write a result as a process does that is killed before it seals it."""
    with store.writing(slot, (COLUMN,), {"key": slot.key}) as writer:
        writer.append({"x": data})
        return writer.close()


def put_part(store: Store, slot: Slot, begin: int, *, note: bool = True) -> Path:
    """Write a part of a result."""
    with store.writing_part(slot, (begin, begin + 8), (COLUMN,), {"key": slot.key}) as writer:
        writer.append({"x": rows(8)})
        writer.close()
    path = store.part_path(slot, (begin, begin + 8))
    if note:
        content = {"key": slot.key, "size": path.stat().st_size, "sha256": "0" * 64, "run": {}}
        store.publish(path.with_suffix(".json"), content)
    return path


def snapshot(*places: Path) -> dict[Path, object]:
    """What lies at and below some places: bytes of files, targets of links, kinds of all else."""
    found: dict[Path, object] = {}
    for place in places:
        below = [Path(f) / n for f, folders, files in os.walk(place) for n in (*folders, *files)]
        for path in (place, *below):
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                found[path] = ("link", os.readlink(path))
            elif stat.S_ISREG(mode):
                found[path] = path.read_bytes()
            else:
                found[path] = stat.S_IFMT(mode)
    return found


def content(path: Path) -> bytes:
    """Return a file's bytes; of the new one where it was replaced under the handle, as network disks do."""
    return not_stale(path.read_bytes)
