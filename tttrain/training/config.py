"""Settings of a training run: everything that its result depends on, checked and written as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tttrain.data.sampling_methods import METHODS
from tttrain.training.lr_schedule import SIAMESE_MOMENTUM, Constant, Schedule, Siamese, WarmRestart

Sampling = Literal[
    "normal", "siamese", "uniform", "frames",
    "method-1", "method-2", "method-3", "method-4", "method-5", "method-6", "method-7",
]  # fmt: skip

#: in place of a split's name: train without validation
NO_VALIDATION = "none"
#: longest gradient of a step of SGD (docs/training.md, "Why they learn"); Adam scales its steps itself
SGD_CLIP = 1.0
#: the most that a setting may count
MOST = 1_000_000
#: settings that may differ when a run is continued
CHANGEABLE = frozenset({"epochs", "preset"})


class RunConfig(BaseModel):
    """Settings of a run; the defaults are the papers'.

    A setting that is not given is that of the model's own paper (``ModelSpec.settings``), otherwise the one
    below, which is that of [SSTC].
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    preset: str | None = Field(None, description="published experiment that settings not given come from")
    model: str
    options: dict[str, Any] = Field(default_factory=dict)
    taxonomy: str | None = Field(None, description="taxonomy of the labels; default: the file's own")
    size: tuple[int, int] | None = Field(None, description="width, height of the input; default: the crop")
    length: int | None = Field(None, ge=1, le=MOST, description="frames of the input; default: the file's T")
    every: int = Field(1, ge=1, le=MOST, description="read every N-th frame")
    train_split: str = "train"
    validation_split: str = "validation"
    epochs: int = Field(500, ge=1, le=MOST)
    batch: int = Field(10, ge=1, le=MOST, description="samples per micro-batch")
    accumulate: int = Field(1, ge=1, le=MOST, description="micro-batches per optimiser step")
    optimizer: Literal["sgd", "adam"] = "sgd"
    schedule: Literal["warm-restart", "siamese", "constant"] = "warm-restart"
    lr: float = Field(0.01, gt=0)
    lr_min: float = Field(1e-5, gt=0)
    momentum: float = Field(0.5, ge=0, lt=1)
    weight_decay: float = Field(0.005, ge=0)
    loss: Literal["cross-entropy", "softmax"] = Field(
        "cross-entropy", description="of the logits, or of their softmax, as in the authors' code"
    )
    clip: float = Field(
        SGD_CLIP, ge=0, description="longest gradient of a step; 0: any; default with Adam: 0"
    )
    patience: int = Field(50, ge=1, le=MOST)
    recent: int = Field(25, ge=1, le=MOST)
    before: int = Field(35, ge=1, le=MOST)
    drop: float = Field(0.7, ge=0, le=1)
    augment: bool = True
    augmentation: Literal["roi", "colour"] = Field("roi", description="about the ROI, or [GRU §IV-B]")
    flip: bool = Field(True, description="about the ROI: mirror every other sample; [SSTC] does not")
    sampling: Sampling = "normal"
    square: int | None = Field(
        None, ge=1, le=MOST, description="side of the central square shown; default: the crop"
    )
    pixels: Literal["unit", "standard", "imagenet"] = Field("unit", description="normalisation of RGB")
    joints: Literal["frame", "body"] = Field("frame", description="what joints are relative to")
    initial: str | None = Field(None, description="sha256 of the file with the initial weights")
    statistics: Literal["all", "train"] = Field("all", description="videos that the flow divisor is from")
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    seed: int = Field(0, ge=0, le=2**63 - 1)

    @model_validator(mode="before")
    @classmethod
    def _of_the_model(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        from tttrain.models.registry import specs  # loads torch, which the command line's help can do without

        spec = specs().get(str(given.get("model")))
        stated = {**(spec.settings if spec else {}), **given}
        if stated.get("optimizer") == "adam":
            stated.setdefault("clip", 0.0)
        return stated

    @model_validator(mode="after")
    def _can_decide(self) -> RunConfig:
        if not self.validates and self.schedule != "constant":
            raise ValueError(
                f"--schedule {self.schedule} needs a validation split; take constant without one"
            )
        return self

    @property
    def validates(self) -> bool:
        """Whether there is a validation split; without one, the last state is the best."""
        return self.validation_split != NO_VALIDATION

    @property
    def method(self) -> str | None:
        """Name of the sampling method of [GRU] Table II; None where windows are drawn."""
        return self.sampling if self.sampling in METHODS else None

    def make_schedule(self) -> Schedule:
        """Make a schedule that stands at its beginning."""
        if self.schedule == "constant":
            return Constant(lr=self.lr, momentum=self.momentum)
        if self.schedule == "siamese":
            first = (0, self.momentum)
            return Siamese(lr=self.lr, momentum=(first, *SIAMESE_MOMENTUM[1:]))
        return WarmRestart(
            highest=self.lr,
            lowest=self.lr_min,
            momentum=self.momentum,
            patience=self.patience,
            recent=self.recent,
            before=self.before,
            drop=self.drop,
        )

    def _full(self) -> dict[str, Any]:
        """Return all settings; those of the model that an earlier version did not know at their defaults."""
        from tttrain.models.registry import get_spec, make_options

        options = make_options(get_spec(self.model), self.options).model_dump()
        return {**self.model_dump(), "options": options}

    def differences(self, other: RunConfig) -> list[str]:
        """List the settings that would give another result than ``other``: ``name: theirs → ours``."""
        ours, theirs = self._full(), other._full()
        return [f"{k}: {theirs[k]} → {ours[k]}" for k in ours if k not in CHANGEABLE and ours[k] != theirs[k]]
