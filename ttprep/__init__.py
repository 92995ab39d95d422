"""Look into a feature store, run the pipeline and read dataset files, from Python.

>>> import ttprep
>>> store = ttprep.open("ttprep-store")
>>> store["match1.mp4"].flow[10:20].shape
(10, 90, 160, 2)

See docs/python.md. What is named here stays; everything else may change under it.
"""

from pipeline.planning.staleness import Reason
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
from ttprep.labels import Annotations
from ttprep.labels import read_annotations as annotations
from ttprep.opened import Store
from ttprep.opened import open_store as open
from ttprep.outcomes import Job, Plan, RunResult, Step
from ttprep.running import Progress, plan, run
from ttprep.samples import Sample, Untrimmed
from ttprep.selection import Result
from ttprep.video import Video

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
