"""Turn crowd-sourced annotations into samples: read, clean, map labels, add negatives, split.

Everything here is a pure function of bytes, records and parameters; only :func:`read_annotations`
opens files. ``docs/annotations.md`` describes formats and rules. In the order in which they build on
each other:

==================== ===================================================================================
``timeline``         seconds of a file to frames, by the times at which frames are shown
``records``          intervals, events, findings, samples
``options``          what a manifest may say about reading
``label_mapping``    from an annotator's words to a canonical label, and from there to a class
``parsing/``         bytes to text, XML and JSON with line numbers; names to videos
``formats/``         one reader per format, the registry of formats, the contract for other packages
``consistency``      findings that show when entries are compared
``reading``          files and folders to one set of records
``losses``           files of which nothing is left
``actions``          intervals that mean the same stroke
``waterfall``        counts after each rule; ``waterfall_picture`` draws them
``negatives``        gaps in which nobody plays
``cleaning``         the rules, from intervals to samples
``splits``           training, validation and test
==================== ===================================================================================
"""

from __future__ import annotations

from pipeline.annotations.actions import Action, group_actions
from pipeline.annotations.cleaning import Cleaned, CleaningParams, clean
from pipeline.annotations.label_mapping import STROKES, TAXONOMIES, Taxonomy, canonical
from pipeline.annotations.losses import lost_files
from pipeline.annotations.negatives import NegativeParams
from pipeline.annotations.options import (
    AnnotationOptions,
    CsvColumns,
    CsvMapping,
    CvatOptions,
    LabelPart,
    LabelStudioOptions,
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
from pipeline.annotations.timeline import Timeline, make_timeline
from pipeline.annotations.waterfall import Step, Waterfall
from pipeline.annotations.waterfall_picture import draw_waterfall

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
    "LabelStudioOptions",
    "NegativeParams",
    "OpenTTGamesOptions",
    "Sample",
    "SplitParams",
    "Step",
    "Taxonomy",
    "Timeline",
    "VideoFacts",
    "Waterfall",
    "assign_splits",
    "canonical",
    "clean",
    "count_kinds",
    "draw_waterfall",
    "group_actions",
    "lost_files",
    "make_timeline",
    "merge",
    "read_annotations",
    "read_file",
    "sample_id",
    "split_counts",
    "split_table",
]
