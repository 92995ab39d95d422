"""Parameters that files outside the manifest decide: the weights of a network, by their content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.inputs.manifest import Manifest
from pipeline.planning.staleness import Planned
from stages.base import Derived
from stages.registry import registry


def derive(
    manifest: Manifest, names: Iterable[str], pose_weights: Path | None, *, download: bool
) -> dict[str, Derived[Any]]:
    """Derive the parameters of those stages that declare it.

    Parameters
    ----------
    manifest : Manifest
    names : iterable of str
        Stages of the run.
    pose_weights : Path or None
        From the command line; takes precedence over the manifest's.
    download : bool
        Whether what is missing may be fetched.

    Returns
    -------
    dict of str to Derived
        By stage.
    """
    if pose_weights is None and manifest.pose_weights is not None:
        pose_weights = manifest.resolve(manifest.pose_weights)
    given = {"pose": pose_weights}
    stages = [registry()[name] for name in names]
    for stage in stages:
        named = getattr(manifest.params(stage), stage.file) if stage.file else None
        if named is not None:
            given[stage.name] = manifest.resolve(named)
    return {
        stage.name: stage.derive(manifest.params(stage), given.get(stage.name), download)
        for stage in stages
        if stage.derive is not None
    }


def lacking(plan: Iterable[Planned], derived: Mapping[str, Derived[Any]]) -> list[Planned]:
    """Return what cannot be made now for want of a file, inputs first.

    These are the stages whose file is missing (:attr:`stages.base.Derived.unavailable`), and those that
    read from them.
    """
    barred: dict[str, Planned] = {}
    for planned in plan:
        node = planned.node
        own = node.stage.name in derived and derived[node.stage.name].unavailable
        if planned.state != "done" and (own or any(u.stage.name in barred for u in node.inputs.values())):
            barred[node.stage.name] = planned
    return list(barred.values())
