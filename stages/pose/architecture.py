"""The layers of PoseNet's MobileNetV1: which variables a checkpoint holds and how the strides fall.

MobileNetV1 is Howard et al. 2017 (arXiv:1704.04861, table 1). PoseNet's published checkpoints end at
512·α channels without the last stride for α < 1, and at 1024 channels with it for α = 1. The output
stride is set after training by the à-trous rule (Chen et al., arXiv:1606.00915, §3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Model = Literal["0.50", "0.75", "1.0"]
OutputStride = Literal[8, 16, 32]

MODELS: tuple[Model, ...] = get_args(Model)
#: The four heads that are used (`_2`; the `_1` heads of a checkpoint belong to an earlier training).
HEADS = {"heatmap": 17, "offset": 34, "displacement_fwd": 32, "displacement_bwd": 32}

_CHANNELS: dict[Model, tuple[int, ...]] = {
    "0.50": (16, 32, 64, 64, 128, 128, *[256] * 8),
    "0.75": (24, 48, 96, 96, 192, 192, *[384] * 8),
    "1.0": (32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024),
}
_STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1)
_LAST_STRIDES: dict[Model, tuple[int, int]] = {"0.50": (1, 1), "0.75": (1, 1), "1.0": (2, 1)}


@dataclass(frozen=True)
class Block:
    """One block of the trunk; block 0 is a plain convolution, the others are depthwise + pointwise.

    Attributes
    ----------
    index : int
    stride : int
        Of its 3×3 convolution.
    dilation : int
        Of its 3×3 convolution; padding is symmetric and equals it.
    """

    index: int
    stride: int
    dilation: int


def largest_stride(model: Model) -> int:
    """The product of a checkpoint's own strides: 16 for 0.50 and 0.75, 32 for 1.0."""
    product = 1
    for s in (*_STRIDES, *_LAST_STRIDES[model]):
        product *= s
    return product


def blocks(model: Model, output_stride: int) -> list[Block]:
    """The trunk with its strides replaced by dilation once `output_stride` is reached.

    Raises
    ------
    ValueError
        If the checkpoint never reaches that stride.
    """
    if output_stride > largest_stride(model):
        raise ValueError(f"MobileNet {model} has strides up to {largest_stride(model)}, not {output_stride}")
    out: list[Block] = []
    reached, rate = 1, 1
    for index, stride in enumerate((*_STRIDES, *_LAST_STRIDES[model])):
        if reached == output_stride:
            out.append(Block(index, 1, rate))
            rate *= stride
        else:
            out.append(Block(index, stride, 1))
            reached *= stride
    return out


def variables(model: Model) -> dict[str, tuple[int, ...]]:
    """Name → shape of every variable that the network reads, in TensorFlow's layout (HWIO)."""
    c = _CHANNELS[model]
    shapes: dict[str, tuple[int, ...]] = {"Conv2d_0/weights": (3, 3, 3, c[0]), "Conv2d_0/biases": (c[0],)}
    for i in range(1, len(c)):
        shapes[f"Conv2d_{i}_depthwise/depthwise_weights"] = (3, 3, c[i - 1], 1)
        shapes[f"Conv2d_{i}_depthwise/biases"] = (c[i - 1],)
        shapes[f"Conv2d_{i}_pointwise/weights"] = (1, 1, c[i - 1], c[i])
        shapes[f"Conv2d_{i}_pointwise/biases"] = (c[i],)
    for head, n in HEADS.items():
        shapes[f"{head}_2/weights"] = (1, 1, c[-1], n)
        shapes[f"{head}_2/biases"] = (n,)
    return {f"MobilenetV1/{name}": shape for name, shape in shapes.items()}


def model_of(first_bias: tuple[int, ...]) -> Model | None:
    """The model whose first layer has biases of this shape, None where none has."""
    return next((m for m in MODELS if (_CHANNELS[m][0],) == first_bias), None)
