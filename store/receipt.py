"""Receipts: what makes a feature file count as done.

A file that merely exists proves nothing. Beside each feature file lies a small JSON receipt, published
after it, with the key, everything the key was made of, and the file's size and sha256. The receipt also
carries what may differ between two runs (seconds, memory, host), which keeps the feature files
themselves byte-identical.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from store.atomic import read_json, write_json

_BLOCK = 1 << 22


def sha256_file(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as f:
        while data := f.read(_BLOCK):
            digest.update(data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Receipt:
    """The record of one finished feature file.

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

    def write(self, path: Path) -> None:
        """Publish atomically."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Receipt | None:
        """The receipt at ``path``, None where there is none or it is not one."""
        value = read_json(path)
        try:
            return cls(**value) if isinstance(value, dict) else None
        except TypeError:
            return None


def check_file(path: Path, receipt: Receipt, *, read_data: bool) -> str:
    """Compare a feature file with its receipt.

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
    """
    try:
        stat = path.stat()
    except OSError:
        return "the file is missing"
    if stat.st_size != receipt.size:
        return f"{stat.st_size} bytes instead of {receipt.size}"
    if (read_data or stat.st_mtime_ns != receipt.mtime_ns) and sha256_file(path) != receipt.sha256:
        return "its bytes are not those that were published (sha256 differs)"
    return ""
