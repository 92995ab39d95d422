"""What a model declares about itself, what it is built for, and what it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

#: modality → values; rgb (N, 3, T, H, W), flow (N, 2, T, H, W), pose (N, 3·J, T)
Inputs = Mapping[str, Tensor]

#: channels of the image modalities
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
    """Options of models whose branches may carry attention blocks or, to compare with, residual ones."""

    attention: int = Field(0, ge=0, le=3, description="attention blocks in each branch, first pooling first")
    residual: int = Field(0, ge=0, le=3, description="residual blocks in their place [ATT §III-A.3]")

    @model_validator(mode="after")
    def _one_kind(self) -> AttentionOptions:
        if self.attention and self.residual:
            raise ValueError("residual blocks stand in the place of attention blocks; give one of the two")
        return self


@dataclass(frozen=True)
class ModelSpec:
    """One kind of network, as the command line offers it.

    Attributes
    ----------
    name : str
        The value of ``--model``.
    title : str
        One line for tables.
    source : str
        Paper and section.
    inputs : tuple of str
        Modalities it reads: ``rgb``, ``flow``, ``pose``.
    options : type of Options
        The values of ``--option``.
    make : callable
        (InputShape, classes, options) → module that maps a mapping of inputs to logits.
    settings : mapping
        Settings of training that the model's own paper prescribes: fields of
        :class:`tttrain.training.config.RunConfig`. They hold where a setting is not given.
    """

    name: str
    title: str
    source: str
    inputs: tuple[str, ...]
    options: type[Options]
    make: Callable[[InputShape, int, Any], nn.Module]
    settings: Mapping[str, Any] = field(default_factory=dict)
