"""The pose branch alone: convolutions along time over the joints' coordinates and scores [3S §2.5]."""

from __future__ import annotations

from torch import Tensor, nn

from tttrain.models.blocks import FEATURES, Branch
from tttrain.models.spec import AttentionOptions, Inputs, InputShape, ModelSpec


class Pose(nn.Module):
    """Pose branch and a fully connected layer.

    Parameters
    ----------
    shape : InputShape
    classes : int
    options : AttentionOptions
    """

    def __init__(self, shape: InputShape, classes: int, options: AttentionOptions) -> None:
        super().__init__()
        self.branch = Branch(3 * shape.joints, (shape.length,), options.attention, options.residual)
        self.classify = nn.Linear(FEATURES, classes)

    def forward(self, inputs: Inputs) -> Tensor:
        """``pose`` (N, 3·J, T) → logits (N, classes)."""
        out: Tensor = self.classify(self.branch(inputs["pose"]))
        return out


MODELS = (ModelSpec("pose", "pose branch", "[3S] §2.5", ("pose",), AttentionOptions, Pose),)
