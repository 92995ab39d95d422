"""Write strokes as CSV and JSON: frames and seconds, label, score and player."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from pipeline.annotations.formats.strokes_json import NAME, VERSIONS
from pipeline.annotations.writing.predicted import PredictedStroke, PredictedVideo, clean, origin, rounded

COLUMNS = (
    "video", "begin", "end", "label", "player", "score", "begin_seconds", "end_seconds", "note",
    "predicted_by",
)  # fmt: skip


def csv_content(videos: Sequence[PredictedVideo]) -> bytes:
    """Return a table with one stroke a row, which the default column mapping reads.

    Notes
    -----
    ``begin`` and ``end`` count frames from 0, ``end`` is the first frame after; the seconds are for the eye.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for video in videos:
        for stroke in video.ordered:
            record = _record(video, stroke) | {"video": clean(video.name), "predicted_by": origin(video)}
            rows.writerow(record[column] for column in COLUMNS)
    return text.getvalue().encode()


def json_content(videos: Sequence[PredictedVideo]) -> bytes:
    """Return a document with the strokes of each video."""
    document = {
        "format": NAME,
        "format_version": VERSIONS[-1],
        "videos": [
            {
                "video": clean(video.name),
                "frames": video.facts.n_frames,
                "fps": float(video.facts.fps),
                "width": video.width,
                "height": video.height,
                "predicted_by": origin(video),
                "strokes": [_record(video, stroke) for stroke in video.ordered],
            }
            for video in videos
        ],
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _record(video: PredictedVideo, stroke: PredictedStroke) -> dict[str, Any]:
    return {
        "begin": stroke.begin,
        "end": stroke.end,
        "label": clean(stroke.label),
        "player": clean(stroke.player),
        "score": rounded(stroke.score),
        "begin_seconds": round(float(video.seconds(stroke.begin)), 6),
        "end_seconds": round(float(video.seconds(stroke.end)), 6),
        "note": clean(stroke.note),
    }
