"""Locks on a store, by pid and host, with a heartbeat.

Runs only lock *out* ``gc``: two runs on one store do double work at worst, because files are named by
key and published by rename. A lock whose process is gone, or whose heartbeat is older than two
minutes (another host), does not count.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from store.atomic import pid_alive, read_json, write_json
from store.errors import LockedError

HEARTBEAT_S = 15.0
STALE_S = 120.0


class StoreLock:
    """A shared (``run``) or exclusive (``gc``) lock; use as a context manager.

    Parameters
    ----------
    folder : Path
        The store's ``locks`` folder.
    kind : {"run", "gc"}

    Raises
    ------
    LockedError
        On entry, where a live lock of another process excludes this one.
    """

    def __init__(self, folder: Path, kind: Literal["run", "gc"]) -> None:
        self.folder, self.kind = folder, kind
        self.path = folder / f"{kind}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}.json"
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        mine = {"kind": self.kind, "host": socket.gethostname(), "pid": os.getpid()}
        write_json(self.path, mine)
        # ours is visible before we look, so of two that start together at least one gives way
        for other in sorted(self.folder.glob("*.json")):
            if other == self.path or (holder := self._alive(other)) is None:
                continue
            if "gc" in (self.kind, other.name.split("-")[0]):
                self.path.unlink(missing_ok=True)
                raise LockedError(
                    f"{self.folder.parent}: in use by ttprep {holder['kind']} "
                    f"(process {holder['pid']} on {holder['host']}); wait for it to end"
                )
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self.path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            try:
                os.utime(self.path)
            except OSError:
                return

    @staticmethod
    def _alive(path: Path) -> dict[str, object] | None:
        holder = read_json(path)
        try:
            age = time.time() - path.stat().st_mtime
        except OSError:
            return None
        if not isinstance(holder, dict) or not {"pid", "host", "kind"} <= holder.keys():
            return None if age > STALE_S else {"kind": "?", "pid": "?", "host": "?"}
        dead = holder["host"] == socket.gethostname() and not pid_alive(int(holder["pid"]))
        if dead or age > STALE_S:
            path.unlink(missing_ok=True)
            return None
        return holder
