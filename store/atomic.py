"""Publish files so that a reader sees the old one or the new one, and never anything else.

The steps: make a temporary file in the same folder, write, flush, fsync, rename, fsync the folder. HDF5
writes through :class:`CheckedFile`, because the library does not survive a full disk: the error surfaces
when the file is closed, and the process then crashes at exit. Here a failed write is remembered, HDF5 closes
in peace, and the error is raised once it is safe.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import secrets
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from store.errors import ForeignError
from store.names import TEMP_MARK as TEMP_MARK
from store.names import parse_temporary

T = TypeVar("T")
#: how often a file is opened that is replaced again and again while it is read
STALE_TRIES = 5


def temp_name(path: Path) -> Path:
    """Return a new name beside ``path`` that says which host and process it belongs to."""
    return path.with_name(f"{path.name}{TEMP_MARK}{_host()}-{os.getpid()}-{secrets.token_hex(4)}")


def _host() -> str:
    return socket.gethostname().replace("-", "_")


def temp_owner_alive(path: Path) -> bool:
    """Tell whether the process that made a temporary file may still be writing it.

    A file of another host counts as alive, since nothing here can tell.
    """
    found = parse_temporary(path.name)
    if found is None:
        return False
    _, host, pid = found
    return host != _host() or pid_alive(int(pid))


def pid_alive(pid: int) -> bool:
    """Tell whether a process of this host exists and runs (a zombie does not)."""
    if pid <= 0:  # to kill(), a group of processes
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
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
    """Serve as HDF5's file object, for reading and writing, and remember the first failure.

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
        """Return True: HDF5 reads back its own metadata."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, as :meth:`io.IOBase.seek` does."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        self._at = (os.fstat(self._fd).st_size if base is None else base) + offset
        return self._at

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` from the current position; return fewer bytes at the end of the file."""
        view = memoryview(buffer).cast("B")
        data = os.pread(self._fd, len(view), self._at)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def write(self, data: Any) -> int:
        """Write all of ``data``; keep a failure for :meth:`finish`."""
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
        """Flush to the disk and close; raise what failed on the way."""
        try:
            if self.failure is None:
                os.fsync(self._fd)
        finally:
            self.close()
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Close without looking for failures."""
        if not self.closed:
            os.close(self._fd)
        super().close()


def link_target(path: Path) -> Path:
    """Return the file that ``path`` stands for: itself, or the end of the links that it begins.

    Raises
    ------
    OSError
        The links go round in a circle.
    """
    if not path.is_symlink():
        return path
    try:
        return Path(os.path.realpath(path, strict=True))
    except FileNotFoundError:  # the link is there and its target is not yet
        return Path(os.path.realpath(path))


def make_folder(folder: Path, within: Path) -> None:
    """Make a folder below ``within`` that is reached through no link.

    Raises
    ------
    ForeignError
        One of the folders on the way is a link.
    """
    here = within
    for name in folder.relative_to(within).parts:
        here = here / name
        with contextlib.suppress(FileExistsError):
            here.mkdir()
        if here.is_symlink():
            raise ForeignError(
                f"{here}: is a link, and nothing is written through links inside a store; put a folder in "
                "its place, or move the whole store and name its new place with --store"
            )


@contextlib.contextmanager
def replacing(path: Path, within: Path | None = None) -> Iterator[Path]:
    """Yield a temporary name that becomes ``path`` when the block ends well, and vanishes otherwise.

    Parameters
    ----------
    path : Path
        Where it is a link and ``within`` is None, the link stays and its target is replaced.
    within : Path, optional
        The store that the file belongs to: no link is followed below it.

    Yields
    ------
    Path
        The block must leave a complete, fsynced file under this name.

    Raises
    ------
    OSError
        The disk refused; ``path`` is as it was.
    ForeignError
        The way from ``within`` to ``path`` leads through a link.
    """
    if within is None:
        path = link_target(path)
        path.parent.mkdir(parents=True, exist_ok=True)
    else:
        make_folder(path.parent, within)
    temp = temp_name(path)
    try:
        yield temp
        _rename(temp, path)
        fsync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temp.unlink(missing_ok=True)


def _rename(temp: Path, path: Path) -> None:
    """Rename a file; an answer that was lost on its way and asked for again is no failure.

    NFS repeats a request whose answer does not come, and is then told that the file is not there: it has its
    new name already.
    """
    written = temp.lstat()
    try:
        os.replace(temp, path)
    except FileNotFoundError:
        with contextlib.suppress(OSError):
            found = path.lstat()
            if (found.st_dev, found.st_ino) == (written.st_dev, written.st_ino):
                return
        raise


def not_stale(call: Callable[..., T], *args: Any, **more: Any) -> T:
    """Call what opens a file and reads it, and call it again where the file was replaced in between.

    A network file system answers ESTALE where the file behind an open handle is gone; under its name lies the
    new one.
    """
    for attempt in range(STALE_TRIES):
        try:
            return call(*args, **more)
        except OSError as e:
            if e.errno != errno.ESTALE or attempt + 1 == STALE_TRIES:
                raise
            time.sleep(0.02 * attempt)
    raise AssertionError("unreachable")


def write_bytes(path: Path, data: bytes, within: Path | None = None) -> None:
    """Publish ``data`` under ``path`` atomically and durably; see :func:`replacing`."""
    with replacing(path, within) as temp:
        out = CheckedFile(temp)
        out.write(data)
        out.finish()


def write_json(path: Path, value: Any, within: Path | None = None) -> None:
    """Publish a JSON file atomically; see :func:`replacing`.

    A surrogate, which stands for a byte of a file's name that is not UTF-8, becomes JSON's escape of it.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    write_bytes(path, text.encode("utf-8", "backslashreplace"), within)


def read_regular(path: Path | str, most: int, *, follow: bool) -> bytes | None:
    """Return up to ``most`` bytes of a regular file, None where there is none.

    Parameters
    ----------
    path : Path
    most : int
    follow : bool
        Whether a link counts as what it leads to; else it counts as nothing.

    Raises
    ------
    OSError
        It is there and cannot be read.
    """
    return not_stale(_read_regular, path, most, follow)


def _read_regular(path: Path | str, most: int, follow: bool) -> bytes | None:
    # without O_NONBLOCK a pipe in the file's place would hold us for ever
    flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        handle = os.open(path, flags)
    except OSError as e:
        if e.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):  # nothing, a link, a socket
            return None
        raise
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return None
        parts: list[bytes] = []
        left = found.st_size if most < 0 else min(most, found.st_size)
        while left and (part := os.read(handle, left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    finally:
        os.close(handle)


def read_json(path: Path) -> Any | None:
    """Return a JSON file's content, None where it is missing, no file, or cannot be read as JSON."""
    try:
        data = read_regular(path, -1, follow=True)
        return None if data is None else json.loads(data)
    except (OSError, ValueError, RecursionError):
        return None
