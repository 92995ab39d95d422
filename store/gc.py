"""Find and remove what no current plan needs: results of old parameters, leftovers of killed runs.

Only files that the store made itself are touched (:mod:`store.ownership`). No link is followed. Everything
else that lies in the store is left as it is and listed by :func:`foreign`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from store.atomic import temp_owner_alive
from store.names import PARTS, TEMP_MARK, result_stem
from store.ownership import Entry, is_own, look, walk
from store.store import Store

#: seconds after which a temporary file of another host is taken for abandoned
ABANDONED_S = 86400.0


@dataclass(frozen=True)
class Garbage:
    """One removable file.

    Attributes
    ----------
    path : Path
    size : int
        Bytes.
    why : str
    identity : tuple of int
        Device, inode and modification time (ns): what is there later is removed only if it is the same file.
    """

    path: Path
    size: int
    why: str
    identity: tuple[int, int, int]


def _garbage(entry: Entry, why: str) -> Garbage:
    return Garbage(entry.path, entry.stat.st_size, why, _identity(entry.stat))


def _is_own(entry: Entry) -> bool:
    try:
        return is_own(entry)
    except OSError:  # cannot be read: better left where it is
        return False


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _is_leftover(entry: Entry) -> bool:
    if entry.name is None or entry.name.kind != "temporary":
        return False
    return not temp_owner_alive(entry.path) or time.time() - entry.stat.st_mtime > ABANDONED_S


def _is_spent(entry: Entry, store: Store) -> bool:
    if entry.name is None or entry.name.kind not in ("part", "part note"):
        return False
    folder, stem = entry.path.parent.parent, result_stem(entry.name.stage, entry.name.key)
    receipt = look(folder / f"{stem}.json", store.root)
    return receipt is not None and _is_own(receipt) and _is_own(entry)


def leftovers(store: Store) -> Iterator[Path]:
    """Yield temporary files whose process is gone, or that another host left more than a day ago."""
    for entry in walk(store.root, lambda folder, name: TEMP_MARK in name):
        if _is_leftover(entry):
            yield entry.path


def spent_parts(store: Store) -> Iterator[Path]:
    """Yield parts of files that are assembled already (two runs at once leave some)."""
    # listed first: a part is known by the note beside it, which the caller may remove before it
    parts = walk(store.root, lambda folder, name: folder == PARTS)
    yield from [entry.path for entry in parts if _is_spent(entry, store)]


def part_folders(store: Store) -> Iterator[Path]:
    """Yield the folders of parts; none is a link or reached through one."""
    for video in store.videos():
        folder = store.folder(video)
        if not os.path.lexists(f"{folder}/{PARTS}"):
            continue
        if not folder.is_symlink() and (entry := look(folder / PARTS, store.root)) is not None and entry.name:
            yield entry.path


def garbage(store: Store, wanted: Collection[Path], judged: Collection[Path]) -> Iterator[Garbage]:
    """Yield what may be removed.

    Parameters
    ----------
    store : Store
    wanted : collection of Path
        The ``.h5`` files that the current manifest would use.
    judged : collection of Path
        The folders of the videos that the manifest was asked about; finished results of others are kept.

    Yields
    ------
    Garbage
    """
    keep, folders = set(wanted), set(judged)
    for entry in walk(store.root):
        if entry.name is None or not _is_own(entry):
            continue
        kind, path = entry.name.kind, entry.path
        if _is_leftover(entry):
            yield _garbage(entry, "left by a run that was killed")
        elif kind == "old lock":
            yield _garbage(entry, "lock of an earlier version")
        elif kind in ("part", "part note"):
            yield _garbage(entry, "part of an unfinished or finished file")
        elif kind in ("feature", "receipt", "failed", "damaged"):
            feature = path.with_name(f"{result_stem(entry.name.stage, entry.name.key)}.h5")
            if path.parent in folders and feature not in keep:
                yield _garbage(entry, "of other parameters or an older stage version")
            elif kind == "feature" and not os.path.lexists(path.with_suffix(".json")):
                yield _garbage(entry, "was never sealed with a receipt")


def foreign(store: Store) -> list[Path]:
    """Return what lies in the store and is not its own: files, links, and folders as one entry each."""
    return [entry.path for entry in walk(store.root) if not _is_own(entry)]


def remove(store: Store, items: Collection[Garbage]) -> int:
    """Remove the files, and folders of parts that are then empty; return the bytes freed.

    What was replaced by something else since it was listed, or is reached only through a link, stays.
    """
    freed = 0
    for item in items:
        try:
            with _opened(item.path.parent, store.root) as folder:
                found = os.stat(item.path.name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISREG(found.st_mode) and _identity(found) == item.identity:
                    os.unlink(item.path.name, dir_fd=folder)
                    freed += item.size
        except OSError as e:
            # gone meanwhile, or a link stands in its folder's place
            if e.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
                raise
    for parent in {item.path.parent for item in items if item.path.parent.name == PARTS}:
        with contextlib.suppress(OSError), _opened(parent.parent, store.root) as folder:
            os.rmdir(PARTS, dir_fd=folder)  # refused where something is left in it
    return freed


@contextlib.contextmanager
def _opened(folder: Path, root: Path) -> Iterator[int]:
    """Open a folder below ``root`` step by step, following no link."""
    flags = os.O_RDONLY | os.O_DIRECTORY
    here = os.open(root, flags)
    try:
        for name in folder.relative_to(root).parts:
            inner = os.open(name, flags | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = inner
        yield here
    finally:
        os.close(here)
