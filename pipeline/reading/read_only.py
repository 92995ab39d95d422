"""A store that is only looked at: nothing in it changes, whatever is found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from store.errors import StoreError
from store.feature import FeatureReader
from store.lock import LockKind
from store.store import Slot, Store


class ReadOnlyStore(Store):
    """Give access to an existing store, without locks, notes or verdicts of one's own.

    Results are checked as always when they are opened; what is found damaged is raised, but not marked.
    """

    def publish(self, path: Path, note: Mapping[str, Any]) -> NoReturn:
        """Refuse; callers that can do without the note go on."""
        raise StoreError(f"{path}: is not written, since the store is open for reading only")

    def discard(self, path: Path) -> NoReturn:
        """Refuse."""
        raise StoreError(f"{path}: is not removed, since the store is open for reading only")

    def lock(self, kind: LockKind, wait: float = 0.0) -> NoReturn:
        """Refuse."""
        raise StoreError(f"{self.root}: is open for reading only, which needs no lock")

    def reader(self, slot: Slot) -> FeatureReader:
        """Return a reader of a result that opens its file when it is first used, and marks nothing."""
        return FeatureReader(self.path(slot), Voucher(self, slot))


class Voucher:
    """Returns the receipt of a result; picklable."""

    def __init__(self, store: Store, slot: Slot) -> None:
        self._store, self._slot = store, slot

    def __call__(self) -> Any:
        """Return the receipt as it is now."""
        return self._store.voucher(self._slot)
