"""The store: a folder of feature files, with one folder per video, named by content.

``STORE/videos/<first 16 digits of the video's sha256>/<stage>-<first 16 digits of the key>.h5`` with its
receipt ``….json``; a failure leaves ``….failed.json``, a file found damaged gets ``….damaged.json``. A
renamed video has the same content, and so the same folder. Results of other parameters stay beside the
new ones until ``gc`` removes them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from store import names
from store.atomic import make_folder, replacing, write_json
from store.errors import DamagedError, StoreError
from store.feature import Column, FeatureReader, FeatureWriter
from store.lock import LockKind, StoreLock
from store.marker import make_store, version_of
from store.names import DIGITS, result_stem
from store.notes import SIGNED_VERSION, read_note, signed
from store.ownership import claim
from store.receipt import Receipt, check_file, sha256_file
from store.sealed_file import header_of


@dataclass(frozen=True)
class Slot:
    """Name the place of one result: a video, a stage and a key.

    Attributes
    ----------
    video : str
        sha256 of the video's bytes.
    stage : str
    key : str
        sha256 hex of everything the result depends on.
    """

    video: str
    stage: str
    key: str


class Store:
    """Give access to an existing store; see :meth:`create` and :meth:`open`.

    Attributes
    ----------
    root : Path
    unsigned : bool
        Whether notes without a checksum are believed: those of a store that 0.1.0 made.
    remarks : list of str
        One line for each note that was found wrong and does no harm, because it is made anew.
    """

    def __init__(self, root: Path, *, unsigned: bool = True) -> None:
        self.root = root.absolute()  # workers have other working folders
        self.unsigned = unsigned
        self.remarks: list[str] = []

    @classmethod
    def open(cls, root: Path) -> Store:
        """Open an existing store.

        Raises
        ------
        NoStoreError
            Nothing there, something else there, a newer format, or a damaged marker.
        """
        return cls(root, unsigned=version_of(root) < SIGNED_VERSION)

    @classmethod
    def create(cls, root: Path) -> Store:
        """Open a store; make it first where the folder is missing or empty.

        Raises
        ------
        NoStoreError
            The folder holds other things, or cannot be made.
        """
        make_store(root)
        return cls.open(root)

    def lock(self, kind: LockKind, wait: float = 0.0) -> StoreLock:
        """Return a lock on this store; see :class:`store.lock.StoreLock`."""
        return StoreLock(self.root, kind, wait)

    # -- places -----------------------------------------------------------------------------

    @property
    def videos_folder(self) -> Path:
        """The folder of all videos' folders."""
        return self.root / names.VIDEOS

    def folder(self, video: str) -> Path:
        """Return the folder of one video's results.

        Raises
        ------
        StoreError
            ``video`` does not begin with 16 hex digits.
        """
        if not names.is_video(video[:DIGITS]):
            raise StoreError(f"{video!r} is not the sha256 of a video")
        return self.videos_folder / video[:DIGITS]

    def path(self, slot: Slot) -> Path:
        """Return the place of a result's HDF5 file."""
        return self.folder(slot.video) / f"{_stem(slot)}.h5"

    def beside(self, slot: Slot, suffix: str) -> Path:
        """Return a companion of the result's file: ``.json``, ``.failed.json``, ``.damaged.json``."""
        return self.path(slot).with_suffix(suffix)

    def part_path(self, slot: Slot, rows: tuple[int, int]) -> Path:
        """Return the place of a part of a result, rows [begin, end), until the whole is assembled."""
        return self.folder(slot.video) / names.PARTS / f"{_stem(slot)}-{rows[0]:08d}.h5"

    def note_path(self, source: Path) -> Path:
        """Return the place of the note about a source file or folder: named by its resolved path."""
        return self._note_path(source.resolve())

    def _note_path(self, resolved: Path) -> Path:
        return self.root / names.SOURCES / f"{hashlib.sha256(os.fsencode(resolved)).hexdigest()[:24]}.json"

    def splits_path(self, rule: Mapping[str, Any]) -> Path:
        """Return the place of the table of splits of a rule: named by the rule's JSON text."""
        text = json.dumps(rule, sort_keys=True)
        return self.root / names.SPLITS / f"{hashlib.sha256(text.encode()).hexdigest()[:DIGITS]}.json"

    # -- listing ----------------------------------------------------------------------------

    def videos(self) -> list[str]:
        """Return the folder names (16 hex digits) of all videos with results."""
        return sorted(p.name for p in self.videos_folder.iterdir() if names.is_video(p.name) and p.is_dir())

    def features(self, video: str) -> list[Path]:
        """Return the feature files of a video, sealed or not."""
        found = self.folder(video).glob("*.h5")
        return sorted(p for p in found if (n := names.recognise(p, self.root)) and n.kind == "feature")

    def receipts(self, video: str) -> Iterator[Receipt]:
        """Yield all sound receipts of a video, newest first."""
        found = []
        for path in self.folder(video).glob("*.json"):
            if path.name.count(".") != 1:  # quicker than :meth:`receipt_files`
                continue
            with contextlib.suppress(DamagedError, OSError):
                if (receipt := Receipt.read(path, unsigned=self.unsigned)) is not None:
                    found.append(receipt)
        return iter(sorted(found, key=lambda r: -float(r.run.get("finished", 0))))

    def receipt_files(self, video: str) -> list[Path]:
        """Return the files of all receipts of a video, sound or not."""
        found = self.folder(video).glob("*.json")
        return sorted(p for p in found if (n := names.recognise(p, self.root)) and n.kind == "receipt")

    def note(self, path: Path, kind: str) -> dict[str, Any] | None:
        """Return the content of one of the store's notes, None where there is none.

        Raises
        ------
        DamagedError
            It is not what the store wrote.
        OSError
            It cannot be read now.
        """
        return read_note(path, kind, unsigned=self.unsigned)

    def source_note(self, source: Path, resolved: Path | None = None) -> dict[str, Any] | None:
        """Return the note about a source file or folder, None where there is none to be believed.

        A damaged one is remarked on; the source is then hashed again.
        """
        place = resolved or source.resolve()
        path = self._note_path(place)
        try:
            note = self.note(path, "source")
            if note and note["path"] != str(place):
                raise DamagedError(f"{path}: is the note about {note['path']!r}, not {source}", path)
        except DamagedError as e:
            self.remarks.append(f"{e}; {source.name} is hashed again")
            return None
        except OSError:
            return None
        return note

    def source_notes(self) -> Iterator[dict[str, Any]]:
        """Yield the notes on source files: ``path``, ``sha256``, and what shows that they are unchanged."""
        for path in sorted((self.root / names.SOURCES).glob("*.json")):
            with contextlib.suppress(DamagedError, OSError):
                yield from filter(None, [self.note(path, "source")])

    # -- state ------------------------------------------------------------------------------

    def receipt(self, slot: Slot) -> Receipt | None:
        """Return the receipt of a result that is there, complete and not known to be damaged.

        Size and modification time are compared with the receipt's. Where the time differs (a copied
        store, or a byte changed behind our back) the file is hashed and judged by its content.

        Raises
        ------
        OSError
            It cannot be read now, which says nothing about it.
        """
        try:
            receipt = Receipt.read(self.beside(slot, ".json"), unsigned=self.unsigned)
        except DamagedError:
            return None  # see :meth:`damage`
        if receipt is None or receipt.key != slot.key or self._marked(slot):
            return None
        problem = check_file(self.path(slot), receipt, read_data=False)
        if problem:
            self.mark_damaged(slot, problem)
            return None
        self._refresh(slot, receipt)
        return receipt

    def _refresh(self, slot: Slot, receipt: Receipt) -> None:
        now = self.path(slot).stat().st_mtime_ns
        if now != receipt.mtime_ns:
            # hashed just now and found good: remember, so that it is not hashed at every run
            with contextlib.suppress(OSError, StoreError):
                self.publish(self.beside(slot, ".json"), replace(receipt, mtime_ns=now).to_json())

    def mark_damaged(self, slot: Slot, reason: str) -> None:
        """Note that a file must not be used; the next run computes it anew."""
        with contextlib.suppress(OSError, StoreError):  # a read-only store still gets its verdict reported
            self.publish(self.beside(slot, ".damaged.json"), {"reason": reason})

    def damage(self, slot: Slot) -> str:
        """Return why a file must not be used, empty where nothing is known against it."""
        try:
            Receipt.read(self.beside(slot, ".json"), unsigned=self.unsigned)
        except DamagedError as e:
            return f"its receipt is damaged ({e.reason})"
        except OSError:
            return ""
        return self._marked(slot)

    def _marked(self, slot: Slot) -> str:
        try:
            note = self.note(self.beside(slot, ".damaged.json"), "damaged")
        except DamagedError as e:
            return f"the note that says why is damaged itself ({e.reason})"
        except OSError as e:
            return f"the note that says why cannot be read ({e.strerror})"
        return (note["reason"] or "damaged") if note is not None else ""

    def failure(self, slot: Slot) -> dict[str, Any] | None:
        """Return the record of the last failed attempt."""
        try:
            return self.note(self.beside(slot, ".failed.json"), "failed")
        except (DamagedError, OSError):
            return {"reason": "for a reason that cannot be read any more"}

    def set_failure(self, slot: Slot, reason: str) -> None:
        """Record a failed attempt, for ``status``."""
        with contextlib.suppress(OSError, StoreError):
            self.publish(self.beside(slot, ".failed.json"), {"reason": reason, "at": time.time()})

    # -- reading and writing ----------------------------------------------------------------

    def reader(self, slot: Slot) -> FeatureReader:
        """Return a reader of a result that opens its file when it is first used.

        What decides how the file is read is compared with the receipt then; a file found damaged is
        marked so.
        """
        return FeatureReader(self.path(slot), partial(self.voucher, slot), partial(self.mark_damaged, slot))

    def voucher(self, slot: Slot) -> Receipt:
        """Return what vouches for a result's file; DamagedError where nothing does."""
        receipt = Receipt.read(self.beside(slot, ".json"), unsigned=self.unsigned)
        if receipt is None or receipt.key != slot.key:
            raise DamagedError(f"{self.path(slot)}: has no receipt", self.path(slot))
        return receipt

    @contextlib.contextmanager
    def writing(
        self, slot: Slot, columns: tuple[Column, ...], attrs: Mapping[str, Any]
    ) -> Iterator[FeatureWriter]:
        """Yield a writer for a result; the block must end with ``writer.close()``.

        When the block ends well the file is reopened, checked and renamed into place. It counts as done
        only after :meth:`seal`. On any error nothing stays.

        Raises
        ------
        OSError
            The disk refused.
        DamagedError
            What was written does not read back.
        ForeignError
            Something that ttprep did not make lies in the file's place, or the way there is a link.
        """
        claim(self.beside(slot, ".json"), self.root)  # now, not when all is computed
        with self._writing(self.path(slot), columns, attrs) as writer:
            yield writer

    @contextlib.contextmanager
    def writing_part(
        self, slot: Slot, rows: tuple[int, int], columns: tuple[Column, ...], attrs: Mapping[str, Any]
    ) -> Iterator[FeatureWriter]:
        """Yield a writer for a part of a result, as :meth:`writing` does for the whole."""
        with self._writing(self.part_path(slot, rows), columns, attrs) as writer:
            yield writer

    @contextlib.contextmanager
    def _writing(
        self, path: Path, columns: tuple[Column, ...], attrs: Mapping[str, Any]
    ) -> Iterator[FeatureWriter]:
        claim(path, self.root)
        with replacing(path, self.root) as temp:
            try:
                writer = FeatureWriter(temp, columns, attrs)
            except FileNotFoundError:  # another run has swept the folder of parts away: it was empty
                make_folder(temp.parent, self.root)
                writer = FeatureWriter(temp, columns, attrs)
            try:
                yield writer
            finally:
                writer.abandon()
            _check_whole(temp, path, columns)

    def publish(self, path: Path, note: Mapping[str, Any]) -> None:
        """Write a JSON note of the store atomically, with a checksum.

        Raises
        ------
        OSError
            The disk refused.
        ForeignError
            Something that ttprep did not make lies in the note's place, or the way there is a link.
        """
        claim(path, self.root)
        write_json(path, signed(note), within=self.root)

    def discard(self, path: Path) -> None:
        """Remove a file of the store if it is there; a ForeignError if it is not the store's own."""
        claim(path, self.root)
        path.unlink(missing_ok=True)

    def seal(
        self,
        slot: Slot,
        version: int,
        parts: dict[str, Any],
        shapes: dict[str, list[int]],
        attrs: dict[str, Any],
        run: dict[str, Any],
    ) -> Receipt:
        """Publish the receipt of a written file: from here on it counts as done."""
        path = self.path(slot)
        stat = path.stat()
        receipt = Receipt(
            stage=slot.stage,
            version=version,
            key=slot.key,
            parts=parts,
            size=stat.st_size,
            mtime_ns=stat.st_mtime_ns,
            sha256=sha256_file(path),
            shapes=shapes,
            attrs=attrs,
            run={**run, "finished": time.time()},
            header=header_of(path).to_json(),
        )
        self.publish(self.beside(slot, ".json"), receipt.to_json())
        for suffix in (".damaged.json", ".failed.json"):
            self.discard(self.beside(slot, suffix))
        return receipt


def _stem(slot: Slot) -> str:
    if not (names.is_stage(slot.stage) and names.is_sha256(slot.key)):
        raise StoreError(f"{slot.stage!r} with key {slot.key!r} is no name for a result")
    return result_stem(slot.stage, slot.key)


def _check_whole(temp: Path, path: Path, columns: tuple[Column, ...]) -> None:
    """Raise where a chunk was never written: it would read as zeros."""
    with FeatureReader(temp) as check:
        for column in columns:
            data = check.dataset(column.name)
            chunks = -(-len(data) // data.chunks[0]) if data.chunks else 0
            for n, c in zip(data.shape[1:], data.chunks[1:], strict=True):
                chunks *= -(-n // c)
            if data.id.get_num_chunks() != chunks:
                raise DamagedError(f"{path}: {column.name} has {data.id.get_num_chunks()}/{chunks} chunks")
