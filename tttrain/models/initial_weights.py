"""Initial weights from a local file: an AlexNet trained on ImageNet, with torchvision's names of layers.

Only layers that fit by name and shape are taken. With the features of [GRU] Table I, only the second fully
connected layer of torchvision's AlexNet (64, 192, 384, 256, 256 features) does;
``--option features=torchvision`` builds the networks with torchvision's numbers instead, so that the
convolutions fit as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tttrain.errors import USAGE, TrainError

PARTS = ("weight", "bias")


@dataclass(frozen=True)
class Initial:
    """What was taken from a file.

    Attributes
    ----------
    loaded : tuple of str
        Layers of the network.
    left : dict
        Layer → why it keeps its random weights.
    """

    loaded: tuple[str, ...]
    left: dict[str, str]

    def text(self) -> str:
        """Describe it in one line."""
        left = "; ".join(f"{name}: {why}" for name, why in self.left.items())
        return f"first weights from the file: {', '.join(self.loaded)}" + (
            f"; random: {left}" if left else ""
        )


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file.

    Raises
    ------
    TrainError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise TrainError(f"--initial {path}: cannot be read ({error.strerror or error})", USAGE) from None


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """Read the tensors of a state_dict saved with ``torch.save``, by name.

    Raises
    ------
    TrainError
        The file cannot be read, or holds something else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrainError(
            f"--initial {path}: not a file of weights ({first}); save one with "
            "torch.save(model.state_dict(), …)"
        ) from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()) or not state:
        raise TrainError(
            f"--initial {path}: holds no state_dict (names and tensors); save one with "
            "torch.save(model.state_dict(), …)"
        )
    return {str(name).removeprefix("module."): values for name, values in state.items()}


def load_initial(model: nn.Module, path: Path) -> Initial:
    """Copy weights and biases from a file, layer by layer.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    path : Path

    Returns
    -------
    Initial

    Raises
    ------
    TrainError
        The model has no counterpart in ImageNet's AlexNet, the file cannot be used, or none of its
        layers fits.
    """
    names: dict[str, str] = getattr(model, "imagenet", {})
    if not names:
        raise TrainError("--initial: only the AlexNet models can begin with weights from a file", USAGE)
    state = read_weights(path)
    modules = dict(model.named_modules())
    loaded: list[str] = []
    left: dict[str, str] = {}
    for ours, theirs in names.items():
        layer = modules.get(ours)
        if layer is None:  # a recurrent layer stands there
            continue
        why = _misfit(layer, theirs, state)
        if why:
            left[ours] = why
            continue
        with torch.no_grad():
            for part in PARTS:
                getattr(layer, part).copy_(state[f"{theirs}.{part}"])
        loaded.append(ours)
    if not loaded:
        reasons = "; ".join(f"{name}: {why}" for name, why in left.items())
        raise TrainError(
            f"--initial {path}: no layer fits ({reasons}); give a state_dict of torchvision's AlexNet, for "
            "its convolutions with --option features=torchvision and without --option width",
            USAGE,
        )
    return Initial(tuple(loaded), left)


def _misfit(layer: nn.Module, name: str, state: Mapping[str, Tensor]) -> str:
    """Say why a layer cannot be filled; empty if it can."""
    for part in PARTS:
        given = state.get(f"{name}.{part}")
        if given is None:
            return f"no {name}.{part} in the file"
        ours = tuple(getattr(layer, part).shape)
        if tuple(given.shape) != ours:
            return f"{name}.{part} is {_sides(given.shape)}, not {_sides(ours)}"
        if not bool(torch.isfinite(given).all()):
            return f"{name}.{part} has values that are not numbers"
    return ""


def _sides(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in shape)
