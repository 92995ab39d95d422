"""From what a stage declares to how the store lays it down.

Measured in docs/design.md, "Storing": frames compress best as differences in time, and the files that
modellers open must read right with plain h5py, so those use no encoding of ours.
"""

from __future__ import annotations

from stages.base import ArraySpec, Stage
from store import Column, Layout

#: rows a part of a split video has: a multiple of every chunk length below
PART_ROWS = 500
#: rows that the samples of a cuboids file start on a multiple of: their chunk length
SAMPLE_ROWS = 25

_LAYOUTS = {
    "image": Layout((50, 90, 160), "zstd", 3, "temporal-delta"),
    "mask": Layout((50, 180, 320), "zstd", 3),
    "vectors": Layout((SAMPLE_ROWS, 60, 64), "zstd", 3),
    "samples": Layout((SAMPLE_ROWS, 60, 64), "zstd", 3),
    "table": Layout((500,), "zstd", 3),
}


def column(spec: ArraySpec) -> Column:
    """The dataset for one declared array."""
    attrs = {
        "axes": list(spec.axes),
        "units": spec.units,
        "scale": spec.scale,
        "description": spec.description,
    }
    return Column(spec.name, spec.dtype, _LAYOUTS[spec.kind], attrs)


def columns(stage: Stage, present: set[str]) -> tuple[Column, ...]:
    """The datasets for those of a stage's arrays that are there (optional ones may not be)."""
    return tuple(column(s) for s in stage.outputs if s.name in present)
