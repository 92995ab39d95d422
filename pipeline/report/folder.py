"""The folder of a report: only what ttprep wrote there is written over or removed.

A report goes into a new or empty folder, or one that holds :data:`MARKER`. Every file in it bears
:data:`MARK` in its content; whatever does not is somebody else's and is neither replaced nor removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import USAGE, UserError
from pipeline.terminal import readable, valid_value
from store.atomic import make_folder, read_json, read_regular, replacing, temp_owner_alive, write_bytes
from store.errors import ForeignError
from store.names import parse_temporary
from store.notes import CHECKSUM, checksum, signed

MARKER = "ttprep-report.json"
FORMAT = "ttprep-report"
VERSION = 1
#: stands in every page, script, note and film
MARK = "made by ttprep report"
#: where pages, notes and films of the videos lie, and what all pages share
VIDEOS, ASSETS = "videos", "assets"
#: where pages and notes of comparisons lie; their names begin with the id of the stroke's video
COMPARISONS = "comparisons"
#: bytes of a file in which its mark must stand; the index of a long film comes before it
_MOST = 1 << 24


class Folder:
    """A report's folder, open for writing.

    Parameters
    ----------
    path : Path
        Made where it is not there.

    Attributes
    ----------
    nonce : str
        Word that the pages' scripts and styles carry, so that a browser runs no others; nobody who names a
        video can know it.

    Raises
    ------
    UserError
        It holds other things, is a file, or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.nonce = self._claim()
        self._sweep()

    def _claim(self) -> str:
        path = self.path
        try:
            path.mkdir(parents=True, exist_ok=True)
            there = sorted(entry.name for entry in path.iterdir())
        except FileExistsError:
            raise UserError(f"{path}: is a file; name a folder for the report", USAGE) from None
        except OSError as e:
            raise UserError(f"{path}: cannot be used ({e.strerror}); name another folder", USAGE) from e
        marker = path / MARKER
        if MARKER in there and not marker.is_symlink():
            found = read_json(marker)
            if isinstance(found, dict) and found.get("format") == FORMAT:
                nonce = found.get("nonce")
                if isinstance(nonce, str) and re.fullmatch(r"[0-9a-f]{32}", nonce):
                    return nonce
            raise UserError(
                f"{marker}: is damaged, so nothing tells whose folder it is; delete this file and what you"
                " do not need beside it, or name another folder",
                USAGE,
            )
        others = [name for name in there if not parse_temporary(name)]
        if others:
            raise UserError(
                f"{path}: holds {readable(others[0])} and is no report of ttprep; name a new or empty folder,"
                f" e.g. -o {shlex.quote(str(path / 'report'))}",
                USAGE,
            )
        nonce = secrets.token_hex(16)
        value = {"format": FORMAT, "version": VERSION, "nonce": nonce}
        self._write(marker, json.dumps(value).encode() + b"\n")
        return nonce

    def _sweep(self) -> None:
        """Remove what a killed report left half written."""
        for folder in (self.path, self.path / VIDEOS, self.path / ASSETS, self.path / COMPARISONS):
            with contextlib.suppress(OSError):
                for path in list(folder.iterdir()):
                    if parse_temporary(path.name) and not path.is_symlink() and not temp_owner_alive(path):
                        path.unlink()

    def claim(self, name: str) -> Path:
        """Return the path of a file of the report that is about to be written.

        Raises
        ------
        UserError
            Somebody else put something there.
        """
        path = self.path / name
        try:
            make_folder(path.parent, self.path)
            free = not os.path.lexists(path) or is_own(path)
        except ForeignError as e:
            raise UserError(str(e), USAGE) from e
        except OSError as e:
            raise UserError(f"{path}: cannot be written ({e.strerror}); name another folder", USAGE) from e
        if not free:
            raise UserError(
                f"{path}: was not made by ttprep and is not replaced; move it, or name another folder", USAGE
            )
        return path

    def _write(self, path: Path, data: bytes) -> None:
        try:
            write_bytes(path, data, self.path)
        except OSError as e:
            raise UserError(f"{path}: cannot be written ({e.strerror}); name another folder") from e

    def write(self, name: str, text: str) -> bool:
        """Write a page, script or note; tell whether it differs from the one that lay there."""
        path, data = self.claim(name), text.encode("utf-8", "backslashreplace")
        if MARK.encode() not in data:
            raise ValueError(f"{name}: bears no mark")
        if read_regular(path, len(data) + 1, follow=False) == data:
            return False
        self._write(path, data)
        return True

    def write_note(self, name: str, value: dict[str, Any]) -> None:
        """Write what a later report may use again, as JSON."""
        note = signed({"by": MARK, **valid_value(value)})
        self.write(name, json.dumps(note, ensure_ascii=False) + "\n")

    def read_note(self, name: str) -> dict[str, Any]:
        """Return what :meth:`write_note` wrote; empty where there is none, or it is damaged."""
        path = self.path / name
        found = None if path.is_symlink() else read_json(path)
        if not isinstance(found, dict) or found.get("by") != MARK or found.get(CHECKSUM) != checksum(found):
            return {}
        return {k: v for k, v in found.items() if k not in ("by", CHECKSUM)}

    @contextlib.contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """Yield a temporary path that becomes ``name`` when the block ends well.

        Raises
        ------
        UserError
            It cannot be written, or somebody else put something there.
        """
        path = self.claim(name)
        try:
            with replacing(path, self.path) as temp:
                yield temp
        except OSError as e:
            raise UserError(f"{path}: cannot be written ({e.strerror}); name another folder") from e

    def comparisons(self) -> list[dict[str, str]]:
        """Return title, verdict and page of each comparison that ``ttprep compare`` wrote here."""
        found = []
        with contextlib.suppress(OSError):
            for path in sorted((self.path / COMPARISONS).glob("*.json")):
                note = self.read_note(f"{COMPARISONS}/{path.name}")
                page = f"{COMPARISONS}/{path.stem}.html"
                if note and (self.path / page).is_file():
                    told = {key: readable(note.get(key, "")) for key in ("title", "verdict")}
                    found.append(told | {"page": page})
        return found

    def prune(self, kept: set[str]) -> int:
        """Remove own files of videos that are not among ``kept`` (their ids); return how many."""
        gone = 0
        for folder in (VIDEOS, COMPARISONS):
            with contextlib.suppress(OSError):
                for path in sorted((self.path / folder).iterdir()):
                    if path.name[:16] not in kept and not path.is_symlink() and is_own(path):
                        path.unlink()
                        gone += 1
        return gone


def is_own(path: Path) -> bool:
    """Tell whether a file bears the mark of a report.

    Raises
    ------
    OSError
        It cannot be read.
    """
    data = read_regular(path, _MOST, follow=False)
    return data is not None and MARK.encode() in data
