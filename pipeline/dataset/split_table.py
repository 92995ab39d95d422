"""Remember each sample's split in the store, so that new samples never move old ones.

``STORE/splits/<first 16 of the parameters' sha256>.json``: one table per rule, so that going back to an
earlier rule brings back the earlier splits. Why a table is needed: :mod:`pipeline.annotations.splits`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.annotations import Sample, SplitParams, assign_splits, split_table
from pipeline.errors import FAILED, UserError
from pipeline.inputs.manifest import Manifest
from store import Store
from store.atomic import read_json, write_json

FORMAT = "ttprep-splits"


def split_params(manifest: Manifest) -> SplitParams:
    """Return the manifest's rule for splits."""
    return SplitParams(**manifest.splits.model_dump())


def table_path(store: Store, params: SplitParams) -> Path:
    """Return the path of a rule's table."""
    text = json.dumps(params.model_dump(mode="json"), sort_keys=True)
    return store.root / "splits" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def stable_splits(store: Store, params: SplitParams, samples: Sequence[Sample]) -> dict[str, str]:
    """Return the split of every sample: the remembered one, or a new one that is then remembered.

    Parameters
    ----------
    store : Store
    params : SplitParams
    samples : sequence of Sample

    Returns
    -------
    dict of str to str
        Sample id → split.

    Raises
    ------
    UserError
        The table is there but cannot be read: starting again without it would move samples.
    """
    path = table_path(store, params)
    with _locked(path):
        previous = _read(path)
        splits = assign_splits(samples, params, previous)
        table = split_table(samples, splits, params, previous)
        if table != previous:
            write_json(
                path,
                {
                    "format": FORMAT,
                    "version": 1,
                    "parameters": params.model_dump(mode="json"),
                    "table": table,
                },
            )
    return splits


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    value: Any = read_json(path)
    table = value.get("table") if isinstance(value, dict) and value.get("format") == FORMAT else None
    if not isinstance(table, dict):
        raise UserError(
            f"{path}: the table of splits is damaged; restore it from a backup, or delete it to "
            "assign all samples anew (some will move to another split)",
            FAILED,
        )
    return {str(k): str(v) for k, v in table.items()}


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the table's lock, so that two exports at once keep each other's assignments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as handle:
        # on a file system without locks, the user must not run two exports at once
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
