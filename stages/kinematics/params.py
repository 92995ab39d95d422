"""What decides the kinematics of a stroke."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.base import Params


class KinematicsParams(Params):
    """Parameters of the kinematics."""

    least_score: float = Field(
        0.2, ge=0, le=1, description="a joint with a lower score in a frame counts as not seen there"
    )
    longest_gap: float = Field(
        0.15,
        ge=0,
        le=1,
        description="longest gap in which an unseen joint is bridged, s; longer, it is unknown",
    )
    half_window: float = Field(
        0.13, gt=0, le=1, description="to each side of a frame, what its joints are smoothed over, s"
    )
    motion: Literal["flow", "joints"] = Field(
        "flow",
        description="what tells a wrist's quick movements: flow where there is one by irls, or joints alone",
    )
    drift_window: float = Field(
        0.4,
        gt=0,
        le=2,
        description="with flow, and for phases: to each side, what the drift is corrected over, s",
    )
    hand: Literal["faster", "left", "right"] = Field(
        "faster", description="which hand plays: left, right, or the one whose wrist is faster in a stroke"
    )
    turn: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="share of the wrist's peak speed below which a swing has not begun, or is over",
    )
