"""Where a result comes from: versions of ttprep and of the libraries that shape its output.

A key that is absent means unknown, never "none".
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

#: distributions whose versions decide the bytes of results
LIBRARIES = ("numpy", "opencv-contrib-python-headless", "av", "h5py", "hdf5plugin", "onnxruntime")


#: of the client whose jobs this process does
_adopted: dict[str, str] = {}


def adopt(client: Mapping[str, str]) -> None:
    """Let what this process makes say the versions of its client, which has the same code and libraries.

    Whether a checkout is clean would else be part of the bytes, and may differ from process to process.
    """
    _adopted.clear()
    _adopted.update(client)


def provenance() -> dict[str, str]:
    """Versions by name; ``commit`` and ``clean`` only where this is a git checkout."""
    return dict(_adopted or _own())


@cache
def _own() -> dict[str, str]:
    out: dict[str, str] = {}
    for name in ("ttprep", *LIBRARIES):
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    root = Path(__file__).resolve().parent.parent
    if (root / ".git").exists():
        commit, status = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain", "-uno")
        if commit is not None and status is not None:
            out |= {"commit": commit, "clean": "yes" if not status else "no"}
    return out


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
