"""Shards: immutable files with some rows of a dataset's large arrays, named by key and content.

``d.h5`` lists its shards in ``/shards``, and its seal covers that table. A shard lies in ``d.shards`` beside
it, and is called ``<16 digits of its key>-<16 digits of its sha256>.h5``. The key is all that decides its
bytes, so that an export finds what is there already.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py

from pipeline.dataset.hdf5_writer import TEXT, Hdf5Writer, link_target
from pipeline.dataset.seal import SealError, hash_file, read_seal, sound_seal
from store import DamagedError
from store.names import valid_text
from store.sealed_file import SealedFile

FORMAT = "ttprep-shard"
FORMAT_VERSION = 1
#: root attribute of a dataset file: the folder with its shards, and the group that lists them
FOLDER, TABLE = "shards", "shards"
_DIGITS = 16
_NAME = re.compile(r"(?P<key>[0-9a-f]{16})-(?P<sha256>[0-9a-f]{16})\.h5")
_CHANGED = "its bytes are not those that were written (sha256 differs)"


@dataclass(frozen=True)
class Shard:
    """One shard of a dataset.

    Attributes
    ----------
    name : str
        Of its file.
    group : str
        Of the dataset that it holds rows of.
    first, rows : int
        Which ones.
    size : int
        Bytes.
    sha256 : str
        Of the file.
    seal : str
        sha256 of the JSON of its seal, with which the file ends.
    """

    name: str
    group: str
    first: int
    rows: int
    size: int
    sha256: str
    seal: str


def folder_of(path: Path) -> Path:
    """Return the folder with the shards of a dataset, beside what the path leads to where it is a link."""
    target = link_target(path)
    stem = valid_text(target.stem).replace("%", "_")  # HDF5 reads % in the name of a source as a placeholder
    return target.with_name(f"{stem}.shards")


def name_of(key: str, sha256: str) -> str:
    """Return the name of a shard."""
    return f"{key[:_DIGITS]}-{sha256[:_DIGITS]}.h5"


def is_name(name: str) -> bool:
    """Tell whether a file of that name can be a shard."""
    return _NAME.fullmatch(name) is not None


def listed(folder: Path) -> list[str]:
    """Return the names of all that may be shards in a folder; none where there is no such folder."""
    try:
        return sorted(name for name in os.listdir(folder) if is_name(name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def by_key(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the first digits of each key → names of shards."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name[:_DIGITS], []).append(name)
    return found


def named_like(key: str) -> str:
    """Return what the names of all shards of a key begin with."""
    return key[:_DIGITS]


def write_table(out: Hdf5Writer, folder: str, shards: Iterable[Shard]) -> None:
    """Write ``/shards`` and the attribute that names the folder."""
    rows = list(shards)
    out.attrs(out.h5, {FOLDER: folder})
    out.table(
        TABLE,
        {
            "name": (TEXT, [s.name for s in rows]),
            "group": (TEXT, [s.group for s in rows]),
            "first": ("int64", [s.first for s in rows]),
            "rows": ("int64", [s.rows for s in rows]),
            "bytes": ("int64", [s.size for s in rows]),
            "sha256": (TEXT, [s.sha256 for s in rows]),
            "seal": (TEXT, [s.seal for s in rows]),
        },
    )


def read_table(file: h5py.File) -> list[Shard]:
    """Read ``/shards`` of an open dataset file; empty where its pixels lie in the file itself.

    Raises
    ------
    ValueError, KeyError, TypeError, OSError, RuntimeError
        It is not what an export writes.
    """
    if TABLE not in file:
        return []
    group = file[TABLE]
    texts = {name: group[name].asstr()[()].tolist() for name in ("name", "group", "sha256", "seal")}
    numbers = {name: group[name][()].tolist() for name in ("first", "rows", "bytes")}
    columns = (texts["name"], texts["group"], *numbers.values(), texts["sha256"], texts["seal"])
    shards = [Shard(*row) for row in zip(*columns, strict=True)]
    if not all(is_name(s.name) for s in shards):
        raise ValueError("a shard has no name of a shard")
    return shards


def read_folder(file: h5py.File, path: Path) -> Path:
    """Return the folder with the shards of an open dataset file: beside it, or beside what it is a link to.

    Raises
    ------
    ValueError, KeyError
        It names none.
    """
    name = str(file.attrs[FOLDER])
    if name != Path(name).name or name in ("", ".", ".."):
        raise ValueError("its shards lie in no folder beside it")
    there = Path(os.path.realpath(path)).with_name(name)
    return there if there.is_dir() or not path.with_name(name).is_dir() else path.with_name(name)


def shards_of(path: Path) -> tuple[Path, list[Shard]]:
    """Read which shards a dataset file lists, and where, once its head was compared with its seal.

    Raises
    ------
    SealError
        It does not say.
    """
    try:
        with SealedFile(path) as raw, h5py.File(raw, "r") as file:  # shared with nobody who has it open
            shards = read_table(file)
            return (read_folder(file, path) if shards else path.parent), shards
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, DamagedError) as error:
        raise SealError(f"its shards cannot be read ({str(error).splitlines()[0]})") from None


def check_shard(folder: Path, shard: Shard, *, read_data: bool) -> str:
    """Compare a shard with what a dataset file says of it, and return what is wrong.

    Parameters
    ----------
    folder : Path
    shard : Shard
    read_data : bool
        Hash every byte; else size, seal and head are compared.

    Raises
    ------
    OSError
        It cannot be read.
    """
    path = folder / shard.name
    try:
        size = path.stat().st_size
        if size != shard.size:
            return f"{size} bytes instead of {shard.size}"
        seal, digest, _ = sound_seal(path)
        if digest != shard.seal:
            return "it is not the one that was written (its seal differs)"
        if read_data and hash_file(path, seal.size)[1] != shard.sha256:
            return _CHANGED
    except FileNotFoundError:
        return "the file is missing"
    except SealError as error:
        return str(error)
    return ""


def find_shard(folder: Path, name: str, key: str) -> Shard | None:
    """Return the shard in a folder that has this name and key, every byte compared; None where it is damaged.

    Its group and rows are left open.

    Raises
    ------
    OSError
        It cannot be read.
    """
    path = folder / name
    try:
        seal, digest, size = sound_seal(path)
        part, whole = hash_file(path, seal.size)
        if seal.fingerprint != key or part != seal.sha256 or name != name_of(key, whole):
            return None
        return Shard(name, "", 0, 0, size, whole, digest)
    except (SealError, FileNotFoundError):
        return None


def is_own(folder: Path, name: str) -> bool:
    """Tell whether a file in a folder of shards is one that an export wrote, damaged within or not."""
    try:
        seal = read_seal(folder / name)
    except (SealError, OSError):
        return False
    return seal is not None and is_name(name) and seal.fingerprint.startswith(name[:_DIGITS])


def sizes(folder: Path, shards: Iterable[Shard]) -> dict[str, list[int]]:
    """Return name → bytes and time of modification (ns), for a receipt."""
    found: dict[str, list[int]] = {}
    for shard in shards:
        stat = (folder / shard.name).stat()
        found[shard.name] = [stat.st_size, stat.st_mtime_ns]
    return found


def problem_of(
    folder: Path, shards: Iterable[Shard], then: Mapping[str, list[int]], *, read_data: bool
) -> tuple[str, dict[str, Shard]]:
    """Compare all shards of a dataset with what was written.

    Parameters
    ----------
    folder : Path
    shards : iterable of Shard
    then : mapping
        Size and time of modification of each, from the receipt.
    read_data : bool
        Hash every byte; else only of those whose size or time are others.

    Returns
    -------
    problem : str
        What is wrong with the first that is not sound; empty where all are.
    sound : dict
        Those that are, by name.
    """
    problem, sound = "", {}
    for shard in shards:
        try:
            found = (folder / shard.name).stat()
            same = then.get(shard.name) == [found.st_size, found.st_mtime_ns]
        except OSError:
            same = False
        wrong = check_shard(folder, shard, read_data=read_data or not same)
        if wrong:
            problem = problem or f"its shard {folder.name}/{shard.name}: {wrong}"
        else:
            sound[shard.name] = shard
    return problem, sound
