"""Clean crowd-sourced intervals rule by rule, and count what each rule leaves.

[SSTC] §III-A and B: intervals that begin at frame 0, end after their video, or last less than 0.6 s or
more than 2.3 s are dropped. The rest are grouped into actions, and an action is kept if all
annotators who labelled it agree. Everything that a rule drops is a finding with file and line; of unknown
videos, the reading has reported the entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from pydantic import Field, model_validator

from pipeline.annotations.actions import Action, group_actions
from pipeline.annotations.intervals import exact, is_same
from pipeline.annotations.label_mapping import Taxonomy
from pipeline.annotations.negatives import NegativeParams, find_negatives
from pipeline.annotations.records import (
    NEGATIVE,
    Annotation,
    Issue,
    Sample,
    VideoFacts,
    annotation_order,
    count_kinds,
    identity_of,
    sample_id,
)
from pipeline.annotations.waterfall import Step, Waterfall, action_step, annotation_step
from stages.base import Params


class CleaningParams(Params):
    """Parameters of the cleaning; the defaults are those of [SSTC] §III.

    Attributes
    ----------
    min_seconds, max_seconds : float
        Shortest and longest stroke that is kept, in seconds, both inclusive.
    same_action : float
        Two intervals are the same action if they share more than this part of the shorter one.
    negatives : NegativeParams
        How gaps between strokes become negatives.
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


@dataclass(frozen=True)
class Cleaned:
    """The samples that are left, and why the rest are not.

    Attributes
    ----------
    samples : tuple of Sample
        Kept actions and negatives, sorted by video and begin.
    actions : tuple of Action
        All actions, including those whose labels disagree.
    waterfall : Waterfall
    issues : tuple of Issue
        One finding per interval that a rule dropped.
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
    unplaced: Iterable[Annotation] = (),
    nobody: Iterable[Annotation] = (),
) -> Cleaned:
    """Clean intervals, group them into actions and turn those whose labels agree into samples.

    Parameters
    ----------
    annotations : iterable of Annotation
        In any order.
    videos : mapping of str to VideoFacts
    taxonomy : Taxonomy
        Decides which labels have a class; only the last step depends on it.
    params : CleaningParams, optional
    unplaced : iterable of Annotation
        Further entries that were read and are of unknown videos; they are counted and dropped.
    nobody : iterable of Annotation
        Likewise, of videos with several players, none of whom they name.

    Returns
    -------
    Cleaned
    """
    params = params or CleaningParams()
    nobody = [*nobody]
    placed = [*annotations, *unplaced]
    read = sorted([*placed, *nobody], key=annotation_order)
    issues: list[Issue] = []
    steps = [annotation_step("read", read, taxonomy)]
    known = sorted((a for a in placed if a.video in videos), key=annotation_order)
    if len(known) < len(placed):  # the reading has a finding about each video, with the lines
        dropped = {"unknown-video": len(placed) - len(known)}
        rest = sorted([*known, *nobody], key=annotation_order)
        steps.append(annotation_step("of a known video", rest, taxonomy, dropped))
    if nobody:
        steps.append(annotation_step("of a known player", known, taxonomy, {"unknown-player": len(nobody)}))
    rules: list[tuple[str, Rule]] = [
        ("not at frame 0", _at_0),
        ("inside the video", partial(_outside, videos=videos)),
        (
            f"{params.min_seconds:g}-{params.max_seconds:g} s",
            partial(_untimely, videos=videos, params=params),
        ),
    ]
    rest = known
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
    issues += torn + left + [_focus_differs(a) for a in kept if len(_focuses(a)) > 1]

    samples = [_sample(a, videos[a.video]) for a in kept]
    gaps: tuple[Sample, ...] = ()
    negative = taxonomy.class_of(NEGATIVE)
    if negative is not None:
        # every action bounds a gap, even one whose labels disagree: somebody plays there
        strokes = [(a.video, a.begin, a.end) for a in actions if a.label != NEGATIVE]
        # actions without a class count for the cap, or the choice would depend on the taxonomy
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


#: interval → kind and message of the finding, or None
Rule = Callable[[Annotation], tuple[str, str] | None]


def _at_0(a: Annotation) -> tuple[str, str] | None:
    if a.begin == 0 and not a.clip:
        return "starts-at-0", f"{a.begin}-{a.end} begins at the first frame, the annotation tool's default"
    return None


def _outside(a: Annotation, videos: Mapping[str, VideoFacts]) -> tuple[str, str] | None:
    facts = videos[a.video]
    if min(a.begin, a.end) < 0 or max(a.begin, a.end) > facts.n_frames:
        return "outside-video", f"{a.begin}-{a.end} is not within the {facts.n_frames} frames of {a.video}"
    return None


def _untimely(
    a: Annotation, videos: Mapping[str, VideoFacts], params: CleaningParams
) -> tuple[str, str] | None:
    """Report what is too short or too long; the limits are for strokes, a negative must only have a frame."""
    seconds = videos[a.video].duration(a.begin, a.end)
    low, high = exact(params.min_seconds), exact(params.max_seconds)
    begin, end = (float(videos[a.video].time_of(frame)) for frame in (a.begin, a.end))
    what = f"{a.begin}-{a.end} of {a.video} ({begin:.2f}-{end:.2f} s) lasts {float(seconds):.3f} s"
    if a.end <= a.begin or (a.label != NEGATIVE and seconds < low):
        return "too-short", f"{what}, under cleaning.min_seconds, {params.min_seconds:g}"
    if a.label != NEGATIVE and seconds > high:
        return "too-long", f"{what}, over cleaning.max_seconds, {params.max_seconds:g}"
    return None


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


def _focuses(action: Action) -> set[str]:
    return {m.focus for m in action.members} - {""}


def _focus_differs(action: Action) -> Issue:
    what = f"{' / '.join(sorted(_focuses(action)))} ({_lines(action)}); the focus of the video counts"
    return Issue(*_where(action), "focus-differs", what)


def _keep(
    actions: Iterable[Action], videos: Mapping[str, VideoFacts], taxonomy: Taxonomy
) -> tuple[list[Action], list[Issue]]:
    """Return the actions that have a class and an interval of their own, and findings for the rest."""
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
        f"{what} has no class in the taxonomy {taxonomy.name!r}; translate it under annotation_options.labels"
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
        group=facts.group,
        view=facts.view,
        focus=next(iter(focuses)) if len(focuses := _focuses(action)) == 1 else "",
    )
