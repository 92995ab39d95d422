"""Finding source videos and knowing them by their content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pipeline.discovery import real_path, special_kind, view_name
from pipeline.inputs.focus import Foci
from stages.focus import Focus
from stages.frames.folder import pictures_of
from store import Store, StoreError, sha256_file
from store.names import valid_text

#: s since the last change of a file from which on its time stamp is trusted
SETTLED_S = 2.0
#: threads that hash at a time: more do not read faster from one disk
HASHING_THREADS = 8
#: digits of a video's id that name it, at least
LEAST_ID = 8
#: bytes in all from which on threads are worth the time that importing joblib takes
PARALLEL_BYTES = 500 * 10**6


@dataclass(frozen=True)
class Source:
    """One video, known by its content; what planning finds out later is kept beside it.

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
    also : tuple of Path
        Other paths with the same content, and links to it.
    fps : float or None
        From the manifest.
    player, group : str
        From the manifest.
    joints : Path or None
        File of given joint positions, of a folder of pictures.
    label : str
        Of the sample that the whole video is; empty where nobody named it.
    sample : {"", "whole", "start"}
        Whether the video is one sample, and whether that begins at its start frame.
    foci : Foci
        Where its players are, from the manifest and tables of labels.
    focus : Focus or None
        Where the player of this view is; None: the whole picture is looked at.
    view : str
        What tells this view of the video from others: the player, or the focus of some of its strokes. Empty
        where the video as a whole is meant.
    hinted : bool
        Whether it is the view of strokes whose annotations say where to look.
    """

    path: Path
    name: str
    sha256: str = ""
    problem: str = ""
    also: tuple[Path, ...] = ()
    fps: float | None = None
    player: str = ""
    joints: Path | None = None
    label: str = ""
    sample: Literal["", "whole", "start"] = ""
    group: str = ""
    foci: Foci = ()
    focus: Focus | None = None
    view: str = ""
    hinted: bool = False

    @property
    def view_id(self) -> str:
        """What tells it from all other views: the sha256, with the view where there are several."""
        return f"{self.sha256}/{self.view}" if self.view else self.sha256

    @property
    def video(self) -> str:
        """The name without that of the view."""
        return self.name.removesuffix(f" ({self.view})") if self.view else self.name

    def is_called(self, word: str) -> bool:
        """Tell whether a user's word names this video, or this view of it.

        It does as its name, its path or the end of that, its file's name with suffix or without, each with
        the view or without, as ``match.mp4 (anna)``; and as the first digits of its id.
        """
        place, path = self.path.as_posix(), self.path
        names = {
            view_name(n, own) for n in (self.video, path.name, path.stem, place) for own in ("", self.view)
        }
        return (
            word == self.name
            or word in names
            or place.endswith(f"/{word}")
            or view_name(place, self.view).endswith(f"/{word}")
            or (len(word) >= LEAST_ID and self.sha256.startswith(word.lower()))
            or path.resolve() == Path(word).resolve()
        )

    @property
    def players(self) -> tuple[str, ...]:
        """The names of the players, where the video has several views by name."""
        return tuple(name for name, _ in self.foci if name)


def identify(
    paths: Iterable[Path],
    store: Store | None,
    progress: Callable[[int], None] = lambda n: None,
    joints: Mapping[Path, Path] | None = None,
) -> list[Source]:
    """Hash videos and folders of pictures, or take the hash of unchanged ones from the store's notes.

    A note holds only while path, size and modification time all agree; a touched file is hashed again and
    found to be the same. Several files are hashed at a time, by threads.

    Parameters
    ----------
    paths : iterable of Path
    store : Store or None
    progress : callable
        Told the bytes of each file done, by one thread at a time.
    joints : mapping of Path to Path, optional
        Folder of pictures → file of its given joint positions.

    Returns
    -------
    list of Source
        One per distinct content, first path first; later paths of the same content are in ``also``.
        Unreadable and empty files come with ``problem``.
    """
    items = [_Item(path, (joints or {}).get(path)) for path in paths]
    folders: dict[str, str] = {}
    contents = [_noted(item, store, folders) for item in items]
    new = [n for n, content in enumerate(contents) if content is None]
    lock = threading.Lock()

    def tell(size: int) -> None:
        with lock:
            progress(size)

    for content in contents:
        if content is not None and not content.problem:
            tell(content.size)
    for n, content in zip(new, _hash_all([items[n] for n in new], store, tell), strict=True):
        contents[n] = content
    sources: dict[str, Source] = {}
    for item, content in zip(items, contents, strict=True):
        assert content is not None
        key = content.sha256 or str(item.path)
        if key in sources:
            sources[key] = replace(sources[key], also=(*sources[key].also, item.path))
        else:
            # absolute: workers have other working folders
            given = item.joints.absolute() if item.joints else None
            sources[key] = Source(
                item.path.absolute(), str(item.path), content.sha256, content.problem, joints=given
            )
    return list(sources.values())


@dataclass(frozen=True)
class _Item:
    """A path to identify, with the file of its joints."""

    path: Path
    joints: Path | None


@dataclass(frozen=True)
class _Content:
    """What a path holds: the digest, or the problem."""

    sha256: str = ""
    problem: str = ""
    size: int = 0


def _hash_all(items: Sequence[_Item], store: Store | None, progress: Callable[[int], None]) -> list[_Content]:
    """Hash what no note vouches for, in the given order; by threads where that is worth their start."""

    def one(item: _Item) -> _Content:
        content = _hashed(item, store)
        if not content.problem:
            progress(content.size)
        return content

    if len(items) < 2 or sum(_bytes(item) for item in items) < PARALLEL_BYTES:
        return [one(item) for item in items]
    from joblib import Parallel, cpu_count, delayed

    threads = min(HASHING_THREADS, cpu_count(), len(items))
    # hashlib and the operating system's reads release the GIL
    return list(Parallel(n_jobs=threads, backend="threading")(delayed(one)(item) for item in items))


def _bytes(item: _Item) -> int:
    try:
        if item.path.is_dir():
            return sum(file.stat().st_size for _, file in _parts(item.path, item.joints))
        return item.path.stat().st_size
    except OSError:
        return 0


def _noted(item: _Item, store: Store | None, folders: dict[str, str]) -> _Content | None:
    """Return what a path holds as far as it is known without reading it, problems included."""
    try:
        stat = item.path.stat()
        problem = _special(item, stat)
        if problem:
            return _Content(problem=problem)
        if item.path.is_dir():
            digest = _folder_noted(item, store, folders)
        else:
            with item.path.open("rb"):
                pass
            if stat.st_size == 0:
                return _Content(problem="the file is empty (0 bytes); copy or record it again")
            digest = _file_noted(item, stat, store, folders)
    except OSError as e:
        return _unreadable(item, e)
    return _Content(digest, size=stat.st_size) if digest else None


def _special(item: _Item, stat: os.stat_result) -> str:
    """Return a problem where anything is no file: a pipe would be waited for, a device read for ever."""
    kind, name = special_kind(stat.st_mode), ""
    if not kind and item.path.is_dir():
        for _, part in _parts(item.path, item.joints):
            kind, name = special_kind(part.stat().st_mode), f"{part.name} "
            if kind:
                break
    return (
        f"{name}is {kind}, not a file, and is not opened; put a file in its place, or remove it"
        if kind
        else ""
    )


def _hashed(item: _Item, store: Store | None) -> _Content:
    """Read a path and return what it holds."""
    try:
        stat = item.path.stat()
        is_folder = item.path.is_dir()
        digest = _folder_digest(item, store) if is_folder else _file_digest(item, stat, store)
    except OSError as e:
        return _unreadable(item, e)
    return _Content(digest, size=stat.st_size)


def _unreadable(item: _Item, error: OSError) -> _Content:
    part = f"{Path(error.filename).name} " if error.filename and Path(error.filename) != item.path else ""
    return _Content(problem=f"{part}cannot be read ({error.strerror}); check the file and its permissions")


def content_digest(path: Path, joints: Path | None = None) -> str:
    """Return the sha256 hex of a video's bytes, or of names and bytes of a folder's pictures and joints.

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
    """Return name and path of everything that is a trial's content; where the joints lie is no part of it."""
    parts = [(path.name, path) for path in pictures_of(folder)]
    return [*parts, (f"/joints{joints.suffix.lower()}", joints)] if joints else parts


def _folder_noted(item: _Item, store: Store | None, folders: dict[str, str]) -> str:
    note = _read_note(item.path, store, folders)
    return str(note["sha256"]) if note and note.get("signature") == _signature(item)[0] else ""


def _folder_digest(item: _Item, store: Store | None) -> str:
    signature, newest = _signature(item)
    digest = content_digest(item.path, item.joints)
    settled = time.time() - newest > SETTLED_S and _signature(item)[0] == signature  # as for files
    if settled:
        _write_note(item.path, store, {"signature": signature, "sha256": digest})
    return digest


def _signature(item: _Item) -> tuple[str, float]:
    """Return what tells that nothing was touched, and the newest modification time."""
    stats = [(role, file.stat()) for role, file in _parts(item.path, item.joints)]
    text = repr([(role, s.st_size, s.st_mtime_ns) for role, s in stats])
    return hashlib.sha256(text.encode()).hexdigest(), max((s.st_mtime for _, s in stats), default=0.0)


def _file_noted(item: _Item, stat: os.stat_result, store: Store | None, folders: dict[str, str]) -> str:
    note = _read_note(item.path, store, folders)
    unchanged = note and (note.get("size"), note.get("mtime_ns")) == (stat.st_size, stat.st_mtime_ns)
    return str(note["sha256"]) if note and unchanged else ""


def _file_digest(item: _Item, stat: os.stat_result, store: Store | None) -> str:
    digest = sha256_file(item.path)
    # a file still being copied has a fresh time stamp and may change under us within its resolution
    settled = time.time() - stat.st_mtime > SETTLED_S
    if settled and item.path.stat().st_mtime_ns == stat.st_mtime_ns:
        _write_note(item.path, store, {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": digest})
    return digest


def _read_note(path: Path, store: Store | None, folders: dict[str, str]) -> dict[str, Any] | None:
    return store.source_note(path, Path(real_path(path, folders))) if store else None


def _write_note(path: Path, store: Store | None, content: dict[str, Any]) -> None:
    if store is not None:
        with contextlib.suppress(OSError, StoreError):  # a note saves time, nothing else
            place = valid_text(str(path.resolve()))
            store.publish(store.note_path(path), {"path": place, **content})
