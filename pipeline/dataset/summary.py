"""Read the tables and counts of a dataset file, for its card, picture and Croissant description.

Everything comes from the file itself, so that a card never claims what its file does not hold.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the codecs of the file)
import numpy as np
from numpy.typing import NDArray

#: rows of /cuboids/pose read at a time
_ROWS = 100_000


@dataclass(frozen=True)
class Summary:
    """Tables and counts of one dataset file.

    Attributes
    ----------
    path : Path
    attrs : dict
        Root attributes; those stored as JSON are decoded.
    samples, videos : dict of str to list
        Columns of ``/samples`` and ``/videos`` as Python values.
    statistics : dict
    taxonomies : dict of str to (list, list)
        Name → classes, label of each sample.
    untrimmed_frames : int
    without_pose : float or None
        Share of the samples' frames in which nobody was found; None where the file has no poses.
    size : int
        Bytes.
    shards : dict of str to list
        Columns of ``/shards``; empty where the pixels lie in the file.
    """

    path: Path
    attrs: dict[str, Any]
    samples: dict[str, list[Any]]
    videos: dict[str, list[Any]]
    statistics: dict[str, Any]
    taxonomies: dict[str, tuple[list[str], list[int]]]
    untrimmed_frames: int
    without_pose: float | None
    size: int
    shards: dict[str, list[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.samples["id"])

    @property
    def whole_size(self) -> int:
        """Bytes of the file and its shards, each counted once."""
        return (
            self.size + sum(dict(zip(self.shards["name"], self.shards["bytes"], strict=True)).values())
            if self.shards
            else self.size
        )

    @property
    def splits(self) -> list[str]:
        """Name of each sample's split."""
        return [self.attrs["splits"][i] for i in self.samples["split"]]

    def counts(self) -> dict[str, dict[str, int]]:
        """Count samples: class → split → number, in the order of the classes; the empty name is no class."""
        names = [self.attrs["classes"][i] if i >= 0 else "" for i in self.samples["label"]]
        found = Counter(zip(names, self.splits, strict=True))
        every = [*self.attrs["classes"], *([""] if "" in names else [])]
        return {c: {s: found[c, s] for s in self.attrs["splits"]} for c in every}


def read_summary(path: Path) -> Summary:
    """Read all but the pixels of a dataset file."""
    with h5py.File(path, "r") as file:
        attrs = {name: _value(value) for name, value in file.attrs.items()}
        statistics = file["statistics"].attrs if "statistics" in file else {}
        return Summary(
            path=path,
            attrs=attrs,
            samples=_columns(file["samples"]),
            videos=_columns(file["videos"]),
            statistics={name: _value(value) for name, value in statistics.items()},
            taxonomies={
                name: (json.loads(group.attrs["classes"]), group["label"][()].tolist())
                for name, group in file["taxonomies"].items()
            },
            untrimmed_frames=sum(file["videos/rows"][()].tolist()),
            without_pose=_without_pose(file),
            size=path.stat().st_size,
            shards=_columns(file["shards"]) if "shards" in file else {},
        )


def _value(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "[{":
        return json.loads(value)
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _columns(group: h5py.Group) -> dict[str, list[Any]]:
    return {
        name: list(data.asstr()[()]) if h5py.check_string_dtype(data.dtype) else data[()].tolist()
        for name, data in group.items()
    }


def _without_pose(file: h5py.File) -> float | None:
    if "pose" not in file["cuboids"]:
        return None
    pose = file["cuboids/pose"]
    used: NDArray[np.bool_] = np.zeros(len(pose), bool)  # filler rows do not count
    for first, rows in zip(file["samples/first"][()], file["samples/rows"][()], strict=True):
        used[first : first + rows] = True
    missing = 0
    for at in range(0, len(pose), _ROWS):
        missing += int(np.sum((pose[at : at + _ROWS, 0, 2] <= 0) & used[at : at + _ROWS]))
    return missing / max(1, int(used.sum()))
