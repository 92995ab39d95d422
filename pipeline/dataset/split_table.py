"""Remember each sample's split in the store, so that new samples never move old ones.

``STORE/splits/<first 16 of the parameters' sha256>.json``: one table per rule, so that going back to an
earlier rule brings back the earlier splits. Why a table is needed: :mod:`pipeline.annotations.splits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.annotations import Sample, SplitParams, assign_splits, split_table
from pipeline.errors import FAILED, UserError
from pipeline.inputs.manifest import Manifest
from store import Store
from store.atomic import read_json

FORMAT = "ttprep-splits"
#: seconds to wait while another process changes a table
WAIT_S = 120.0


def split_params(manifest: Manifest) -> SplitParams:
    """Return the manifest's rule for splits."""
    return SplitParams(**manifest.splits.model_dump())


def table_path(store: Store, params: SplitParams) -> Path:
    """Return the path of a rule's table."""
    return store.splits_path(params.model_dump(mode="json"))


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
        The table is there but cannot be read: beginning anew would move samples.
    LockedError
        Another process has been changing tables for two minutes, or a gc is at work.
    """
    path = table_path(store, params)
    with store.lock("splits", WAIT_S):  # two exports at once must not forget each other's assignments
        previous = _read(path)
        splits = assign_splits(samples, params, previous)
        table = split_table(samples, splits, params, previous)
        if table != previous:
            store.publish(
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
