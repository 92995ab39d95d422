"""Blocks that the networks share, in one (time) or three (time, y, x) dimensions."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tttrain.errors import TrainError
from tttrain.models.attention import AttentionBlock, ResidualBlock
from tttrain.models.gpu_layers import PaddedConv3d

_CONV: dict[int, type[nn.Conv1d] | type[nn.Conv3d]] = {1: nn.Conv1d, 3: PaddedConv3d}
_POOL: dict[int, type[nn.MaxPool1d] | type[nn.MaxPool3d]] = {1: nn.MaxPool1d, 3: nn.MaxPool3d}

#: filters of the three convolutions, and features after the fully connected layer [SSTC §IV-A]
FILTERS = (30, 60, 80)
FEATURES = 500
#: of the first weights of a bilinear layer behind attention blocks (docs/training.md, "Why they learn")
BILINEAR_GAIN = 0.3


class Branch(nn.Module):
    """One stream: three times convolution, ReLU, max-pooling and an optional block; then 500 features.

    Convolutions are 3 wide with stride and padding 1, pools 2 wide in every dimension; an attention
    block or a single residual block follows a pooling [3S §2.5], [ATT §III-A]. The fully connected layer is
    followed by a ReLU.

    Parameters
    ----------
    channels : int
    volume : tuple of int
        (T, H, W), or (T,) for a branch of one dimension.
    attention : int
        Number of attention blocks; they follow the first poolings.
    residual : int
        Number of residual blocks in their place.

    Raises
    ------
    TrainError
        The input is too small for three poolings.
    """

    def __init__(self, channels: int, volume: tuple[int, ...], attention: int = 0, residual: int = 0) -> None:
        super().__init__()
        dims = len(volume)
        after = tuple(side // 8 for side in volume)
        if min(after) < 1:
            text = "×".join(str(side) for side in reversed(volume))
            raise TrainError(
                f"an input of {text} is gone after three poolings; "
                "every side must be 8 or more (--size), and the number of frames too (--length)"
            )
        layers: list[nn.Module] = []
        for i, filters in enumerate(FILTERS):
            layers += [_CONV[dims](channels, filters, 3, padding=1), nn.ReLU(inplace=True), _POOL[dims](2)]
            if i < attention:
                layers.append(AttentionBlock(filters, dims))
            elif i < residual:
                layers.append(ResidualBlock(filters, dims))
            channels = filters
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(channels * math.prod(after), FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *volume) → (N, 500)."""
        channels = x.shape[1]
        for layer in self.features:
            if isinstance(layer, AttentionBlock | ResidualBlock):
                x = _unpadded(x, channels)
            x = layer(x)
            channels = getattr(layer, "out_channels", channels)
        return functional.relu(self.fc(_unpadded(x, channels).flatten(1)))


def _unpadded(x: Tensor, channels: int) -> Tensor:
    """Leave out the channels that a padded convolution added."""
    if x.shape[1] == channels:
        return x
    return x[:, :channels].contiguous(memory_format=torch.channels_last_3d)


class BilinearFusion(nn.Module):
    """``y = x₁ᵀ A x₂ + b`` for each class [3S §2.5], [ATT §III-A]; always in float32.

    Parameters
    ----------
    classes : int
    features : int
    attention : bool
        Whether a branch carries attention blocks. Its features are about five times as strong, and their
        products more so: the first weights are weaker by :data:`BILINEAR_GAIN`, or the first loss would lie
        up to 20 % above ln(classes).
    """

    def __init__(self, classes: int, features: int = FEATURES, *, attention: bool = False) -> None:
        super().__init__()
        self.bilinear = nn.Bilinear(features, features, classes)
        if attention:
            with torch.no_grad():
                self.bilinear.weight *= BILINEAR_GAIN

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """(N, F), (N, F) → (N, classes)."""
        # products of two features overflow and vanish in reduced precision
        with torch.autocast(a.device.type, enabled=False):
            out: Tensor = self.bilinear(a.float(), b.float())
        return out


def classifier(n: int, classes: int) -> nn.Linear:
    """Make a last layer for strong features: its first weights are a tenth of torch's.

    With those the first loss of the 1D-ConvGRU lies 36 % above ln(classes), that of the 2D-ConvGRU 15 %, and
    that of I3D up to 15 % in a batch of five.
    """
    layer = nn.Linear(n, classes)
    with torch.no_grad():
        layer.weight *= 0.1
    return layer


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Count trainable parameters: all, and without the fully connected (linear and bilinear) layers."""
    dense: set[Any] = set()
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Bilinear):
            dense.update(module.parameters())
    everything = [p for p in model.parameters() if p.requires_grad]
    return sum(p.numel() for p in everything), sum(p.numel() for p in everything if p not in dense)
