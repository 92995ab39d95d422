"""Write strokes for CVAT: "CVAT for video 1.1", one track a stroke, and the labels that its task needs.

A track is a box that is there for as long as the stroke lasts. CVAT keeps whether somebody changed a track
(``source``: ``auto`` or ``file`` until then, ``semi-auto`` or ``manual`` afterwards) and its attributes, by
which a reader tells what nobody has looked at.

References
----------
https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/ and …/xml_format/, version 1.1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.etree import ElementTree

from pipeline.annotations.formats.cvat import PLAYER, PREDICTED_BY
from pipeline.annotations.writing.predicted import (
    PredictedStroke,
    PredictedVideo,
    choices,
    origin,
    players,
    rounded,
)
from pipeline.annotations.writing.xml_text import element, to_bytes

#: attributes of every label
SCORE, NOTE = "score", "note"
ATTRIBUTES = (PLAYER, SCORE, PREDICTED_BY, NOTE)
#: share of the picture that a box leaves at its border, so that it can be taken hold of
_INSET = 0.02


def content(video: PredictedVideo) -> bytes:
    """Return the annotations of a task with one video, to be uploaded as "CVAT for video 1.1"."""
    root = element(None, "annotations")
    element(root, "version", "1.1")
    _meta(root, video)
    for number, stroke in enumerate(video.ordered):
        _track(root, number, stroke, video)
    return to_bytes(root)


def labels(videos: Sequence[PredictedVideo]) -> bytes:
    """Return the labels of the tasks, to be pasted under *Raw* when a task or a project is made."""
    made = [
        {
            "name": label,
            "type": "rectangle",
            "attributes": [
                {"name": name, "input_type": "text", "mutable": False, "values": [""], "default_value": ""}
                for name in ATTRIBUTES
            ],
        }
        for label in choices(videos)
    ]
    return (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode()


def _meta(root: ElementTree.Element, video: PredictedVideo) -> None:
    n = video.facts.n_frames
    meta = element(root, "meta")
    task = element(meta, "task")
    facts = (
        ("name", video.name),
        ("size", str(n)),
        ("mode", "interpolation"),
        ("overlap", "0"),
        ("start_frame", "0"),
        ("stop_frame", str(n - 1)),
        ("source", video.name),
    )
    for tag, text in facts:
        element(task, tag, text)
    size = element(task, "original_size")
    element(size, "width", str(video.width))
    element(size, "height", str(video.height))
    listed = element(task, "labels")
    for label in choices([video]):
        one = element(listed, "label")
        element(one, "name", label)
        element(one, "type", "rectangle")
        attributes = element(one, "attributes")
        for name in ATTRIBUTES:
            attribute = element(attributes, "attribute")
            element(attribute, "name", name)
            element(attribute, "mutable", "False")
            element(attribute, "input_type", "text")
            element(attribute, "default_value")
            element(attribute, "values", "\n".join(players([video])) if name == PLAYER else "")


def _track(root: ElementTree.Element, number: int, stroke: PredictedStroke, video: PredictedVideo) -> None:
    track = element(root, "track", id=str(number), label=stroke.label, source="auto")
    left, top, right, bottom = stroke.box or (_INSET, _INSET, 1 - _INSET, 1 - _INSET)
    box = {
        "xtl": f"{left * video.width:.2f}",
        "ytl": f"{top * video.height:.2f}",
        "xbr": f"{right * video.width:.2f}",
        "ybr": f"{bottom * video.height:.2f}",
    }
    values = (
        (PLAYER, stroke.player),
        (SCORE, f"{rounded(stroke.score):g}"),
        (PREDICTED_BY, origin(video)),
        (NOTE, stroke.note),
    )
    shapes = [(stroke.begin, "0"), (stroke.end - 1, "0"), (stroke.end, "1")]
    if stroke.end - 1 == stroke.begin:
        del shapes[1]
    if stroke.end == video.facts.n_frames:  # there is no frame after it to end on
        del shapes[-1]
    for frame, outside in shapes:
        shape = element(
            track, "box", frame=str(frame), outside=outside, occluded="0", keyframe="1", **box, z_order="0"
        )
        for name, value in values:
            element(shape, "attribute", value, name=name)
