"""RGB, flow and pose, fused two by two [3S §2.5]."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from tttrain.models.blocks import BilinearFusion, Branch
from tttrain.models.spec import CHANNELS, AttentionOptions, Inputs, InputShape, ModelSpec


class ThreeStreamOptions(AttentionOptions):
    """Options of the three-stream network; the paper's † has 3 and 3 blocks, its * 3 and 0."""

    pose_attention: int = Field(0, ge=0, le=3, description="attention blocks in the pose branch")


class ThreeStream(nn.Module):
    """Three branches; a bilinear layer on every pair of them, summed.

    Parameters
    ----------
    shape : InputShape
    classes : int
    options : ThreeStreamOptions
    """

    def __init__(self, shape: InputShape, classes: int, options: ThreeStreamOptions) -> None:
        super().__init__()
        self.rgb = Branch(CHANNELS["rgb"], shape.volume, options.attention, options.residual)
        self.flow = Branch(CHANNELS["flow"], shape.volume, options.attention, options.residual)
        self.pose = Branch(3 * shape.joints, (shape.length,), options.pose_attention)
        image, pose = options.attention > 0, options.pose_attention > 0
        self.rgb_flow = BilinearFusion(classes, attention=image)
        self.rgb_pose = BilinearFusion(classes, attention=image or pose)
        self.flow_pose = BilinearFusion(classes, attention=image or pose)

    def forward(self, inputs: Inputs) -> Tensor:
        """Inputs (N, C, T, H, W), pose (N, 3·J, T) → logits (N, classes)."""
        rgb, flow, pose = (getattr(self, name)(inputs[name]) for name in ("rgb", "flow", "pose"))
        out: Tensor = self.rgb_flow(rgb, flow) + self.rgb_pose(rgb, pose) + self.flow_pose(flow, pose)
        return out


MODELS = (
    ModelSpec(
        "three-stream", "RGB, flow and pose, bilinear in pairs", "[3S] §2.5", ("rgb", "flow", "pose"),
        ThreeStreamOptions, ThreeStream,
    ),
)  # fmt: skip
