"""Read the JSON of ``ttprep predict``: strokes by frames, with the network that predicted them.

``begin`` and ``end`` count frames from 0, ``end`` is the first frame after; seconds are not read.
"""

from __future__ import annotations

from pipeline.annotations.formats.annotation_format import AnnotationFile, AnnotationFormat
from pipeline.annotations.formats.recorder import Recorder
from pipeline.annotations.parsing.json_lines import Node
from pipeline.annotations.parsing.text import Refused, shown

#: what the file calls itself, and the versions that are read
NAME, VERSIONS = "ttprep strokes", (1,)


def _recognises(file: AnnotationFile) -> bool:
    return file.json is not None and _text(file.json, "format") == NAME


def _read(file: AnnotationFile, out: Recorder) -> None:
    root = file.json
    if root is None:
        return
    version = root.get("format_version")
    if version is None or version.scalar not in VERSIONS:
        said = shown(version.scalar if version is not None else None)
        what = f"format_version {said} of {NAME!r} is not known; update ttprep"
        raise Refused("unknown-format", what, root.line)
    videos = root.get("videos")
    if videos is None or not videos.items:
        out.issue(root.line, "empty", "the file has no videos")
        return
    for video in videos.items:
        name = _text(video, "video")
        key = out.named_video(video.line, name) if name else out.video
        strokes = video.get("strokes")
        if key is None:
            continue
        if strokes is None or not strokes.is_array:
            out.issue(video.line, "malformed", "a video without a list of strokes")
            continue
        for stroke in strokes.items:
            _stroke(stroke, key, _text(video, "predicted_by"), out)


def _stroke(stroke: Node, video: str, network: str, out: Recorder) -> None:
    begin, end = stroke.get("begin"), stroke.get("end")
    if begin is None or end is None:
        out.issue(stroke.line, "malformed", "a stroke without begin or end")
        return
    first = out.frame(stroke.line, "begin", begin.scalar)
    last = out.frame(stroke.line, "end", end.scalar)
    if first is None or last is None:
        return
    label, annotator, player = (_text(stroke, key) for key in ("label", "annotator", "player"))
    out.add(stroke.line, video, first, last, label or None, annotator, player, predicted_by=network)


def _text(node: Node, key: str) -> str:
    found = node.get(key)
    return found.scalar if found is not None and isinstance(found.scalar, str) else ""


FORMAT = AnnotationFormat(
    name="strokes",
    title="Strokes of ttprep predict",
    told_by="strokes of ttprep predict",
    syntax="json",
    suffixes=(".json",),
    recognises=_recognises,
    read=_read,
)
