"""Atomic writes: a file is either the old or the new version, whatever interrupts the writing.

The rest of ttprep has a writer like this one. This package has its own because it imports nothing of the
others: the dataset file is all that ties them together.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from tttrain.errors import TrainError

CHECKSUM = "checksum"
#: no JSON of a run is larger
_LARGEST_JSON = 1 << 28
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<pid>[0-9]{1,10})\.tmp")


def write(
    path: Path, fill: Callable[[IO[bytes]], None], publish: Callable[[Path], None] | None = None
) -> None:
    """Write a file beside its place and move it there once it is safely on disk.

    Parameters
    ----------
    path : Path
    fill : callable
        Writes the content to the open file.
    publish : callable, optional
        Called with the finished file's temporary name, before it is moved to its place.

    Raises
    ------
    OSError
        Writing failed; the old file is untouched.
    TrainError
        A link or a folder lies there, which was not made here and is not replaced.
    """
    require_replaceable(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if os.path.lexists(temporary):
        temporary.unlink()  # of a process of the same number, killed
    try:
        with temporary.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        if publish is not None:
            publish(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, atomically."""

    def fill(file: IO[bytes]) -> None:
        file.write(text.encode())

    write(path, fill)


def write_json(path: Path, value: Any) -> None:
    """Write JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def checksum(value: dict[str, Any]) -> str:
    """Return the sha256 of a JSON object's content, whatever its layout; its own checksum does not count."""
    content = {name: v for name, v in value.items() if name != CHECKSUM}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_checked_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object with a checksum of its content, atomically."""
    write_json(path, {**value, CHECKSUM: checksum(value)})


def read_text(path: Path) -> str:
    """Read a small file of text.

    Raises
    ------
    FileNotFoundError
        There is none.
    OSError
        It cannot be read.
    ValueError
        It is no regular file, absurdly large, or not UTF-8.
    """
    # without O_NONBLOCK a pipe in the file's place would hold us for ever
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("not a regular file")
        if found.st_size > _LARGEST_JSON:
            raise ValueError(f"{found.st_size} bytes, far more than it can have")
        return file.read().decode()


def read_json(path: Path) -> Any:
    """Read what :func:`write_json` wrote.

    Raises
    ------
    FileNotFoundError
        There is none.
    OSError
        It cannot be read.
    ValueError
        It holds no JSON.
    """
    try:
        return json.loads(read_text(path))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_checked_json(path: Path) -> dict[str, Any]:
    """Read what :func:`write_checked_json` wrote, without its checksum; earlier versions wrote none.

    Raises
    ------
    FileNotFoundError
        There is none.
    OSError
        It cannot be read.
    ValueError
        It holds no JSON object, or another one than was written.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    if CHECKSUM in value and value.pop(CHECKSUM) != checksum(value):
        raise ValueError("its content is not what was written (checksum differs)")
    return value


def require_replaceable(path: Path) -> None:
    """Make sure that nothing but a regular file would be replaced.

    Raises
    ------
    TrainError
        A link, a folder or something special lies there.
    """
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode):
        what = "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise TrainError(f"{path}: is {what}, which is not replaced; move it elsewhere and start again")


def is_leftover(path: Path, names: Callable[[str], bool]) -> bool:
    """Tell whether a file is what :func:`write` left when its process was killed.

    Parameters
    ----------
    path : Path
    names : callable
        Tells for a name whether files of that name are written here.
    """
    match = _TEMPORARY.fullmatch(path.name)
    if match is None or not names(match["name"]) or path.is_symlink() or not path.is_file():
        return False
    return not _alive(int(match["pid"]))


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return pid > 0
