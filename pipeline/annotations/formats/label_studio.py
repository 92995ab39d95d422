"""Read Label Studio's ``TimelineLabels``: an export (JSON, JSON-MIN), a result, or a bare value.

Label Studio counts positions from 1, ``frameRate`` of them a second (of the project's configuration, 24 if
that does not say), whatever rate the video has. A range includes its last position: it lasts from
(start − 1) / frameRate to end / frameRate seconds, and begins and ends with the frames shown at these times.

A prediction becomes an annotation when a person submits the task. Those of a task that nobody submitted are
counted and not used.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import unquote

from pipeline.annotations.formats.annotation_format import AnnotationFile, AnnotationFormat
from pipeline.annotations.formats.positions import Positions
from pipeline.annotations.formats.recorder import Recorder
from pipeline.annotations.parsing.json_lines import Node
from pipeline.annotations.parsing.text import shown
from pipeline.annotations.parsing.video_names import remedy_for
from pipeline.discovery import VIDEO_SUFFIXES

_UPLOAD = re.compile(r"[0-9a-f]{8}-")
#: name of the control that asks who plays a stroke
PLAYER = "player"
_TASK = frozenset({"annotations", "completions", "data"})


def is_label_studio(root: Node) -> bool:
    """Tell whether a document is a task, result or value of Label Studio, or a list of them."""
    first = root.items[0] if root.items else root
    keys = first.keys()
    return bool(keys & _TASK) or "result" in keys or _is_result(first) or _is_value(first) or _is_min(first)


def _is_value(node: Node) -> bool:
    return node.get("timelinelabels") is not None


def _is_result(node: Node) -> bool:
    value = node.get("value")
    return value is not None and (_is_value(value) or {"type", "from_name"} <= node.keys())


def _is_min(node: Node) -> bool:
    return any(_is_value(item) for m in node.members for item in m.node.items)


def _recognises(file: AnnotationFile) -> bool:
    return file.json is not None and is_label_studio(file.json)


def _read(file: AnnotationFile, out: Recorder) -> None:
    root = file.json
    if root is None:
        return
    for entry in root.items if root.is_array else [root]:
        if _is_value(entry):
            _value(entry, Positions(out, out.video), "", out)
        elif _is_result(entry):
            _result(entry, Positions(out, out.video), "", out)
        elif entry.keys() & _TASK:
            _task(entry, out)
        elif entry.get("result") is not None:
            _annotation(entry, Positions(out, out.video), out)
        elif _is_min(entry):
            _minimal(entry, out)
        else:
            out.issue(entry.line, "malformed", "neither a task nor a result with TimelineLabels")


def _task(task: Node, out: Recorder) -> None:
    video = _video(task, task.get("data"), out)
    annotations = task.get("annotations") or task.get("completions")
    if video is None:
        return
    positions = Positions(out, video, task.get("data"))
    if annotations is not None and annotations.items:
        for annotation in annotations.items:
            _annotation(annotation, positions, out)
        return
    predictions = task.get("predictions")
    if predictions is None or not predictions.items:
        out.issue(task.line, "empty", "a task without annotations")
        return
    for prediction in predictions.items:
        _annotation(prediction, positions, out)


def _annotation(annotation: Node, positions: Positions, out: Recorder) -> None:
    cancelled = annotation.get("was_cancelled")
    if cancelled is not None and cancelled.scalar is True:
        out.issue(annotation.line, "unsupported", "an annotation that was cancelled; not used")
        return
    results = annotation.get("result")
    if results is None or not results.is_array:
        out.issue(annotation.line, "malformed", "an annotation without a list of results")
        return
    annotator = _annotator(annotation.get("completed_by"))
    network = _network(annotation)
    players = {key: who for result in results.items if (who := _player(result)) and (key := _id(result))}
    for result in results.items:
        if not _player(result):
            _result(result, positions, annotator, out, players.get(_id(result), ""), network)


def _network(annotation: Node) -> str:
    """Return which model an entry is of; empty for what a person submitted."""
    version = annotation.get("model_version")
    if version is None or annotation.get("completed_by") is not None:
        return ""
    return str(version.scalar or "a model")


def _player(result: Node) -> str:
    """Return the answer to the question who plays the stroke of a region; empty for other results."""
    name, value = result.get("from_name"), result.get("value")
    choices = value.get("choices") if value is not None else None
    if name is None or name.scalar != PLAYER or choices is None or len(choices.items) != 1:
        return ""
    return str(choices.items[0].scalar or "")


def _id(result: Node) -> str:
    node = result.get("id")
    return "" if node is None else str(node.scalar or "")


def _annotator(node: Node | None) -> str:
    """Name the annotator: ``completed_by`` is a number, or an object with an e-mail address and a number."""
    if node is None:
        return ""
    if node.is_object:
        named = [node.get(key) for key in ("email", "username", "id")]
        return next((str(n.scalar) for n in named if n is not None and n.scalar not in (None, "")), "")
    return "" if node.scalar is None else str(node.scalar)


def _result(
    result: Node, positions: Positions, annotator: str, out: Recorder, player: str = "", network: str = ""
) -> None:
    value = result.get("value")
    if value is not None and _is_value(value):
        positions.compare(result)
        _value(value, positions, annotator, out, player, network)
        return
    kind = result.get("type")
    what = shown(kind.scalar) if kind is not None else "without type"
    out.issue(result.line, "unsupported", f"a result {what}, not timelinelabels; not used")


def _value(
    value: Node, positions: Positions, annotator: str, out: Recorder, player: str = "", network: str = ""
) -> None:
    labels_node, ranges = value.get("timelinelabels"), value.get("ranges")
    labels = [n.scalar for n in labels_node.items] if labels_node is not None else []
    if not labels or not all(isinstance(label, str) and label.strip() for label in labels):
        out.issue(value.line, "malformed", "timelinelabels is no list of names")
        return
    if ranges is None or not ranges.items:
        out.issue(value.line, "malformed", "an interval without ranges")
        return
    if len(labels) > 1:
        out.issue(value.line, "several-labels", f"{len(labels)} labels on one interval; read once for each")
    positions.compare(value)
    for span in ranges.items:
        start, end = span.get("start"), span.get("end")
        if start is None or end is None:
            out.issue(span.line, "malformed", "a range without start or end")
            continue
        first = out.frame(span.line, "start", start.scalar)
        last = out.frame(span.line, "end", end.scalar)
        if first is None or last is None:
            continue
        frames = positions.frames(span.line, first, last)
        for label in labels if frames else ():
            assert frames is not None
            out.add(span.line, positions.video, *frames, str(label), annotator, player, predicted_by=network)


def _minimal(entry: Node, out: Recorder) -> None:
    """Read JSON-MIN, which has a task's data and its regions side by side in one object."""
    video = _video(entry, entry, out)
    if video is None:
        return
    annotator = _annotator(entry.get("annotator"))
    positions = Positions(out, video, entry)
    values = [item for member in entry.members for item in member.node.items if _is_value(item)]
    answers, player = entry.get(PLAYER), ""
    if answers is not None and len(values) == 1 and isinstance(answers.scalar, str):
        player = answers.scalar
    elif answers is not None:
        message = f"JSON-MIN does not say which {PLAYER} is whose; not used: export JSON instead"
        out.issue(answers.line, "unsupported", message)
    for value in values:
        _value(value, positions, annotator, out, player)


def _video(task: Node, data: Node | None, out: Recorder) -> str | None:
    """Find the video of a task: its data's ``video``, else its first text that is a video's address."""
    texts = [m for m in data.members if isinstance(m.node.scalar, str)] if data is not None else []
    named = [m for m in texts if m.key == "video"] or [m for m in texts if _is_video(str(m.node.scalar))]
    if not named:
        return out.video
    return _find(named[0].line, str(named[0].node.scalar), out)


def _is_video(text: str) -> bool:
    return any(text.lower().endswith(suffix) for suffix in VIDEO_SUFFIXES)


def _find(line: int, address: str, out: Recorder) -> str | None:
    """Look up an address by its path, with and without the prefix that an upload gets."""
    # '/data/local-files/?d=a/b.mp4' has the path in its query, 's3://bucket/a.mp4' a host in front
    path = unquote(address.partition("?d=")[2] or address.partition("?")[0])
    path = path.partition("://")[2] or path
    # an upload's address is absolute by nature; it is a name to look up, never opened
    video = out.named_video(line, path.lstrip("/"))
    if video is None or out.is_known(video):
        return video
    folder, _, name = path.lstrip("/").rpartition("/")
    if not _UPLOAD.match(name):
        return video
    name = _UPLOAD.sub("", name, count=1)
    video = out.named_video(line, f"{folder}/{name}".lstrip("/"))
    if video is None or out.is_known(video):
        return video
    return _renamed(line, path, name, out) or path.lstrip("/")


def _renamed(line: int, path: str, name: str, out: Recorder) -> str | None:
    """Find the one video whose name Label Studio would have changed to this one on upload."""
    found = [key for key in out.names.keys if _as_uploaded(key) == unicodedata.normalize("NFC", name)]
    if not found:
        return None
    remedy = remedy_for(path)
    if len(found) > 1:
        some = " or ".join(found[:3])
        message = f"the upload {shown(name)} may be {some}; say which: {remedy}"
        out.issue_once(line, "ambiguous-video", message, path)
        return None
    message = (
        f"the upload {shown(name)} is taken to be {found[0]}: Label Studio changes blanks and brackets;"
        f" if that is wrong: {remedy}"
    )
    out.issue_once(line, "video-inferred", message, path)
    return found[0]


def _as_uploaded(key: str) -> str:
    """Return what Label Studio makes of a file's name: blanks become underscores, other signs go."""
    name = unicodedata.normalize("NFC", PurePosixPath(key).name).strip().replace(" ", "_")
    return re.sub(r"[^-\w.]", "", name)


FORMAT = AnnotationFormat(
    name="label_studio",
    title="Label Studio TimelineLabels",
    told_by="Label Studio exports",
    syntax="json",
    suffixes=(".json",),
    recognises=_recognises,
    read=_read,
    precedence=-1,  # it is told by keys as common as "data", so more particular formats look first
)
