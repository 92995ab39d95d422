"""Look into a feature store, run the pipeline and read dataset files, from Python.

What is named here stays; everything else may change under it. docs/python.md shows how to use it.

Examples
--------
>>> import ttprep
>>> store = ttprep.open("ttprep-store")
>>> store["match1.mp4"].flow[10:20].shape
(10, 90, 160, 2)
"""

import importlib
from typing import TYPE_CHECKING, Any

from ttprep.arrays import VideoArray
from ttprep.datasets import Dataset, open_dataset
from ttprep.errors import (
    BadIndex,
    BadRequest,
    Damaged,
    Error,
    InUse,
    MissingResult,
    NoSuchFile,
    UnknownVideo,
    Unreadable,
)
from ttprep.opened import Store
from ttprep.opened import open_store as open
from ttprep.samples import Sample, Untrimmed
from ttprep.selection import Result
from ttprep.video import Video

if TYPE_CHECKING:
    from pipeline.planning.staleness import Reason
    from ttprep.labels import Annotations
    from ttprep.labels import read_annotations as annotations
    from ttprep.outcomes import Job, Plan, RunResult, Step
    from ttprep.running import Progress, plan, run

__all__ = [
    "Annotations",
    "BadIndex",
    "BadRequest",
    "Damaged",
    "Dataset",
    "Error",
    "InUse",
    "Job",
    "MissingResult",
    "NoSuchFile",
    "Plan",
    "Progress",
    "Reason",
    "Result",
    "RunResult",
    "Sample",
    "Step",
    "Store",
    "UnknownVideo",
    "Unreadable",
    "Untrimmed",
    "Video",
    "VideoArray",
    "annotations",
    "open",
    "open_dataset",
    "plan",
    "run",
]

#: what needs the stages and their libraries → where it is
_LATER = {
    "Annotations": "ttprep.labels.Annotations",
    "annotations": "ttprep.labels.read_annotations",
    "Reason": "pipeline.planning.staleness.Reason",
    **{name: f"ttprep.outcomes.{name}" for name in ("Job", "Plan", "RunResult", "Step")},
    **{name: f"ttprep.running.{name}" for name in ("Progress", "plan", "run")},
}


def __getattr__(name: str) -> Any:
    """Import what runs the pipeline when it is first used: whoever only reads starts in half the time."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, inside = _LATER[name].rpartition(".")
    found = globals()[name] = getattr(importlib.import_module(module), inside)
    return found


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__]
