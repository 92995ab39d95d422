"""Models by name.

Every module of this folder that declares ``MODELS`` is found: a new model is one new file
(docs/contributing/add-a-model.md).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import nn

from tttrain.errors import USAGE, TrainError
from tttrain.models.spec import InputShape, ModelSpec, Options

#: modules in the order of their papers, which is that of the tables; others follow by name
_ORDER = ("stcnn", "twin", "pose", "three_stream", "i3d", "alexnet", "cnn_lstm")


@cache
def specs() -> dict[str, ModelSpec]:
    """Return all models by name."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
    ordered = [*_ORDER, *(name for name in names if name not in _ORDER)]
    found: dict[str, ModelSpec] = {}
    for module in ordered:
        for spec in getattr(import_module(f"tttrain.models.{module}"), "MODELS", ()):
            if spec.name in found:
                raise ValueError(f"tttrain/models/{module}.py: there is a model {spec.name!r} already")
            found[spec.name] = spec
    return found


def get_spec(name: str) -> ModelSpec:
    """Return the model of that name.

    Raises
    ------
    TrainError
        There is none.
    """
    known = specs()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
        raise TrainError(f"no model {name!r}; {hint}", USAGE)
    return known[name]


def make_options(spec: ModelSpec, given: Mapping[str, Any]) -> Options:
    """Check the options given for a model.

    Raises
    ------
    TrainError
        An unknown option, or a value out of range.
    """
    try:
        return spec.options.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        known = ", ".join(sorted(spec.options.model_fields))
        what = f"option {name}: {first['msg']}" if name else first["msg"].removeprefix("Value error, ")
        raise TrainError(f"model {spec.name}, {what}; there are: {known}", USAGE) from None


def build(name: str, shape: InputShape, classes: int, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Build a model.

    Parameters
    ----------
    name : str
    shape : InputShape
    classes : int
        N_classes.
    options : mapping, optional
        The model's own options by name.

    Returns
    -------
    torch.nn.Module
        Weights drawn from torch's global random numbers.

    Raises
    ------
    TrainError
        No such model or option, or an input that is too small for it.
    """
    spec = get_spec(name)
    return spec.make(shape, classes, make_options(spec, options or {}))
