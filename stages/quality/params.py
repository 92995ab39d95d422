"""Parameters of the measures of quality."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from stages.base import Params
from stages.focus import Focus


class QualityParams(Params):
    """Parameters of the measures of quality."""

    step_seconds: float = Field(0.1, gt=0, le=10, description="time between frames whose picture is measured")
    crop_width: int = Field(120, ge=2, le=4096, description="width of the crop round the ROI, px; as in roi")
    crop_height: int = Field(120, ge=2, le=4096, description="height of the crop, px; as in roi")
    focus: Focus | None = Field(None, description="where the player is; the video's own")

    @model_serializer(mode="wrap")
    def _without_what_is_not_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        if values.get("focus") is None:
            values.pop("focus", None)
        return values
