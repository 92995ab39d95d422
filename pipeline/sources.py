"""Finding source videos and knowing them by their content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from store import Store, sha256_file
from store.atomic import read_json, write_json

_CONTAINERS = "3gp asf avi flv m2ts m2v m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv"
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _CONTAINERS.split())


@dataclass
class Source:
    """One video, known by its content.

    Attributes
    ----------
    path : Path
        Where it lies now.
    name : str
        For tables and messages: the path as the user would write it.
    sha256 : str
        Of its bytes; empty where it could not be read.
    problem : str
        Why it cannot be used, empty where nothing is known against it.
    also : list of Path
        Other paths with the same content.
    fps : float or None
        From the manifest.
    player : str
        From the manifest.
    """

    path: Path
    name: str
    sha256: str = ""
    problem: str = ""
    also: list[Path] = field(default_factory=list)
    fps: float | None = None
    player: str = ""


def find_videos(paths: Iterable[Path], store_root: Path) -> tuple[list[Path], list[str]]:
    """Videos under the given paths: files as they are, folders searched recursively.

    Parameters
    ----------
    paths : iterable of Path
    store_root : Path
        Not searched.

    Returns
    -------
    videos : list of Path
        Sorted within each folder; none twice.
    problems : list of str
        Paths that do not exist or cannot be searched.
    """
    found: dict[Path, None] = {}
    problems: list[str] = []
    for path in paths:
        if path.is_dir():
            denied: list[OSError] = []
            for folder, names, files in os.walk(path, onerror=denied.append):
                here = Path(folder)
                names[:] = sorted(
                    n for n in names if not n.startswith(".") and (here / n).resolve() != store_root.resolve()
                )
                for name in sorted(files):
                    if Path(name).suffix.lower() in VIDEO_SUFFIXES and not name.startswith("."):
                        found.setdefault(here / name)
            problems += [
                f"{e.filename}: cannot be searched ({e.strerror}); check permissions" for e in denied
            ]
        elif path.exists():
            found.setdefault(path)
        else:
            problems.append(f"{path}: no such file or folder; check the path")
    return list(found), problems


def identify(
    paths: Iterable[Path], store: Store | None, progress: Callable[[int], None] = lambda n: None
) -> list[Source]:
    """Hash videos, or take the hash of an unchanged file from the store's notes.

    A note holds only while path, size and modification time all agree; a touched file is hashed again and
    found to be the same.

    Parameters
    ----------
    paths : iterable of Path
    store : Store or None
    progress : callable
        Told the bytes of each file done.

    Returns
    -------
    list of Source
        One per distinct content, first path first; later paths of the same content are in ``also``.
        Unreadable and empty files come with ``problem``.
    """
    sources: dict[str, Source] = {}
    for path in paths:
        source = Source(path.absolute(), str(path))  # workers have other working folders
        try:
            stat = path.stat()
            with path.open("rb"):
                pass
            if stat.st_size == 0:
                source.problem = "the file is empty (0 bytes); copy or record it again"
            else:
                source.sha256 = _digest(path, stat, store)
            progress(stat.st_size)
        except OSError as e:
            source.problem = f"cannot be read ({e.strerror}); check the file and its permissions"
        known = sources.get(source.sha256 or source.name)
        if known is not None:
            known.also.append(path)
        else:
            sources[source.sha256 or source.name] = source
    return list(sources.values())


def _note(path: Path, store: Store) -> Path:
    place = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:24]
    return store.root / "sources" / f"{place}.json"


def _digest(path: Path, stat: os.stat_result, store: Store | None) -> str:
    note = _note(path, store) if store else None
    known = read_json(note) if note else None
    if isinstance(known, dict) and (known.get("size"), known.get("mtime_ns")) == (
        stat.st_size,
        stat.st_mtime_ns,
    ):
        return str(known["sha256"])
    digest = sha256_file(path)
    # a file still being copied has a fresh time stamp and may change under us within its resolution
    settled = time.time() - stat.st_mtime > 2
    if note and store and settled and path.stat().st_mtime_ns == stat.st_mtime_ns:
        content = {"path": str(path.resolve()), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
        with contextlib.suppress(OSError):  # a note saves time, nothing else
            write_json(note, {**content, "sha256": digest})
    return digest
