"""Read CVAT for video 1.1, where a track is a stroke for as long as it is visible.

Frames count from 0. A visible stretch begins at its first frame that is not ``outside`` and ends
before the ``outside`` frame that closes it, or after the last frame of the track. The frames between
two listed ones belong to the stretch, because CVAT interpolates them.

A track of a predicted stroke names the network in an attribute, and CVAT notes in ``source`` whether
somebody has changed the track since.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.annotations.formats.annotation_format import AnnotationFile, AnnotationFormat
from pipeline.annotations.formats.recorder import Recorder
from pipeline.annotations.options import CvatOptions
from pipeline.annotations.parsing.text import BadField, shown
from pipeline.annotations.parsing.video_names import VideoNames, remedy_for
from pipeline.annotations.parsing.xml_nodes import Element

#: attributes of the labels that come with predictions: who plays, and which network says so
PLAYER, PREDICTED_BY = "player", "predicted_by"
#: ``source`` of a track that nobody has changed since it was uploaded, in newer and older versions of CVAT
UNTOUCHED = ("file", "auto")
_META = frozenset({"version", "meta"})
#: decoders count a frame or two more or less at the end of a file
_SLACK = 2


@dataclass(slots=True)
class _Stretch:
    begin: int
    end: int
    line: int
    label: str | None
    player: str
    network: str


def _recognises(file: AnnotationFile) -> bool:
    return file.xml is not None and file.xml.tag == "annotations"


def _read(file: AnnotationFile, out: Recorder) -> None:
    """Read an ``<annotations>`` document."""
    root = file.xml
    tasks = _tasks(root) if root else []
    sources = _sources(root, tasks, out.names) if root else {}
    by_id = {task.path("id"): task for task in tasks} | ({"": tasks[0]} if len(tasks) == 1 else {})
    found = False
    for track in root.children if root else ():
        if track.tag == "track":
            found = True
            _track(track, sources, by_id, out)
        elif track.tag not in _META:
            out.issue(
                track.line,
                "unsupported",
                f"<{track.tag[:40]}> is no track; export the task as 'CVAT for video 1.1'",
            )
    if not found:
        out.issue(0, "empty", "the file has no tracks")


def _tasks(root: Element) -> list[Element]:
    """Return what the file says about its tasks, or about the job that it is of."""
    meta = root.child("meta")
    if meta is None:
        return []
    tasks = [c for c in meta.children if c.tag in ("task", "job")]
    project = meta.child("project")
    if project is not None and (inner := project.child("tasks")) is not None:
        tasks += inner.children
    return tasks


def _sources(root: Element, tasks: list[Element], names: VideoNames) -> dict[str, str]:
    """Map task ids to the names of their videos; a file with one task has the key ``""``.

    A task has the name of its video as its source. The export of a project leaves sources out: there, and
    where no video is known by the source, the task's own name may be that of a video.
    """
    meta = root.child("meta")
    if meta is None:
        return {}
    several = len(tasks) > 1
    sources = {t.path("id"): _source(t, meta, names, several) for t in tasks}
    if len(tasks) <= 1:
        sources[""] = next(iter(sources.values()), "") or meta.path("source")
    return {key: name for key, name in sources.items() if name}


def _source(task: Element, meta: Element, names: VideoNames, several: bool) -> str:
    source = task.path("source") or meta.path("source")
    title = task.path("name")
    # what a task is called is free text, of no meaning where the file itself is named after the video
    return next((name for name in (source, title) if _is_known(name, names)), source or title * several)


def _is_known(name: str, names: VideoNames) -> bool:
    try:
        return bool(name) and (names.at(name) or names.find(name)) is not None
    except BadField:  # more than one fits: a finding, when the name is used
        return True


def _compare_length(task: Element, video: str, out: Recorder) -> None:
    """Report a task that has other frames than its video: it was made of another copy of it."""
    facts = out.videos.get(video)
    whole = task.tag != "job" and task.path("start_frame") in ("", "0") and not task.path("frame_filter")
    stop, size = task.path("stop_frame"), task.path("size")
    said = stop or (size if whole else "")
    if facts is None or video in out.uncounted or not (said.isascii() and said.isdigit()):
        return
    n = int(said[:20]) + bool(stop)
    missing = n - facts.n_frames  # a job has but a part of the frames, and so may a task
    if missing > _SLACK or (whole and -missing > _SLACK):
        out.issue_once(
            task.line,
            "doubtful-time",
            f"the task reaches to frame {n - 1}, and {video} has {facts.n_frames} frames; if it was made of"
            " another copy of the video, with another frame rate or cut, the frames are others: annotate this"
            f" copy, or add that one and say so: {remedy_for(video)}",
            video,
        )


def _track(track: Element, sources: dict[str, str], tasks: dict[str, Element], out: Recorder) -> None:
    source = sources.get(track.attrs.get("task_id", ""), sources.get("", ""))
    video = out.named_video(track.line, source) if source else out.video
    if video is None:
        return
    task = tasks.get(track.attrs.get("task_id", ""), tasks.get(""))
    if task is not None:
        _compare_length(task, video, out)
    stretches = list(_stretches(track, out))
    if not stretches:
        out.issue(track.line, "empty", f"track {shown(track.attrs.get('id', '?'))} has no visible frame")
    for s in stretches:
        out.add(s.line, video, s.begin, s.end, s.label, player=s.player, predicted_by=s.network)


def _stretches(track: Element, out: Recorder) -> Iterator[_Stretch]:
    """Yield visible stretches with one label each, in the order of the file."""
    options = out.options.cvat
    fixed = {"label": track.attrs.get("label", ""), **_attributes(track)}
    untouched = track.attrs.get("source", UNTOUCHED[0]) in UNTOUCHED
    open_: _Stretch | None = None
    last = -1
    for shape in track.children:
        if shape.tag == "attribute":
            continue
        frame = out.frame(shape.line, "frame", shape.attrs.get("frame", ""))
        if frame is None:
            continue
        if frame <= last:
            out.issue(
                shape.line, "unsorted", f"frame {frame} of a track comes after its frame {last}; not used"
            )
            continue
        last = frame
        if shape.attrs.get("outside", "0") not in ("0", "1"):
            out.issue(shape.line, "malformed", f"outside is {shown(shape.attrs['outside'])}, not 0 or 1")
            continue
        if shape.attrs.get("outside") == "1":
            if open_ is not None and not options.bridge_outside:
                open_.end = frame
                yield open_
                open_ = None
            continue
        cells = fixed | _attributes(shape)
        label = out.composed(shape.line, options.label, cells)
        network = cells.get(PREDICTED_BY, "")
        # a label that ttprep made for its predictions has the attribute, be it empty as on a new track
        named = options.player or (PLAYER if PREDICTED_BY in cells else "")
        player = cells.get(named, "")
        if open_ is not None and (open_.label, open_.player) != (label, player):
            if not options.bridge_outside:
                open_.end = frame
            yield open_
            open_ = None
        if open_ is None:
            open_ = _Stretch(frame, frame + 1, shape.line, label, player, network * untouched)
        open_.end = frame + 1
    if open_ is not None:
        yield open_


def _attributes(element: Element) -> dict[str, str]:
    return {a.attrs.get("name", ""): a.text for a in element.children if a.tag == "attribute"}


FORMAT = AnnotationFormat(
    name="cvat",
    title="CVAT for video 1.1",
    told_by="<annotations> (CVAT)",
    syntax="xml",
    suffixes=(".xml",),
    recognises=_recognises,
    read=_read,
    options=CvatOptions,
)
