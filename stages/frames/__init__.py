"""Frames: source video → 320×180 RGB; decoding, colour conversion and geometry."""

from stages.frames.stage import STAGE, FramesParams

__all__ = ["STAGE", "FramesParams"]
