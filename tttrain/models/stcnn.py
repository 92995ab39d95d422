"""One spatio-temporal branch with a classifier: RGB, Flow, early fusion; and their late fusion [SSTC]."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tttrain.models.blocks import FEATURES, Branch
from tttrain.models.spec import CHANNELS, AttentionOptions, Inputs, InputShape, ModelSpec


class SingleStream(nn.Module):
    """A branch and a fully connected layer on the given modalities, stacked as channels.

    One modality: the RGB or Flow model [SSTC §IV-D]; both: its early fusion model (5 channels).

    Parameters
    ----------
    modalities : sequence of {"rgb", "flow"}
    shape : InputShape
    classes : int
    options : AttentionOptions
    """

    def __init__(
        self, modalities: Sequence[str], shape: InputShape, classes: int, options: AttentionOptions
    ) -> None:
        super().__init__()
        self.modalities = tuple(modalities)
        channels = sum(CHANNELS[m] for m in modalities)
        self.branch = Branch(channels, shape.volume, options.attention, options.residual)
        self.classify = nn.Linear(FEATURES, classes)

    def forward(self, inputs: Inputs) -> Tensor:
        """Inputs of (N, C, T, H, W) → logits (N, classes)."""
        pixels = [inputs[m] for m in self.modalities]
        out: Tensor = self.classify(self.branch(pixels[0] if len(pixels) == 1 else torch.cat(pixels, dim=1)))
        return out


class LateFusion(nn.Module):
    """Classifiers side by side, each trained on its own loss; their scores are added [SSTC §V].

    Parameters
    ----------
    models : sequence of torch.nn.Module
        Each returns (N, classes).
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, inputs: Inputs) -> Tensor:
        """Logits (N, K, classes)."""
        return torch.stack([model(inputs) for model in self.models], dim=1)


def rgb_stcnn(shape: InputShape, classes: int, options: AttentionOptions) -> nn.Module:
    """Build the RGB model."""
    return SingleStream(("rgb",), shape, classes, options)


def flow_stcnn(shape: InputShape, classes: int, options: AttentionOptions) -> nn.Module:
    """Build the Flow model."""
    return SingleStream(("flow",), shape, classes, options)


def early_fusion(shape: InputShape, classes: int, options: AttentionOptions) -> nn.Module:
    """Build one branch that sees RGB and flow as five channels."""
    return SingleStream(("rgb", "flow"), shape, classes, options)


def late_fusion(shape: InputShape, classes: int, options: AttentionOptions) -> nn.Module:
    """Build an RGB and a Flow model whose scores are added."""
    return LateFusion([SingleStream((m,), shape, classes, options) for m in ("rgb", "flow")])


MODELS = (
    ModelSpec("rgb-stcnn", "RGB branch", "[SSTC] §IV-D", ("rgb",), AttentionOptions, rgb_stcnn),
    ModelSpec("flow-stcnn", "flow branch", "[SSTC] §IV-D", ("flow",), AttentionOptions, flow_stcnn),
    ModelSpec(
        "early-fusion", "RGB and flow as 5 channels", "[SSTC] §IV-D", ("rgb", "flow"), AttentionOptions,
        early_fusion,
    ),
    ModelSpec(
        "late-fusion", "RGB and flow model, scores added", "[SSTC] §IV-D", ("rgb", "flow"), AttentionOptions,
        late_fusion,
    ),
)  # fmt: skip
