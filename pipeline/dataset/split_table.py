"""Remember each sample's split in the store, so that new samples never move old ones.

``STORE/splits/<first 16 of the parameters' sha256>.json``: one table per rule, so that going back to an
earlier rule brings back the earlier splits. Why a table is needed: :mod:`pipeline.annotations.splits`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.annotations import Sample, SplitParams, assign_splits, split_table
from pipeline.annotations.splits import SPLITS
from pipeline.errors import FAILED, UserError
from pipeline.inputs.manifest import Manifest
from store import DamagedError, Store

FORMAT = "ttprep-splits"
VERSION = 1
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
        previous = _read(store, path, params)
        splits = assign_splits(samples, params, previous)
        table = split_table(samples, splits, params, previous)
        if table != previous:
            store.publish(
                path,
                {
                    "format": FORMAT,
                    "version": VERSION,
                    "parameters": params.model_dump(mode="json"),
                    "table": table,
                },
            )
    return splits


def redraw_note(store: Store, manifest: Manifest) -> list[str]:
    """Return a line where the manifest's rule is new to a store that has samples divided by another one."""
    path = table_path(store, split_params(manifest))
    if path.exists() or not any(path.parent.glob("*.json")):
        return []
    return ["splits differ from those of earlier datasets: samples are drawn anew and may change sides"]


def _read(store: Store, path: Path, params: SplitParams) -> dict[str, str]:
    try:
        value = store.note(path, "splits")
        if value is None:
            return {}
        return _checked(value, params)
    except DamagedError as e:
        raise UserError(
            f"{path}: the table of splits is damaged ({e.reason}); restore it from a backup, or delete it to "
            "assign all samples anew (some will move to another split)",
            FAILED,
        ) from e


def _checked(value: Mapping[str, Any], params: SplitParams) -> dict[str, str]:
    if value["version"] != VERSION:
        raise DamagedError(f"it has version {value['version']}, not {VERSION}")
    if value["parameters"] != params.model_dump(mode="json"):
        raise DamagedError("it is the table of another rule")
    table: dict[str, Any] = value["table"]
    for sample, split in table.items():
        if split not in SPLITS:
            raise DamagedError(f"sample {sample!r} is in split {split!r}")
    return table
