"""Find and remove shards that no dataset lists any more, once nobody can be reading them.

Whoever has a dataset open goes on reading its shards when an export has replaced it, so these stay for some
days. The receipt beside the dataset says since when a shard is unused.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from pipeline.dataset.pixels.shard_files import folder_of, is_own, listed, shards_of
from pipeline.dataset.receipt import is_dataset, read_receipt
from pipeline.dataset.seal import SealError, check_head, read_seal
from store.atomic import TEMP_MARK, temp_owner_alive
from store.gc import Garbage

#: days that an unused shard stays
DAYS = 7.0
_DAY = 86400.0
_SUFFIXES = (".h5", ".hdf5")


def folders_with_shards(dataset: Path | None, home: Path) -> list[Path]:
    """Return the folders of shards of a project.

    Parameters
    ----------
    dataset : Path, optional
        Its dataset.
    home : Path
        The folder of its manifest; datasets beside it are its own, too.
    """
    found = {folder_of(dataset)} if dataset is not None else set()
    for folder in {home, *(d.parent for d in found)}:
        found |= set(folder.glob("*.shards"))
    return sorted(f for f in found if f.is_dir())


def unused_shards(folder: Path, days: float = DAYS) -> Iterator[Garbage]:
    """Yield the shards in a folder that no dataset beside it has listed for some days.

    Nothing is unused where there is no such dataset: it may have been moved, and its shards are to follow.
    Nor where one cannot be read.

    Parameters
    ----------
    folder : Path
    days : float
    """
    for path in folder.glob(f"*{TEMP_MARK}*"):
        if not temp_owner_alive(path) and (found := _regular(path)) is not None:
            yield _garbage(path, found, "left by an export that was killed")
    datasets = [p for p in folder.parent.iterdir() if p.suffix in _SUFFIXES and is_dataset(p)]
    try:
        used = {d: names for d in datasets if (names := _listed_by(d, folder)) is not None}
    except (SealError, OSError):
        return
    if not used:
        return
    needed = set().union(*used.values())
    for name in listed(folder):
        path = folder / name
        found = _regular(path)
        if name in needed or found is None or not is_own(folder, name):
            continue
        since = _unused_since(used, name, found.st_mtime)
        if time.time() - since >= days * _DAY:
            yield _garbage(path, found, "a shard that no dataset lists")


def _listed_by(dataset: Path, folder: Path) -> set[str] | None:
    """Return the names of the shards that a dataset lists; None where it has none in this folder.

    Raises
    ------
    SealError, OSError
        It does not say.
    """
    seal = read_seal(dataset)
    if seal is None:  # of an earlier version, which knew no shards, or edited: HDF5 is not to parse it
        if folder.name.encode() in dataset.read_bytes():
            raise SealError("it may list shards, and nothing vouches for it")
        return None
    check_head(dataset, seal)
    there, shards = shards_of(dataset)
    own = there.resolve() == folder.resolve() or folder_of(dataset) == folder
    return {s.name for s in shards} if own else None


def _unused_since(datasets: Iterable[Path], name: str, made: float) -> float:
    """Return the time (s since 1970) since when no dataset lists a shard, as far as is known."""
    known, replaced = [], [made]
    for path in datasets:
        replaced.append(path.stat().st_mtime)
        try:
            receipt = read_receipt(path)
        except (SealError, OSError):
            continue
        if receipt is not None and name in receipt.unused:
            known.append(receipt.unused[name])
    return max(known or replaced)


def _regular(path: Path) -> os.stat_result | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _garbage(path: Path, found: os.stat_result, why: str) -> Garbage:
    return Garbage(path, found.st_size, why, (found.st_dev, found.st_ino, found.st_mtime_ns))


def remove_shards(items: Collection[Garbage]) -> int:
    """Remove shards that are still what was listed, and return the bytes freed."""
    freed = 0
    for item in items:
        found = _regular(item.path)
        if found is not None and _garbage(item.path, found, "").identity == item.identity:
            item.path.unlink(missing_ok=True)
            freed += item.size
    return freed
