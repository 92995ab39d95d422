"""Open a dataset file: its seal is compared before HDF5 parses a byte (docs/dataset-format.md).

HDF5 may loop for ever over a flipped size, and takes flipped pixels for others. The seal behind the HDF5 part
holds a sha256 of all but the pixels, compared whenever a file is opened, and CRC-32 of the pixels, compared
block by block as they are first read. A file without a seal, of an earlier version or edited since, is first
read by another process, which may take ten seconds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import stat
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the codecs of the file)
import numpy as np
from numpy.typing import NDArray

from tttrain.errors import TrainError

FORMAT = "ttprep-dataset"
VERSION = 1
MAGIC = b"TTPSEAL1"
#: seconds that another process may take over the tables of a file without a seal
PROBE_S = 10.0
#: files probed in this process: device, number, size, time
_PROBED: set[tuple[int, int, int, int]] = set()
_TAIL = len(MAGIC) + 8 + 32
_READ = 1 << 22
_HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Seal:
    """What a seal says.

    Attributes
    ----------
    size : int
        Bytes of the HDF5 part.
    head : tuple of (int, int)
        Ranges of the file that hold all but the pixels.
    head_sha256 : str
    block : int
        Bytes that share a checksum.
    crc32 : array of uint32
    """

    size: int
    head: tuple[tuple[int, int], ...]
    head_sha256: str
    block: int
    crc32: NDArray[np.uint32]


def damaged(path: Path, what: str) -> TrainError:
    """Return the error for a file that is not what was written."""
    return TrainError(f"{path}: {what}; `ttprep export {shlex.quote(str(path))}` writes it anew")


def open_file(path: Path, *, known: bool = False) -> tuple[h5py.File, Seal | None]:
    """Open a dataset file for reading, once its seal has been compared.

    Parameters
    ----------
    path : Path
    known : bool
        Its tables have been read before: a file without a seal is not probed again.

    Raises
    ------
    TrainError
        It does not exist, is damaged, is not HDF5, is not a dataset of ttprep, or has another version.
    """
    seal = _sound(path)
    if seal is None and not known:
        probe(path)
    try:
        file = _open(path)
    except (OSError, RuntimeError, MemoryError) as error:
        raise damaged(path, f"cannot be read as HDF5 ({_first_line(error)}); is it complete?") from None
    try:
        _require_format(file, path, sealed=seal is not None)
    except BaseException:
        file.close()
        raise
    return file, seal


def open_sealed(path: Path) -> tuple[h5py.File, Seal]:
    """Open a file that must have a seal, such as a shard.

    Raises
    ------
    TrainError
        It is not what was written.
    """
    seal = _sound(path)
    if seal is None:
        raise damaged(path, "damaged: its seal is gone")
    try:
        return _open(path), seal
    except (OSError, RuntimeError, MemoryError) as error:
        raise damaged(path, f"cannot be read as HDF5 ({_first_line(error)}); is it complete?") from None


def _sound(path: Path) -> Seal | None:
    """Compare the seal; a file without one must be readable in another process."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise TrainError(
            f"{path}: no such file; `ttprep export {shlex.quote(str(path))}` writes one"
        ) from None
    except OSError as error:
        raise TrainError(f"{path}: cannot be opened ({error.strerror or error}); check the path") from None
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise TrainError(f"{path}: a folder, not a dataset; name the .h5 file")
        if not stat.S_ISREG(mode):
            raise TrainError(f"{path}: not a regular file; name the .h5 file")
        if os.pread(handle, len(_HDF5), 0) != _HDF5:
            what = "cannot be read as HDF5 (it does not begin like one); move it elsewhere, and"
            raise TrainError(f"{path}: {what} `ttprep export {shlex.quote(str(path))}` writes it anew")
        seal = _read_seal(handle, path)
        if seal is not None and _hash(handle, seal, path) != seal.head_sha256:
            raise damaged(path, "damaged: its tables or structures are not those that were written")
    except OSError as error:
        raise TrainError(
            f"{path}: cannot be read ({error.strerror or error}); mend that and start again"
        ) from None
    finally:
        os.close(handle)
    return seal


def _open(path: Path) -> h5py.File:
    try:  # without locks, which some network file systems refuse
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        if "locking flag" not in str(error):
            raise
    return h5py.File(path, "r")  # open in this process already, with locks


def _read_seal(handle: int, path: Path) -> Seal | None:
    size = os.fstat(handle).st_size
    tail = os.pread(handle, _TAIL, max(0, size - _TAIL))
    if len(tail) < _TAIL or tail[: len(MAGIC)] != MAGIC:
        return None
    length = int.from_bytes(tail[len(MAGIC) : len(MAGIC) + 8], "little")
    rest = size - _TAIL - length
    text = os.pread(handle, length, rest) if rest > 0 and length < 1 << 30 else b""
    try:
        if hashlib.sha256(text).digest() != tail[-32:]:
            raise ValueError
        value: Any = json.loads(text)
        sums = np.frombuffer(base64.b64decode(value["crc32"]), "<u4").astype(np.uint32)
        head = tuple((int(a), int(b)) for a, b in value["head"])
        seal = Seal(int(value["size"]), head, str(value["head_sha256"]), int(value["block"]), sums)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise damaged(path, "damaged: its seal cannot be used") from None
    if seal.size != rest:
        raise damaged(path, "damaged: it has lost or gained bytes")
    inside = all(0 <= a < b <= rest for a, b in head)
    if not inside or seal.block < 4096 or len(sums) != -(-rest // seal.block):
        raise damaged(path, "damaged: its seal cannot be used")
    return seal


def _hash(handle: int, seal: Seal, path: Path) -> str:
    digest, left = hashlib.sha256(), seal.size
    for start, stop in seal.head:
        left -= stop - start
        if left < 0:  # ranges that overlap could keep us for ever
            raise damaged(path, "damaged: its seal cannot be used")
        while start < stop:
            data = os.pread(handle, min(_READ, stop - start), start)
            if not data:
                raise damaged(path, "damaged: it ends too early")
            digest.update(data)
            start += len(data)
    return digest.hexdigest()


def probe(path: Path) -> None:
    """Let another process read the tables of a file whose structures no checksum covers.

    Raises
    ------
    TrainError
        It does not come to an end within :data:`PROBE_S`, or dies over it. What it merely objects to, the
        caller finds as well.
    """
    found = path.stat()
    identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    if identity in _PROBED:
        return
    command = [sys.executable, "-m", "tttrain.data.header", str(path)]
    folder = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
    env = {**os.environ, "PYTHONPATH": paths}
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROBE_S, check=False, env=env)
    except subprocess.TimeoutExpired:
        raise damaged(path, f"damaged: its tables cannot be read in {PROBE_S:.0f} s") from None
    if done.returncode not in (0, 1):
        raise damaged(path, f"damaged: reading its tables ends with code {done.returncode}")
    _PROBED.add(identity)


def _require_format(file: h5py.File, path: Path, *, sealed: bool) -> None:
    try:
        kind, version, meant = (file.attrs.get(name) for name in ("format", "format_version", "sealed"))
    except (OSError, RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise damaged(path, f"damaged: its attributes cannot be read ({_first_line(error)})") from None
    if not isinstance(kind, str) or kind != FORMAT:
        raise TrainError(f"{path}: HDF5, but not a {FORMAT}; `ttprep export DATASET.h5` writes one")
    if not isinstance(version, int | np.integer) or isinstance(version, bool):
        raise TrainError(
            f"{path}: attribute format_version: {str(version)[:40]!r} is no number; export it again"
        )
    if version != VERSION:
        raise TrainError(
            f"{path}: format version {version}, this tttrain reads version {VERSION}; "
            "install the ttprep that wrote it, or export again with this one"
        )
    if meant is not None and not sealed:
        raise damaged(
            path,
            "its seal is gone: damaged, or edited (then `del file.attrs['sealed']` with h5py says that this "
            "was meant)",
        )


class Blocks:
    """Compares the blocks of a sealed file with their checksums, each once in this process.

    Parameters
    ----------
    path : Path
    seal : Seal
    keep : bool
        Keep the file open, since another one may take its place; a shard never changes.
    """

    def __init__(self, path: Path, seal: Seal, *, keep: bool = True) -> None:
        self._path, self._seal, self._keep = path, seal, keep
        self._checked = np.zeros(len(seal.crc32), bool)
        self._handle = os.open(path, os.O_RDONLY) if keep else -1

    def require(self, start: int, stop: int) -> None:
        """Make sure that bytes [start, stop) of the file are those that were written.

        Raises
        ------
        TrainError
            They are not.
        """
        block = self._seal.block
        blocks = range(start // block, min(-(-stop // block), len(self._checked)))
        if self._checked[blocks.start : blocks.stop].all():
            return
        handle = self._handle if self._keep else os.open(self._path, os.O_RDONLY)
        try:
            for i in blocks:
                if self._checked[i]:
                    continue
                size = min(block, self._seal.size - i * block)
                data = os.pread(handle, size, i * block)
                if len(data) != size or zlib.crc32(data) != self._seal.crc32[i]:
                    raise damaged(
                        self._path, f"damaged: bytes {i * block} to {i * block + size} have changed"
                    )
                self._checked[i] = True
        finally:
            if not self._keep:
                os.close(handle)

    def close(self) -> None:
        """Close the file."""
        if self._keep:
            os.close(self._handle)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
