"""Which strokes are meant, and how they move: from words and a store to movements."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from rich.console import Console

from pipeline.annotations import Taxonomy
from pipeline.comparing.measuring.movement import Movement, movement
from pipeline.errors import FAILED, USAGE, UserError
from pipeline.inputs.sources import Source
from pipeline.planning.graph import Node
from pipeline.planning.request import Request
from pipeline.reading.strokes import DescribedStroke, read_strokes
from pipeline.run import Result, run
from store import Store

STAGE = "kinematics"
#: how strokes of a kind are called
KINDS = ("class", "player")
_INTERVAL = re.compile(r"(?P<video>.+):(?P<begin>\d+)(?:-(?P<end>\d+))?")


@dataclass(frozen=True)
class Stroke:
    """An annotated stroke with its movement.

    Attributes
    ----------
    described : DescribedStroke
    source : Source
        The view of its video.
    node : Node
        Of its kinematics.
    name : str
        As it is called on the command line: the video, and its frames.
    kind : str
        Its class, or its label where the taxonomy has no class for it.
    """

    described: DescribedStroke
    source: Source
    node: Node
    name: str
    kind: str

    @property
    def player(self) -> str:
        """Who plays it; empty where nobody said."""
        return self.described.sample.player or self.described.sample.view

    @property
    def begin(self) -> int:
        """Its first frame."""
        return self.described.sample.begin

    @property
    def end(self) -> int:
        """The first frame after it."""
        return self.described.sample.end

    @cached_property
    def movement(self) -> Movement:
        """How it moves; of one that was mirrored, as a right-hander's."""
        hand = "right" if self.described.mirrored else self.described.hand
        return movement(self.described.course, hand, self.described.phases)


@dataclass
class Strokes:
    """The strokes of a request.

    Attributes
    ----------
    found : list of Stroke
        Those of two frames or more, in the order of the videos.
    store : Store
    problems : list of str
        What failed.
    notes : list of str
    code : int
        Exit code of what was made.
    """

    found: list[Stroke]
    store: Store
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    code: int = 0


@dataclass(frozen=True)
class Made:
    """The kinematics of a request, as read.

    Attributes
    ----------
    found : list of (Source, Node, list of DescribedStroke)
        Of each video that has them, in order.
    result : Result
        Of making what was missing.
    failures : list of str
        What failed, each once.
    store : Store
    """

    found: list[tuple[Source, Node, list[DescribedStroke]]]
    result: Result
    failures: list[str]
    store: Store


def make_strokes(request: Request, console: Console) -> Made:
    """Make the kinematics that are missing, and read all strokes, whatever the stages of the request."""
    result = run(replace(request, stages=(STAGE,)), console)
    overview = result.overview
    failures = [*overview.problems, *overview.lost, *(j.reason for j in result.jobs if j.state == "failed")]
    store = Store.open(request.store_root)
    found = []
    for source in overview.sources:
        planned = next((p for p in overview.plans[source.view_id] if p.node.stage.name == STAGE), None)
        if planned is not None and planned.state == "done":
            samples = overview.samples.by_view.get(source.view_id, ())
            found.append((source, planned.node, [*read_strokes(store, planned.node, samples)]))
    return Made(found, result, list(dict.fromkeys(failures)), store)


def described_strokes(request: Request, console: Console, mirror: bool = False) -> Strokes:
    """Make the kinematics that are missing, and read all strokes of a request.

    Parameters
    ----------
    request : Request
        Its stages are not looked at.
    console : Console
        stderr.
    mirror : bool
        Turn left-handers into right-handers.

    Raises
    ------
    UserError
        There is no stroke.
    """
    manifest = request.manifest
    if not manifest.annotations and not manifest.sources:
        raise UserError(
            "strokes are compared where annotations say that they are, and the manifest lists none; "
            "add `annotations: [FILE]` to data_manifest.yaml",
            USAGE,
        )
    made = make_strokes(request, console)
    overview = made.result.overview
    out = Strokes([], made.store, made.failures, list(overview.warnings), made.result.code)
    short = 0
    for source, node, strokes in made.found:
        for one in strokes:
            if len(one.course) < 2:
                short += 1
                continue
            described = one.as_right_hander() if mirror else one
            sample = one.sample
            name = f"{source.name}:{sample.begin}-{sample.end}"
            out.found.append(Stroke(described, source, node, name, kind_of(sample.label, manifest.view)))
    if not out.found:
        nothing = (
            "there is no stroke to compare: no label of these videos was kept; `ttprep plan --verbose` says "
            "what became of them"
        )
        raise UserError(made.failures[0] if made.failures else nothing, FAILED)
    if short:
        out.notes.append(f"{short} strokes of a single frame are left out")
    return out


def kind_of(label: str | None, taxonomy: Taxonomy) -> str:
    """Return the class of a label; the label where it has none."""
    return taxonomy.class_of(label) or label or "" if label is not None else ""


def one_stroke(word: str, strokes: Sequence[Stroke]) -> Stroke:
    """Return the stroke that a word names: ``VIDEO:BEGIN-END``, ``VIDEO:BEGIN``, or a video of one stroke.

    Raises
    ------
    UserError
        None is called so, or several are; the message lists those that are near.
    """
    found = _of_word(word, strokes)
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{word}: {len(found)} strokes are called so; choose one of {_some(found)}", USAGE)
    raise UserError(f"{word}: no stroke is called so; {_hint(word, strokes)}", USAGE)


def many_strokes(words: Sequence[str], strokes: Sequence[Stroke], but: Stroke) -> list[Stroke]:
    """Return the strokes that words name, without one of them.

    Parameters
    ----------
    words : sequence of str
        As for :func:`one_stroke`, but a video means all of its strokes; or ``class:NAME``, ``player:NAME``,
        or both with a comma between them, which means strokes that are both. Empty: the class of ``but``.
    strokes : sequence of Stroke
    but : Stroke
        The one that is compared with them.

    Raises
    ------
    UserError
        A word names no other stroke.
    """
    chosen: dict[str, Stroke] = {}
    for word in words or (f"class:{but.kind}",):
        kinds = [part.partition(":") for part in word.split(",")]
        if all(name.strip().casefold() in KINDS and value.strip() for name, _, value in kinds):
            wanted = [(name.strip().casefold(), value.strip()) for name, _, value in kinds]
            found = [s for s in strokes if all(_is(s, name, value) for name, value in wanted)]
            if not found:
                raise UserError(f"{word}: no stroke is so; {_known(wanted, strokes)}", USAGE)
        else:
            found = _of_word(word, strokes)
            if not found:
                raise UserError(f"{word}: no stroke is called so; {_hint(word, strokes)}", USAGE)
        chosen |= {s.name: s for s in found}
    chosen.pop(but.name, None)
    if not chosen:
        raise UserError(
            f"{but.name}: there is no other stroke to compare it with; name references by "
            "--with VIDEO:BEGIN-END or --with class:NAME",
            USAGE,
        )
    return [*chosen.values()]


def _is(stroke: Stroke, kind: str, value: str) -> bool:
    names = (stroke.kind, stroke.described.sample.label or "") if kind == "class" else (stroke.player,)
    return value.casefold() in (name.casefold() for name in names)


def _known(wanted: Sequence[tuple[str, str]], strokes: Sequence[Stroke]) -> str:
    """Say which classes or players there are."""
    lists = []
    for kind in dict.fromkeys(kind for kind, _ in wanted):
        names = sorted({s.kind if kind == "class" else s.player for s in strokes} - {""})
        what = {"class": "classes", "player": "players"}[kind]
        lists.append(f"the {what} are {', '.join(names)}" if names else f"no stroke has a {kind}")
    return "; ".join(lists)


def _of_word(word: str, strokes: Sequence[Stroke]) -> list[Stroke]:
    whole = [s for s in strokes if s.source.is_called(word)]
    if whole:
        return whole
    match = _INTERVAL.fullmatch(word)
    if match is None:
        return []
    begin, end = int(match["begin"]), int(match["end"]) if match["end"] else None
    return [
        s
        for s in strokes
        if s.source.is_called(match["video"]) and s.begin == begin and (end is None or s.end == end)
    ]


def _some(strokes: Sequence[Stroke]) -> str:
    names = [s.name for s in strokes]
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def _hint(word: str, strokes: Sequence[Stroke]) -> str:
    names = [s.name for s in strokes]
    match = _INTERVAL.fullmatch(word)
    video = match["video"] if match else word
    near = [s.name for s in strokes if s.source.is_called(video)][:5]
    if not near:
        stems = {s.source.path.stem: s.name for s in reversed(strokes)}
        near = [stems[stem] for stem in difflib.get_close_matches(video, stems, 3, 0.6)]
    near = near or difflib.get_close_matches(word, names, 3, 0.6)
    return f"did you mean {' or '.join(near)}?" if near else f"name one as VIDEO:BEGIN-END, e.g. {names[0]}"
