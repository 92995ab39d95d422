"""The store: a folder of feature files, one folder a video, named by content.

``STORE/videos/<first 16 of the video's sha256>/<stage>-<first 16 of the key>.h5`` with its receipt
``….json``; a failure leaves ``….failed.json``, a file found damaged gets ``….damaged.json``. A
renamed video has the same content, so the same folder. Results of other parameters stay beside the
new ones until ``gc``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store.atomic import read_json, replacing, write_json
from store.errors import DamagedError, NoStoreError
from store.feature import FORMAT, Column, FeatureReader, FeatureWriter
from store.lock import StoreLock
from store.receipt import Receipt, check_file, sha256_file

MARKER = "ttprep-store.json"
STORE_VERSION = 1


_FOLDERS = ("videos", "locks", "sources")


def _only_ours(root: Path) -> bool:
    # another process may be making the same store at this moment
    return all(p.name in _FOLDERS or p.name.startswith(MARKER) for p in root.iterdir())


@dataclass(frozen=True)
class Slot:
    """The place of one result: a video, a stage and a key.

    Attributes
    ----------
    video : str
        sha256 of the video's bytes; ``dataset`` for results over all videos.
    stage : str
    key : str
        sha256 hex of everything the result depends on.
    """

    video: str
    stage: str
    key: str


class Store:
    """An existing store; see :meth:`create` and :meth:`open`."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()  # workers have other working folders

    @classmethod
    def open(cls, root: Path) -> Store:
        """Open an existing store.

        Raises
        ------
        NoStoreError
            Nothing there, something else there, or a newer format.
        """
        marker = read_json(root / MARKER)
        if not isinstance(marker, dict) or marker.get("format") != "ttprep-store":
            if root.exists() and not root.is_dir():
                raise NoStoreError(f"{root}: is a file, not a store; give a folder with --store")
            what = "holds no ttprep store" if root.exists() else "does not exist"
            raise NoStoreError(f"{root}: {what}; make one with `ttprep run`, or give another with --store")
        if marker.get("version") != STORE_VERSION:
            raise NoStoreError(
                f"{root}: store version {marker.get('version')}, this ttprep reads {STORE_VERSION}; "
                "use the ttprep that made it, or another --store"
            )
        return cls(root)

    @classmethod
    def create(cls, root: Path) -> Store:
        """Open a store, making it first where the folder is missing or empty.

        Raises
        ------
        NoStoreError
            The folder holds other things, or cannot be made.
        """
        if (root / MARKER).exists():
            return cls.open(root)
        try:
            if root.exists() and (not root.is_dir() or not _only_ours(root)):
                raise NoStoreError(
                    f"{root}: is not a ttprep store and not empty; give a new or empty folder with --store"
                )
            root.mkdir(parents=True, exist_ok=True)
            for name in _FOLDERS:
                (root / name).mkdir(exist_ok=True)
            write_json(root / MARKER, {"format": "ttprep-store", "version": STORE_VERSION})
        except OSError as e:
            raise NoStoreError(f"{root}: cannot be made ({e.strerror}); give another with --store") from e
        return cls(root)

    def lock(self, kind: Any) -> StoreLock:
        """A lock on this store; see :class:`store.lock.StoreLock`."""
        return StoreLock(self.root / "locks", kind)

    # -- places -----------------------------------------------------------------------------

    def folder(self, video: str) -> Path:
        """The folder of one video's results."""
        return self.root / "videos" / video[:16]

    def path(self, slot: Slot) -> Path:
        """Where a result's HDF5 file lies."""
        return self.folder(slot.video) / f"{slot.stage}-{slot.key[:16]}.h5"

    def beside(self, slot: Slot, suffix: str) -> Path:
        """A companion of the result's file: ``.json``, ``.failed.json``, ``.damaged.json``."""
        return self.path(slot).with_suffix(suffix)

    def receipts(self, video: str) -> Iterator[Receipt]:
        """All receipts of a video, newest first."""
        files = [p for p in self.folder(video).glob("*.json") if p.name.count(".") == 1]
        found = [r for p in files if (r := Receipt.read(p)) is not None]
        return iter(sorted(found, key=lambda r: -float(r.run.get("finished", 0))))

    def videos(self) -> list[str]:
        """Folder names (16 hex digits) of all videos with results."""
        return sorted(p.name for p in (self.root / "videos").iterdir() if p.is_dir())

    # -- state ------------------------------------------------------------------------------

    def receipt(self, slot: Slot) -> Receipt | None:
        """The receipt of a result that is there, complete and not known to be damaged.

        Size and modification time are compared with the receipt's; where the time differs (a copied
        store, or a byte changed behind our back) the file is hashed and judged by its content.
        """
        receipt = Receipt.read(self.beside(slot, ".json"))
        if receipt is None or receipt.key != slot.key or self.beside(slot, ".damaged.json").exists():
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
            with contextlib.suppress(OSError):
                Receipt(**{**vars(receipt), "mtime_ns": now}).write(self.beside(slot, ".json"))

    def mark_damaged(self, slot: Slot, reason: str) -> None:
        """Note that a file must not be used; the next run computes it anew."""
        with contextlib.suppress(OSError):  # a read-only store still gets its verdict reported
            write_json(self.beside(slot, ".damaged.json"), {"reason": reason})

    def damage(self, slot: Slot) -> str:
        """Why a file must not be used, empty where nothing is known against it."""
        note = read_json(self.beside(slot, ".damaged.json"))
        return str(note.get("reason", "damaged")) if isinstance(note, dict) else ""

    def failure(self, slot: Slot) -> dict[str, Any] | None:
        """The record of the last failed attempt."""
        note = read_json(self.beside(slot, ".failed.json"))
        return note if isinstance(note, dict) else None

    def set_failure(self, slot: Slot, reason: str) -> None:
        """Record a failed attempt, for ``status``."""
        with contextlib.suppress(OSError):
            write_json(self.beside(slot, ".failed.json"), {"reason": reason, "at": time.time()})

    # -- reading and writing ----------------------------------------------------------------

    def reader(self, slot: Slot) -> FeatureReader:
        """A lazy reader of a result."""
        return FeatureReader(self.path(slot))

    @contextlib.contextmanager
    def writing(
        self, slot: Slot, columns: tuple[Column, ...], attrs: Mapping[str, Any], fmt: str = FORMAT
    ) -> Iterator[FeatureWriter]:
        """A writer for a result; the block must end with ``writer.close()``.

        When the block ends well the file is reopened, checked and renamed into place; it counts as done
        only after :meth:`seal`. On any error nothing stays.

        Raises
        ------
        OSError
            The disk refused.
        DamagedError
            What was written does not read back.
        """
        with writing_file(self.path(slot), columns, attrs, fmt) as writer:
            yield writer

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
        )
        receipt.write(self.beside(slot, ".json"))
        for suffix in (".damaged.json", ".failed.json"):
            self.beside(slot, suffix).unlink(missing_ok=True)
        return receipt


@contextlib.contextmanager
def writing_file(
    path: Path, columns: tuple[Column, ...], attrs: Mapping[str, Any], fmt: str = FORMAT
) -> Iterator[FeatureWriter]:
    """Write one feature file under ``path`` atomically; the block must end with ``writer.close()``."""
    with replacing(path) as temp:
        writer = FeatureWriter(temp, columns, attrs, fmt)
        try:
            yield writer
        finally:
            writer.abandon()
        with FeatureReader(temp) as check:
            for column in columns:
                data = check.dataset(column.name)
                chunks = -(-len(data) // data.chunks[0]) if data.chunks else 0
                for n, c in zip(data.shape[1:], data.chunks[1:], strict=True):
                    chunks *= -(-n // c)
                if data.id.get_num_chunks() != chunks:  # a chunk never written would read as zeros
                    raise DamagedError(
                        f"{path}: {column.name} has {data.id.get_num_chunks()}/{chunks} chunks"
                    )
