"""The same strokes in every format, and how tests read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction

import yaml

from pipeline.annotations import (
    AnnotationOptions,
    FileContent,
    VideoFacts,
    read_file,
)
from tests.support import ROOT

FPS = Fraction(120)
VIDEOS = {"game.mp4": VideoFacts(6000, FPS), "other.mp4": VideoFacts(500, FPS)}

#: the same four strokes in every format: begin, end, label
STROKES = [
    (120, 192, "Offensive Forehand Loop"),
    (300, 372, "Defensive Backhand Push"),
    (500, 572, "Offensive Backhand Flip"),
    (700, 772, "Defensive Forehand Block"),
]

MEDIAEVAL = "<video>\n" + "\n".join(
    f'  <action begin="{b}" end="{e}" move="{m}" />' for b, e, m in STROKES
) + "\n</video>\n"  # fmt: skip

CSV = "video;begin;end;label\n" + "".join(f"game.mp4;{b};{e};{m}\n" for b, e, m in STROKES)

CSV_SECONDS = "clip,from,to,what\n" + "".join(f"game,{b / 120},{e / 120},{m}\n" for b, e, m in STROKES)

CSV_INCLUSIVE = "begin\tend\tlabel\n" + "".join(f"{b + 1}\t{e}\t{m}\n" for b, e, m in STROKES)

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>7</id><source>game.mp4</source></task></meta>
""" + "".join(
    f"""  <track id="{i}" label="{m}" source="manual">
    <box frame="{b}" xtl="1" ytl="1" xbr="9" ybr="9" outside="0" occluded="0" keyframe="1"></box>
    <box frame="{b + 30}" xtl="1" ytl="1" xbr="9" ybr="9" outside="0" occluded="0" keyframe="0"></box>
    <box frame="{e}" xtl="1" ytl="1" xbr="9" ybr="9" outside="1" occluded="0" keyframe="1"></box>
  </track>
"""
    for i, (b, e, m) in enumerate(STROKES)
) + "</annotations>\n"  # fmt: skip

OPENTTGAMES = json.dumps(
    {
        "130": "bounce",
        "156": "left_forehand_loop neutral both_feet_planted",
        "336": "left_backhand_push neutral unknown",
        "400": "net",
        "536": "right_backhand_flick unknown unknown",
        "736": "right_forehand_block left_leaning left_foot_lifted",
        "800": "empty_event",
    },
    indent=1,
)


def label_studio(video: str = "/data/upload/3/0a1b2c3d-game.mp4", who: object = 4) -> str:
    results = [
        {
            "id": f"r{i}",
            "type": "timelinelabels",
            "from_name": "strokes",
            "to_name": "video",
            "origin": "manual",
            "value": {"ranges": [{"start": b + 1, "end": e}], "timelinelabels": [m]},
        }
        for i, (b, e, m) in enumerate(STROKES)
    ]
    annotation = {"id": 9, "completed_by": who, "result": results, "was_cancelled": False}
    task = {"id": 1, "annotations": [annotation], "predictions": [], "data": {"video": video}}
    return json.dumps([task], indent=2)


LABEL_STUDIO_MIN = json.dumps(
    [
        {
            "id": 1,
            "video": "/data/local-files/?d=club/game.mp4",
            "annotator": 4,
            "strokes": [
                {"ranges": [{"start": b + 1, "end": e}], "timelinelabels": [m]} for b, e, m in STROKES
            ],
        }
    ]
)

OPTIONS = AnnotationOptions.model_validate(
    {
        "csv": [
            {"columns": {"begin": "from", "end": "to", "label": "what", "video": "clip"}, "unit": "seconds"},
        ],
        "label_studio": {"frame_rate": 120},
    }
)
INCLUSIVE = AnnotationOptions.model_validate({"csv": {"first_frame": 1, "end_inclusive": True}})

SAME = {
    "game.xml": (MEDIAEVAL, OPTIONS),
    "strokes.csv": (CSV, OPTIONS),
    "seconds.csv": (CSV_SECONDS, OPTIONS),
    "game.csv": (CSV_INCLUSIVE, INCLUSIVE),
    "cvat.xml": (CVAT, OPTIONS),
    "game.json": (OPENTTGAMES, OPTIONS),
    "export.json": (label_studio(), OPTIONS),
    "export-min.json": (LABEL_STUDIO_MIN, OPTIONS),
}


def read(
    text: str,
    file: str = "game.xml",
    options: AnnotationOptions | None = None,
    videos: Mapping[str, VideoFacts] | None = None,
) -> FileContent:
    return read_file(
        text.encode(), file, videos=VIDEOS if videos is None else videos, options=options or OPTIONS
    )


def spans(content: FileContent) -> list[tuple[int, int, str | None]]:
    return [(a.begin, a.end, a.label) for a in content.annotations]


DOCS = ROOT / "docs" / "annotations.md"

#: the mapping of the documentation
FRENCH = yaml.safe_load(DOCS.read_text().split("<!-- french")[1].split("```")[1].removeprefix("yaml"))
