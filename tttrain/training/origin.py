"""How the stages of ttprep made a dataset file: their parameters and versions, as far as it says."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from tttrain.data.sealed_file import open_file

#: bytes of a text that is read; a dataset's parameters are a few thousand
_MOST = 1 << 20


@dataclass(frozen=True)
class Origin:
    """What a dataset file says of the stages that made it.

    Attributes
    ----------
    stages : dict of str to dict
        Stage → its parameters; empty where the file says nothing.
    versions : dict of str to int
        Stage → its version; empty in files of earlier versions.
    """

    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)


def read_origin(path: Path) -> Origin:
    """Read how a dataset file was made; what it does not say, or says wrongly, is left out.

    Raises
    ------
    TrainError
        It cannot be opened, or is damaged.
    """
    file, _ = open_file(path, known=True)
    with file:
        parameters, versions = _object(file, "parameters"), _object(file, "stage_versions")
    stages = parameters.get("stages")
    found = stages if isinstance(stages, dict) else {}
    return Origin(
        {str(name): values for name, values in found.items() if isinstance(values, dict)},
        {str(name): v for name, v in versions.items() if isinstance(v, int)},
    )


def _object(file: h5py.File, name: str) -> dict[str, Any]:
    """Return an attribute that holds a JSON object; empty where it holds none."""
    try:
        text = file.attrs.get(name, "{}")
        value = json.loads(text) if isinstance(text, str) and len(text) <= _MOST else {}
    except (OSError, RuntimeError, ValueError, TypeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
