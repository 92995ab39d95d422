"""The manifest's section ``quality``: what counts as a fault of a video or of a sample."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Quality(BaseModel):
    """Whether quality is measured, and from which value on a flag is raised; null: never.

    Shares are from 0 to 1. A change of a limit computes nothing anew.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    measure: bool = Field(True, description="false, or quality: false, leaves the stage quality out")
    without_flagged: bool = Field(False, description="leave samples with a flag out of the dataset")
    black: float | None = Field(0.95, ge=0, le=1, description="share of black pixels at least")
    dark: float | None = Field(30.0, ge=0, le=255, description="mean level of the picture below")
    overexposed: float | None = Field(0.35, ge=0, le=1, description="share of burnt-out pixels at least")
    blurred: float | None = Field(0.55, ge=0, le=1, description="blur at least, from 0 (sharp) to 1")
    repeated_pictures: float | None = Field(
        0.35, ge=0, le=1, description="share of frames that repeat the one before, at least"
    )
    camera_moves: float | None = Field(
        0.5, ge=0, le=1, description="share of the time in which the camera moves, at least"
    )
    nothing_moves: float | None = Field(
        0.75, ge=0, le=1, description="share of the time in which nothing moves, at least"
    )
    no_person: float | None = Field(0.2, ge=0, le=1, description="share of frames with a pose below")
    few_poses: float | None = Field(0.5, ge=0, le=1, description="share of frames with a pose below")
    roi_far_from_pose: float | None = Field(
        0.6, ge=0, le=1, description="share of the poses that the crop round the ROI shows, below"
    )
    roi_jumps: float | None = Field(
        2.0, gt=0, description="speed of the ROI, frame widths a second, in its fastest twentieth, at least"
    )
    roi_at_border: float | None = Field(
        None, ge=0, le=1, description="share of frames whose crop touches the border, at least"
    )
    person_changes: float | None = Field(
        0.7, gt=0, description="changes of the person a second at least, and six in all"
    )
    person_rests: float | None = Field(
        0.45, ge=0, le=1, description="share of what moves while the person of the pose rests, at least"
    )
    outside_focus: float | None = Field(
        0.95, ge=0, le=1, description="share of the moving pixels outside the focus, at least"
    )
    copy_of: float | None = Field(
        0.92, gt=0, le=1, description="correlation of what changes in two videos, at least"
    )

    @model_validator(mode="before")
    @classmethod
    def _switched(cls, value: Any) -> Any:
        return {"measure": value} if isinstance(value, bool) else value
