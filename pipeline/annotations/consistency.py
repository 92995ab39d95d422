"""Compare annotations with each other and with their videos, and report what is inconsistent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from pipeline.annotations.parsing.text import shown
from pipeline.annotations.parsing.video_names import nearest, remedy_for
from pipeline.annotations.records import Annotation, Event, Issue, VideoFacts

#: unknown videos for which names like theirs are looked for: each is compared with all that are known
_GUESSED = 20
#: lines that a finding about several entries names
_PLACES = 8


def find_inconsistencies(
    annotations: Sequence[Annotation],
    events: Sequence[Event],
    videos: Mapping[str, VideoFacts],
    unplaced: Sequence[Annotation] = (),
    uncounted: Collection[str] = (),
) -> list[Issue]:
    """Return all findings about a set of annotations; nothing is changed or left out.

    Parameters
    ----------
    annotations : sequence of Annotation
        Those of each file in the order of the file.
    events : sequence of Event
    videos : mapping of str to VideoFacts
    unplaced : sequence of Annotation
        Entries of unknown videos whose frames nobody knows.
    uncounted : collection of str
        Names of further videos.

    Returns
    -------
    list of Issue
    """
    issues = list(_unknown_videos((*annotations, *events, *unplaced), videos, uncounted))
    issues += _ranges(annotations, videos)
    twins = list(_duplicates(annotations))
    issues += [Issue(a.file, a.line, "duplicate", f"the same as {_at(first, a)}") for a, first in twins]
    skip = {id(a) for a, _ in twins}
    streams: dict[tuple[str, str, str], list[Annotation]] = defaultdict(list)
    for a in annotations:
        streams[a.file, a.video, a.annotator].append(a)
    for stream in streams.values():
        issues += _unsorted(stream)
        # strokes of two named players may overlap
        for player in {a.player or a.focus for a in stream}:
            issues += _overlaps(
                a for a in stream if (a.player or a.focus) == player and id(a) not in skip and a.begin < a.end
            )
    return issues


def _at(other: Annotation, seen_from: Annotation) -> str:
    return f"line {other.line}" if other.file == seen_from.file else f"{other.file}:{other.line}"


def _unknown_videos(
    entries: Iterable[Annotation | Event], videos: Mapping[str, VideoFacts], uncounted: Collection[str]
) -> Iterable[Issue]:
    """Yield one finding per file and video, at its first entry: every line of the file would repeat it."""
    lines: dict[tuple[str, str], list[int]] = defaultdict(list)
    for entry in entries:
        if entry.video not in videos:
            lines[entry.file, entry.video].append(entry.line)
    known = [*videos, *uncounted]
    for n, ((file, video), found) in enumerate(lines.items()):
        near = nearest(video, known) if n < _GUESSED else ()
        alike = f"; much like it: {' and '.join(near)}" if near else ""
        message = (
            f"no video {shown(video)} is known ({_entries(found)}{alike}); add it, or say which it is:"
            f" {remedy_for(video)}"
        )
        yield Issue(file, min(found), "unknown-video", message)


def _entries(lines: Sequence[int]) -> str:
    """Say how many entries there are, and where the first ones stand."""
    places = sorted(set(lines))
    some = ", ".join(map(str, places[:_PLACES])) + (", …" if len(places) > _PLACES else "")
    what = f"{len(lines)} entries" if len(lines) > 1 else "1 entry"
    return f"{what}, line{'s' * (len(places) > 1)} {some}" if places[-1] else what


def _ranges(annotations: Sequence[Annotation], videos: Mapping[str, VideoFacts]) -> Iterable[Issue]:
    for a in annotations:
        facts = videos.get(a.video)
        span = f"{a.begin}-{a.end}"
        if a.begin >= a.end and not (a.clip and facts is None):
            what = "ends before it begins" if a.begin > a.end else "has no frame"
            yield Issue(a.file, a.line, "reversed", f"{span} {what}")
        if a.begin < 0 or a.end < 0:
            yield Issue(a.file, a.line, "out-of-range", f"{span} begins before the video")
        elif facts is not None and max(a.begin, a.end) > facts.n_frames:
            yield Issue(
                a.file,
                a.line,
                "out-of-range",
                f"{span} reaches beyond the {facts.n_frames} frames of {a.video}",
            )


def _duplicates(annotations: Sequence[Annotation]) -> Iterable[tuple[Annotation, Annotation]]:
    """Yield repetitions with the first occurrence; across files only if the annotator is named."""
    first: dict[tuple[object, ...], Annotation] = {}
    for a in annotations:
        where = "" if a.annotator else a.file
        who = a.annotator, a.player or a.focus, where
        twin = first.setdefault((a.video, a.begin, a.end, a.label, who), a)
        if twin is not a:
            yield a, twin


def _unsorted(stream: Sequence[Annotation]) -> Iterable[Issue]:
    for before, a in pairwise(stream):
        if a.begin < before.begin:
            yield Issue(
                a.file, a.line, "unsorted", f"begins at {a.begin}, after {before.begin} on line {before.line}"
            )


def _overlaps(stream: Iterable[Annotation]) -> Iterable[Issue]:
    """Compare each interval with the earlier one that ends last: linear time, however many overlap."""
    reach: Annotation | None = None
    for a in sorted(stream, key=lambda a: (a.begin, a.end, a.line)):
        if reach is not None and a.begin < reach.end:
            frames = min(reach.end, a.end) - a.begin
            share = frames / min(reach.end - reach.begin, a.end - a.begin)
            yield Issue(
                a.file,
                a.line,
                "overlap",
                f"{a.begin}-{a.end} shares {frames} frames ({share:.0%} of the shorter) with"
                f" {reach.begin}-{reach.end} on line {reach.line}",
            )
        if reach is None or a.end > reach.end:
            reach = a
    return
