"""Locks on a store: small files that name process and host, kept alive by a heartbeat.

Runs only lock *out* ``gc``. Two runs on one store do double work at worst, because files are named by
their key and published by rename. Whoever changes a table of splits excludes others who do, and waits for
them. A lock does not count if its process is gone, or if its heartbeat is older than two minutes (a process
of another host).
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from store.atomic import pid_alive, write_json
from store.errors import LockedError
from store.names import LOCKS
from store.notes import signed
from store.ownership import Entry, is_own, look, read_own

HEARTBEAT_S = 15.0
STALE_S = 120.0

LockKind = Literal["run", "gc", "splits"]
_EXCLUDES = {"run": {"gc"}, "gc": {"run", "gc", "splits"}, "splits": {"gc", "splits"}}


class StoreLock:
    """Hold a lock of one kind; use as a context manager.

    Parameters
    ----------
    root : Path
        The store.
    kind : {"run", "gc", "splits"}
        ``run``: any number at once, but no ``gc``. ``gc``: alone. ``splits``: one at a time, and no ``gc``.
    wait : float
        Seconds to wait for others; 0: none.

    Raises
    ------
    LockedError
        On entry, where a live lock of another holder excludes this one.
    ForeignError
        On entry, where the folder of locks is a link.
    """

    def __init__(self, root: Path, kind: LockKind, wait: float = 0.0) -> None:
        self.root, self.kind, self.wait = root, kind, wait
        name = f"{kind}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}.json"
        self.path = root / LOCKS / name
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        deadline = time.monotonic() + self.wait
        while True:
            holder = self._try()
            if holder is None:
                break
            if time.monotonic() >= deadline:
                raise LockedError(
                    f"{self.root}: in use by ttprep {holder['kind']} "
                    f"(process {holder['pid']} on {holder['host']}); wait for it to end"
                )
            time.sleep(random.uniform(0.005, 0.05))  # of two that gave way to each other one comes first
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._withdraw()

    def _try(self) -> dict[str, str] | None:
        """Take the lock; return None, or who holds it against us."""
        note = {"kind": self.kind, "host": socket.gethostname(), "pid": os.getpid()}
        write_json(self.path, signed(note), within=self.root)
        # ours is visible before we look, so of two that start together at least one gives way
        for other in self._others():
            holder = _holder(other)  # of any kind: one that a killed run left is removed here
            if holder is not None and holder["kind"] in _EXCLUDES[self.kind]:
                self._withdraw()
                return holder
        return None

    def _others(self) -> Iterator[Entry]:
        for path in sorted(self.path.parent.glob("*.json")):
            entry = look(path, self.root)
            if path != self.path and entry is not None and entry.name is not None:
                yield entry

    def _withdraw(self) -> None:
        entry = look(self.path, self.root)
        if entry is not None and is_own(entry):
            self.path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            try:
                os.utime(self.path, follow_symlinks=False)
            except OSError:
                return


def _holder(lock: Entry) -> dict[str, str] | None:
    """Return who holds a lock, None where it does not count; remove one whose holder is gone."""
    age, name = time.time() - lock.stat.st_mtime, lock.name
    if name is None or age > STALE_S or (name.host == socket.gethostname() and not pid_alive(int(name.pid))):
        with contextlib.suppress(OSError):
            if is_own(lock):
                lock.path.unlink()
        return None
    with contextlib.suppress(OSError):
        # empty: perhaps this file system shows the content later
        if not is_own(lock) and read_own(lock.path):
            return None
    return {"kind": name.lock, "pid": name.pid, "host": name.host}
