"""What the report says of annotations: the whole on the index, each video's own on its page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.annotations import KINDS, NEGATIVE, Sample
from pipeline.annotations.players import player_of
from pipeline.annotations.waterfall import UNNAMED
from pipeline.inputs.sources import Source
from pipeline.planning.samples import SampleTable
from pipeline.report.sections.agreement import agreements
from pipeline.report.sections.detections import Span
from pipeline.report.sections.flow_diagram import flow_diagram, hues
from pipeline.terminal import readable

#: annotators with a time line of their own; the others share one
PEOPLE = 5
#: findings listed on the index
FINDINGS = 500
NO_LABEL = "(stroke)"


def annotation_section(samples: SampleTable) -> dict[str, Any] | None:
    """Return what the index shows of the annotations; None where none were read."""
    cleaned, read = samples.cleaned, samples.annotations
    steps = cleaned.waterfall.steps
    if not read.annotations and not any(s.count for s in steps) and not read.issues:
        return None
    shown, height = flow_diagram(steps)
    kept: dict[str, int] = {}
    for step in (next((s for s in steps if s.unit == unit and s.name == name), None) for unit, name in
                 (("actions", "kept"), ("negatives", "negatives"))):  # fmt: skip
        kept |= step.by_class if step is not None else {}
    most = max(kept.values(), default=0) or 1
    colours = class_hues(samples)
    issues = [readable(i) for i in (*read.issues, *cleaned.issues)]
    more = len(issues) - FINDINGS
    return {
        "steps": shown,
        "height": height,
        "kinds": KINDS,
        "classes": [
            {"name": readable(n), "count": c, "share": c / most, "hue": colours.get(n, 0)}
            for n, c in kept.items()
        ],
        "agreement": agreements(cleaned.actions),
        "annotators": sorted({a.annotator or UNNAMED for a in read.annotations}),
        "findings": issues[:FINDINGS]
        + ([f"… and {more} more; `ttprep annotations` lists them"] if more > 0 else []),
    }


def class_hues(samples: SampleTable) -> dict[str, int]:
    """Return a hue for each class of the taxonomy."""
    return hues(samples.manifest.view.names)


def lane(
    title: str, spans: Sequence[tuple[Span, str, bool]], n: int, hue: Callable[[str], int]
) -> dict[str, Any]:
    """Return a time line of intervals.

    Parameters
    ----------
    title : str
    spans : sequence of (Span, str, bool)
        Interval, what else to say of it, and whether it is shown faintly.
    n : int
        Frames of the video.
    hue : callable
        Label → hue, degrees.
    """
    shown = []
    for span, more, faint in spans:
        begin, end = max(span.begin, 0), min(span.end, n)
        if begin < end:
            shown.append(
                {
                    "x": 100 * begin / n, "w": 100 * (end - begin) / n, "label": readable(span.label),
                    "begin": span.begin, "end": span.end, "more": readable(more), "hue": hue(span.label),
                    "faint": faint,
                }
            )  # fmt: skip
    return {"title": readable(title), "spans": shown}


def _whose(source: Source, player: str) -> tuple[str, str]:
    """Return what annotations are found by: the video, with the player where it has several."""
    return source.sha256, player if source.players else ""


class Annotated:
    """The annotations of a set of videos, found by video.

    Parameters
    ----------
    samples : SampleTable
    """

    def __init__(self, samples: SampleTable) -> None:
        self._samples = samples
        places = {p.as_posix(): s for s, _ in samples.videos for p in (s.path, *s.also)}
        self._raw: dict[tuple[str, str], dict[str, list[Span]]] = defaultdict(lambda: defaultdict(list))
        self._events: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for a in samples.annotations.annotations:
            if a.video in places:
                span = Span(a.begin, a.end, a.label or NO_LABEL)
                source = places[a.video]
                self._raw[_whose(source, player_of(a, source.players))][a.annotator or UNNAMED].append(span)
        for e in samples.annotations.events:
            if e.video in places:
                self._events[places[e.video].sha256].append((e.frame, e.name))
        colours = class_hues(samples)
        view = samples.manifest.view
        self.hue = lambda label: colours.get(view.class_of(label) or "", 300)

    def kept(self, view: str) -> Sequence[Sample]:
        """Return the samples of a view of a video, by its id."""
        return self._samples.by_view.get(view, ())

    def lanes(self, source: Source, n: int) -> list[dict[str, Any]]:
        """Return the time lines of a view: its samples; the video's annotations by annotator, and events."""
        out, video = [], source.sha256
        # negatives overlap the strokes beside them, and are drawn below
        below_first = sorted(self.kept(source.view_id), key=lambda s: s.label != NEGATIVE)
        kept = [(Span(s.begin, s.end, s.label or NO_LABEL), "", False) for s in below_first]
        if kept:
            out.append(lane("samples", kept, n, self.hue))
        raw = self._raw.get(_whose(source, source.player), {})
        people = sorted(raw, key=lambda who: (-len(raw[who]), who))
        for who in people[:PEOPLE]:
            title = "annotations" if who == UNNAMED and len(people) == 1 else f"by {who}"
            out.append(lane(title, [(s, "", True) for s in raw[who]], n, self.hue))
        rest = [(s, f", by {who}", True) for who in people[PEOPLE:] for s in raw[who]]
        if rest:
            out.append(lane(f"by {len(people) - PEOPLE} others", rest, n, self.hue))
        events = [(Span(f, f + 1, name), "", False) for f, name in self._events.get(video, ())]
        if events:
            out.append(lane("events", events, n, self.hue))
        return out

    def rows(self, source: Source) -> list[tuple[Span, str]]:
        """Return what the table of a view lists, and whose it is: samples, and annotations that are none."""
        kept = [
            (Span(s.begin, s.end, s.label or NO_LABEL), ", ".join(s.annotators) or "sample")
            for s in self.kept(source.view_id)
        ]
        known = {(s.begin, s.end, s.label) for s, _ in kept}
        raw = [
            (span, f"{who}, annotation only")
            for who, spans in self._raw.get(_whose(source, source.player), {}).items()
            for span in spans
            if (span.begin, span.end, span.label) not in known
        ]
        return sorted([*kept, *raw], key=lambda row: (row[0].begin, row[0].end, row[1]))
