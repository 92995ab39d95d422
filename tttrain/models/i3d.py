"""Inflated 3D ConvNet, the papers' baseline.

J. Carreira, A. Zisserman: *Quo vadis, action recognition? A new model and the Kinetics dataset*,
CVPR 2017: Inception-v1 with its filters inflated along time, batch normalisation after every
convolution. Two streams, trained separately, their scores added. Inputs here are half as large as
theirs, so the first max-pooling is left out [SSTC §V].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tttrain.models.blocks import classifier
from tttrain.models.spec import CHANNELS, Inputs, InputShape, ModelSpec, Options
from tttrain.models.stcnn import LateFusion

#: filters of each Inception module: 1×1; 1×1 → 3×3; 1×1 → 3×3; pool → 1×1
INCEPTION = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}


class I3dOptions(Options):
    """Options of I3D."""

    first_pool: bool = Field(False, description="keep the first max-pooling (inputs of 224 px)")
    dropout: float = Field(0.5, ge=0, lt=1, description="before the classifier")


def _same(x: Tensor, size: Sequence[int], stride: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Pad as TensorFlow's SAME does: output = ceil(input / stride), the odd element behind.

    Returns
    -------
    (Tensor, list of int)
        The input, and the padding on either side that is left to the layer. Padding that is not the
        same on both sides is added here, which costs a copy.
    """
    totals = [
        max((-(-side // s) - 1) * s + k - side, 0)
        for side, k, s in zip(x.shape[2:], size, stride, strict=True)
    ]
    if all(total % 2 == 0 for total in totals):
        return x, [total // 2 for total in totals]
    pads = [n for total in reversed(totals) for n in (total // 2, total - total // 2)]
    return functional.pad(x, pads), [0] * len(totals)


class _Unit(nn.Module):
    """SAME convolution without bias, batch normalisation, ReLU."""

    def __init__(self, n: int, out: int, size: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv3d(n, out, size, stride, bias=False)
        self.norm = nn.BatchNorm3d(out, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) → (N, out, T/s, H/s, W/s)."""
        padded, rest = _same(x, self.conv.kernel_size, self.conv.stride)
        y = functional.conv3d(padded, self.conv.weight, stride=self.conv.stride, padding=rest)
        return functional.relu(self.norm(y), inplace=True)


class _Pool(nn.Module):
    """SAME max-pooling."""

    def __init__(self, size: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.size, self.stride = size, stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) → the same channels, sides divided by the stride."""
        # after a ReLU nothing is below the zeros of the padding, as with TensorFlow's −∞
        padded, rest = _same(x, self.size, self.stride)
        return functional.max_pool3d(padded, self.size, self.stride, rest)


class _Inception(nn.Module):
    """Four ways side by side."""

    def __init__(self, n: int, filters: tuple[int, ...]) -> None:
        super().__init__()
        one, narrow3, three, narrow5, five, pooled = filters
        self.ways = nn.ModuleList(
            [
                _Unit(n, one),
                nn.Sequential(_Unit(n, narrow3), _Unit(narrow3, three, 3)),
                nn.Sequential(_Unit(n, narrow5), _Unit(narrow5, five, 3)),
                nn.Sequential(_Pool((3, 3, 3), (1, 1, 1)), _Unit(n, pooled)),
            ]
        )
        self.out = one + three + five + pooled

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) → (N, out, T, H, W)."""
        return torch.cat([way(x) for way in self.ways], dim=1)


class I3D(nn.Module):
    """One stream.

    Parameters
    ----------
    modality : {"rgb", "flow"}
    classes : int
    options : I3dOptions
    """

    def __init__(self, modality: str, classes: int, options: I3dOptions) -> None:
        super().__init__()
        self.modality = modality
        layers: list[nn.Module] = [_Unit(CHANNELS[modality], 64, 7, 2)]
        if options.first_pool:
            layers.append(_Pool((1, 3, 3), (1, 2, 2)))
        layers += [_Unit(64, 64), _Unit(64, 192, 3), _Pool((1, 3, 3), (1, 2, 2))]
        n = 192
        for name, filters in INCEPTION.items():
            if name == "4b":
                layers.append(_Pool((3, 3, 3), (2, 2, 2)))
            elif name == "5b":
                layers.append(_Pool((2, 2, 2), (2, 2, 2)))
            module = _Inception(n, filters)
            layers.append(module)
            n = module.out
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(options.dropout)
        self.classify = classifier(n, classes)

    def forward(self, inputs: Inputs) -> Tensor:
        """(N, C, T, H, W) → logits (N, classes), averaged over time."""
        x = self.features(inputs[self.modality])
        # over the whole map and pairs of time steps, as the original's 2×7×7 average on 224 px
        x = functional.avg_pool3d(x, (min(2, x.shape[2]), x.shape[3], x.shape[4]), stride=1)
        out: Tensor = self.classify(self.dropout(x).flatten(2).transpose(1, 2)).mean(dim=1)
        return out


def i3d_rgb(shape: InputShape, classes: int, options: I3dOptions) -> nn.Module:
    """Build the RGB stream."""
    return I3D("rgb", classes, options)


def i3d_flow(shape: InputShape, classes: int, options: I3dOptions) -> nn.Module:
    """Build the flow stream."""
    return I3D("flow", classes, options)


def i3d(shape: InputShape, classes: int, options: I3dOptions) -> nn.Module:
    """Build both streams; their scores are added."""
    return LateFusion([I3D(m, classes, options) for m in ("rgb", "flow")])


MODELS = (
    ModelSpec("i3d-rgb", "I3D on RGB", "Carreira 2017", ("rgb",), I3dOptions, i3d_rgb),
    ModelSpec("i3d-flow", "I3D on flow", "Carreira 2017", ("flow",), I3dOptions, i3d_flow),
    ModelSpec("i3d", "two-stream I3D, scores added", "Carreira 2017", ("rgb", "flow"), I3dOptions, i3d),
)
