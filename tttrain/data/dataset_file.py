"""Read the dataset file that ``docs/dataset-format.md`` describes: what is in it, and its rows.

Only this module opens the file. It is opened lazily, once per process, because an HDF5 handle survives
neither a fork nor a pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the codecs of the file)
import numpy as np
from numpy.typing import NDArray

from tttrain.errors import TrainError

Array = NDArray[Any]

FORMAT = "ttprep-dataset"
VERSION = 1
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
    label : array of int
        Index into the classes of the chosen taxonomy, −1 for none.
    """

    id: Array
    video: Array
    begin: Array
    end: Array
    first: Array
    rows: Array
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
    """

    name: Array
    sha256: Array
    n_frames: Array
    fps: Array
    first: Array
    rows: Array


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


def open_file(path: Path) -> h5py.File:
    """Open a dataset file for reading.

    Raises
    ------
    TrainError
        It does not exist, is not HDF5, is not a dataset of ttprep, or has another version.
    """
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise TrainError(f"{path}: no such file; `ttprep export {path}` writes one") from None
    except IsADirectoryError:
        raise TrainError(f"{path}: a folder, not a dataset; name the .h5 file") from None
    except OSError as error:
        hint = "is it complete? `ttprep export` writes it anew"
        raise TrainError(f"{path}: cannot be read as HDF5 ({error}); {hint}") from None
    kind = file.attrs.get("format")
    version = int(file.attrs.get("format_version", 0))
    if kind != FORMAT or version != VERSION:
        file.close()
        if kind != FORMAT:
            raise TrainError(f"{path}: HDF5, but not a {FORMAT}; `ttprep export DATASET.h5` writes one")
        raise TrainError(
            f"{path}: format version {version}, this tttrain reads version {VERSION}; "
            "install the ttprep that wrote it, or export again with this one"
        )
    return file


def _texts(dataset: h5py.Dataset) -> Array:
    return np.asarray(dataset.asstr()[()], dtype=np.str_)


def _pair(values: Any) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def _px(values: Any) -> tuple[float, float]:
    return float(values[0]), float(values[1])


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
        Not a dataset file, incomplete, or without that taxonomy.
    """
    path = Path(path)
    with open_file(path) as file:
        try:
            return _read_info(file, path, taxonomy)
        except (KeyError, json.JSONDecodeError) as error:
            raise TrainError(f"{path}: incomplete ({error}); export it again") from None


def _read_info(file: h5py.File, path: Path, taxonomy: str | None) -> DatasetInfo:
    attrs = file.attrs
    splits = tuple(json.loads(attrs["splits"]))
    table = file["samples"]
    default = str(attrs["taxonomy"])
    name = taxonomy or default
    label, classes = _labels(file, path, name)
    samples = Samples(
        id=_texts(table["id"]),
        label=label,
        label_name=_texts(table["label_name"]),
        split=np.asarray(splits, dtype=np.str_)[table["split"][()]],
        **{k: table[k][()].astype(np.int64) for k in ("video", "begin", "end", "first", "rows")},
    )
    table = file["videos"]
    videos = Videos(
        name=_texts(table["name"]),
        sha256=_texts(table["sha256"]),
        fps=table["fps"][()].astype(np.float64),
        **{k: table[k][()].astype(np.int64) for k in ("n_frames", "first", "rows")},
    )
    modalities = tuple(json.loads(attrs["modalities"]))
    reach = json.loads(attrs["augmentation"])
    statistics = file["statistics"].attrs if "flow" in modalities else {}
    untrimmed = file["untrimmed/label"][()] if "untrimmed/label" in file else None
    if untrimmed is not None and name != default:
        untrimmed = _relabel(untrimmed, table_label=file["samples/label"][()], view=label, path=path)
    digest = hashlib.sha256(json.dumps([*classes, *samples.id.tolist()]).encode())
    for column in (samples.label, samples.first, samples.rows):
        digest.update(np.ascontiguousarray(column, np.int64).tobytes())
    digest.update(json.dumps(samples.split.tolist()).encode())
    return DatasetInfo(
        path=path,
        modalities=modalities,
        frame_size=_pair(attrs["frame_size"]),
        crop=_pair(attrs["crop"]),
        window=_pair(attrs["window"]),
        length=int(attrs["length"]),
        limits=Limits(reach["rotation"], reach["translation"], reach["zoom"]),
        taxonomy=name,
        classes=classes,
        splits=splits,
        joints=tuple(json.loads(attrs["joints"])),
        flow_scale=float(file["cuboids/flow"].attrs["scale"]) if "flow" in modalities else 1.0,
        flow_divisor=_px(statistics.get("flow_divisor", (1, 1))),
        flow_divisor_train=_px(statistics.get("flow_divisor_train", (1, 1))),
        samples=samples,
        videos=videos,
        untrimmed_label=untrimmed,
        samples_digest=digest.hexdigest()[:16],
    )


def _labels(file: h5py.File, path: Path, name: str) -> tuple[Array, tuple[str, ...]]:
    """Read the labels of the samples in a taxonomy, and its classes."""
    if name == file.attrs["taxonomy"]:
        label, classes = file["samples/label"], file.attrs["classes"]
    elif "taxonomies" in file and name in file["taxonomies"]:
        view = file["taxonomies"][name]
        label, classes = view["label"], view.attrs["classes"]
    else:
        known = sorted({str(file.attrs["taxonomy"]), *file.get("taxonomies", ())})
        raise TrainError(f"{path}: no taxonomy {name!r}; there are: {', '.join(known)}")
    return label[()].astype(np.int64), tuple(json.loads(classes))


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
        self._pid = -1

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_file": None, "_pid": -1}

    def rows(self, name: str, first: int, count: int) -> Array:
        """Read rows [first, first + count) of a dataset.

        Raises
        ------
        TrainError
            They cannot be read: the file is damaged or went away.
        """
        if self._file is None or self._pid != os.getpid():
            self._file, self._pid = open_file(self.path), os.getpid()
        try:
            values: Array = self._file[name][first : first + count]
        except (OSError, KeyError) as error:
            raise TrainError(
                f"{self.path}: rows {first}–{first + count - 1} of {name} cannot be read ({error}); "
                "export it again"
            ) from None
        if len(values) != count:
            raise TrainError(f"{self.path}: {name} ends at row {first + len(values)}; export it again")
        return values

    def close(self) -> None:
        """Close the handle of this process, if it has one."""
        if self._file is not None and self._pid == os.getpid():
            self._file.close()
        self._file = None
