"""From what a stage declares to how the store lays it down.

Measured in docs/design.md, "Storing frames", and by benchmarks/dataset.py: frames compress best as
differences in time, but the files that modellers open must read right with plain h5py, so those use no
encoding
of ours. Where the way an array is read decides rather than its kind, its stage says so
(:class:`stages.base.ArraySpec`).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from stages.base import ArraySpec, Stage
from stages.cuboids import STAGE as CUBOIDS
from stages.untrimmed import STAGE as UNTRIMMED
from store import Column, Layout

#: rows per part of a split video: a multiple of the length of every chunk
PART_ROWS = 500

_LAYOUTS = {
    "image": Layout((50, 90, 160), "zstd", 3, "temporal-delta"),
    "mask": Layout((50, 180, 320), "zstd", 3),
    "vectors": Layout((25, 60, 64), "zstd", 3),
    "samples": Layout((25, 60, 64), "zstd", 3),
    "table": Layout((500,), "zstd", 3),
}


def layout(spec: ArraySpec) -> Layout:
    """Return chunk shape and codec of one declared array."""
    if spec.chunk is None and not spec.codec:
        return _LAYOUTS[spec.kind]
    return Layout(spec.chunk or _LAYOUTS[spec.kind].chunk, spec.codec or "zstd", 3)


def column(spec: ArraySpec) -> Column:
    """Return the dataset for one declared array."""
    attrs = {
        "axes": list(spec.axes),
        "units": spec.units,
        "scale": spec.scale,
        "description": spec.description,
    }
    return Column(spec.name, spec.dtype, layout(spec), attrs)


def columns(stage: Stage[Any], present: Collection[str]) -> tuple[Column, ...]:
    """Return the datasets for those of a stage's arrays that are there (optional ones may not be)."""
    return tuple(column(spec) for spec in stage.outputs if spec.name in present)


def chunk_rows(stage: Stage[Any]) -> int:
    """Return the least number of rows that is a whole number of chunks of each array that copies move."""
    return math.lcm(*(layout(spec).chunk[0] for spec in stage.outputs if spec.kind != "table"))


#: each sample of a cuboids file starts on a multiple of so many rows
SAMPLE_ROWS = chunk_rows(CUBOIDS)
#: each video in a dataset's untrimmed part starts on a multiple of so many rows
UNTRIMMED_ROWS = chunk_rows(UNTRIMMED)
