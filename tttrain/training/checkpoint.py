"""Checkpoints of a run. Those named by ``checkpoint.json`` count; it is replaced in one rename.

``last-<epoch>.pt`` holds everything a run needs to continue as if nothing had happened,
``best-<epoch>.pt`` the state to evaluate and to restart from. Weights are large (a branch's fully
connected layer has 108 million at full size), so each is written once, and files that are no longer needed
are removed after the rename. ``checkpoint.json`` holds the sha256 of both as they were handed to the disk,
and one of its own content: flipped weights would otherwise be used without a word.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch

from tttrain import atomic
from tttrain.errors import TrainError

POINTER = "checkpoint.json"
KINDS = ("best", "last")
_NAME = re.compile(r"(best|last)-[0-9]{5,9}\.pt")
_DIGITS = re.compile(r"[0-9]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: what to do about a damaged run
OVER = "restore it from a backup, or start the run over with `tttrain fit … --force`"


class Checkpoints:
    """The checkpoints of a run folder.

    Parameters
    ----------
    folder : Path
        Exists.
    write : bool
        False in all processes but one: the others only follow the names.

    Attributes
    ----------
    names : dict of str to str
        ``best``, ``last`` → file name.

    Raises
    ------
    TrainError
        ``checkpoint.json`` is damaged.
    """

    def __init__(self, folder: Path, *, write: bool = True) -> None:
        self.folder = folder
        self._write = write
        self.names, self._digests = self._read_pointer()

    def _read_pointer(self) -> tuple[dict[str, str], dict[str, str]]:
        path = self.folder / POINTER
        try:
            value = atomic.read_checked_json(path)
        except FileNotFoundError:
            return {}, {}
        except (OSError, ValueError) as error:
            raise TrainError(f"{path}: cannot be used ({error}); {OVER}") from None
        digests = value.pop("sha256", {})  # earlier versions wrote none
        for kind, name in value.items():
            match = _NAME.fullmatch(name) if isinstance(name, str) else None
            if kind not in KINDS or match is None or match[1] != kind:
                raise TrainError(f"{path}: damaged ({kind!r} is no checkpoint); {OVER}")
        if not isinstance(digests, dict) or not all(
            name in value.values() and isinstance(digest, str) and _SHA256.fullmatch(digest)
            for name, digest in digests.items()
        ):
            raise TrainError(f"{path}: damaged (its digests); {OVER}")
        return value, digests

    def save_best(self, state: dict[str, Any], epoch: int) -> None:
        """Write a best state; it counts from the next :meth:`commit` on."""
        self.names = {**self.names, "best": self._save("best", state, epoch)}

    def commit(self, state: dict[str, Any], epoch: int) -> None:
        """Write the last state; from now on it counts, and so does the best one."""
        self.names = {**self.names, "last": self._save("last", state, epoch)}
        if not self._write:
            return
        self._digests = {n: d for n, d in self._digests.items() if n in self.names.values()}
        atomic.write_checked_json(self.folder / POINTER, {**self.names, "sha256": self._digests})
        for path in checkpoint_files(self.folder):
            if path.name not in self.names.values():
                path.unlink(missing_ok=True)

    def digest(self, kind: str) -> str:
        """Return the sha256 of a state's file; of earlier versions, which noted none, it is computed.

        Raises
        ------
        TrainError
            There is no such state, or its file is missing.
        """
        if kind not in self.names:
            raise TrainError(f"{self.folder}: no checkpoint yet; `tttrain fit` makes one after each epoch")
        path = self.folder / self.names[kind]
        if path.name in self._digests:
            return self._digests[path.name]
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise TrainError(f"{path}: cannot be read ({error.strerror}); {OVER}") from None

    def epochs(self) -> tuple[int, int]:
        """Return the epoch of the best state, and that of the last; 0 where there is none."""
        best, last = (int(_DIGITS.findall(self.names.get(kind, "0"))[0]) for kind in KINDS)
        return best, last

    def load(self, kind: str, device: torch.device, *, mmap: bool = False) -> dict[str, Any]:
        """Read a state.

        Parameters
        ----------
        kind : {"last", "best"}
        device : torch.device
            Device to load the tensors to.
        mmap : bool
            Map the file instead of reading all of it.

        Raises
        ------
        TrainError
            There is no such state, or its file is damaged.
        """
        if kind not in self.names:
            raise TrainError(f"{self.folder}: no checkpoint yet; `tttrain fit` makes one after each epoch")
        path = self.folder / self.names[kind]
        try:
            self._require_as_written(path)
            state = _load(path, device, mmap)
        except FileNotFoundError:
            raise TrainError(f"{path}: is missing; {OVER}") from None
        except TrainError:
            raise
        except Exception as error:
            raise TrainError(f"{path}: damaged ({_first_line(error)}); {OVER}") from None
        if not isinstance(state, dict):
            raise TrainError(f"{path}: damaged (it holds no state of a run); {OVER}")
        return state

    def _require_as_written(self, path: Path) -> None:
        digest = self._digests.get(path.name)
        if not path.is_file():
            if path.exists():
                raise TrainError(f"{path}: damaged (not a regular file); move it elsewhere, then {OVER}")
            raise FileNotFoundError
        with path.open("rb") as file:
            if digest is not None and hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise TrainError(f"{path}: damaged (its sha256 is not that of what was written); {OVER}")

    def _save(self, kind: str, state: dict[str, Any], epoch: int) -> str:
        name = f"{kind}-{epoch:05d}.pt"
        if self._write:
            self._require_own(self.folder / name)

            def fill(file: IO[bytes]) -> None:
                out = _Hashing(file)
                try:
                    torch.save(state, out)  # type: ignore[arg-type]
                except RuntimeError as error:  # of an archive that is not whole: it hides what cut it short
                    if isinstance(error.__context__, KeyboardInterrupt | OSError):
                        raise error.__context__ from None
                    raise
                self._digests = {**self._digests, name: out.digest.hexdigest()}

            atomic.write(self.folder / name, fill)
        return name

    def _require_own(self, path: Path) -> None:
        if path.exists() and path.name not in self._digests and not _is_state(path):
            raise TrainError(
                f"{path}: bears the name of a checkpoint but is none; move it elsewhere and start again"
            )


class _Hashing:
    """Passes on what is written, in order, and takes its sha256: that of what was meant."""

    def __init__(self, file: IO[bytes]) -> None:
        self.digest = hashlib.sha256()
        self._file = file

    def write(self, data: Any) -> int:
        """Write some bytes."""
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Do nothing: the caller flushes."""


def restore(model: torch.nn.Module, state: dict[str, Any], where: str) -> None:
    """Fill a network with the weights of a state.

    Raises
    ------
    TrainError
        They are not those of this network: the checkpoint, or ``run.json`` beside it, is damaged.
    """
    try:
        model.load_state_dict(state["model"])
    except (KeyError, RuntimeError, TypeError, AttributeError, ValueError) as error:
        raise TrainError(
            f"{where}: its weights do not fit the network ({_first_line(error)}); {OVER}"
        ) from None


def checkpoint_files(folder: Path) -> Iterator[Path]:
    """Yield the checkpoints in a folder, known by name and content; no link, and no other file of weights."""
    for path in sorted(folder.glob("*.pt")):
        if _NAME.fullmatch(path.name) and path.is_file() and not path.is_symlink() and _is_state(path):
            yield path


def _is_state(path: Path) -> bool:
    """Tell whether a file is a state of a run, without unpickling anything."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if len(names) != 1 or archive.getinfo(names[0]).file_size > 1 << 26:
                return False
            pickled = archive.read(names[0])
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        return False
    return all(word in pickled for word in (b"epoch", b"model", b"optimizer"))


def is_checkpoint_name(name: str) -> bool:
    """Tell whether a name is that of a checkpoint."""
    return _NAME.fullmatch(name) is not None


def _load(path: Path, device: torch.device, mmap: bool) -> dict[str, Any]:
    try:
        str(path).encode()
    except UnicodeEncodeError:  # no text in this locale: torch's own opening fails
        with path.open("rb") as file:
            return torch.load(file, map_location=device, weights_only=True)  # type: ignore[no-any-return]
    return torch.load(path, map_location=device, weights_only=True, mmap=mmap)  # type: ignore[no-any-return]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def random_state() -> dict[str, Any]:
    """Return the states of torch's global generators (dropout); all else is drawn from the seed."""
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore the generators to what :func:`random_state` returned."""
    torch.set_rng_state(state["cpu"].cpu())
    if state["cuda"] and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])
