"""The cleaning of crowd-sourced intervals, rule by rule, each with its own count.

[SSTC] §III-A and B: intervals that begin at frame 0, end after their video or last under 0.6 s or
over 2.3 s are dropped; the rest is grouped into actions; an action is kept where all who labelled
it agree. Every rule's drops are findings with file and line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from pydantic import Field, model_validator

from pipeline.annotations.negatives import NegativeParams, exact, find_negatives, is_same
from pipeline.annotations.reading import annotation_order
from pipeline.annotations.records import (
    NEGATIVE,
    Annotation,
    Issue,
    Sample,
    VideoFacts,
    count_kinds,
    identity_of,
    sample_id,
)
from pipeline.annotations.taxonomy import Taxonomy
from pipeline.annotations.waterfall import Step, Waterfall, action_step, annotation_step
from stages.base import Params


class CleaningParams(Params):
    """Constants of the cleaning; the defaults are those of [SSTC] §III.

    Attributes
    ----------
    min_seconds, max_seconds : float
        Shortest and longest stroke that is kept, both inclusive.
    same_action : float
        Two intervals are the same action if they share more than this part of the shorter.
    negatives : NegativeParams
    """

    min_seconds: float = Field(default=0.6, ge=0)
    max_seconds: float = Field(default=2.3, gt=0)
    same_action: float = Field(default=0.25, ge=0, lt=1)
    negatives: NegativeParams = NegativeParams()

    @model_validator(mode="after")
    def _ordered(self) -> CleaningParams:
        if self.min_seconds > self.max_seconds:
            raise ValueError(
                f"min_seconds {self.min_seconds} exceeds max_seconds {self.max_seconds}:"
                " no stroke would be kept"
            )
        return self


@dataclass(frozen=True, slots=True)
class Action:
    """Intervals that mean one stroke, by one or several annotators.

    Attributes
    ----------
    video : str
    begin, end : int
        Medians of those of the members.
    label : str or None
        The one that all named labels agree on; None: nobody named it, or they disagree.
    agreed : bool
    members : tuple of Annotation
    """

    video: str
    begin: int
    end: int
    label: str | None
    agreed: bool
    members: tuple[Annotation, ...]

    @property
    def annotators(self) -> tuple[str, ...]:
        """Who annotated it, sorted, without the unnamed."""
        return tuple(sorted({m.annotator for m in self.members} - {""}))


@dataclass(frozen=True)
class Cleaned:
    """What is left, and why the rest is not.

    Attributes
    ----------
    samples : tuple of Sample
        Kept actions and negatives, by video and begin.
    actions : tuple of Action
        All actions, those with disagreeing labels too.
    waterfall : Waterfall
    issues : tuple of Issue
        One for each interval that a rule dropped.
    """

    samples: tuple[Sample, ...]
    actions: tuple[Action, ...]
    waterfall: Waterfall
    issues: tuple[Issue, ...]


def clean(
    annotations: Iterable[Annotation],
    videos: Mapping[str, VideoFacts],
    taxonomy: Taxonomy,
    params: CleaningParams | None = None,
) -> Cleaned:
    """Clean intervals, group them into actions and make samples of those that agree.

    Parameters
    ----------
    annotations : iterable of Annotation
        In any order.
    videos : mapping of str to VideoFacts
    taxonomy : Taxonomy
        Only its last step depends on it: which labels have a class.
    params : CleaningParams, optional

    Returns
    -------
    Cleaned
    """
    params = params or CleaningParams()
    read = sorted(annotations, key=annotation_order)
    issues: list[Issue] = []
    steps = [annotation_step("read", read, taxonomy)]
    rules: list[tuple[str, Rule]] = [
        ("not at frame 0", _at_0),
        ("inside the video", partial(_outside, videos=videos)),
        (
            f"{params.min_seconds:g}-{params.max_seconds:g} s",
            partial(_untimely, videos=videos, params=params),
        ),
    ]
    rest = read
    for name, rule in rules:
        findings = [(a, rule(a)) for a in rest]
        out = [Issue(a.file, a.line, *found) for a, found in findings if found]
        rest = [a for a, found in findings if not found]
        steps.append(annotation_step(name, rest, taxonomy, count_kinds(out)))
        issues += out

    actions = group_actions(rest, videos, params.same_action)
    steps.append(action_step("grouped into actions", actions, taxonomy))
    issues += _chained(actions, params.same_action)
    agreed = [a for a in actions if a.agreed]
    torn = [_disagreement(a) for a in actions if not a.agreed]
    steps.append(action_step("agreed labels", agreed, taxonomy, count_kinds(torn)))
    kept, left = _keep(agreed, videos, taxonomy)
    steps.append(action_step("kept", kept, taxonomy, count_kinds(left)))
    issues += torn + left

    samples = [_sample(a, videos[a.video]) for a in kept]
    gaps: tuple[Sample, ...] = ()
    negative = taxonomy.class_of(NEGATIVE)
    if negative is not None:
        # every action bounds a gap, also one whose labels disagree: somebody plays there
        strokes = [(a.video, a.begin, a.end) for a in actions if a.label != NEGATIVE]
        # those without a class count for the cap, lest the choice depend on the view
        sized = [_sample(a, videos[a.video]) for a in agreed]
        chosen = find_negatives(strokes, sized, videos, params.negatives, params.same_action)
        gaps = chosen.samples
        steps.append(Step("negatives", "negatives", len(gaps), {negative: len(gaps)}, {}, chosen.dropped))
    return Cleaned(
        samples=tuple(sorted([*samples, *gaps], key=lambda s: (s.video, s.begin, s.end, s.id))),
        actions=tuple(actions),
        waterfall=Waterfall(tuple(steps), taxonomy.name, params.model_dump(mode="json")),
        issues=tuple(sorted(issues)),
    )


#: kind and message of what is wrong with an interval; None: nothing
Rule = Callable[[Annotation], tuple[str, str] | None]


def _at_0(a: Annotation) -> tuple[str, str] | None:
    if a.begin == 0 and not a.clip:
        return "starts-at-0", f"{a.begin}-{a.end} begins at the first frame, the annotation tool's default"
    return None


def _outside(a: Annotation, videos: Mapping[str, VideoFacts]) -> tuple[str, str] | None:
    facts = videos.get(a.video)
    if facts is None:
        return "outside-video", f"{a.begin}-{a.end} of the unknown video {a.video!r}"
    if min(a.begin, a.end) < 0 or max(a.begin, a.end) > facts.n_frames:
        return "outside-video", f"{a.begin}-{a.end} is not within the {facts.n_frames} frames of {a.video}"
    return None


def _untimely(
    a: Annotation, videos: Mapping[str, VideoFacts], params: CleaningParams
) -> tuple[str, str] | None:
    """Too short or too long. The limits describe strokes: a negative need only not be empty."""
    seconds = (a.end - a.begin) / videos[a.video].fps
    low, high = exact(params.min_seconds), exact(params.max_seconds)
    if a.end <= a.begin or (a.label != NEGATIVE and seconds < low):
        return "too-short", f"{a.begin}-{a.end} lasts {float(seconds):.3f} s, under {params.min_seconds:g} s"
    if a.label != NEGATIVE and seconds > high:
        return "too-long", f"{a.begin}-{a.end} lasts {float(seconds):.3f} s, over {params.max_seconds:g} s"
    return None


def group_actions(
    annotations: Iterable[Annotation], videos: Mapping[str, VideoFacts], same_action: float
) -> list[Action]:
    """Group intervals of one video into actions.

    Two intervals are the same action if they share more than ``same_action`` of the shorter; so is
    whoever is the same as one of them. Which annotator stands first makes no difference. The paper's
    rule has to tell two players apart by the overlap alone; where both intervals name their
    players and these differ, they are two actions however much they overlap, unless they are
    equal to the frame: then one sample cannot stand for both, and their labels must agree.

    Parameters
    ----------
    annotations : iterable of Annotation
        Of known videos, each with ``begin < end``.
    videos : mapping of str to VideoFacts
        Two names of one content id are one video, known by the first of them.
    same_action : float

    Returns
    -------
    list of Action
        By video and begin. ``begin`` and ``end`` are the medians (of two in the middle, their mean,
        rounded down): one careless annotator does not move them, and if every member lasts
        between two bounds, so does the action. The union would not, nor the intersection, and the
        paper's actions last 0.63 to 2.27 s under limits of 0.6 to 2.3 s.
    """
    first: dict[str, str] = {}
    for name in sorted(videos):
        first.setdefault(identity_of(name, videos[name]), name)
    by_video: dict[str, list[Annotation]] = defaultdict(list)
    for a in annotations:
        by_video[first[identity_of(a.video, videos[a.video])]].append(a)
    actions: list[Action] = []
    for video, members in sorted(by_video.items()):
        for group in _components(members, same_action):
            labels = {a.label for a in group} - {None}
            actions.append(
                Action(
                    video=video,
                    begin=_median([a.begin for a in group]),
                    end=_median([a.end for a in group]),
                    label=labels.pop() if len(labels) == 1 else None,
                    agreed=not labels,
                    members=tuple(group),
                )
            )
    return sorted(actions, key=lambda a: (a.video, a.begin, a.end, annotation_order(a.members[0])))


@dataclass(slots=True)
class _Group:
    """Spans of one action so far, with the players they name and the last of their ends."""

    end: int
    spans: list[tuple[int, int, frozenset[str]]]

    def has_same(self, begin: int, end: int, players: frozenset[str], share: float) -> bool:
        """Whether one of the spans is the same action as this one."""
        return any(
            is_same(begin, end, other_begin, other_end, share)
            and not (players and others and players.isdisjoint(others))
            for other_begin, other_end, others in reversed(self.spans)
        )


def _components(members: Iterable[Annotation], share: float) -> list[list[Annotation]]:
    """Connected components of "is the same action", each in a fixed order."""
    by_span: dict[tuple[int, int], list[Annotation]] = defaultdict(list)
    for a in sorted(members, key=annotation_order):
        by_span[a.begin, a.end].append(a)
    done: list[_Group] = []
    open_: list[_Group] = []
    for begin, end in sorted(by_span):
        players = frozenset(a.player for a in by_span[begin, end]) - {""}
        joined: list[_Group] = []
        apart: list[_Group] = []
        for group in open_:
            if group.end <= begin:
                done.append(group)
            else:
                (joined if group.has_same(begin, end, players, share) else apart).append(group)
        # the small ones go into the largest, so that even a crowd costs little
        home = max(joined, key=lambda g: len(g.spans), default=_Group(end, []))
        for group in joined:
            if group is not home:
                home.spans += group.spans
                home.end = max(home.end, group.end)
        home.spans.append((begin, end, players))
        home.end = max(home.end, end)
        open_ = [*apart, home]
    found = [sorted(span[:2] for span in group.spans) for group in done + open_]
    return [[a for span in spans for a in by_span[span]] for spans in found]


def _median(values: list[int]) -> int:
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) // 2


def _where(action: Action) -> tuple[str, int]:
    return action.members[0].file, action.members[0].line


def _lines(action: Action) -> str:
    file = action.members[0].file
    places = [f"line {m.line}" if m.file == file else f"{m.file}:{m.line}" for m in action.members]
    return ", ".join(places[:6]) + (f" and {len(places) - 6} more" if len(places) > 6 else "")


def _chained(actions: Iterable[Action], share: float) -> Iterable[Issue]:
    for action in actions:
        first = min(action.members, key=lambda m: (m.end, m.begin))
        last = max(action.members, key=lambda m: (m.begin, m.end))
        if not is_same(first.begin, first.end, last.begin, last.end, share):
            message = f"one action only by what lies between its ends: {_lines(action)}"
            yield Issue(*_where(action), "chained", message)


def _disagreement(action: Action) -> Issue:
    names = sorted({m.label for m in action.members if m.label is not None})
    return Issue(*_where(action), "labels-disagree", f"{' / '.join(names)} ({_lines(action)})")


def _keep(
    actions: Iterable[Action], videos: Mapping[str, VideoFacts], taxonomy: Taxonomy
) -> tuple[list[Action], list[Issue]]:
    """Actions that have a class and an interval of their own."""
    kept: dict[str, Action] = {}
    issues: list[Issue] = []
    for a in actions:
        if taxonomy.class_of(a.label) is None:
            issues.append(_unknown_label(a, taxonomy))
            continue
        twin = kept.setdefault(_sample(a, videos[a.video]).id, a)
        if twin is not a:
            message = f"an action of the very interval {a.begin}-{a.end} stands on {_lines(twin)} already"
            issues.append(Issue(*_where(a), "duplicate", message))
    return list(kept.values()), issues


def _unknown_label(action: Action, taxonomy: Taxonomy) -> Issue:
    what = "a stroke without a name" if action.label is None else repr(action.label)
    return Issue(
        *_where(action),
        "unknown-label",
        f"{what} has no class in the taxonomy {taxonomy.name!r}; translate it under annotations.labels"
        " or choose another taxonomy",
    )


def _sample(action: Action, facts: VideoFacts) -> Sample:
    players = {m.player for m in action.members} - {""}
    return Sample(
        id=sample_id(identity_of(action.video, facts), action.begin, action.end),
        video=action.video,
        begin=action.begin,
        end=action.end,
        label=action.label,
        annotators=action.annotators,
        player=players.pop() if len(players) == 1 else facts.player,
    )
