"""Read everything but the pixels of a dataset file, and check each attribute and table once, with limits.

What comes out can be relied on: types, lengths, ranges, and that rows lie within the arrays they point into.
An error is one line that names the file and the field. ``python -m tttrain.data.header FILE`` reads a file
and does nothing else.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tttrain.data.shards.table import in_shards
from tttrain.errors import TrainError

Array = NDArray[Any]

#: the most that a dataset may have of anything, far beyond what there is
MOST_ROWS = 10**8
MOST_SAMPLES = 10**7
MOST_NAMES = 10**4
MOST_LETTERS = 4096
MOST_PIXELS = 16384
MOST_FRAMES = 10**6
#: bytes of one table
MOST_BYTES = 1 << 31
#: rows of an array that are checked at a time
_ROWS = 1 << 20
MODALITIES = ("rgb", "flow", "pose")


class _Wrong(Exception):
    """What is wrong with a field."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"{field}: {what}")


@dataclass(frozen=True)
class Header:
    """Checked attributes and tables of a dataset file; names as in docs/dataset-format.md.

    Attributes
    ----------
    attrs : dict
        Root attributes: JSON decoded, numbers as Python numbers.
    samples, videos : dict of str to array
    statistics : dict
    taxonomies : dict
        Name → (classes, label of each sample), the file's own taxonomy among them.
    flow_scale : float
    untrimmed_label : array of int16 or None
    """

    attrs: dict[str, Any]
    samples: dict[str, Array]
    videos: dict[str, Array]
    statistics: dict[str, tuple[float, float]]
    taxonomies: dict[str, tuple[tuple[str, ...], Array]]
    flow_scale: float
    untrimmed_label: Array | None


def read_header(file: h5py.File, path: Path) -> Header:
    """Read and check the header of an open dataset file.

    Raises
    ------
    TrainError
        A field is missing, of another type, or out of range.
    """
    try:
        return _read(file)
    except _Wrong as error:
        raise TrainError(f"{path}: {error}; export it again") from None
    except (OSError, RuntimeError, ValueError, TypeError, KeyError, MemoryError, OverflowError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainError(f"{path}: its tables cannot be read ({first}); export it again") from None


def _read(file: h5py.File) -> Header:
    attrs = _attributes(file)
    videos = _videos(file)
    samples = _samples(file, attrs, len(videos["name"]))
    taxonomies = {attrs["taxonomy"]: (attrs["classes"], samples["label"])}
    for name in _members(file, "taxonomies"):
        where = f"taxonomies/{name}"
        classes = _names(_attribute(_group(file, where), "classes", where), f"{where}: attribute classes")
        label = _integers(file, f"{where}/label", -1, len(classes) - 1, like=len(samples["id"]))
        taxonomies.setdefault(name, (classes, label))
    scale = _cuboids(file, attrs, samples)
    samples["offset"] = _offsets(file, samples)
    statistics = _statistics(file) if "flow" in attrs["modalities"] else {}
    return Header(attrs, samples, videos, statistics, taxonomies, scale, _untrimmed(file, attrs, videos))


def _attributes(file: h5py.File) -> dict[str, Any]:
    modalities = _names(_attribute(file, "modalities"), "attribute modalities")
    if not set(modalities) <= set(MODALITIES):
        raise _Wrong("attribute modalities", f"{_short(modalities)} are not of {', '.join(MODALITIES)}")
    sizes = {k: _size(_attribute(file, k), f"attribute {k}") for k in ("frame_size", "crop", "window")}
    for small, large in (("crop", "window"), ("window", "frame_size")):
        if any(a > b for a, b in zip(sizes[small], sizes[large], strict=True)):
            raise _Wrong(f"attribute {small}", f"{sizes[small]} is larger than {large}, {sizes[large]}")
    reach = _json(_attribute(file, "augmentation"), "attribute augmentation")
    if not isinstance(reach, dict):
        raise _Wrong("attribute augmentation", "is no JSON object")
    limits = {"rotation": 360.0, "translation": 1.0, "zoom": 0.99}
    reach = {k: _number(reach.get(k), f"attribute augmentation, {k}", 0, most) for k, most in limits.items()}
    return {
        "modalities": modalities,
        **sizes,
        "length": int(_number(_attribute(file, "length"), "attribute length", 1, MOST_FRAMES, whole=True)),
        "augmentation": reach,
        "taxonomy": _text(_attribute(file, "taxonomy"), "attribute taxonomy"),
        "classes": _names(_attribute(file, "classes"), "attribute classes"),
        "splits": _names(_attribute(file, "splits"), "attribute splits"),
        "joints": _names(_attribute(file, "joints"), "attribute joints", least=0),
    }


def _samples(file: h5py.File, attrs: Mapping[str, Any], videos: int) -> dict[str, Array]:
    n = len(_table(file, "samples/id", MOST_SAMPLES))
    splits, classes = attrs["splits"], attrs["classes"]
    out: dict[str, Array] = {name: _texts(file, f"samples/{name}", n) for name in ("id", "label_name")}
    for name, (low, high) in {
        "video": (0, videos - 1), "begin": (0, 2**31), "end": (1, 2**31), "first": (0, MOST_ROWS),
        "rows": (attrs["length"], MOST_FRAMES * 100), "label": (-1, len(classes) - 1),
        "split": (0, len(splits) - 1),
    }.items():  # fmt: skip
        out[name] = _integers(file, f"samples/{name}", low, high, like=n)
    _all(out["begin"] < out["end"], "samples/end", "is not after begin")
    out["split"] = np.asarray(splits, np.str_)[out["split"]]
    return out


def _videos(file: h5py.File) -> dict[str, Array]:
    n = len(_table(file, "videos/name", MOST_SAMPLES))
    out: dict[str, Array] = {name: _texts(file, f"videos/{name}", n) for name in ("name", "sha256")}
    # only where a video has one
    out["group"] = _texts(file, "videos/group", n) if "group" in file["videos"] else np.full(n, "", np.str_)
    for name, low in {"n_frames": 0, "first": -1, "rows": 0}.items():
        out[name] = _integers(file, f"videos/{name}", low, MOST_ROWS, like=n)
    fps = _table(file, "videos/fps", MOST_SAMPLES)
    if fps.dtype.kind not in "fiu" or len(fps) != n:
        raise _Wrong("videos/fps", f"is {fps.dtype} of {len(fps)} rows, not {n} numbers")
    out["fps"] = fps[()].astype(np.float64)
    _all((out["fps"] >= 0) & (out["fps"] <= 1e6), "videos/fps", "is no frame rate")
    return out


def _cuboids(file: h5py.File, attrs: Mapping[str, Any], samples: Mapping[str, Array]) -> float:
    """Check the arrays of /cuboids, and return the scale of flow."""
    width, height = attrs["window"]
    total = _arrays(file, "cuboids", attrs, (height, width))
    last = samples["first"] + samples["rows"]
    _all(last <= total, "samples/first", f"and rows point beyond the {total} rows of /cuboids")
    room = np.asarray(attrs["frame_size"]) - attrs["window"]
    _windows(file["cuboids/window"], samples["first"], last, room)
    if "flow" not in attrs["modalities"]:
        return 1.0
    scale = _attribute(file["cuboids/flow"], "scale", "cuboids/flow")
    return _number(scale, "cuboids/flow: attribute scale", 1e-9, 1e9)


def _offsets(file: h5py.File, samples: Mapping[str, Array]) -> Array:
    """Return the row of each sample, counted from its first one, in which its stroke begins."""
    n, rows = samples["end"] - samples["begin"], samples["rows"]
    offset: Array = np.maximum(rows - n, 0) // 2  # the rule, for files that do not number their rows
    if "frame" in file["cuboids"]:
        frame = _integers(file, "cuboids/frame", -(2**31), 2**31, like=len(file["cuboids/roi"]))
        offset = samples["begin"] - frame[samples["first"]]
    _all((offset >= 0) & (offset + n <= rows), "samples/begin", "and end lie outside the sample's frames")
    return offset


def _untrimmed(file: h5py.File, attrs: Mapping[str, Any], videos: Mapping[str, Array]) -> Array | None:
    there = videos["first"] >= 0
    if "untrimmed" not in file or "label" not in _group(file, "untrimmed"):
        _all(~there, "videos/first", "points into /untrimmed, which is not there")
        return None
    width, height = attrs["crop"]
    total = _arrays(file, "untrimmed", attrs, (height, width))
    last = videos["first"] + videos["rows"]
    _all(~there | (last <= total), "videos/first", f"and rows point beyond the {total} rows of /untrimmed")
    room = np.asarray(attrs["frame_size"]) - attrs["crop"]
    _windows(file["untrimmed/window"], videos["first"][there], last[there], room)
    label = _integers(file, "untrimmed/label", -(2**15), 2**15, like=total)
    # between two videos lies filler, to which nothing refers
    used = _used(total, videos["first"][there], last[there])
    wrong = used & ((label < -1) | (label >= len(attrs["classes"])))
    _all(~wrong, "untrimmed/label", f"is out of the range -1 to {len(attrs['classes']) - 1}")
    return np.where(used, label, -1).astype(np.int16)


def _arrays(file: h5py.File, group: str, attrs: Mapping[str, Any], side: tuple[int, int]) -> int:
    """Check shapes and types of the arrays of a group, and return their number of rows."""
    shapes: dict[str, tuple[tuple[int, ...], str]] = {
        "rgb": ((*side, 3), "uint8"), "flow": ((*side, 2), "int16"),
        "pose": ((len(attrs["joints"]), 3), "float32"), "roi": ((2,), "float32"), "window": ((2,), "int16"),
    }  # fmt: skip
    total = -1
    for name, (shape, dtype) in shapes.items():
        if name in MODALITIES and name not in attrs["modalities"]:
            continue
        where = f"{group}/{name}"
        data = _dataset(file, where)
        if data.ndim != len(shape) + 1 or data.shape[1:] != shape or data.dtype != np.dtype(dtype):
            raise _Wrong(where, f"is {data.dtype} {data.shape}, not {dtype} of rows {shape}")
        total = len(data) if total < 0 else total
        if len(data) != total or total > MOST_ROWS:
            raise _Wrong(where, f"has {len(data)} rows, not {total}, or too many")
    return total


def _windows(data: h5py.Dataset, first: Array, last: Array, room: Array) -> None:
    """Check that the windows of all rows in use lie inside the frame."""
    used = _used(len(data), first, last)
    for at in range(0, len(data), _ROWS):
        values = data[at : at + _ROWS].astype(np.int64)
        inside = ((values >= 0) & (values <= room)).all(axis=1)
        _all(inside | ~used[at : at + _ROWS], data.name.strip("/"), "lies outside the frame", at)


def _used(total: int, first: Array, last: Array) -> NDArray[np.bool_]:
    """Return which of ``total`` rows lie in one of the ranges."""
    change = np.zeros(total + 1, np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, last, -1)
    return np.cumsum(change)[:total] > 0


def _statistics(file: h5py.File) -> dict[str, tuple[float, float]]:
    group, out = _group(file, "statistics"), {}
    for name in {"flow_divisor", "flow_divisor_train"} & set(group.attrs):
        field = f"statistics: attribute {name}"
        values = np.ravel(_attribute(group, name, "statistics"))
        if len(values) != 2:
            raise _Wrong(field, f"{_short(values)} are not two numbers")
        out[name] = (_number(values[0], field, 1e-6, 1e6), _number(values[1], field, 1e-6, 1e6))
    return out


def _group(file: h5py.File, name: str) -> h5py.Group:
    group = _inside(file, name)
    if not isinstance(group, h5py.Group):
        raise _Wrong(name, "is no group")
    return group


def _members(file: h5py.File, name: str) -> list[str]:
    names = sorted(_group(file, name)) if name in file else []
    if len(names) > 1000:
        raise _Wrong(name, f"has {len(names)} members, too many")
    return names


def _inside(file: h5py.File, name: str) -> Any:
    """Look something up; no link may lead out of the file."""
    here: Any = file
    for part in name.split("/"):
        if not isinstance(here, h5py.Group) or part not in here:
            raise _Wrong(name, "is missing, the file is incomplete")
        if not isinstance(here.get(part, getlink=True), h5py.HardLink):
            raise _Wrong(name, "is a link")
        here = here[part]
    return here


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    data = _inside(file, name)
    if not isinstance(data, h5py.Dataset) or data.shape is None or data.ndim < 1:
        raise _Wrong(name, "is no array")
    if data.external or (data.is_virtual and not in_shards(file, name)):
        raise _Wrong(name, "lies in another file")
    held = data.size * data.dtype.itemsize
    if data.chunks is None and not data.is_virtual and data.id.get_storage_size() < held:
        raise _Wrong(name, "is not all there")
    if data.chunks is not None and math.prod(data.chunks) * data.dtype.itemsize > MOST_BYTES:
        raise _Wrong(name, "has chunks that are too large")
    return data


def _table(file: h5py.File, name: str, most: int) -> h5py.Dataset:
    data = _dataset(file, name)
    if data.ndim != 1 or len(data) > most or data.size * data.dtype.itemsize > MOST_BYTES:
        raise _Wrong(name, f"has the shape {data.shape}, not one row for each entry, or too many")
    return data


def _integers(file: h5py.File, name: str, low: int, high: int, *, like: int) -> NDArray[np.int64]:
    data = _table(file, name, MOST_ROWS)
    if data.dtype.kind not in "iu":
        raise _Wrong(name, f"is {data.dtype}, not of whole numbers")
    if len(data) != like:
        raise _Wrong(name, f"has {len(data)} rows, not {like}")
    raw = data[()]
    _all((raw >= low) & (raw <= high), name, f"is out of the range {low} to {high}")
    return np.asarray(raw).astype(np.int64)


def _texts(file: h5py.File, name: str, like: int) -> Array:
    data = _table(file, name, MOST_SAMPLES)
    if h5py.check_string_dtype(data.dtype) is None or len(data) != like:
        raise _Wrong(name, f"is {data.dtype} of {len(data)} rows, not {like} texts")
    if data.dtype.itemsize > 4 * MOST_LETTERS:
        raise _Wrong(name, "has texts that are too long")
    try:
        values = data.asstr()[()]
    except UnicodeDecodeError:
        raise _Wrong(name, "is not UTF-8") from None
    if any(len(v) > MOST_LETTERS or "\x00" in v for v in values):
        raise _Wrong(name, "has texts that are too long, or with the letter NUL")
    return np.asarray(values, dtype=np.str_)


def _attribute(of: Any, name: str, where: str = "") -> Any:
    field = f"{where}: attribute {name}" if where else f"attribute {name}"
    if name not in of.attrs:
        raise _Wrong(field, "is missing, the file is incomplete")
    return of.attrs[name]


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MOST_LETTERS or "\x00" in value:
        raise _Wrong(field, f"{_short(value)} is no text of 1 to {MOST_LETTERS} letters")
    return value


def _json(value: Any, field: str) -> Any:
    if not isinstance(value, str):
        raise _Wrong(field, f"{_short(value)} is no text")
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise _Wrong(field, f"{_short(value)} is no JSON") from None


def _names(value: Any, field: str, *, least: int = 1) -> tuple[str, ...]:
    names = _json(value, field)
    if not isinstance(names, list) or not least <= len(names) <= MOST_NAMES:
        raise _Wrong(field, f"is no list of {least} to {MOST_NAMES} names")
    out = tuple(_text(name, field) for name in names)
    if len(set(out)) < len(out):
        raise _Wrong(field, "names something twice")
    return out


def _size(value: Any, field: str) -> tuple[int, int]:
    values = np.ravel(value)
    if len(values) != 2:
        raise _Wrong(field, f"{_short(value)} is not width and height")
    width, height = (int(_number(v, field, 1, MOST_PIXELS, whole=True)) for v in values)
    return width, height


def _number(value: Any, field: str, low: float, high: float, *, whole: bool = False) -> float:
    value = value[()] if isinstance(value, np.ndarray) and value.shape == () else value
    kinds = int | np.integer if whole else int | float | np.integer | np.floating
    if isinstance(value, bool | np.bool_) or not isinstance(value, kinds):
        raise _Wrong(field, f"{_short(value)} is no {'whole ' if whole else ''}number")
    if not low <= value <= high:
        raise _Wrong(field, f"{_short(value)} is out of the range {low:g} to {high:g}")
    return float(value)


def _all(right: Array, field: str, what: str, at: int = 0) -> None:
    if not np.all(right):
        raise _Wrong(f"{field}[{at + int(np.argmin(right))}]", what)


def _short(value: Any) -> str:
    return text[:57] + "…" if len(text := repr(value)) > 60 else text


def main(words: list[str], read: Callable[[h5py.File, Path], Header] = read_header) -> int:
    """Read a file and return 0; 1 where it is refused."""
    import hdf5plugin  # noqa: F401  (registers the codecs of the file)

    try:
        with h5py.File(words[0], "r", locking=False) as file:
            dict(file.attrs)
            read(file, Path(words[0]))
    except (TrainError, OSError, RuntimeError, ValueError, TypeError, KeyError, MemoryError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
