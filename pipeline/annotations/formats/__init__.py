"""Read annotation files: one module per format, each with a module-level ``FORMAT``.

What a format of another package needs is exported here; docs/contributing/add-an-annotation-format.md
shows how to write one.
"""

from __future__ import annotations

from pipeline.annotations.formats.annotation_format import AnnotationFile, AnnotationFormat
from pipeline.annotations.formats.recorder import Recorder
from pipeline.annotations.parsing.text import Refused

__all__ = ["AnnotationFile", "AnnotationFormat", "Recorder", "Refused"]
