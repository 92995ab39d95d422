"""Two branches, RGB and flow: fused by one fully connected layer [SSTC] or a bilinear one [ATT]."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from tttrain.models.blocks import FEATURES, BilinearFusion, Branch
from tttrain.models.spec import CHANNELS, AttentionOptions, Inputs, InputShape, ModelSpec


class TwinOptions(AttentionOptions):
    """Options of the twin network."""

    fusion: Literal["bilinear", "fc"] = Field(
        "bilinear", description="bilinear layer on both branches [ATT], or one FC layer on both [SSTC]"
    )


class Twin(nn.Module):
    """RGB and flow branch with a common classifier.

    Parameters
    ----------
    shape : InputShape
    classes : int
    options : TwinOptions
    """

    def __init__(self, shape: InputShape, classes: int, options: TwinOptions) -> None:
        super().__init__()
        self.rgb = Branch(CHANNELS["rgb"], shape.volume, options.attention, options.residual)
        self.flow = Branch(CHANNELS["flow"], shape.volume, options.attention, options.residual)
        attention = options.attention > 0
        self.fuse = BilinearFusion(classes, attention=attention) if options.fusion == "bilinear" else None
        self.classify = nn.Linear(2 * FEATURES, classes) if options.fusion == "fc" else None

    def forward(self, inputs: Inputs) -> Tensor:
        """Inputs of (N, C, T, H, W) → logits (N, classes)."""
        a, b = self.rgb(inputs["rgb"]), self.flow(inputs["flow"])
        out: Tensor
        if self.fuse is not None:
            out = self.fuse(a, b)
        else:
            assert self.classify is not None
            out = self.classify(torch.cat([a, b], dim=1))
        return out


def siamese(shape: InputShape, classes: int, options: AttentionOptions) -> nn.Module:
    """Build the network of [SSTC]."""
    return Twin(shape, classes, TwinOptions(**options.model_dump(), fusion="fc"))


MODELS = (
    ModelSpec(
        "siamese", "RGB and flow, one FC on both", "[SSTC] §IV-A", ("rgb", "flow"), AttentionOptions, siamese
    ),
    ModelSpec("twin", "RGB and flow, bilinear", "[ATT] §III-A", ("rgb", "flow"), TwinOptions, Twin),
)
