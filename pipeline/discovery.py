"""What lies in a folder that a user names: one search for videos, trials and annotation files.

Hidden files and folders are left out. Links are followed, and no folder is searched twice, so that links in a
circle end. What is left out is counted by kind.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

_CONTAINERS = (
    "264 265 3g2 3gp asf avi divx dv f4v flv gif h264 h265 hevc lrv m2t m2ts m2v m4v mjpeg mjpg mkv mod mov "
    "mp4 mpe mpeg mpg mts mxf ogm ogv qt tod ts vob webm wmv"
)
#: endings of video files, in lower case
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _CONTAINERS.split())
#: what systems put beside a user's files, besides names that begin with a dot
_SYSTEM = frozenset(
    {
        "__macosx", "@eadir", "$recycle.bin", "#recycle", "system volume information", "lost+found",
        "thumbs.db", "desktop.ini",
    }
)  # fmt: skip
#: suffixes that a note names
NAMED = 4
_SPECIAL = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is hidden, or the system's and not the user's."""
    return name.startswith(".") or name.casefold() in _SYSTEM


def special_kind(mode: int) -> str:
    """Return what a file is that must not be opened, such as ``a pipe``; empty for files and folders."""
    return next((kind for is_kind, kind in _SPECIAL if is_kind(mode)), "")


def nfc(text: str) -> str:
    """Return a name in the form in which names are compared: macOS writes é as e and an accent."""
    return unicodedata.normalize("NFC", text)


def on_disk(path: Path) -> Path:
    """Return the path as the disk spells it, where only Unicode's form differs from what is written."""
    if os.path.lexists(path) or not path.name or nfc(str(path)).isascii():
        return path
    parent = on_disk(path.parent)
    try:
        names = sorted(os.listdir(parent))
    except (OSError, ValueError):
        return path
    wanted = nfc(path.name)
    return next((parent / name for name in names if nfc(name) == wanted), path)


@dataclass
class Search:
    """Searches folders and keeps count of what it leaves out.

    Parameters
    ----------
    outside : tuple of Path
        Folders that are not searched, and not counted: the store.

    Attributes
    ----------
    problems : list of str
        Folders that cannot be searched, one line each.
    hidden, links : int
        Hidden files and folders; links to folders that are searched already, or that lead back.
    others : Counter of str
        Files that the caller has no use for, by suffix (:meth:`leave`).
    """

    outside: tuple[Path, ...] = ()
    problems: list[str] = field(default_factory=list)
    hidden: int = 0
    links: int = 0
    others: Counter[str] = field(default_factory=Counter)

    def folders(self, start: Path) -> Iterator[tuple[Path, list[str]]]:
        """Yield each folder below ``start``, itself too, with the names of its files in alphabetical order.

        Linked folders come after all others, so that a file is found under its own name first.
        """
        outside = {_identity(place) for place in self.outside} - {None}
        seen = {_identity(place) for place in Path(os.path.realpath(start)).parents}
        linked = [start]
        while linked:
            ahead = [linked.pop(0)]
            while ahead:
                folder = ahead.pop()
                identity = _identity(folder)
                if identity in outside:
                    continue
                if identity is not None and identity in seen:
                    self.links += 1
                    continue
                seen.add(identity)
                files, below, links = self._list(folder)
                yield folder, files
                ahead += reversed(below)
                linked += links

    def _list(self, folder: Path) -> tuple[list[str], list[Path], list[Path]]:
        """Return names of files, folders and linked folders in a folder."""
        files: list[str] = []
        below: list[Path] = []
        links: list[Path] = []
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda e: e.name)
        except OSError as e:
            self.problems.append(f"{folder}: cannot be searched ({e.strerror}); check permissions")
            return files, below, links
        for entry in found:
            if is_hidden(entry.name):
                self.hidden += 1
            elif _is_folder(entry):
                (links if entry.is_symlink() else below).append(folder / entry.name)
            else:
                files.append(entry.name)
        return files, below, links

    def leave(self, name: str) -> None:
        """Count a file that is not used."""
        self.others[PurePath(name).suffix.lower() or "without ending"] += 1

    def left_out(self) -> str:
        """Return what was left out, by kind, in words; empty where nothing was."""
        parts = []
        if self.others:
            n = self.others.total()
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in self.others.most_common(NAMED))
            more = ", …" if len(self.others) > NAMED else ""
            parts.append(f"{n} other {'file' if n == 1 else 'files'} ({kinds}{more})")
        if self.hidden:
            parts.append(f"{self.hidden} hidden")
        if self.links:
            parts.append(f"{self.links} {'link' if self.links == 1 else 'links'} to folders searched already")
        return ", ".join(parts)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return device and number of a folder: what it is, whatever it is called; None where it is not there."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@dataclass(frozen=True)
class Videos:
    """The video files under some paths.

    Attributes
    ----------
    files : tuple of Path
        Those named, and in folders those with an ending of :data:`VIDEO_SUFFIXES`; none twice.
    problems : tuple of str
        Paths that do not exist or cannot be searched.
    notes : tuple of str
        One line for each folder in which something was left out.
    """

    files: tuple[Path, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_videos(paths: Iterable[Path], store_root: Path) -> Videos:
    """Return the videos under the given paths: files as they are, folders searched recursively.

    Parameters
    ----------
    paths : iterable of Path
    store_root : Path
        Not searched.
    """
    found: dict[Path, None] = {}
    problems: list[str] = []
    notes: list[str] = []
    for path in map(on_disk, paths):
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            problems.append(f"{path}: no such file or folder; check the path")
            continue
        except (OSError, ValueError) as e:
            problems.append(f"{path}: cannot be reached ({_reason(e)}); check the path and its permissions")
            continue
        if not is_folder:
            found.setdefault(path)
            continue
        search, before = Search((store_root,)), len(found)
        for folder, names in search.folders(path):
            for name in names:
                if PurePath(name).suffix.lower() in VIDEO_SUFFIXES:
                    found.setdefault(folder / name)
                else:
                    search.leave(name)
        problems += search.problems
        left = search.left_out()
        if len(found) == before and not search.problems:
            notes.append(f"{path}: no video file found there; it holds {left or 'nothing'}{_hint(search)}")
        elif left:
            notes.append(f"{path}: left out: {left}")
    return Videos(tuple(found), tuple(problems), tuple(notes))


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _hint(search: Search) -> str:
    pictures = sum(search.others[suffix] for suffix in (".png", ".jpg", ".jpeg"))
    if 2 * pictures <= search.others.total():
        return ""
    return " (a folder of pictures is a source of the kind frames; see docs/sequences.md)"


def view_name(video: str, view: str) -> str:
    """Return what a view of a video is called, as ``match.mp4 (anna)``; none is the video itself."""
    return f"{video} ({view})" if view else video


def split_name(name: str) -> tuple[str, str]:
    """Split ``match.mp4 (anna)`` into video and view; a name without such an end has no view."""
    head, bracket, view = name.removesuffix(")").rpartition(" (")
    return (head, view) if bracket and name.endswith(")") else (name, "")


def real_path(path: Path, folders: dict[str, str]) -> str:
    """Return ``os.path.realpath(path)``, with the real paths of folders remembered in ``folders``.

    Ten thousand videos lie in a few folders.
    """
    folder, name = os.path.split(path)
    if name in ("", ".", ".."):
        return os.path.realpath(path)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    whole = os.path.join(folders[folder], name)
    return os.path.realpath(whole) if os.path.islink(whole) else whole
