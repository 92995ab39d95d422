"""The files of one video's prediction, and how a later call knows that they are there."""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from pipeline import owned
from pipeline.annotations.writing import FORMATS, PredictedVideo, render
from pipeline.errors import UserError
from store.atomic import read_regular, temp_name

#: raised when other files, or files of another content, are written of the same prediction
VERSION = 1
#: ends of names: what says how a prediction was made, the network's scores, the film
RECORD, SCORES, OVERLAY = ".predict.json", ".scores.npz", ".overlay.mp4"
#: bytes of a record that is read
_MOST = 1 << 26


@dataclass(frozen=True)
class Place:
    """Where the files of one prediction lie.

    Attributes
    ----------
    folder : Path
    stem : str
        What their names begin with.
    """

    folder: Path
    stem: str

    def file(self, end: str) -> Path:
        """Return the file whose name ends so."""
        return self.folder / f"{self.stem}{end}"


def mark_of(values: Mapping[str, Any]) -> str:
    """Return the sha256 of all that a prediction follows from."""
    text = json.dumps({**values, "version": VERSION}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_record(place: Place) -> dict[str, Any] | None:
    """Return what an earlier call says of a prediction whose files are all there; else None."""
    try:
        data = read_regular(place.file(RECORD), _MOST, follow=False)
        record = json.loads(data) if data is not None else None
        if isinstance(record, dict) and all((place.folder / name).is_file() for name in record["files"]):
            return record
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def write_prediction(
    place: Place,
    video: PredictedVideo,
    arrays: Mapping[str, Any],
    record: Mapping[str, Any],
    film: Callable[[Path], None] | None,
) -> None:
    """Write all files of a prediction, the record last: only then does it count as done.

    Parameters
    ----------
    place : Place
    video : PredictedVideo
    arrays : mapping
        What goes into the file of the scores: ``scores`` (players, n, C) float32, ``picture`` (n,) int32 of
        the source in each row, and ``motion`` (players, n) float32, px, where it placed the ends.
    record : mapping
        JSON values; the names of the files are added.
    film : callable or None
        Writes the film to a path; None: none is wanted.

    Raises
    ------
    UserError
        A user's file is in the way, or the disk refused.
    """
    files = render([video], tuple(FORMATS), place.folder, place.stem)
    every = [*files, *(f"{place.stem}{end}" for end in (RECORD, SCORES, *((OVERLAY,) if film else ())))]
    owned.require(place.folder / name for name in every)
    for name, data in files.items():
        owned.write(place.folder / name, data)
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    owned.write(place.file(SCORES), packed.getvalue())
    if film is not None:
        _write_film(place.file(OVERLAY), film)
    kept = [name for name in every if not name.endswith(RECORD)]
    text = json.dumps({**record, "files": kept}, indent=1, ensure_ascii=False)
    owned.write(place.file(RECORD), (text + "\n").encode("utf-8", "backslashreplace"))


def _write_film(path: Path, film: Callable[[Path], None]) -> None:
    temp = temp_name(path)
    try:
        film(temp)
        with temp.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            owned.write(path, cast(bytes, data))  # as long as it is mapped, it serves as bytes
    except OSError as e:
        raise UserError(f"{path}: cannot be written ({e.strerror or e}); name another folder") from e
    finally:
        temp.unlink(missing_ok=True)


def sweep(folder: Path, is_leftover: Callable[[Path], bool]) -> None:
    """Remove what a killed call left half written."""
    for path in folder.glob(".*") if folder.is_dir() else ():
        if is_leftover(path):
            path.unlink(missing_ok=True)


def write_table(path: Path, tables: Iterable[Path]) -> None:
    """Write the strokes of several videos as one table, from the tables of each."""
    head, rows = b"", []
    for table in tables:
        lines = table.read_bytes().splitlines(keepends=True)
        if lines:
            head = lines[0]
            rows += lines[1:]
    if head:
        owned.write(path, head + b"".join(rows))


def require_folder(path: Path) -> None:
    """Make the folder of the output.

    Raises
    ------
    UserError
        It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"{path}: is a file; name a folder for the predictions") from None
    except OSError as e:
        raise UserError(f"{path}: cannot be made ({e.strerror}); name another folder") from e
    if not os.access(path, os.W_OK):
        raise UserError(f"{path}: may not be written to; name another folder")
