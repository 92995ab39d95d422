"""What models are built for, and what they have in common with the rest of the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

#: modality → values; rgb (N, 3, T, H, W), flow (N, 2, T, H, W), pose (N, 3·J, T)
Inputs = Mapping[str, Tensor]

#: channels of the picture modalities
CHANNELS = {"rgb": 3, "flow": 2}


@dataclass(frozen=True)
class InputShape:
    """The size of a network's input.

    Attributes
    ----------
    size : (int, int)
        (width, height), px.
    length : int
        Frames.
    joints : int
        Rows of the pose descriptor.
    """

    size: tuple[int, int] = (120, 120)
    length: int = 100
    joints: int = 14

    @property
    def volume(self) -> tuple[int, int, int]:
        """(T, H, W)."""
        return self.length, self.size[1], self.size[0]


class Options(BaseModel):
    """Base of every model's options: frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AttentionOptions(Options):
    """Options of models whose branches may carry attention blocks."""

    attention: int = Field(0, ge=0, le=3, description="attention blocks in each branch, first pooling first")
