"""Write strokes for Label Studio: tasks with predictions, and the labelling configuration for them.

A prediction is no annotation: it becomes one when a person opens the task and submits it. Positions count
from 1, ``frameRate`` of them a second of the file as it plays. The rate stands in each task's data, and the
configuration refers to it, so that videos of different rates share one project and exports hold the rate.

References
----------
https://labelstud.io/guide/predictions, https://labelstud.io/tags/timelinelabels, https://labelstud.io/tags/video.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any
from urllib.parse import quote

from pipeline.annotations.formats.label_studio import PLAYER
from pipeline.annotations.formats.positions import RATE
from pipeline.annotations.intervals import exact
from pipeline.annotations.writing.predicted import (
    PredictedStroke,
    PredictedVideo,
    choices,
    clean,
    origin,
    players,
    rounded,
)
from pipeline.annotations.writing.xml_text import element, to_bytes
from pipeline.errors import UserError

#: names of controls in the configuration, and of fields of a task's data
STROKE, VIDEO, NOTE = "stroke", "video", "note"
#: address of a file in a folder that Label Studio serves (local storage)
LOCAL = "/data/local-files/?d="
#: more positions a second than a video has frames are hard to work with
_HIGHEST = 1000.0


def content(videos: Sequence[PredictedVideo], address: str = LOCAL) -> bytes:
    """Return tasks to import, one a video.

    Parameters
    ----------
    videos : sequence of PredictedVideo
    address : str
        What stands in front of a video's name in its address: by default that of local storage.

    Raises
    ------
    UserError
        The frames of a video are so uneven that no rate tells them apart.
    """
    tasks = [_task(video, address) for video in videos]
    return (json.dumps(tasks, indent=1, ensure_ascii=False) + "\n").encode()


def configuration(videos: Sequence[PredictedVideo]) -> bytes:
    """Return the labelling configuration of the project that the tasks are imported into."""
    root = element(None, "View")
    labels = element(root, "TimelineLabels", name=STROKE, toName=VIDEO)
    for label in choices(videos):
        element(labels, "Label", value=label)
    element(root, "Video", name=VIDEO, value="$video", frameRate=f"${RATE}", timelineHeight="120")
    element(root, "Text", name="note", value=f"${NOTE}")
    known = players(videos)
    if known:
        asked = element(root, "Choices", name=PLAYER, toName=VIDEO, perRegion="true", choice="single")
        for player in known:
            element(asked, "Choice", value=player)
    return to_bytes(root, declared=False)


def _task(video: PredictedVideo, address: str) -> dict[str, Any]:
    rate = _rate(video)
    results = [r for n, stroke in enumerate(video.ordered) for r in _results(video, stroke, n, rate)]
    mean = sum(s.score for s in video.strokes) / len(video.strokes) if video.strokes else 0.0
    notes = [clean(stroke.note) for stroke in video.ordered if stroke.note]
    data = {
        VIDEO: address + quote(clean(video.name).lstrip("/"), safe="/"),
        RATE: rate,
        NOTE: "\n".join(notes) or f"predicted by {origin(video)}",
    }
    prediction = {"model_version": origin(video), "score": rounded(mean), "result": results}
    return {"data": data, "predictions": [prediction]}


def _results(video: PredictedVideo, stroke: PredictedStroke, number: int, rate: float) -> list[Any]:
    """Return the region of a stroke, and the answer to the question for its player."""
    start, end = _positions(video, stroke.begin, stroke.end, exact(rate))
    ranges = [{"start": start, "end": end}]
    name = f"{video.name}\0{number}\0{stroke}"
    same = {
        "id": hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10],
        "to_name": VIDEO,
        "score": rounded(stroke.score),
    }
    region = same | {
        "from_name": STROKE,
        "type": "timelinelabels",
        "value": {"ranges": ranges, "timelinelabels": [clean(stroke.label)]},
    }
    if not stroke.player:
        return [region]
    answer = same | {
        "from_name": PLAYER,
        "type": "choices",
        "value": {"ranges": ranges, "choices": [clean(stroke.player)]},
    }
    return [region, answer]


def _rate(video: PredictedVideo) -> float:
    """Return the lowest useful number of positions a second that tells the frames apart.

    Usually the frame rate. Where frames are uneven, or the file plays at another rate than its frames were
    taken, it is a multiple of the rate at which it plays.
    """
    facts = video.facts
    rates = [float(facts.fps)]
    if facts.timeline is not None and facts.n_frames > 1:
        times = facts.timeline.times
        played = (len(times) - 1) / float(times[-1] - times[0])
        rates = [*rates[: facts.timeline.real], round(played, 3)]
    doubled = rates[-1] * 2
    while doubled <= _HIGHEST:
        rates.append(doubled)
        doubled *= 2
    for rate in rates:
        if all(_is_told(video, stroke, exact(rate)) for stroke in video.strokes):
            return rate
    raise UserError(
        f"{video.name}: {_HIGHEST:g} positions a second do not tell its frames apart in Label Studio; write"
        " CSV, JSON or CVAT, which count frames"
    )


def _is_told(video: PredictedVideo, stroke: PredictedStroke, rate: Fraction) -> bool:
    start, end = _positions(video, stroke.begin, stroke.end, rate)
    first, last = (start - 1) / rate, end / rate
    return (video.facts.frame_at(first), video.facts.frame_at(last)) == (stroke.begin, stroke.end)


def _positions(video: PredictedVideo, begin: int, end: int, rate: Fraction) -> tuple[int, int]:
    """Return the first and the last position, from 1, that lie nearest to two frames; halves go down.

    A time halfway between two frames is read as the later one, so it must not lie behind its own.
    """
    first, last = (math.ceil(video.seconds(frame) * rate - Fraction(1, 2)) for frame in (begin, end))
    return first + 1, last
