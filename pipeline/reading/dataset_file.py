"""Read a dataset file (docs/dataset-format.md): its tables, and rows of its arrays, as they were written.

The seal is compared before HDF5 parses a byte, and each block of pixels when it is first read. A file without
a seal, of an earlier version, is first read by another process, which may take ten seconds.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the codecs of the file)
import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.pixels.shard_files import Shard, read_folder, read_table
from pipeline.dataset.seal import BLOCK, Seal, SealError, open_regular, read_seal
from pipeline.reading.shards import ShardRows, missing, require_blocks
from store import DamagedError
from store.sealed_file import Header, SealedFile

FORMAT, VERSION = "ttprep-dataset", 1
#: s that another process may take over the tables of a file without a seal
PROBE_S = 10.0
_HDF5 = b"\x89HDF\r\n\x1a\n"
#: what h5py raises where HDF5 complains
_ERRORS = (OSError, RuntimeError, ValueError, TypeError, KeyError, MemoryError, SealError)
#: root attributes that hold JSON
_JSON = ("modalities", "augmentation", "classes", "splits", "joints", "parameters", "provenance", "left_out")


class NoDatasetError(Exception):
    """There is no dataset file at that place, or it is of another kind or version."""


@dataclass(frozen=True)
class Tables:
    """Everything in a dataset file but its pixels.

    Attributes
    ----------
    attrs : dict
        Root attributes; JSON is decoded, arrays are tuples.
    samples, videos : dict of str to array
        Columns; ``split`` holds names.
    taxonomies : dict
        Name → (classes, label of each sample), the file's own among them.
    statistics : dict
    untrimmed : tuple of str
        Arrays of ``/untrimmed``; empty where there are none.
    """

    attrs: dict[str, Any]
    samples: dict[str, NDArray[Any]]
    videos: dict[str, NDArray[Any]]
    taxonomies: dict[str, tuple[tuple[str, ...], NDArray[Any]]]
    statistics: dict[str, tuple[float, ...]]
    untrimmed: tuple[str, ...]


def read_tables(file: h5py.File) -> Tables:
    """Read the tables of an open file.

    Raises
    ------
    OSError, RuntimeError, ValueError, TypeError, KeyError
        They are not those of a dataset.
    """
    attrs = {name: _plain(value) for name, value in file.attrs.items()}
    attrs |= {name: json.loads(attrs[name]) for name in _JSON if name in attrs}
    samples = {name: _column(data) for name, data in file["samples"].items()}
    videos = {name: _column(data) for name, data in file["videos"].items()}
    samples["split"] = np.asarray(attrs["splits"], object)[samples["split"]]
    own = tuple(attrs["classes"])
    taxonomies = {str(attrs["taxonomy"]): (own, samples["label"])}
    for name, group in file["taxonomies"].items() if "taxonomies" in file else ():
        classes = tuple(json.loads(group.attrs["classes"]))
        taxonomies.setdefault(name, (classes, group["label"][()]))
    for classes, label in taxonomies.values():
        if len(label) and not (label.min() >= -1 and label.max() < len(classes)):
            raise ValueError("a label is out of the range of the classes")
    last = samples["first"] + samples["rows"]
    if len(last) and (samples["first"].min() < 0 or last.max() > len(file["cuboids/roi"])):
        raise ValueError("a sample points beyond the rows of /cuboids")
    if len(last) and not (samples["video"].min() >= 0 and samples["video"].max() < len(videos["name"])):
        raise ValueError("a sample points beyond the rows of /videos")
    statistics = dict(file["statistics"].attrs) if "statistics" in file else {}
    untrimmed = tuple(file["untrimmed"]) if "untrimmed" in file else ()
    return Tables(
        attrs,
        samples,
        videos,
        taxonomies,
        {name: tuple(np.ravel(value).tolist()) for name, value in statistics.items()},
        untrimmed,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return tuple(value.tolist())
    return value.item() if isinstance(value, np.generic) else value


def _column(data: h5py.Dataset) -> NDArray[Any]:
    values = data.asstr()[()] if h5py.check_string_dtype(data.dtype) is not None else data[()]
    return np.asarray(values)


class DatasetFile:
    """An open dataset file; each thread of each process has its own handle. Picklable.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    path : Path
    tables : Tables

    Raises
    ------
    NoDatasetError
        No such file, no dataset, or another version.
    DamagedError
        Not what was written.
    OSError
        It cannot be read now.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._shown = path
        self._local, self._pid = threading.local(), os.getpid()
        self._lock = threading.Lock()
        self._seal, self._identity = self._inspect()
        self._sums = np.frombuffer(self._seal.crc32, "<u4") if self._seal else np.zeros(0, "<u4")
        self._checked = np.zeros(len(self._sums), bool)
        self._checked_shards: dict[str, NDArray[np.bool_]] = {}
        try:
            self.tables = read_tables(self._file())
            self._shards, self._folder = self._find_shards(self._file())
            self._virtual = {f"{s.group}/{array}" for s in self._shards for array in ("rgb", "flow")}
        except _ERRORS as e:
            self.close()
            raise self._damaged(f"its tables cannot be read ({_first_line(e)})") from None
        if problem := missing(self._folder, self._shards):
            self.close()
            raise self._damaged(problem)

    def __reduce__(self) -> tuple[type[DatasetFile], tuple[Path]]:
        return DatasetFile, (self.path,)

    def _find_shards(self, file: h5py.File) -> tuple[list[Shard], Path]:
        shards = read_table(file)
        return shards, (read_folder(file, self.path) if shards else self.path.parent)

    def _inspect(self) -> tuple[Seal | None, tuple[int, ...]]:
        """Compare the seal; a file without one must be readable in another process."""
        try:
            with open(open_regular(self.path), "rb") as raw:
                begins = raw.read(len(_HDF5)) == _HDF5
                identity = _identity(os.fstat(raw.fileno()))
        except FileNotFoundError:
            name = shlex.quote(str(self._shown))
            raise NoDatasetError(f"{self._shown}: no such file; `ttprep export {name}` writes one") from None
        except SealError:
            raise NoDatasetError(f"{self._shown}: is no file; name the .h5 of a dataset") from None
        if not begins:
            raise NoDatasetError(f"{self._shown}: is no HDF5 file; `ttprep export FILE.h5` writes a dataset")
        try:
            seal = read_seal(self.path)
            if seal is not None and len(seal.crc32) != 4 * -(-seal.size // BLOCK):
                raise SealError("its seal is damaged")
        except SealError as e:
            raise self._damaged(str(e)) from None
        if seal is None:
            self._probe()
        return seal, identity

    def _probe(self) -> None:
        words = [sys.executable, "-m", "pipeline.reading.dataset_file", str(self.path)]
        folders = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}
        try:
            done = subprocess.run(words, capture_output=True, timeout=PROBE_S, check=False, env=env)
        except subprocess.TimeoutExpired:
            raise self._damaged(f"its tables cannot be read in {PROBE_S:.0f} s") from None
        if done.returncode not in (0, 1):
            raise self._damaged(f"reading its tables ends with code {done.returncode}")

    def _damaged(self, what: str) -> DamagedError:
        anew = f"`ttprep export {shlex.quote(str(self._shown))}` writes it anew"
        return DamagedError(f"{self._shown}: damaged: {what}; {anew}", self.path)

    def _file(self) -> h5py.File:
        """Return the handle of this thread."""
        if self._pid != os.getpid():  # forked: the parent's handles are not ours
            self._local, self._pid, self._lock = threading.local(), os.getpid(), threading.Lock()
        found: h5py.File | None = getattr(self._local, "file", None)
        if found is None:
            if _identity(self.path.stat()) != self._identity:
                raise DamagedError(
                    f"{self._shown}: was replaced since it was opened; open it again", self.path
                )
            raw = self._raw()
            try:
                found = h5py.File(raw, "r")
                try:
                    self._require_format(found)
                except BaseException:
                    found.close()
                    raise
            except BaseException:
                raw.close()
                raise
            self._local.file, self._local.raw = found, raw
        return found

    def _raw(self) -> SealedFile:
        """Open the file past HDF5, which would not share it with a user's own h5py; compare its head."""
        head = Header(self._seal.head_sha256, tuple(self._seal.head)) if self._seal is not None else None
        try:
            return SealedFile(self.path, head)
        except DamagedError:
            raise self._damaged("its tables or structures are not those that were written") from None

    def _require_format(self, file: h5py.File) -> None:
        kind, version = file.attrs.get("format"), file.attrs.get("format_version")
        if kind != FORMAT:
            raise NoDatasetError(f"{self._shown}: HDF5, but no {FORMAT}; `ttprep export FILE.h5` writes one")
        if version != VERSION:
            raise NoDatasetError(
                f"{self._shown}: format version {version}, this ttprep reads version {VERSION}; install the "
                "one that wrote it, or export again with this one"
            )
        if self._seal is None and file.attrs.get("sealed") is not None:
            raise self._damaged(
                "its seal is gone (edited on purpose? `del file.attrs['sealed']` with h5py says so)"
            )

    def rows(self, name: str, first: int, count: int) -> NDArray[Any]:
        """Read rows of an array, as stored.

        Parameters
        ----------
        name : str
            Such as ``cuboids/rgb``.
        first, count : int

        Raises
        ------
        DamagedError
            They are not what was written.
        OSError
            They cannot be read now.
        KeyError
            There is no such array.
        """
        file = self._file()
        if name not in file:
            raise KeyError(name)
        try:
            if name in self._virtual:
                values = self._shard_rows().read(name, first, count)
            else:
                data = file[name]
                if data.is_virtual:
                    raise SealError("its rows lie in other files, of which nothing is known")
                if data.chunks is None and data.size and count and self._seal is not None:
                    row = data.size // len(data) * data.dtype.itemsize  # chunks have checksums of HDF5's own
                    begin = data.id.get_offset() + first * row
                    require_blocks(
                        self._local.raw, self._seal, self._sums, self._checked, begin, begin + count * row
                    )
                values = data[first : first + count]
        except SealError as e:
            raise self._damaged(str(e)) from None
        except (RuntimeError, ValueError, OSError) as e:
            raise self._damaged(f"rows {first} to {first + count - 1} of {name}: {_first_line(e)}") from None
        if len(values) != count:
            raise self._damaged(f"{name} ends at row {first + len(values)}")
        return values

    def _shard_rows(self) -> ShardRows:
        """Return what reads this thread's shards."""
        found: ShardRows | None = getattr(self._local, "shards", None)
        if found is None:
            found = self._local.shards = ShardRows(self._folder, self._shards, self._checked_shards)
        return found

    def attributes(self, name: str) -> dict[str, Any]:
        """Return the attributes of an array: ``units``, ``scale``, …."""
        return {k: _plain(v) for k, v in self._file()[name].attrs.items()}

    def close(self) -> None:
        """Close the handle of this thread; it opens again when next used."""
        file: h5py.File | None = getattr(self._local, "file", None)
        if file is not None and self._pid == os.getpid():
            if (shards := getattr(self._local, "shards", None)) is not None:
                shards.close()
            file.close()
            self._local.raw.close()
        self._local = threading.local()


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def main(path: Path) -> int:
    """Read a file's tables and return 0; 1 where they are refused."""
    try:
        with SealedFile(path) as raw, h5py.File(raw, "r") as file:
            read_tables(file)
    except _ERRORS:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
