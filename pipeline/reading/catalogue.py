"""What a store holds: its videos by name, their results, and what went wrong with them.

Only notes and receipts are read, and nothing is written, so that a catalogue may be made beside a run. A
result is known by its receipt; whether its file agrees is seen when that is opened.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from store import DamagedError, Receipt, Slot, Store
from store.names import SOURCES, recognise

#: s since a folder's last change from which on its time stamp tells whether it has changed again
SETTLED_S = 2.0


@dataclass(frozen=True)
class Fault:
    """What is known against a result.

    Attributes
    ----------
    stage : str
    kind : {"failed", "damaged"}
    reason : str
    key : str
        The first 16 digits of the result's key.
    at : float
        When, s since the epoch; 0 where nobody noted it.
    """

    stage: str
    kind: str
    reason: str
    key: str
    at: float = 0.0


@dataclass(frozen=True)
class Entry:
    """What a store holds of one video.

    Attributes
    ----------
    id : str
        First 16 digits of the sha256 of the video.
    paths : tuple of Path
        Where it lay when it was last read; those that exist come first. Empty where nobody noted it.
    receipts : tuple of Receipt
        Of the results that count as done, newest first.
    faults : tuple of Fault
        Of results that failed or are damaged, and that no newer result of the stage has replaced.
    """

    id: str
    paths: tuple[Path, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def name(self) -> str:
        """The name of its file or folder; the id where that is not known."""
        return self.paths[0].name if self.paths else self.id

    def of(self, stage: str) -> tuple[Receipt, ...]:
        """Return the receipts of a stage, newest first."""
        return tuple(r for r in self.receipts if r.stage == stage)

    def slot(self, receipt: Receipt) -> Slot:
        """Return where a result lies."""
        return Slot(self.id, receipt.stage, receipt.key)

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that are done, each once, in the order in which they were first made."""
        return tuple(dict.fromkeys(r.stage for r in reversed(self.receipts)))

    def fault(self, stage: str) -> Fault | None:
        """Return what is known against a stage, None where nothing is."""
        return next((f for f in self.faults if f.stage == stage), None)


@dataclass
class Catalogue:
    """Lists the videos of a store; what has not changed since it was last asked is not read again.

    Attributes
    ----------
    store : Store
    """

    store: Store
    _entries: dict[str, tuple[int, Entry]] = field(default_factory=dict)
    _places: tuple[int, dict[str, list[Path]]] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"store": self.store, "_entries": {}, "_places": None}

    def entries(self) -> list[Entry]:
        """Return all videos that have a folder in the store, by name."""
        found = [self.entry(video) for video in self.store.videos()]
        return sorted(found, key=lambda e: (not e.paths, e.name.casefold(), e.id))

    def entry(self, video: str) -> Entry:
        """Return one video by its id.

        Raises
        ------
        StoreError
            ``video`` is no id.
        """
        folder = self.store.folder(video)
        stamp, known = _stamp(folder), self._entries.get(folder.name)
        places = self._noted().get(folder.name, [])
        if known is not None and stamp and known[0] == stamp:
            entry = known[1]
        else:
            entry = self._read(folder.name)
            self._entries[folder.name] = (stamp, entry)
        return Entry(entry.id, _places(places) or entry.paths, entry.receipts, entry.faults)

    def _noted(self) -> dict[str, list[Path]]:
        """Return the paths that the store's notes name, by video."""
        stamp = _stamp(self.store.root / SOURCES)
        if self._places is None or not stamp or self._places[0] != stamp:
            found: dict[str, list[Path]] = defaultdict(list)
            for note in self.store.source_notes():
                found[note["sha256"][:16]].append(Path(note["path"]))
            self._places = (stamp, dict(found))
        return self._places[1]

    def _read(self, video: str) -> Entry:
        receipts: list[Receipt] = []
        faults: list[Fault] = []
        for path in sorted(self.store.folder(video).glob("*.json")):
            name = recognise(path, self.store.root)
            if name is None or name.kind not in ("receipt", "failed", "damaged"):
                continue
            try:
                if name.kind == "receipt":
                    receipt = Receipt.read(path, unsigned=self.store.unsigned)
                    if receipt is not None and str(receipt.parts.get("source", video))[:16] != video:
                        raise DamagedError("its receipt belongs to another video", path)
                    receipts += [receipt] if receipt is not None else []
                    continue
                note = self.store.note(path, name.kind)
                if note is not None:
                    text, at = str(note["reason"]) or name.kind, float(note.get("at", 0.0))
                    faults.append(Fault(name.stage, name.kind, text, name.key, at))
            except DamagedError as e:
                faults.append(Fault(name.stage, "damaged", e.reason, name.key))
            except OSError as e:
                faults.append(Fault(name.stage, "damaged", f"cannot be read ({e.strerror})", name.key))
        receipts.sort(key=lambda r: -finished(r))
        bad = {(f.stage, f.key) for f in faults if f.kind == "damaged"}
        done = [r for r in receipts if (r.stage, r.key[:16]) not in bad]
        paths = [Path(str(r.run["source"])) for r in done if r.run.get("source")]
        return Entry(video, _places(paths[:1]), tuple(done), tuple(_standing(faults, done)))


def _standing(faults: Iterable[Fault], done: list[Receipt]) -> Iterable[Fault]:
    """Leave out what a newer result of the same stage has made up for."""
    newest: dict[str, float] = {}
    for receipt in done:
        newest.setdefault(receipt.stage, finished(receipt))
    for fault in faults:
        replaced = fault.stage in newest and (fault.kind == "damaged" or newest[fault.stage] >= fault.at)
        if not replaced:
            yield fault


def finished(receipt: Receipt) -> float:
    """Return when a result was finished, s since the epoch."""
    return float(receipt.run.get("finished", 0.0))


def _places(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(sorted(dict.fromkeys(paths), key=lambda p: (not os.path.exists(p), str(p))))


def _stamp(folder: Path) -> int:
    """Return what changes with the names in a folder; 0 where a change may have gone unseen."""
    with contextlib.suppress(OSError):
        changed = folder.stat().st_mtime_ns
        if time.time_ns() - changed > SETTLED_S * 1e9:
            return changed
    return 0
