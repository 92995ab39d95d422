"""Removing what no current plan needs: results of old parameters, leftovers of killed runs."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from store.atomic import TEMP_MARK, temp_owner_alive
from store.lock import STALE_S
from store.store import Store


@dataclass(frozen=True)
class Garbage:
    """One removable file.

    Attributes
    ----------
    path : Path
    size : int
        Bytes.
    why : str
    """

    path: Path
    size: int
    why: str


def leftovers(store: Store) -> Iterator[Path]:
    """Temporary files whose process is gone, or that another host left over a day ago."""
    for path in store.root.rglob(f"*{TEMP_MARK}*"):
        try:
            age = time.time() - path.stat().st_mtime
        except OSError:
            continue
        if not temp_owner_alive(path) or age > 720 * STALE_S:
            yield path


def spent_parts(store: Store) -> Iterator[Path]:
    """Parts of files that are assembled already (two runs at once leave some)."""
    for path in store.root.glob("videos/*/parts/*"):
        whole = path.parent.parent / (path.name.split(".")[0].rsplit("-", 1)[0] + ".json")
        if TEMP_MARK not in path.name and whole.exists():
            yield path


def garbage(store: Store, wanted: Collection[Path]) -> Iterator[Garbage]:
    """What may be removed.

    Parameters
    ----------
    store : Store
    wanted : collection of Path
        The ``.h5`` files that the current manifest would use.

    Yields
    ------
    Garbage
    """
    keep = set(wanted)
    for path in leftovers(store):
        yield Garbage(path, path.stat().st_size, "left by a run that was killed")
    for folder in sorted((store.root / "videos").iterdir()):
        for path in sorted(folder.rglob("*")):
            if TEMP_MARK in path.name or not path.is_file() or path.name == "video.json":
                continue
            feature = path.with_name(path.name.split(".")[0] + ".h5")
            if path.parent.name == "parts":
                yield Garbage(path, path.stat().st_size, "part of an unfinished or finished file")
            elif feature not in keep:
                yield Garbage(path, path.stat().st_size, "of other parameters or an older stage version")
            elif path.suffix == ".h5" and not path.with_suffix(".json").exists():
                yield Garbage(path, path.stat().st_size, "was never sealed with a receipt")


def collect(items: Collection[Garbage]) -> int:
    """Remove the files; returns the bytes freed."""
    freed = 0
    for item in items:
        item.path.unlink(missing_ok=True)
        freed += item.size
        if item.path.parent.name == "parts" and not any(item.path.parent.iterdir()):
            item.path.parent.rmdir()
    return freed
