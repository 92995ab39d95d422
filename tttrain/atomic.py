"""Atomic writes: a file is either the old or the new version, whatever interrupts the writing.

The rest of ttprep has a writer like this one. This package has its own because it imports nothing of the
others: the dataset file is all that ties them together.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any


def write(path: Path, fill: Callable[[IO[bytes]], None]) -> None:
    """Write a file beside its place and move it there once it is safely on disk.

    Parameters
    ----------
    path : Path
    fill : callable
        Writes the content to the open file.

    Raises
    ------
    OSError
        Writing failed; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
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


def read_json(path: Path) -> Any:
    """Read what :func:`write_json` wrote; None if there is nothing readable."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
