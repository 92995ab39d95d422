"""Crowd-sourced annotations to samples: reading, cleaning, negatives, taxonomies and splits.

Everything here is a pure function of bytes, records and parameters (only
:func:`read_annotations` opens files); ``docs/annotations.md`` describes formats and rules.
"""

from __future__ import annotations

from pipeline.annotations.clean import Action, Cleaned, CleaningParams, clean, group_actions
from pipeline.annotations.negatives import NegativeParams
from pipeline.annotations.options import (
    AnnotationOptions,
    CsvColumns,
    CsvMapping,
    CvatOptions,
    LabelPart,
    OpenTTGamesOptions,
)
from pipeline.annotations.reading import FileContent, merge, read_annotations, read_file
from pipeline.annotations.records import (
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
from pipeline.annotations.splits import SPLITS, SplitParams, assign_splits, split_counts, split_table
from pipeline.annotations.taxonomy import STROKES, TAXONOMIES, Taxonomy, canonical
from pipeline.annotations.waterfall import Step, Waterfall
from pipeline.annotations.waterfall_picture import draw_waterfall, encode_png

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
