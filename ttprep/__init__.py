"""Look into a feature store, run the pipeline and read dataset files, from Python.

>>> import ttprep
>>> store = ttprep.open("ttprep-store")
>>> store["match1.mp4"].flow[10:20].shape
(10, 180, 320, 2)

See docs/python.md. What is named here stays; everything else may change under it.
"""

from __future__ import annotations

from ttprep.arrays import VideoArray
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
from ttprep.selection import Result
from ttprep.video import Video

__all__ = [
    "BadIndex",
    "BadRequest",
    "Damaged",
    "Error",
    "InUse",
    "MissingResult",
    "NoSuchFile",
    "Result",
    "Store",
    "UnknownVideo",
    "Unreadable",
    "Video",
    "VideoArray",
    "open",
]
