"""Read the dataset file that ``docs/dataset-format.md`` describes: what is in it, and its rows.

:mod:`tttrain.data.sealed_file` opens it, :mod:`tttrain.data.header` checks it. Rows are read through a handle
that is opened lazily, once per process, because an HDF5 handle survives neither a fork nor a pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tttrain.data.header import read_header
from tttrain.data.sealed_file import Blocks, open_file
from tttrain.data.shards.reading import ShardReader
from tttrain.data.shards.table import read_shards, require_shards
from tttrain.data.window_positions import Place
from tttrain.errors import TrainError

Array = NDArray[Any]

#: the class of frames and samples without a stroke
NEGATIVE = "negative"


@dataclass(frozen=True)
class Limits:
    """Limits of the augmentation that the margin of the stored windows allows [3S §2.6].

    Attributes
    ----------
    rotation : float
        ± degrees.
    translation : float
        ± share of the crop.
    zoom : float
        1 ± zoom.
    """

    rotation: float
    translation: float
    zoom: float


@dataclass(frozen=True)
class Samples:
    """``/samples``: arrays with one entry per sample; see the format description.

    Attributes
    ----------
    id, label_name, split : array of str
        ``split`` holds names, not indices.
    video, begin, end, first, rows : array of int
    offset : array of int
        Row, counted from ``first``, in which the stroke begins: a short one is stored with frames around it.
    label : array of int
        Index into the classes of the chosen taxonomy, −1 for none.
    """

    id: Array
    video: Array
    begin: Array
    end: Array
    first: Array
    rows: Array
    offset: Array
    label: Array
    label_name: Array
    split: Array

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class Videos:
    """``/videos``: arrays with one entry per video.

    Attributes
    ----------
    name, sha256 : array of str
        ``sha256`` is that of the source file.
    n_frames, first, rows : array of int
        ``first`` is −1 where the whole video is not in the file.
    fps : array of float
        1/s.
    group : array of str
        What each was taken from, empty where unknown.
    """

    name: Array
    sha256: Array
    n_frames: Array
    fps: Array
    first: Array
    rows: Array
    group: Array


@dataclass(frozen=True)
class DatasetInfo:
    """Everything in a dataset file except its pixels. Picklable; holds no handle.

    Attributes
    ----------
    path : Path
    modalities : tuple of str
        Of ``rgb``, ``flow``, ``pose``.
    frame_size, crop, window : (int, int)
        (width, height), px.
    length : int
        T.
    limits : Limits
    taxonomy : str
    classes : tuple of str
        Of that taxonomy.
    splits, joints : tuple of str
    flow_scale : float
        Pixels per stored unit.
    flow_divisor, flow_divisor_train : (float, float)
        x, y; px. [3S eq. 3]
    samples : Samples
    videos : Videos
    untrimmed_label : array of int16 or None
        Class of each frame of ``/untrimmed`` in the classes of the chosen taxonomy.
    samples_digest : str
        Of the samples, their order, labels and splits: a run continues only on the same ones. (Not the
        ``fingerprint`` of the file, which covers all of its content.)
    """

    path: Path
    modalities: tuple[str, ...]
    frame_size: tuple[int, int]
    crop: tuple[int, int]
    window: tuple[int, int]
    length: int
    limits: Limits
    taxonomy: str
    classes: tuple[str, ...]
    splits: tuple[str, ...]
    joints: tuple[str, ...]
    flow_scale: float
    flow_divisor: tuple[float, float]
    flow_divisor_train: tuple[float, float]
    samples: Samples
    videos: Videos
    untrimmed_label: Array | None
    samples_digest: str

    @property
    def negative(self) -> int:
        """Index of the negative class, −1 where the taxonomy has none."""
        return next((i for i, name in enumerate(self.classes) if name.casefold() == NEGATIVE), -1)

    def rows_of(self, split: str) -> NDArray[np.intp]:
        """Return the rows of ``/samples`` that lie in a split (``all``: in any) and have a class.

        Raises
        ------
        TrainError
            There is no such split.
        """
        if split not in (*self.splits, "all"):
            raise TrainError(f"{self.path}: no split {split!r}; there are: {', '.join(self.splits)}, all")
        inside = (self.samples.split == split) | (split == "all")
        return np.flatnonzero(inside & (self.samples.label >= 0))

    def samples_of(self, split: str) -> NDArray[np.intp]:
        """Return the rows of a split as :meth:`rows_of` does; there is at least one.

        Raises
        ------
        TrainError
            There is no such split, or no sample in it.
        """
        rows = self.rows_of(split)
        if not len(rows):
            others = [name for name in self.splits if len(self.rows_of(name))]
            hint = "annotate some and export again"
            if others:
                hint = f"name another one, there are some in: {', '.join(others)}"
            what = f"split {split!r} has no sample of taxonomy {self.taxonomy}"
            raise TrainError(f"{self.path}: {what}; {hint}")
        return rows

    def place_of(self, row: int) -> Place:
        """Return where the stroke of a row of ``/samples`` lies among the rows that are stored of it."""
        s = self.samples
        fps = float(self.videos.fps[s.video[row]])
        return Place(int(s.offset[row]), int(s.end[row] - s.begin[row]), int(s.rows[row]), fps)


def read_info(path: Path | str, taxonomy: str | None = None) -> DatasetInfo:
    """Read everything but the pixels.

    Parameters
    ----------
    path : path-like
    taxonomy : str, optional
        Name of one of ``/taxonomies``; default: that of ``samples/label``.

    Returns
    -------
    DatasetInfo

    Raises
    ------
    TrainError
        Not a dataset file, damaged, incomplete, or without that taxonomy.
    """
    path = Path(path)
    file, _ = open_file(path)
    with file:
        header = read_header(file, path)
        require_shards(path, read_shards(file, path))
    attrs, reach = header.attrs, header.attrs["augmentation"]
    default = attrs["taxonomy"]
    name = taxonomy or default
    if name not in header.taxonomies:
        raise TrainError(f"{path}: no taxonomy {name!r}; there are: {', '.join(sorted(header.taxonomies))}")
    classes, label = header.taxonomies[name]
    untrimmed = header.untrimmed_label
    if untrimmed is not None and name != default:
        untrimmed = _relabel(untrimmed, table_label=header.samples["label"], view=label, path=path)
    samples = Samples(**{**header.samples, "label": label})
    return DatasetInfo(
        path=path,
        modalities=attrs["modalities"],
        frame_size=attrs["frame_size"],
        crop=attrs["crop"],
        window=attrs["window"],
        length=attrs["length"],
        limits=Limits(reach["rotation"], reach["translation"], reach["zoom"]),
        taxonomy=name,
        classes=classes,
        splits=attrs["splits"],
        joints=attrs["joints"],
        flow_scale=header.flow_scale,
        flow_divisor=header.statistics.get("flow_divisor", (1.0, 1.0)),
        flow_divisor_train=header.statistics.get("flow_divisor_train", (1.0, 1.0)),
        samples=samples,
        videos=Videos(**header.videos),
        untrimmed_label=untrimmed,
        samples_digest=samples_digest(samples, classes),
    )


def samples_digest(samples: Samples, classes: tuple[str, ...]) -> str:
    """Return what tells two sets of samples apart: samples, their order, labels and splits."""
    digest = hashlib.sha256(json.dumps([*classes, *samples.id.tolist()]).encode())
    for column in (samples.label, samples.first, samples.rows):
        digest.update(np.ascontiguousarray(column, np.int64).tobytes())
    digest.update(json.dumps(samples.split.tolist()).encode())
    return digest.hexdigest()[:16]


def _relabel(frames: Array, *, table_label: Array, view: Array, path: Path) -> Array:
    """Map the labels of untrimmed frames to another taxonomy, as the samples map, which carry both."""
    out = np.full_like(frames, -1)
    for label in np.unique(frames[frames >= 0]):
        targets = np.unique(view[table_label == label])
        if len(targets) > 1:
            raise TrainError(
                f"{path}: class {label} of the frames falls into several classes of the other taxonomy; "
                "export with that taxonomy as the default"
            )
        if len(targets):
            out[frames == label] = targets[0]
    return out


class Reader:
    """Reads rows of the file's datasets; opens it on first use in each process. Picklable.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: h5py.File | None = None
        self._blocks: Blocks | None = None
        self._shards: ShardReader | None = None
        self._pid = -1

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_file": None, "_blocks": None, "_shards": None, "_pid": -1}

    def rows(self, name: str, first: int, count: int) -> Array:
        """Read rows [first, first + count) of a dataset.

        Raises
        ------
        TrainError
            They cannot be read, or are not what was written: the file is damaged or went away.
        """
        if self._file is None or self._pid != os.getpid():
            self._file, seal = open_file(self.path, known=True)
            self._blocks = Blocks(self.path, seal) if seal is not None else None
            self._shards = ShardReader(self.path, self._file)
            self._pid = os.getpid()
        try:
            assert self._shards is not None
            found = self._shards.rows(name, first, count)
            values = self._own_rows(name, first, count) if found is None else found
        except (OSError, KeyError, RuntimeError, ValueError, MemoryError) as error:
            raise TrainError(
                f"{self.path}: rows {first}–{first + count - 1} of {name} cannot be read ({error}); "
                "export it again"
            ) from None
        if len(values) != count:
            raise TrainError(f"{self.path}: {name} ends at row {first + len(values)}; export it again")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise TrainError(
                f"{self.path}: rows {first}–{first + count - 1} of {name} hold no numbers; export it again"
            )
        return values

    def _own_rows(self, name: str, first: int, count: int) -> Array:
        """Read rows that lie in the file itself."""
        assert self._file is not None
        data = self._file[name]
        if data.is_virtual:  # where a source is missing, HDF5 would show a fill value
            raise ValueError("lies in another file")
        if self._blocks is not None and data.chunks is None and data.size:
            row = data.size // len(data) * data.dtype.itemsize  # chunks have checksums of HDF5's own
            start = data.id.get_offset() + first * row
            self._blocks.require(start, start + count * row)
        values: Array = data[first : first + count]
        return values

    def close(self) -> None:
        """Close the handle of this process, if it has one."""
        if self._file is not None and self._pid == os.getpid():
            self._file.close()
            if self._shards is not None:
                self._shards.close()
            if self._blocks is not None:
                self._blocks.close()
        self._file, self._blocks, self._shards = None, None, None
