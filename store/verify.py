"""Check a store against its receipts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from store.errors import DamagedError
from store.feature import FeatureReader
from store.receipt import Receipt, check_file
from store.store import Slot, Store


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
    """

    path: Path
    size: int
    problem: str


def verify(store: Store, *, read_data: bool = False) -> Iterator[Finding]:
    """Check every feature file; mark those found damaged, so that the next run makes them anew.

    Parameters
    ----------
    store : Store
    read_data : bool
        Also hash every byte and read every chunk through its checksum. Otherwise only existence, size and
        structure are checked, and the hash where the modification time is not the published one.

    Yields
    ------
    Finding
        One per file.
    """
    for video in store.videos():
        for path in store.features(video):
            receipt = Receipt.read(path.with_suffix(".json"))
            if receipt is None:
                # none at all: killed between publishing file and receipt, nobody takes it for done
                if path.with_suffix(".json").exists():
                    yield Finding(path, path.lstat().st_size, "its receipt is damaged")
                continue
            problem = _problem(path, receipt, read_data)
            slot = Slot(video, receipt.stage, receipt.key)
            if problem:
                store.mark_damaged(slot, problem)
            else:
                problem = store.damage(slot)
            yield Finding(path, receipt.size, problem)
        for receipt in store.receipts(video):
            slot = Slot(video, receipt.stage, receipt.key)
            if not store.path(slot).exists():
                store.mark_damaged(slot, "the file is missing")
                yield Finding(store.path(slot), 0, "the file is missing")


def _problem(path: Path, receipt: Receipt, read_data: bool) -> str:
    try:
        problem = check_file(path, receipt, read_data=read_data)
    except OSError as e:
        return f"cannot be read: {e.strerror}"
    if problem:
        return problem
    try:
        with FeatureReader(path) as reader:
            if reader.file.attrs.get("key") != receipt.key:
                return "holds another result than its receipt says"
            for name, shape in receipt.shapes.items():
                if list(reader.dataset(name).shape) != shape:
                    return f"{name} has shape {reader.dataset(name).shape} instead of {tuple(shape)}"
                if read_data:
                    rows = (reader.dataset(name).chunks or (1,))[0]
                    for start in range(0, shape[0], rows):
                        reader.read(name, start, min(start + rows, shape[0]))
    except (DamagedError, OSError) as e:
        return str(e)
    return ""
