"""Models by name. A new one is a module with a builder, and an entry here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from torch import nn

from tttrain.errors import USAGE, TrainError
from tttrain.models import alexnet, cnn_lstm, i3d, pose, stcnn, three_stream, twin
from tttrain.models.shape import AttentionOptions, InputShape, Options


@dataclass(frozen=True)
class ModelSpec:
    """One kind of network.

    Attributes
    ----------
    name : str
    title : str
        One line for tables.
    source : str
        Paper and section.
    inputs : tuple of str
        Modalities it needs.
    options : type of Options
    make : callable
        (InputShape, classes, options) → module from a mapping of inputs to logits.
    """

    name: str
    title: str
    source: str
    inputs: tuple[str, ...]
    options: type[Options]
    make: Callable[[InputShape, int, Any], nn.Module]


_BOTH = ("rgb", "flow")

_SPECS = (
    ModelSpec("rgb-stcnn", "RGB branch", "[SSTC] §IV-D", ("rgb",), AttentionOptions, stcnn.rgb_stcnn),
    ModelSpec("flow-stcnn", "flow branch", "[SSTC] §IV-D", ("flow",), AttentionOptions, stcnn.flow_stcnn),
    ModelSpec(
        "early-fusion", "RGB and flow as 5 channels", "[SSTC] §IV-D", _BOTH, AttentionOptions,
        stcnn.early_fusion,
    ),
    ModelSpec(
        "late-fusion", "RGB and flow model, scores added", "[SSTC] §IV-D", _BOTH, AttentionOptions,
        stcnn.late_fusion,
    ),
    ModelSpec(
        "siamese", "RGB and flow, one FC on both", "[SSTC] §IV-A", _BOTH, AttentionOptions, twin.siamese
    ),
    ModelSpec("twin", "RGB and flow, bilinear", "[ATT] §III-A", _BOTH, twin.TwinOptions, twin.Twin),
    ModelSpec("pose", "pose branch", "[3S] §2.5", ("pose",), AttentionOptions, pose.Pose),
    ModelSpec(
        "three-stream", "RGB, flow and pose, bilinear in pairs", "[3S] §2.5", ("rgb", "flow", "pose"),
        three_stream.ThreeStreamOptions, three_stream.ThreeStream,
    ),
    ModelSpec("i3d-rgb", "I3D on RGB", "Carreira 2017", ("rgb",), i3d.I3dOptions, i3d.i3d_rgb),
    ModelSpec("i3d-flow", "I3D on flow", "Carreira 2017", ("flow",), i3d.I3dOptions, i3d.i3d_flow),
    ModelSpec("i3d", "two-stream I3D, scores added", "Carreira 2017", _BOTH, i3d.I3dOptions, i3d.i3d),
    ModelSpec(
        "gru-alexnet", "AlexNet, GRU in place of its FC layers", "[GRU] Table I", ("rgb",),
        alexnet.GruOptions, alexnet.GruAlexNet,
    ),
    ModelSpec(
        "1d-convgru", "AlexNet with a ConvGRU", "[GRU] Table I", ("rgb",), alexnet.ConvGruOptions,
        alexnet.one_way,
    ),
    ModelSpec(
        "2d-convgru", "AlexNet with a bi-directional ConvGRU", "[GRU] Table I", ("rgb",),
        alexnet.ConvGruOptions, alexnet.two_way,
    ),
    ModelSpec(
        "2d-2-convgru", "AlexNet with two bi-directional ConvGRUs", "[GRU] Table I", ("rgb",),
        alexnet.ConvGruOptions, alexnet.two_way_twice,
    ),
    ModelSpec(
        "cnn-lstm", "CNN for each frame, LSTM along time", "[LSTM] §3", ("rgb",), cnn_lstm.CnnLstmOptions,
        cnn_lstm.CnnLstm,
    ),
    ModelSpec(
        "cnn", "CNN for each frame, mean over time", "[LSTM] Table 1", ("rgb",), cnn_lstm.CnnOptions,
        cnn_lstm.Cnn,
    ),
    ModelSpec(
        "lstm", "LSTM on the frames' pixels", "[LSTM] Table 1", ("rgb",), cnn_lstm.LstmOptions,
        cnn_lstm.Lstm,
    ),
)  # fmt: skip


def specs() -> dict[str, ModelSpec]:
    """All models by name."""
    return {spec.name: spec for spec in _SPECS}


def get_spec(name: str) -> ModelSpec:
    """The model of that name.

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
    """Check a model's options.

    Raises
    ------
    TrainError
        An unknown option, or a value that cannot be.
    """
    try:
        return spec.options.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        known = ", ".join(spec.options.model_fields)
        raise TrainError(
            f"model {spec.name}, option {name}: {first['msg']}; it has: {known}", USAGE
        ) from None


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
