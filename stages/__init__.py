"""The stages of ttprep, one module or folder each; see :mod:`stages.base`.

:func:`registry` finds them by their module-level ``STAGE``, so a new file is a new stage.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from stages.base import Stage

__all__ = ["Stage", "registry"]


@cache
def registry() -> dict[str, Stage]:
    """All stages by name, each after those it reads from.

    Raises
    ------
    RuntimeError
        Two stages of one name, an unknown input, or a cycle.
    """
    found: dict[str, Stage] = {}
    for module in pkgutil.iter_modules(__path__):
        stage = getattr(importlib.import_module(f"{__name__}.{module.name}"), "STAGE", None)
        if not isinstance(stage, Stage):
            continue
        if stage.name in found:
            raise RuntimeError(f"two stages are named {stage.name!r}")
        found[stage.name] = stage
    ordered: dict[str, Stage] = {}
    while len(ordered) < len(found):
        ready = [s for s in found.values() if s.name not in ordered]
        ready = [s for s in ready if all(u in ordered for u in s.upstream)]
        if not ready:
            raise RuntimeError(f"stages with a cycle or an unknown input: {set(found) - set(ordered)}")
        for stage in ready:
            ordered[stage.name] = stage
    return ordered
