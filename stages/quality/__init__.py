"""Whether a video, and what was computed from it, is any good."""

from stages.quality.params import QualityParams
from stages.quality.stage import STAGE

__all__ = ["STAGE", "QualityParams"]
