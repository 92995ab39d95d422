"""Read MediaEval's Sports task (TTStroke-21): detection files, submissions, classification folders.

``begin`` and ``end`` of an action are used as written: counted from 0, ``end`` exclusive. The task's
own evaluation fills ``array[begin:end]`` and accepts an ``end`` up to the number of frames, and
teams' intervals that abut share a number (2264–2464, 2464–2664). Files of ``ttprep predict`` say in
``predicted_by`` that they are predictions, and name the player of an action.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from pipeline.annotations.formats.annotation_format import AnnotationFile, AnnotationFormat
from pipeline.annotations.formats.recorder import Recorder
from pipeline.annotations.label_mapping import STROKES, canonical
from pipeline.annotations.parsing.xml_nodes import Element
from pipeline.annotations.records import NEGATIVE
from pipeline.discovery import VIDEO_SUFFIXES

#: folders of the classification task, whose sub-folders are the classes
SETS = frozenset({"train", "validation", "valid", "val", "test"})


def _recognises(file: AnnotationFile) -> bool:
    return file.xml is not None and file.xml.tag in ("video", "videos")


def _read(file: AnnotationFile, out: Recorder) -> None:
    """Read ``<video><action begin end move/></video>`` or ``<videos><video class name/></videos>``."""
    root = file.xml
    if root is None or (not root.children and "class" not in root.attrs):
        out.issue(root.line if root else 0, "empty", "the file has no actions")
        return
    for video in [root] if root.tag == "video" else root.children:
        if video.tag != "video":
            out.issue(video.line, "malformed", f"<{video.tag[:40]}> where <video> was expected")
            continue
        name = video.attrs.get("name")
        if name is None and video is not root:
            out.issue(video.line, "malformed", "a <video> without name")
            continue
        key = out.video if name is None else out.named_video(video.line, name)
        if key is None:
            continue
        if "class" in video.attrs:
            _clip(video, key, out)
        elif not video.children:
            out.issue(video.line, "empty", "a <video> with neither class nor actions")
        for action in video.children:
            _action(action, key, video.attrs.get("predicted_by", ""), out)


def _clip(video: Element, key: str, out: Recorder) -> None:
    if video.attrs["class"].strip():
        out.add_clip(video.line, key, video.attrs["class"])
    else:
        out.issue(video.line, "malformed", "the class is empty")


def _action(action: Element, key: str, network: str, out: Recorder) -> None:
    if action.tag != "action":
        out.issue(action.line, "malformed", f"<{action.tag[:40]}> where <action> was expected")
        return
    missing = [name for name in ("begin", "end") if name not in action.attrs]
    if missing:
        out.issue(action.line, "malformed", f"an <action> without {' and '.join(missing)}")
        return
    begin = out.frame(action.line, "begin", action.attrs["begin"])
    end = out.frame(action.line, "end", action.attrs["end"])
    if begin is not None and end is not None:
        player = action.attrs.get("player", "")
        out.add(action.line, key, begin, end, action.attrs.get("move"), player=player, predicted_by=network)


def clip_class(path: PurePosixPath) -> str | None:
    """Return the class folder of ``…/{train,validation,test}/<class>/<clip>``, or None for other paths.

    Not every video two levels below a folder named ``test`` is a clip: the class must be one of the
    21, or the name of a folder above must contain "classification".
    """
    *above, group, label, _ = ("", "", "", *path.parts)
    if path.suffix.lower() not in VIDEO_SUFFIXES or group.lower() not in SETS:
        return None
    known = canonical(label) in (*STROKES, NEGATIVE)
    return label if known or any("classification" in folder.lower() for folder in above) else None


FORMAT = AnnotationFormat(
    name="mediaeval",
    title="MediaEval Sports task",
    told_by="<video> and <videos> (MediaEval)",
    syntax="xml",
    suffixes=(".xml",),
    recognises=_recognises,
    read=_read,
    clip_label=clip_class,
)
