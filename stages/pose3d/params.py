"""Parameters of the skeletons in space."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from stages.base import Params

Method = Literal["blazepose", "depth"]
Model = Literal["lite", "full", "heavy"]

#: parameter → the method that reads it
OF_METHOD: dict[str, Method] = {
    "model": "blazepose",
    "crop": "blazepose",
    "depth_network": "depth",
    "depth_output": "depth",
    "depth_input": "depth",
    "depth_side": "depth",
    "depth_multiple": "depth",
    "height": "depth",
    "least_score": "depth",
}


class Pose3dParams(Params):
    """Parameters of the skeletons in space.

    Attributes
    ----------
    method : {"blazepose", "depth"}
        BlazePose, or the joints in the picture lifted by the depth under them.
    model : {"lite", "full", "heavy"}
        Of BlazePose.
    crop : {"joints", "detector"}
        What frames the player: the descriptor's hips and shoulders, or BlazePose's detector around them.
    depth_network : Path or None
        ONNX file of a depth network, relative to the manifest; no part of the key, which knows it by content.
    depth_output : {"inverse", "metric"}
        What it gives: relative inverse depth, larger is nearer, with unknown scale and shift; or m.
    depth_input : {"imagenet", "unit"}
        R, G, B in [0, 1], less ImageNet's mean over its standard deviation or as they are.
    depth_side : int
        Shorter side of its input, px, where the network leaves that open.
    depth_multiple : int
        What both sides of its input are then multiples of.
    height : float
        The player's height in m: the yard-stick of the depth's scale.
    least_score : float
        Least score of two joints whose distance counts for the scale.
    weights_sha256 : str
        Digest of the networks. The pipeline fills it in; where it is given, no others are accepted.
    """

    method: Method = "blazepose"
    model: Model = "full"
    crop: Literal["joints", "detector"] = "joints"
    depth_network: Path | None = Field(None, exclude=True)
    depth_output: Literal["inverse", "metric"] = "inverse"
    depth_input: Literal["imagenet", "unit"] = "imagenet"
    depth_side: int = Field(252, ge=16, le=2048)
    depth_multiple: int = Field(14, ge=1, le=64)
    height: float = Field(1.75, gt=0.5, lt=2.5)
    least_score: float = Field(0.3, ge=0, le=1)
    weights_sha256: str = Field("", pattern="^([0-9a-f]{64})?$")


def unread(params: Pose3dParams) -> tuple[str, ...]:
    """Return the parameters that only the other method reads."""
    return tuple(name for name, method in OF_METHOD.items() if method != params.method)
