"""One look at a video's folder: what planning asks of every result, answered from one listing.

A store of ten thousand videos holds sixty thousand results. Asking the disk of each whether it is there,
marked or known to fail is what a plan would spend its time on.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Collection
from functools import cached_property
from typing import Any

from store.errors import DamagedError
from store.names import result_stem
from store.receipt import Receipt
from store.store import Slot, Store


class Look:
    """Answer for the results of one video as :class:`~store.Store` does, as they were when it was made.

    Parameters
    ----------
    store : Store
    video : str
        sha256 of the video's bytes.

    A folder that cannot be listed is asked question by question, and says itself why.
    """

    def __init__(self, store: Store, video: str) -> None:
        self._store, self._video = store, video
        self._folder = str(store.folder(video))
        self._listed = True
        try:
            self._names = frozenset(os.listdir(self._folder))
        except OSError as e:
            self._names, self._listed = frozenset(), isinstance(e, FileNotFoundError | NotADirectoryError)
        self._read: dict[str, Receipt | None] = {}

    def _has(self, name: str) -> bool:
        return name in self._names or not self._listed

    def receipt(self, slot: Slot) -> Receipt | None:
        """Return the receipt of a result that is there and sound; see :meth:`store.Store.receipt`."""
        stem = result_stem(slot.stage, slot.key)
        if not self._has(f"{stem}.json"):
            return None
        if not self._has(f"{stem}.damaged.json"):
            receipt = self._sound(stem)
            if receipt is None or receipt.key != slot.key:
                return None
            if self._untouched(stem, receipt):
                return receipt
        return self._store.receipt(slot)  # which says what is the matter, and notes it

    def damage(self, slot: Slot) -> str:
        """Return why a file must not be used, empty where nothing is known against it."""
        stem = result_stem(slot.stage, slot.key)
        known = self._has(f"{stem}.json") or self._has(f"{stem}.damaged.json")
        return self._store.damage(slot) if known else ""

    def failure(self, slot: Slot) -> dict[str, Any] | None:
        """Return the record of the last failed attempt."""
        known = self._has(f"{result_stem(slot.stage, slot.key)}.failed.json")
        return self._store.failure(slot) if known else None

    def others(self, stage: str, keys: Collection[str]) -> list[Receipt]:
        """Return the sound receipts of a stage's results but those of ``keys``, newest first."""
        found = []
        for stem in self._stems.get(stage, ()):
            with contextlib.suppress(OSError):
                receipt = self._sound(stem)
                if receipt is not None and receipt.key not in keys:
                    found.append(receipt)
        return sorted(found, key=lambda r: -float(r.run.get("finished", 0)))

    @cached_property
    def _stems(self) -> dict[str, list[str]]:
        """By stage, the names of results with a receipt."""
        stems: dict[str, list[str]] = defaultdict(list)
        for name in self._names:
            stem, dot, suffix = name.partition(".")
            if dot and suffix == "json":
                stems[stem.rpartition("-")[0]].append(stem)
        return stems

    def _sound(self, stem: str) -> Receipt | None:
        """Return what a receipt says, None where it is damaged or gone."""
        if stem not in self._read:
            try:
                path = f"{self._folder}/{stem}.json"
                self._read[stem] = Receipt.read(path, unsigned=self._store.unsigned)
            except DamagedError:
                self._read[stem] = None
        return self._read[stem]

    def _untouched(self, stem: str, receipt: Receipt) -> bool:
        """Tell whether size and time of the file are those that its receipt names."""
        try:
            found = os.stat(f"{self._folder}/{stem}.h5")
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == (receipt.size, receipt.mtime_ns)
