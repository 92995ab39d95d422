"""Given joint positions of a trial: CSV, JSON or npy, one row a picture; docs/sequences.md.

Whatever the file holds, what comes out are the 13 joints of method.md §6 in its order. Further joints (knees,
hands, a spine) are left out; a joint that the file lacks is not given.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.annotations.parsing.text import table_delimiter
from pipeline.discovery import special_kind
from stages.base import StageError
from stages.descriptor import JOINTS

Positions = NDArray[np.float64]

MAX_BYTES = 100_000_000
#: joints in the order of the pose stage: its 17 keypoints begin with the 13
NAMELESS = (len(JOINTS), 17)
_SCORES = ("score", "confidence", "likelihood")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_SHORT = {"l": "left", "r": "right"}
_HELP = "see docs/sequences.md for the forms that are read"


def read_joints(path: Path) -> Positions:
    """Read the joint positions of one trial.

    Parameters
    ----------
    path : Path
        ``.csv`` (a row a frame, columns ``nose_x, nose_y, nose_score, …``; or a row a joint: ``frame, joint,
        x, y, score``), ``.json`` (a list of frames, each a mapping of joint to [x, y, score] or a list in
        PoseNet's order; or ``{"joints": names, "frames": positions}``), ``.npy`` (n, 13 or 17, 2 or 3).

    Returns
    -------
    (n, 13, 3) float64
        x, y in px of the source picture as it is shown, score (1 where the file has none; 0 where the joint
        is not given).

    Raises
    ------
    StageError
        The file cannot be read or is of no such form; names file and line.
    """
    try:
        status = path.stat()
        if kind := special_kind(status.st_mode):
            raise StageError(f"{path}: is {kind}, not a file", "check the file of joints")
        if status.st_size > MAX_BYTES:
            raise StageError(f"{path}: larger than {MAX_BYTES // 10**6} MB", "give one file a trial")
        data = path.read_bytes()
    except OSError as e:
        raise StageError(f"{path}: cannot be read ({e.strerror})", "check the file of joints") from None
    readers = {".csv": _from_csv, ".json": _from_json, ".npy": _from_npy}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise StageError(f"{path}: joints are read from .csv, .json and .npy", "convert it to one of these")
    try:
        positions = reader(data)
    except (ValueError, TypeError, EOFError, MemoryError, OverflowError, RecursionError, csv.Error) as e:
        line = e.line if isinstance(e, _Malformed) else getattr(e, "lineno", 0)
        where = f"{path}:{line}" if line else str(path)
        text = " ".join(str(e).split()) or type(e).__name__
        raise StageError(f"{where}: no joint positions: {text}", _HELP) from None
    positions[~np.isfinite(positions).all(axis=2)] = 0
    return positions


class _Malformed(ValueError):
    """What is wrong, and on which line."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def joint_index(name: str) -> int | None:
    """Which of the 13 joints a name means: ``left_wrist``, ``LeftWrist``, ``WristLeft``, ``l-wrist``."""
    words = frozenset(_SHORT.get(w.lower(), w.lower()) for w in _WORDS.findall(name))
    return _KNOWN.get(words)


_KNOWN = {frozenset(name.split("_")): i for i, name in enumerate(JOINTS)}


def _positions(n: int) -> Positions:
    return np.full((n, len(JOINTS), 3), np.nan)


def _number(text: str, line: int) -> float:
    try:
        return float(text) if text.strip() else np.nan
    except ValueError:
        raise _Malformed(f"{text[:40]!r} is no number", line) from None


def _from_csv(data: bytes) -> Positions:
    text = data.decode("utf-8-sig")
    delimiter, top = table_delimiter(text)
    rows = list(csv.reader(io.StringIO(text[len(top) :], newline=""), delimiter=delimiter or ","))
    if delimiter and delimiter != ",":  # the locale that needs another delimiter has a decimal comma
        rows = [rows[0], *([c.replace(",", ".") for c in row] for row in rows[1:])] if rows else []
    begin = 2 if top else 1
    lines = [
        (i, [c.strip() for c in row]) for i, row in enumerate(rows, begin) if any(c.strip() for c in row)
    ]
    if not lines:
        raise ValueError("the file is empty")
    header = [name.casefold() for name in lines[0][1]]
    for line, row in lines[1:]:
        if len(row) != len(header):
            raise _Malformed(f"{len(row)} cells under {len(header)} columns", line)
    if {"frame", "joint", "x", "y"} <= set(header):
        return _from_long(header, lines[1:])
    return _from_wide(lines[0][1], lines[1:])


def _from_wide(header: Sequence[str], lines: Sequence[tuple[int, list[str]]]) -> Positions:
    places: list[tuple[int, int, int]] = []  # column, joint, field
    for column, name in enumerate(header):
        joint, _, field = name.replace(".", "_").replace(" ", "_").replace("-", "_").rpartition("_")
        found = joint_index(joint)
        kind = field.casefold()
        fields = {"x": 0, "y": 1} | dict.fromkeys(_SCORES, 2)
        if found is not None and kind in fields:
            places.append((column, found, fields[kind]))
    _check_names([(j, f) for _, j, f in places])
    out = _positions(len(lines))
    out[:, [j for _, j, _ in places], 2] = 1
    for row, (line, cells) in enumerate(lines):
        for column, where, which in places:
            out[row, where, which] = _number(cells[column], line)
    frames = [name.casefold() for name in header]
    if "frame" in frames:
        at = frames.index("frame")
        _check_ascending([(line, _number(cells[at], line)) for line, cells in lines])
    return out


def _check_names(fields: Iterable[tuple[int, int]]) -> None:
    fields = list(fields)
    if len(set(fields)) != len(fields):
        raise _Malformed("two columns mean the same joint", 1)
    joints = {j for j, _ in fields}
    if not joints:
        raise _Malformed("no column is named after a joint, as left_wrist_x is", 1)
    for joint in joints:
        if not {(joint, 0), (joint, 1)} <= set(fields):
            raise _Malformed(f"{JOINTS[joint]} has no column for x or none for y", 1)


def _check_ascending(frames: Sequence[tuple[int, float]]) -> None:
    for (_, before), (line, frame) in pairwise(frames):
        if not frame > before:
            raise _Malformed(f"frame {frame:g} comes after frame {before:g}", line)


def _from_long(header: Sequence[str], lines: Sequence[tuple[int, list[str]]]) -> Positions:
    score = next((header.index(s) for s in _SCORES if s in header), None)
    frame, joint, x, y = (header.index(name) for name in ("frame", "joint", "x", "y"))
    numbered = [(_number(cells[frame], line), line, cells) for line, cells in lines]
    order = {number: i for i, number in enumerate(sorted({n for n, _, _ in numbered}))}
    out = _positions(len(order))
    seen: set[tuple[int, int]] = set()
    for number, line, cells in numbered:
        found = joint_index(cells[joint])
        if found is None:
            continue
        row = order[number]
        if (row, found) in seen:
            raise _Malformed(f"{cells[joint]} of frame {number:g} for the second time", line)
        seen.add((row, found))
        values = [_number(cells[c], line) for c in (x, y)]
        out[row, found] = (*values, 1 if score is None else _number(cells[score], line))
    if not seen:
        raise ValueError("none of its joints is one of the 13")
    return out


def _from_json(data: bytes) -> Positions:
    value: Any = json.loads(data.decode("utf-8-sig"))
    names: list[str] | None = None
    if isinstance(value, dict):
        names, value = value.get("joints"), value.get("frames")
    if not isinstance(value, list) or not value:
        raise ValueError("it is no list of frames")
    out = _positions(len(value))
    for row, frame in enumerate(value):
        if isinstance(frame, dict):
            named = list(frame.items())
        elif isinstance(frame, list) and (names is not None or len(frame) in NAMELESS):
            every = names if names is not None else [*JOINTS, *[""] * (len(frame) - len(JOINTS))]
            named = list(zip(every, frame, strict=True))
        else:
            raise ValueError(f"frame {row} is no mapping of joints, and no list of 13 or 17")
        for name, point in named:
            found = joint_index(str(name))
            if found is not None and point is not None:
                out[row, found] = _point(point, row)
    if np.isnan(out).all():
        raise ValueError("none of its joints is one of the 13")
    return out


def _point(point: Any, row: int) -> tuple[float, float, float]:
    if not isinstance(point, list) or len(point) not in (2, 3):
        raise ValueError(f"a position of frame {row} is not [x, y] or [x, y, score]")
    try:
        numbers = [np.nan if v is None else float(v) for v in point]
    except (TypeError, ValueError):
        raise ValueError(f"a position of frame {row} is not of numbers: {str(point)[:40]}") from None
    return numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else 1.0


def _from_npy(data: bytes) -> Positions:
    values = np.load(io.BytesIO(data), allow_pickle=False)
    if values.ndim != 3 or values.shape[1] not in NAMELESS or values.shape[2] not in (2, 3):
        raise ValueError(f"an array {values.shape} is not (frames, 13 or 17 joints, 2 or 3)")
    if values.dtype.kind not in "fiu":
        raise ValueError(f"an array of {values.dtype}, not of numbers")
    out = _positions(len(values))
    out[..., 2] = 1
    out[:, :, : values.shape[2]] = values[:, : len(JOINTS)]
    return out
