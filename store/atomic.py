"""Publishing files so that a reader sees the old one, the new one, and never a third.

temp in the same folder → write → flush → fsync → rename → fsync the folder. HDF5 writes through
:class:`CheckedFile`, because the library does not survive a full disk: the error surfaces at close, and
the process then crashes at exit. Here a failed write is remembered, HDF5 is left to close in
peace, and the error is raised once it is safe.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TEMP_MARK = ".tmp-"


def temp_name(path: Path) -> Path:
    """A name beside ``path`` that says which host and process it belongs to."""
    host = socket.gethostname().replace("-", "_")
    return path.with_name(f"{path.name}{TEMP_MARK}{host}-{os.getpid()}-{secrets.token_hex(4)}")


def temp_owner_alive(path: Path) -> bool:
    """Whether the process that made a temporary file may still be writing it.

    A file of another host counts as alive: nothing here can tell.
    """
    try:
        host, pid, _ = path.name.split(TEMP_MARK)[1].rsplit("-", 2)
    except (IndexError, ValueError):
        return False
    if host != socket.gethostname().replace("-", "_"):
        return True
    return pid_alive(int(pid))


def pid_alive(pid: int) -> bool:
    """Whether a process of this host exists and runs (a zombie does not)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError, IndexError):  # no /proc: nothing more to learn
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return True


def fsync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class CheckedFile(io.RawIOBase):
    """A read-write file for HDF5's file-object driver that remembers its first failure.

    After a failed write every later write is dropped and reported as done, so that HDF5 can close its
    side; :attr:`failure` then holds the error and the caller discards the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.failure: OSError | None = None
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._at = 0

    def readable(self) -> bool:
        """Always: HDF5 reads back its own metadata."""
        return True

    def writable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; as :meth:`io.IOBase.seek`."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        self._at = (os.fstat(self._fd).st_size if base is None else base) + offset
        return self._at

    def tell(self) -> int:
        """Position in bytes."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` from the current position; short at the end of the file."""
        view = memoryview(buffer).cast("B")
        data = os.pread(self._fd, len(view), self._at)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def write(self, data: Any) -> int:
        """Write all of ``data``; a failure is kept for :meth:`finish`."""
        view = memoryview(data).cast("B")
        done = 0
        while self.failure is None and done < len(view):
            try:
                done += os.pwrite(self._fd, view[done:], self._at + done)
            except OSError as e:
                self.failure = e
        self._at += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the file's length."""
        size = self._at if size is None else size
        if self.failure is None:
            try:
                os.ftruncate(self._fd, size)
            except OSError as e:
                self.failure = e
        return size

    def finish(self) -> None:
        """Flush to the disk and close; raises what failed on the way."""
        try:
            if self.failure is None:
                os.fsync(self._fd)
        finally:
            self.close()
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Close without judging."""
        if not self.closed:
            os.close(self._fd)
        super().close()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name that becomes ``path`` when the block ends well, and vanishes when not.

    The block must leave a complete, fsynced file under the yielded name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = temp_name(path)
    try:
        yield temp
        os.replace(temp, path)
        fsync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temp.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Publish ``data`` under ``path`` atomically and durably."""
    with replacing(path) as temp:
        out = CheckedFile(temp)
        out.write(data)
        out.finish()


def write_json(path: Path, value: Any) -> None:
    """Publish a JSON file atomically."""
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any | None:
    """A JSON file's content, None where it is missing or cannot be read as JSON."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
