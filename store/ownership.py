"""Tell what the store made itself from what somebody else put there.

A file is the store's own if its place and name say so (:mod:`store.names`), it is a regular file and no link,
and its content agrees: a note has the fields that the store writes, a feature file has its receipt beside it
or, never sealed, carries the key that its name begins with. Only such files are removed or replaced.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store.atomic import read_regular
from store.errors import ForeignError
from store.names import Name, is_sha256, recognise, shown

_HDF5 = b"\x89HDF\r\n\x1a\n"
#: root attributes lie in the first kilobytes of a feature file
_HEAD = 1 << 20
#: no note of the store is larger
_LARGEST_NOTE = 1 << 26
#: the first field that the store writes into a note, and the others that it must have
_FIELDS = {
    "marker": ("format",),
    "receipt": ("stage", "key", "size", "sha256"),
    "part note": ("key", "size", "sha256"),
    "failed": ("reason",),
    "damaged": ("reason",),
    "source": ("path", "sha256"),
    "splits": ("format", "table"),
    "lock": ("kind", "host", "pid"),
}
#: how every signed note ends
_END = re.compile(rb'"checksum": "[0-9a-f]{64}"\n\}\s*\Z')


@dataclass(frozen=True)
class Entry:
    """One entry of a store's tree.

    Attributes
    ----------
    path : Path
    name : Name or None
        None where the entry cannot be the store's own: an unknown name, a link, something special.
    stat : os.stat_result
        Of the entry itself, not of what it links to.
    """

    path: Path
    name: Name | None
    stat: os.stat_result


#: name of a folder and of a file in it → whether the file is of interest
Wanted = Callable[[str, str], bool]


def walk(root: Path, wanted: Wanted = lambda folder, name: True) -> Iterator[Entry]:
    """Yield every entry of a store; folders that are not the store's own are one entry each.

    No link is followed and no foreign folder entered. What vanishes meanwhile or cannot be listed is
    left out.

    Parameters
    ----------
    root : Path
    wanted : callable
        Which files to look at; folders are looked at always. A store may hold a hundred thousand files.
    """
    yield from _walk(root, root, wanted)


def _walk(folder: Path, root: Path, wanted: Wanted) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as listed:
            found = sorted(listed, key=lambda e: e.name)
    except OSError:
        return
    for item in found:
        if not wanted(folder.name, item.name) and not item.is_dir(follow_symlinks=False):
            continue
        entry = look(folder / item.name, root)
        if entry is None:
            continue
        yield entry
        if entry.name is not None and entry.name.kind == "folder":
            yield from _walk(entry.path, root, wanted)


def look(path: Path, root: Path) -> Entry | None:
    """Return the entry at a path below ``root``, None where there is nothing."""
    try:
        found = path.lstat()
    except OSError:
        return None
    name = recognise(path, root)
    fits = stat.S_ISDIR if name is not None and name.kind == "folder" else stat.S_ISREG
    return Entry(path, name if fits(found.st_mode) else None, found)


def is_own(entry: Entry) -> bool:
    """Tell whether the store made an entry, by its name and its content.

    Raises
    ------
    OSError
        The content is there and cannot be read.
    """
    name, path = entry.name, entry.path
    if name is None:
        return False
    if name.kind in ("folder", "temporary"):  # a file half written has nothing else to be known by
        return True
    if name.kind == "old lock":
        return entry.stat.st_size == 0
    if name.kind in ("feature", "part"):
        kind = "receipt" if name.kind == "feature" else "part note"
        return _note_of(path.with_suffix(".json"), kind, name) or _carries_key(path, name.key)
    return _note_of(path, name.kind, name)


def claim(path: Path, root: Path) -> None:
    """Make sure that a file which is about to be replaced, if there is one, is the store's own.

    Raises
    ------
    ForeignError
        Somebody else put something there.
    OSError
        What is there cannot be read.
    """
    entry = look(path, root)
    if entry is None or is_own(entry) or _belongs_to_result(entry, root):
        return
    raise ForeignError(
        f"{shown(path)}: was not made by ttprep and is not replaced; move it out of the store and run again"
    )


def _belongs_to_result(entry: Entry, root: Path) -> bool:
    """Tell whether an entry is a damaged receipt beside its file, or a link in the place of such a file."""
    name = recognise(entry.path, root)
    if name is None:
        return False
    if stat.S_ISLNK(entry.stat.st_mode) and name.kind in ("feature", "part"):
        kind = "receipt" if name.kind == "feature" else "part note"
        return _note_of(entry.path.with_suffix(".json"), kind, name)
    if stat.S_ISREG(entry.stat.st_mode) and name.kind in ("receipt", "part note"):
        return _carries_key(entry.path.with_suffix(".h5"), name.key)
    return False


def read_own(path: Path) -> bytes | None:
    """Return the bytes of a regular file, None where there is none, or a link or anything else."""
    return read_regular(path, _LARGEST_NOTE, follow=False)


def _note_of(path: Path, kind: str, name: Name) -> bool:
    data = read_own(path)
    if data is None:
        return False
    if kind in ("failed", "damaged", "source", "part note") and _END.search(data):
        return True  # one flipped bit cannot spoil both the beginning and the end
    first = _FIELDS[kind][0]
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        # a flipped bit makes no JSON of it; it still begins as only the store begins a note
        start = f'{{\n "{first}": "' + (f'{name.stage}"' if kind == "receipt" else "")
        return kind != "splits" and data.startswith(start.encode())
    if not isinstance(value, dict) or not set(_FIELDS[kind]) <= value.keys():
        return False
    if kind == "lock":
        return (value["kind"], value["host"], str(value["pid"])) == (name.lock, name.host, name.pid)
    if kind in ("receipt", "part note"):
        same_stage = kind == "part note" or value["stage"] == name.stage
        return same_stage and is_sha256(value["key"]) and value["key"].startswith(name.key)
    if kind in ("marker", "splits"):
        return bool(value["format"] == {"marker": "ttprep-store", "splits": "ttprep-splits"}[kind])
    return isinstance(value[first], str)


def _carries_key(path: Path, key: str) -> bool:
    """Tell whether a file is a feature file whose key begins as its name says.

    The bytes are searched rather than parsed: HDF5 may stumble over a damaged file.
    """
    data = read_regular(path, _HEAD, follow=False)
    return (
        data is not None
        and data.startswith(_HDF5)
        and b"ttprep-feature" in data
        and re.search(rb"(?<![0-9a-f])" + key.encode() + rb"[0-9a-f]{48}(?![0-9a-f])", data) is not None
    )
