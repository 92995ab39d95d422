"""A network in a .tflite file, run by LiteRT in one thread."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.base import StageError

Array = NDArray[Any]

MODULE = "ai_edge_litert"
MISSING = 'pose3d needs LiteRT, which is not installed; install it: `pip install "ttprep[pose3d]"`'


def missing() -> str:
    """Return why no network can be run here, with the remedy; empty where it can."""
    return "" if importlib.util.find_spec(MODULE) else MISSING


@contextlib.contextmanager
def _without_greeting() -> Iterator[None]:
    """Keep LiteRT's greeting (``INFO: Created …``) off the terminal; no setting does. All else goes on."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            os.write(2, b"".join(line for line in said if not line.startswith(b"INFO: ")))


class Network:
    """A loaded network; its tensors are known by their shapes.

    Parameters
    ----------
    path : Path
    given : tuple of int
        Shape of the one input.
    wanted : mapping of str to tuple of int
        Name for an output → its shape, which no other output has.

    Raises
    ------
    StageError
        LiteRT is missing, or the file holds no network or another.
    """

    def __init__(self, path: Path, given: tuple[int, ...], wanted: Mapping[str, tuple[int, ...]]) -> None:
        if why := missing():
            raise StageError(why)
        from ai_edge_litert.interpreter import Interpreter

        try:
            with _without_greeting():
                self._interpreter = Interpreter(model_path=str(path), num_threads=1)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as e:
            raise StageError(
                f"{path} holds no network that LiteRT can run ({str(e).splitlines()[0][:80]})", _REMEDY
            ) from e
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        by_shape = {tuple(int(n) for n in o["shape"]): o["index"] for o in outputs}
        if [tuple(i["shape"]) for i in inputs] != [given] or not set(wanted.values()) <= set(by_shape):
            raise StageError(f"{path} holds another network than the published one of that name", _REMEDY)
        self._input = inputs[0]["index"]
        self._outputs = {name: by_shape[shape] for name, shape in wanted.items()}

    def run(self, values: Array) -> dict[str, Array]:
        """Run it on one input, float32; the outputs by name, copied."""
        self._interpreter.set_tensor(self._input, np.ascontiguousarray(values, np.float32))
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}


_REMEDY = "`ttprep weights pose3d` fetches the published networks"
