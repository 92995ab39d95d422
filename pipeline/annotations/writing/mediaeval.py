"""Write the strokes of a video as MediaEval's Sports task does: ``<video><action begin end move/></video>``.

Score, player and the network stand in attributes of their own, which the task's evaluation does not look at.
"""

from __future__ import annotations

from pipeline.annotations.writing.predicted import PredictedVideo, origin, rounded
from pipeline.annotations.writing.xml_text import element, to_bytes


def content(video: PredictedVideo) -> bytes:
    """Return the document; ``begin`` and ``end`` count frames from 0, ``end`` is the first frame after."""
    root = element(None, "video", name=video.name, predicted_by=origin(video))
    for stroke in video.ordered:
        action = element(
            root,
            "action",
            begin=str(stroke.begin),
            end=str(stroke.end),
            move=stroke.label,
            score=f"{rounded(stroke.score):g}",
        )
        for name, value in (("player", stroke.player), ("note", stroke.note)):
            if value:
                action.set(name, element(None, "x", value).text or "")
    return to_bytes(root)
