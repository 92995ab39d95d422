"""The marker that makes a folder a store, and says of which version."""

from __future__ import annotations

import os
from pathlib import Path

from store import names
from store.atomic import write_json
from store.errors import DamagedError, NoStoreError
from store.names import MARKER
from store.notes import CHECKSUM, SIGNED_VERSION, read_note, signed
from store.ownership import is_own, read_own, walk

#: of new stores; those of version 1 hold notes without checksums
STORE_VERSION = SIGNED_VERSION


def version_of(root: Path) -> int:
    """Return the version of an existing store.

    Raises
    ------
    NoStoreError
        Nothing there, something else there, a newer format, or a damaged marker.
    """
    version = _version(root)
    if version is None:
        if root.exists() and not root.is_dir():
            raise NoStoreError(f"{root}: is a file, not a store; give a folder with --store")
        what = "holds no ttprep store" if root.exists() else "does not exist"
        raise NoStoreError(f"{root}: {what}; make one with `ttprep run`, or give another with --store")
    if not 1 <= version <= STORE_VERSION:
        raise NoStoreError(
            f"{root}: store version {version}, this ttprep reads up to {STORE_VERSION}; "
            "use the ttprep that made it, or another --store"
        )
    return version


def make_store(root: Path) -> None:
    """Make an empty store where there is none yet, or a marker for one that has lost it.

    Raises
    ------
    NoStoreError
        The folder holds other things, or cannot be made.
    """
    if os.path.lexists(root / MARKER):
        return
    try:
        if root.exists() and not root.is_dir():
            raise NoStoreError(f"{root}: is a file, not a store; give a folder with --store")
        if root.exists():
            strange = _strange(root)
            # another process may have been making the same store
            if strange is not None and (root / MARKER).exists():
                return
            if strange is not None:
                raise NoStoreError(
                    f"{root}: is not a ttprep store and not empty (it holds {names.shown(strange)}); "
                    "give a new or empty folder with --store"
                )
        root.mkdir(parents=True, exist_ok=True)
        for name in names.FOLDERS:
            (root / name).mkdir(exist_ok=True)
        version = 1 if _holds_unsigned(root) else STORE_VERSION
        write_json(root / MARKER, signed({"format": "ttprep-store", "version": version}), within=root)
    except OSError as e:
        raise NoStoreError(f"{root}: cannot be made ({e.strerror}); give another with --store") from e


def _version(root: Path) -> int | None:
    """Return the version that a store's marker names, None where there is no marker.

    Raises
    ------
    NoStoreError
        The marker is damaged.
    """
    try:
        marker = read_note(root / MARKER, "marker", unsigned=True)
        if marker is None:
            return None
        version = int(marker["version"])
        if version == SIGNED_VERSION:  # later ones may sign in another way
            read_note(root / MARKER, "marker", unsigned=False)
    except DamagedError as e:
        raise NoStoreError(
            f"{e}: the marker of the store is damaged; delete that file, and `ttprep run` makes it anew and "
            "keeps the results, if nothing else lies in the store's folder"
        ) from e
    return version


def _holds_unsigned(root: Path) -> bool:
    """Tell whether notes without checksums lie in a folder that has lost its marker."""
    mark = f'"{CHECKSUM}"'.encode()
    kinds = ("receipt", "source", "splits")
    notes = (e.path for e in walk(root) if e.name is not None and e.name.kind in kinds)
    return any(mark not in (read_own(path) or mark) for path in notes)


def _strange(root: Path) -> Path | None:
    """Return an entry of a folder that no store would hold, None where there is none."""
    return next((e.path for e in walk(root) if not is_own(e)), None)
