"""Checkpoints of a run. Those named by ``checkpoint.json`` count; it is replaced in one rename.

``last-<epoch>.pt`` holds everything a run needs to continue as if nothing had happened,
``best-<epoch>.pt`` the state to evaluate and to restart from. Weights are large (a branch's fully
connected layer has 108 million at full size), so each is written once, and files that are no longer needed
are removed after the rename.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tttrain import atomic
from tttrain.errors import TrainError

POINTER = "checkpoint.json"


class Checkpoints:
    """The checkpoints of a run folder.

    Parameters
    ----------
    folder : Path
        Exists.
    write : bool
        False in all processes but one: the others only follow the names.
    """

    def __init__(self, folder: Path, *, write: bool = True) -> None:
        self.folder = folder
        self._write = write
        self.names = self._read_pointer()

    def _read_pointer(self) -> dict[str, str]:
        path = self.folder / POINTER
        if not path.exists():
            return {}
        try:
            names: dict[str, str] = json.loads(path.read_text())
        except ValueError as error:
            raise TrainError(f"{path}: not readable ({error}); start the run over with --force") from None
        return names

    def save_best(self, state: dict[str, Any], epoch: int) -> None:
        """Write a best state; it counts from the next :meth:`commit` on."""
        self.names = {**self.names, "best": self._save("best", state, epoch)}

    def commit(self, state: dict[str, Any], epoch: int) -> None:
        """Write the last state; from now on it counts, and so does the best one."""
        self.names = {**self.names, "last": self._save("last", state, epoch)}
        if not self._write:
            return
        atomic.write_json(self.folder / POINTER, self.names)
        for path in self.folder.glob("*.pt"):
            if path.name not in self.names.values():
                path.unlink(missing_ok=True)

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
            state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True, mmap=mmap)
        except FileNotFoundError:
            raise TrainError(f"{path}: is missing; start the run over with --force") from None
        except Exception as error:
            raise TrainError(f"{path}: damaged ({error}); start the run over with --force") from None
        return state

    def _save(self, kind: str, state: dict[str, Any], epoch: int) -> str:
        name = f"{kind}-{epoch:05d}.pt"
        if self._write:
            atomic.write(self.folder / name, lambda file: torch.save(state, file))
        return name


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
