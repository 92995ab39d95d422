"""Finding source videos and knowing them by their content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stages.frames.folder import pictures_of
from store import Store, StoreError, sha256_file
from store.atomic import read_json

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
    joints : Path or None
        File of given joint positions, of a folder of pictures.
    label : str
        Of the sample that the whole video is; empty where nobody named it.
    sample : {"", "whole", "start"}
        Whether the video is one sample, and whether that begins at its start frame.
    start : int or None
        The start frame, as soon as it is found; -1 where there is none.
    """

    path: Path
    name: str
    sha256: str = ""
    problem: str = ""
    also: list[Path] = field(default_factory=list)
    fps: float | None = None
    player: str = ""
    joints: Path | None = None
    label: str = ""
    sample: Literal["", "whole", "start"] = ""
    start: int | None = None


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
    paths: Iterable[Path],
    store: Store | None,
    progress: Callable[[int], None] = lambda n: None,
    joints: Mapping[Path, Path] | None = None,
) -> list[Source]:
    """Hash videos and folders of pictures, or take the hash of unchanged ones from the store's notes.

    A note holds only while path, size and modification time all agree; a touched file is hashed again and
    found to be the same.

    Parameters
    ----------
    paths : iterable of Path
    store : Store or None
    progress : callable
        Told the bytes of each file done.
    joints : mapping of Path to Path, optional
        Folder of pictures → file of its given joint positions.

    Returns
    -------
    list of Source
        One per distinct content, first path first; later paths of the same content are in ``also``.
        Unreadable and empty files come with ``problem``.
    """
    sources: dict[str, Source] = {}
    for path in paths:
        given = (joints or {}).get(path)
        # absolute: workers have other working folders
        source = Source(path.absolute(), str(path), joints=given.absolute() if given else None)
        try:
            stat = path.stat()
            if path.is_dir():
                source.sha256 = _folder_digest(path, given, store)
            else:
                with path.open("rb"):
                    pass
                if stat.st_size == 0:
                    source.problem = "the file is empty (0 bytes); copy or record it again"
                else:
                    source.sha256 = _digest(path, stat, store)
            progress(stat.st_size)
        except OSError as e:
            part = f"{Path(e.filename).name} " if e.filename and Path(e.filename) != path else ""
            source.problem = f"{part}cannot be read ({e.strerror}); check the file and its permissions"
        known = sources.get(source.sha256 or source.name)
        if known is not None:
            known.also.append(path)
        else:
            sources[source.sha256 or source.name] = source
    return list(sources.values())


def content_digest(path: Path, joints: Path | None = None) -> str:
    """sha256 hex of a video's bytes, or of names and bytes of a folder's pictures and their joints.

    Raises
    ------
    OSError
        Something cannot be read.
    """
    if not path.is_dir():
        return sha256_file(path)
    digest = hashlib.sha256(b"ttprep-frames\0")
    for role, file in _parts(path, joints):
        digest.update(f"{role}\0{sha256_file(file)}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _parts(folder: Path, joints: Path | None) -> list[tuple[str, Path]]:
    """Name and path of everything that is a trial's content; where the joints lie is no part of it."""
    parts = [(path.name, path) for path in pictures_of(folder)]
    return [*parts, (f"/joints{joints.suffix.lower()}", joints)] if joints else parts


def _folder_digest(folder: Path, joints: Path | None, store: Store | None) -> str:
    signature, newest = _signature(folder, joints)
    note = store.note_path(folder) if store else None
    known = read_json(note) if note else None
    if isinstance(known, dict) and known.get("signature") == signature:
        return str(known["sha256"])
    digest = content_digest(folder, joints)
    settled = time.time() - newest > 2 and _signature(folder, joints)[0] == signature  # as for files
    if note and store and settled:
        with contextlib.suppress(OSError, StoreError):
            store.publish(note, {"path": str(folder.resolve()), "signature": signature, "sha256": digest})
    return digest


def _signature(folder: Path, joints: Path | None) -> tuple[str, float]:
    """What tells that nothing was touched, and the newest modification time."""
    stats = [(role, file.stat()) for role, file in _parts(folder, joints)]
    text = repr([(role, s.st_size, s.st_mtime_ns) for role, s in stats])
    return hashlib.sha256(text.encode()).hexdigest(), max((s.st_mtime for _, s in stats), default=0.0)


def _digest(path: Path, stat: os.stat_result, store: Store | None) -> str:
    note = store.note_path(path) if store else None
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
        with contextlib.suppress(OSError, StoreError):  # a note saves time, nothing else
            store.publish(note, {**content, "sha256": digest})
    return digest
