"""All stages by name: those of this package, and those that other distributions declare."""

from __future__ import annotations

import copyreg
import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import stages
from stages.base import Stage, StageError

#: entry-point group in which other distributions name their stages
GROUP = "ttprep.stages"


@cache
def registry() -> dict[str, Stage[Any]]:
    """Return all stages by name, each after those it reads from.

    Raises
    ------
    StageError
        An entry point that cannot be loaded, two stages of one name, an unknown input, or a cycle.
    """
    found: dict[str, Stage[Any]] = {}
    for origin, stage in (*_built_in(), *_third_party()):
        if stage.name in found:
            raise StageError(f"{origin}: there is a stage {stage.name!r} already", "rename one of the two")
        found[stage.name] = stage
    ordered: dict[str, Stage[Any]] = {}
    while len(ordered) < len(found):
        ready = [s for s in found.values() if s.name not in ordered]
        ready = [s for s in ready if all(u in ordered for u in s.upstream)]
        if not ready:
            left = ", ".join(sorted(set(found) - set(ordered)))
            raise StageError(f"stages that read from each other or from none that exists: {left}")
        for stage in ready:
            _check_inputs(stage, ordered)
            ordered[stage.name] = stage
    return ordered


def _built_in() -> Iterator[tuple[str, Stage[Any]]]:
    for module in pkgutil.iter_modules(stages.__path__):
        if module.name != __name__.rpartition(".")[2]:
            name = f"{stages.__name__}.{module.name}"
            stage = getattr(importlib.import_module(name), "STAGE", None)
            if isinstance(stage, Stage):
                yield name, stage


def _third_party() -> Iterator[tuple[str, Stage[Any]]]:
    for point in entry_points(group=GROUP):
        package = point.dist.name if point.dist else "an unknown distribution"
        origin = f"stage {point.name!r} of {package} ({point.value})"
        try:
            stage = point.load()
        except Exception as e:  # whatever other people's code raises on import
            raise StageError(
                f"{origin} cannot be loaded ({type(e).__name__}: {e})",
                f"mend it, or remove it with `pip uninstall {package}`",
            ) from e
        if not isinstance(stage, Stage):
            raise StageError(f"{origin} is no Stage but {type(stage).__name__}", "name its STAGE")
        yield origin, stage


def _check_inputs(stage: Stage[Any], known: dict[str, Stage[Any]]) -> None:
    roots = [s.name for s in (*known.values(), stage) if s.is_root]
    if len(roots) > 1:
        raise StageError(
            f"stages {' and '.join(roots)} both count the frames of a source",
            "let one of them read an array of the other's too",
        )
    for array in stage.inputs:
        maker, _, name = array.partition(".")
        if maker in known and all(spec.name != name for spec in known[maker].outputs):
            raise StageError(f"stage {stage.name} reads {array}, which stage {maker} does not make")


def _installed(name: str, version: int) -> Stage[Any]:
    stage = registry().get(name)
    if stage is None or stage.version != version:
        have = f"version {stage.version}" if stage else "none"
        raise RuntimeError(
            f"stage {name} version {version} is needed, here is {have}: install the same ttprep"
        )
    return stage


def _reduce(stage: Stage[Any]) -> tuple[Any, ...]:
    # by name: a worker must hold the same version, or nothing it makes is what the key says
    return _installed, (stage.name, stage.version)


copyreg.pickle(Stage, _reduce)
