"""Results in folders that a user names: only what was written here, and is unchanged, is written over.

Beside the results lies ``.ttprep.json``, which has the sha256 of every file that was written there. What it
does not name, or what was changed since (as a prediction that somebody corrected), is the user's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.errors import USAGE, UserError
from store.atomic import read_json, write_bytes, write_json

#: the account of a folder; hidden, so that no search for annotations reads it
ACCOUNT = ".ttprep.json"
_FORMAT = "ttprep files"
#: states of one file that count as written here: the new one, and that which a killed process left
_MOST = 2


def write(path: Path, data: bytes) -> None:
    """Publish a file atomically, unless one lies there that was not written here.

    Parameters
    ----------
    path : Path
        Its folder is made where there is none.
    data : bytes

    Raises
    ------
    UserError
        What lies there is the user's, or the disk refused.
    """
    require((path,))
    new = hashlib.sha256(data).hexdigest()
    try:
        if _digest(path) == new and new in _written(path):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        files = _account(path.parent)
        # both states count until the new file is in its place: a killed process must not disown it
        files[path.name] = [*_written(path), new][-_MOST:]
        write_json(path.with_name(ACCOUNT), {"format": _FORMAT, "files": files})
        write_bytes(path, data)
    except OSError as e:
        raise UserError(f"{path}: cannot be written ({e.strerror}); name another folder") from e


def require(paths: Iterable[Path]) -> None:
    """Make sure that files may be written: nothing is there, or what was written here.

    Raises
    ------
    UserError
        A user's file, a link or a folder lies there; or a folder in which it should lie is none.
    """
    for path in paths:
        parent = next((p for p in path.parents if os.path.lexists(p)), path.parent)
        if not parent.is_dir():
            raise UserError(f"{parent}: is no folder; move it elsewhere, or name another folder", USAGE)
        if not os.path.lexists(path):
            continue
        if path.is_symlink() or not path.is_file():
            what = "a link" if path.is_symlink() else "no file"
            raise UserError(
                f"{path}: is {what}, and is not replaced; move it elsewhere, or name another folder", USAGE
            )
        try:
            own = _digest(path) in _written(path)
        except OSError as e:
            raise UserError(f"{path}: cannot be read ({e.strerror}); name another folder") from e
        if not own:
            raise UserError(
                f"{path}: was not written by ttprep, or changed since, and is not replaced; move it"
                " elsewhere, or name another folder",
                USAGE,
            )


def _digest(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _written(path: Path) -> list[str]:
    """Return the digests of the file's states that were written here."""
    found = _account(path.parent).get(path.name)
    return [d for d in found if isinstance(d, str)] if isinstance(found, list) else []


def _account(folder: Path) -> dict[str, Any]:
    """Return what was written in a folder; nothing where the account is missing or damaged."""
    content = read_json(folder / ACCOUNT)
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        return {}
    files = content.get("files")
    return dict(files) if isinstance(files, dict) else {}
