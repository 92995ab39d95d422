"""From what a stage declares to how the store lays it down.

Measured in docs/design.md, "Storing", and by benchmarks/dataset.py: frames compress best as differences
in time, but the files that modellers open must read right with plain h5py, so those use no encoding
of ours. The flow of cuboids is mostly zero and is read at random by trainers: LZ4 gives it back twice
as fast as Zstd for a third more bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import hdf5plugin

from stages.base import ArraySpec, Stage
from store import Column, Layout

#: rows a part of a split video has: a multiple of every chunk length below
PART_ROWS = 500
#: rows that the samples of a cuboids file start on a multiple of: a multiple of its chunk lengths
SAMPLE_ROWS = 10
#: rows that the videos of a dataset's untrimmed part start on a multiple of: its chunk length
UNTRIMMED_ROWS = 25
#: as a chunk's extent: the whole axis
_WHOLE = 4096


@dataclass(frozen=True)
class Lz4Layout(Layout):
    """LZ4 without a shuffle, which would break up the runs of zeros that it lives on."""

    codec: str = "lz4"

    def filters(self) -> dict[str, Any]:
        """Keyword arguments for ``create_dataset``, with a fletcher32 checksum."""
        return {"fletcher32": True, "compression": hdf5plugin.LZ4()}


_LAYOUTS = {
    "image": Layout((50, 90, 160), "zstd", 3, "temporal-delta"),
    "mask": Layout((50, 180, 320), "zstd", 3),
    "vectors": Layout((25, 60, 64), "zstd", 3),
    "samples": Layout((25, 60, 64), "zstd", 3),
    "table": Layout((500,), "zstd", 3),
}
#: where reading, not the kind, decides
_OF = {
    ("cuboids", "rgb"): Layout((SAMPLE_ROWS, 60, _WHOLE), "zstd", 3),
    ("cuboids", "flow"): Lz4Layout((SAMPLE_ROWS // 2, _WHOLE, _WHOLE)),
    ("untrimmed", "rgb"): Layout((UNTRIMMED_ROWS, 30, _WHOLE), "zstd", 3),
    ("untrimmed", "flow"): Layout((UNTRIMMED_ROWS, 60, _WHOLE), "zstd", 3),
}


def column(spec: ArraySpec, stage: str = "") -> Column:
    """The dataset for one declared array."""
    attrs = {
        "axes": list(spec.axes),
        "units": spec.units,
        "scale": spec.scale,
        "description": spec.description,
    }
    return Column(spec.name, spec.dtype, _OF.get((stage, spec.name), _LAYOUTS[spec.kind]), attrs)


def columns(stage: Stage, present: set[str]) -> tuple[Column, ...]:
    """The datasets for those of a stage's arrays that are there (optional ones may not be)."""
    return tuple(column(s, stage.name) for s in stage.outputs if s.name in present)
