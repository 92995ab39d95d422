"""Check a store against its receipts, and its notes against their checksums."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from store.errors import DamagedError
from store.names import PARTS, SOURCES, SPLITS, recognise
from store.notes import read_note
from store.ownership import is_own, look
from store.receipt import Receipt, check_file
from store.store import Slot, Store

ANEW = "run `ttprep run` to make it anew"
#: where a run would leave a file alone, for it may be the user's
AWAY = "it is not recognised as ttprep's; move it out of the store and run `ttprep run`"
#: kind of a note outside the videos' folders → its folder, and what to do about a damaged one
_NOTES = {
    "source": (SOURCES, "the next `ttprep run` reads the video again"),
    "splits": (
        SPLITS,
        "restore it from a backup, or delete it to assign all samples anew (some will move to another split)",
    ),
}
#: kinds of notes beside results
_NOTES_OF_RESULTS = ("failed", "damaged", "part note")


@dataclass(frozen=True)
class Finding:
    """Hold the verdict on one file.

    Attributes
    ----------
    path : Path
    size : int
        Bytes.
    problem : str
        Empty where the file is sound.
    unreadable : bool
        The problem is that the file cannot be read now, which says nothing about its bytes.
    remedy : str
        What to do about it.
    """

    path: Path
    size: int
    problem: str
    unreadable: bool = False
    remedy: str = ""


def verify(store: Store, *, read_data: bool = False) -> Iterator[Finding]:
    """Check every feature file; mark those found damaged, so that the next run makes them anew.

    Parameters
    ----------
    store : Store
    read_data : bool
        Also hash every byte and read every chunk through its checksum. Otherwise only existence, size,
        structure and header are checked, and the hash where the modification time is not the published one.

    Yields
    ------
    Finding
        One per result, and one per note that is wrong or cannot be read.
    """
    for video in store.videos():
        for path in store.receipt_files(video):
            finding = _result(store, video, path, read_data)
            if finding is not None:
                yield finding
        folder_of = store.folder(video)
        for path in sorted((*folder_of.glob("*.json"), *folder_of.glob(f"{PARTS}/*.json"))):
            name = recognise(path, store.root)
            if name is not None and name.kind in _NOTES_OF_RESULTS:
                finding = _note(store, path, name.kind, ANEW)
                if finding is not None:
                    yield finding
    for kind, (folder, remedy) in _NOTES.items():
        for path in sorted((store.root / folder).glob("*.json")):
            finding = _note(store, path, kind, remedy)
            if finding is not None:
                yield finding


def _unreadable(path: Path, error: OSError | MemoryError) -> Finding:
    if isinstance(error, MemoryError):
        return Finding(path, 0, "cannot be read (out of memory)", True, "free some and verify again")
    reason = error.strerror or str(error)
    place = f" in {error.filename}" if error.filename and Path(error.filename) != path else ""
    return Finding(path, 0, f"cannot be read ({reason}{place})", True, "mend that and verify again")


def _result(store: Store, video: str, path: Path, read_data: bool) -> Finding | None:
    """Check a receipt and its file.

    A file without a receipt is no finding: killed between publishing the two, nobody takes it for done.
    """
    feature = path.with_suffix(".h5")
    try:
        receipt = Receipt.read(path, unsigned=store.unsigned)
    except DamagedError as e:
        return Finding(feature, 0, f"its receipt is damaged ({e.reason})", False, ANEW)
    except OSError as e:
        return _unreadable(path, e)
    if receipt is None:  # gone meanwhile
        return None
    slot = Slot(video, receipt.stage, receipt.key)
    try:
        problem = _problem(store, slot, receipt, read_data)
    except (OSError, MemoryError) as e:
        return _unreadable(feature, e)
    if problem:
        store.mark_damaged(slot, problem)
    else:
        problem = store.damage(slot)
    return Finding(feature, receipt.size, problem, False, ANEW if problem else "")


def _problem(store: Store, slot: Slot, receipt: Receipt, read_data: bool) -> str:
    path = store.path(slot)
    problem = check_file(path, receipt, read_data=read_data)
    if problem:
        return problem
    try:
        with store.reader(slot) as reader:
            attrs = reader.attrs()
            if attrs.get("key") != receipt.key:
                return "holds another result than its receipt says"
            for name, value in receipt.attrs.items():
                if name in attrs and _plain(attrs[name]) != _plain(value):
                    return f"its receipt says {name} = {value!r}, the file {attrs[name]!r}"
            for name, shape in receipt.shapes.items():
                if list(reader.dataset(name).shape) != shape:
                    return f"{name} has shape {reader.dataset(name).shape} instead of {tuple(shape)}"
                if read_data:
                    rows = (reader.dataset(name).chunks or (1,))[0]
                    for start in range(0, shape[0], rows):
                        reader.read(name, start, min(start + rows, shape[0]))
    except DamagedError as e:
        return e.reason
    return ""


def _plain(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _note(store: Store, path: Path, kind: str, remedy: str) -> Finding | None:
    try:
        read_note(path, kind, unsigned=store.unsigned)
    except DamagedError as e:
        entry = look(path, store.root)
        if kind != "splits" and entry is not None and not is_own(entry):
            remedy = AWAY
        return Finding(path, 0, f"is damaged ({e.reason})", False, remedy)
    except OSError as e:
        return _unreadable(path, e)
    return None
