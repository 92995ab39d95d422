"""Write strokes that were predicted, or stretches to look at, as files of annotation tools.

Every format is read back by :mod:`pipeline.annotations.formats` to the same frames, labels and players, and
says in its own way that a network and no person wrote it.
"""

from __future__ import annotations

from pipeline.annotations.writing.files import FORMATS, render, write
from pipeline.annotations.writing.predicted import PredictedStroke, PredictedVideo

__all__ = ["FORMATS", "PredictedStroke", "PredictedVideo", "render", "write"]
