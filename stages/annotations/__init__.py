"""Crowd-sourced annotations to samples: reading, cleaning, negatives, taxonomies and splits.

Everything here is a pure function of bytes, records and parameters (only
:func:`read_annotations` opens files); ``docs/annotations.md`` describes formats and rules.
"""

from __future__ import annotations

from stages.annotations.clean import Action, Cleaned, CleaningParams, clean, group_actions
from stages.annotations.negatives import NegativeParams
from stages.annotations.options import (
    AnnotationOptions,
    CsvColumns,
    CsvMapping,
    CvatOptions,
    LabelPart,
    OpenTTGamesOptions,
)
from stages.annotations.picture import draw_waterfall, encode_png
from stages.annotations.read import FileContent, merge, read_annotations, read_file
from stages.annotations.records import (
    KINDS,
    NEGATIVE,
    REFUSALS,
    Annotation,
    AnnotationSet,
    Event,
    Issue,
    Sample,
    VideoFacts,
    count_kinds,
    sample_id,
)
from stages.annotations.splits import SPLITS, SplitParams, assign_splits, split_counts, split_table
from stages.annotations.taxonomy import STROKES, TAXONOMIES, Taxonomy, canonical
from stages.annotations.waterfall import Step, Waterfall

__all__ = [
    "KINDS",
    "NEGATIVE",
    "REFUSALS",
    "SPLITS",
    "STROKES",
    "TAXONOMIES",
    "Action",
    "Annotation",
    "AnnotationOptions",
    "AnnotationSet",
    "Cleaned",
    "CleaningParams",
    "CsvColumns",
    "CsvMapping",
    "CvatOptions",
    "Event",
    "FileContent",
    "Issue",
    "LabelPart",
    "NegativeParams",
    "OpenTTGamesOptions",
    "Sample",
    "SplitParams",
    "Step",
    "Taxonomy",
    "VideoFacts",
    "Waterfall",
    "assign_splits",
    "canonical",
    "clean",
    "count_kinds",
    "draw_waterfall",
    "encode_png",
    "group_actions",
    "merge",
    "read_annotations",
    "read_file",
    "sample_id",
    "split_counts",
    "split_table",
]
