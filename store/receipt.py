"""Receipts: what makes a feature file count as done.

That a file exists proves nothing. Beside each feature file lies a small JSON receipt, published after it,
with the key, everything the key was made of, and the file's size and sha256. The receipt also holds what
may differ between two runs (seconds, memory, host), so that the feature files themselves stay identical
byte by byte.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from store.atomic import not_stale
from store.errors import DamagedError
from store.names import result_stem, shown
from store.notes import read_note
from store.sealed_file import Header

_BLOCK = 1 << 22


def sha256_file(path: Path) -> str:
    """Return the hex digest of a file's bytes."""
    return not_stale(_sha256_file, path)


def _sha256_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as f:
        while data := f.read(_BLOCK):
            digest.update(data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Receipt:
    """Record one finished feature file.

    Attributes
    ----------
    stage, version, key
        What was computed.
    parts : dict
        What the key was made of: parameters, inputs' keys, source, samples.
    size, mtime_ns, sha256
        The published file.
    shapes : dict
        Dataset → shape.
    attrs : dict
        The file's root attributes that planning needs (frames, fps, faults, …).
    run : dict
        Core seconds, wall seconds, peak memory, host, time: may differ between equal files.
    header : dict or None
        A :class:`~store.sealed_file.Header`; None in receipts of version 0.1.0.
    """

    stage: str
    version: int
    key: str
    parts: dict[str, Any]
    size: int
    mtime_ns: int
    sha256: str
    shapes: dict[str, list[int]]
    attrs: dict[str, Any]
    run: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as JSON values."""
        return {name: value for name, value in asdict(self).items() if name != "header" or value}

    @classmethod
    def read(cls, path: Path | str, *, unsigned: bool) -> Receipt | None:
        """Return the receipt at ``path``, None where there is none; see :func:`store.notes.read_note`.

        Raises
        ------
        DamagedError
            What is there is not what the store wrote, or belongs to another name.
        OSError
            It cannot be read now.
        """
        value = read_note(path, "receipt", unsigned=unsigned)
        if value is None:
            return None
        if not value.keys() <= _FIELDS:  # a later version says more
            value = {name: item for name, item in value.items() if name in _FIELDS}
        receipt = cls(**value)
        # the stage and the key become parts of paths: what they say must be what the file's name says
        if os.path.basename(path) != f"{result_stem(receipt.stage, receipt.key)}.json":
            raise DamagedError(f"{shown(path)}: is the receipt of another result", Path(path))
        return receipt

    @property
    def sealed_header(self) -> Header | None:
        """What HDF5 may be shown of the file; None in receipts of version 0.1.0."""
        return Header.from_json(self.header) if self.header else None


_FIELDS = frozenset(f.name for f in fields(Receipt))


def check_file(path: Path, receipt: Receipt, *, read_data: bool) -> str:
    """Compare a feature file with its receipt and return what is wrong.

    Parameters
    ----------
    path : Path
    receipt : Receipt
    read_data : bool
        Hash every byte; else only where size or modification time differ from the receipt's.

    Returns
    -------
    str
        What is wrong, empty where nothing is.

    Raises
    ------
    OSError
        The file is there and cannot be read now, which says nothing about it.
    """
    try:
        stat = not_stale(path.stat)
    except (FileNotFoundError, NotADirectoryError):
        return "the file is missing"
    if stat.st_size != receipt.size:
        return f"{stat.st_size} bytes instead of {receipt.size}"
    if (read_data or stat.st_mtime_ns != receipt.mtime_ns) and sha256_file(path) != receipt.sha256:
        return "its bytes are not those that were published (sha256 differs)"
    return ""


_checked: set[tuple[str, str, int, int, int]] = set()


def check_once(path: Path, receipt: Receipt) -> str:
    """Hash a file whose receipt vouches for it as a whole only; once in this process.

    See :func:`check_file`.
    """
    stat = path.stat()
    identity = (str(path), receipt.sha256, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    if identity in _checked:
        return ""
    problem = check_file(path, receipt, read_data=True)
    if not problem:
        _checked.add(identity)
    return problem
