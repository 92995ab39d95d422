"""Results in folders that a user names: only what was written here is written over.

A folder may hold a user's own ``report.json`` or pictures. Beside the results lies ``.tttrain.json``, which
has the sha256 of every file that was written there; what it does not name, or what was changed since, is the
user's.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from tttrain import atomic
from tttrain.errors import TrainError

RECEIPT = ".tttrain.json"


def write(path: Path, fill: Callable[[IO[bytes]], None]) -> None:
    """Write a file atomically, unless one lies there that was not written here.

    Parameters
    ----------
    path : Path
    fill : callable
        Writes the content to the open file.

    Raises
    ------
    OSError
        Writing failed; the old file is untouched.
    TrainError
        What lies there is the user's.
    """
    require((path,))
    receipt = path.with_name(RECEIPT)
    before = _read(receipt)

    def note(temporary: Path) -> None:
        # both states count until the new file is in its place: a killed process must not disown it
        digests = [d for d in before.get(path.name, []) if path.exists() and d == _digest(path)]
        written = {**before, path.name: [*digests, _digest(temporary)]}
        atomic.write_checked_json(receipt, {"files": written})

    atomic.write(path, fill, note)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, as :func:`write` does."""
    write(path, lambda file: _fill(file, text))


def write_json(path: Path, value: Any) -> None:
    """Write JSON, as :func:`write` does; with escapes where a path has bytes that are no text."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if any("\ud800" <= c <= "\udfff" for c in text):
        text = json.dumps(value, indent=2)
    write_text(path, text + "\n")


def write_checked_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object with a checksum of its content, as :func:`write` does."""
    write_json(path, {**value, atomic.CHECKSUM: atomic.checksum(value)})


def require(paths: Iterable[Path]) -> None:
    """Make sure that files may be written: nothing is there, or what was written here.

    Raises
    ------
    TrainError
        A user's file, a link or a folder lies there; or a folder in which it should lie is none.
    """
    for path in paths:
        if not os.path.lexists(path):
            if path.parent.exists() and not path.parent.is_dir():
                raise TrainError(f"{path.parent}: is a file; move it elsewhere, or name another folder")
            continue
        atomic.require_replaceable(path)
        if _digest(path) not in _read(path.with_name(RECEIPT)).get(path.name, []):
            raise TrainError(
                f"{path}: was not written by tttrain, or changed since, and is not replaced; move it "
                "elsewhere, or name another folder"
            )


def make_folder(folder: Path) -> None:
    """Create a folder within a folder of results.

    Raises
    ------
    TrainError
        A link or a file lies there: what is behind it is not ours.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        what = "a link" if folder.is_symlink() else "a file"
        raise TrainError(f"{folder}: is {what}, which is not replaced; move it elsewhere and start again")
    folder.mkdir(parents=True, exist_ok=True)


def begin(folder: Path, names: Iterable[str]) -> None:
    """Begin the account of a folder; files of earlier versions, which kept none, count as written here.

    Parameters
    ----------
    folder : Path
    names : iterable of str
        Of the files that earlier versions wrote.
    """
    if not os.path.lexists(folder / RECEIPT):
        there = [folder / name for name in names]
        files = {p.name: [_digest(p)] for p in there if p.is_file() and not p.is_symlink()}
        atomic.write_checked_json(folder / RECEIPT, {"files": files})


def adopt(paths: Iterable[Path], run: Path) -> None:
    """Count results within a run of an earlier version, which kept no account, as written here.

    Parameters
    ----------
    paths : iterable of Path
        Results that are about to be written.
    run : Path
        Folder that holds the results. Nothing is adopted where it is no run, or one that has an account.
    """
    if os.path.lexists(run / RECEIPT) or not (run / "run.json").is_file():
        return
    names: dict[Path, list[str]] = {}
    for path in paths:
        if run in path.parents and path.parent.is_dir() and not path.parent.is_symlink():
            names.setdefault(path.parent, []).append(path.name)
    for folder, those in names.items():
        if folder != run:
            begin(folder, those)


def _fill(file: IO[bytes], text: str) -> None:
    file.write(text.encode())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(receipt: Path) -> dict[str, list[str]]:
    """Read which files were written in a folder.

    Raises
    ------
    TrainError
        Something else lies in the receipt's place, or it is damaged.
    """
    try:
        files = atomic.read_checked_json(receipt).get("files")
        if receipt.is_symlink():
            raise ValueError("a link")
        if not isinstance(files, dict) or not all(isinstance(v, list) for v in files.values()):
            raise ValueError("not the account of a folder")
    except FileNotFoundError:
        if receipt.is_symlink():
            raise TrainError(f"{receipt}: is a link; remove it and start again") from None
        return {}
    except (OSError, ValueError) as error:
        raise TrainError(
            f"{receipt}: cannot be used ({error}); name another folder, or delete it and move the files "
            "beside it elsewhere"
        ) from None
    return files
