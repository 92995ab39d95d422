"""Receipts: what makes a feature file count as done.

That a file exists proves nothing. Beside each feature file lies a small JSON receipt, published after it,
with the key, everything the key was made of, and the file's size and sha256. The receipt also holds what
may differ between two runs (seconds, memory, host), so that the feature files themselves stay identical
byte by byte.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from store.atomic import read_json
from store.names import is_sha256, is_stage, result_stem

_BLOCK = 1 << 22


def sha256_file(path: Path) -> str:
    """Return the hex digest of a file's bytes."""
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

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as JSON values."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> Receipt | None:
        """Return the receipt at ``path``, None where there is none, or none that belongs to this name."""
        value = read_json(path)
        try:
            receipt = cls(**value) if isinstance(value, dict) else None
        except TypeError:
            return None
        return receipt if receipt is not None and receipt._fits(path) else None

    def _fits(self, path: Path) -> bool:
        # the stage and the key become parts of paths: what they say must be what the file's name says
        return (
            isinstance(self.stage, str)
            and is_stage(self.stage)
            and is_sha256(self.key)
            and path.stem == result_stem(self.stage, self.key)
        )


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
