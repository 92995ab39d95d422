"""What is said to those who write formats, or call the packages from Python, followed as it is written."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from pydantic import Field, ValidationError

from pipeline.annotations import AnnotationOptions, Sample, VideoFacts, assign_splits, read_file, reading
from pipeline.annotations.formats import AnnotationFile, AnnotationFormat, Recorder, Refused
from pipeline.annotations.formats.contract import FormatContract
from pipeline.annotations.formats.registry import make_registry
from pipeline.annotations.splits import SplitParams
from pipeline.errors import UserError
from stages.base import Params
from tests.remedies.following import Says
from ttdemo.strokes.plan import plan_clip
from ttdemo.throws.plan import plan_trial

VIDEOS = {"game.mp4": VideoFacts(6000, Fraction(120))}


class Options(Params):
    shift: int = Field(default=0, ge=0)


def read_ours(file: AnnotationFile, out: Recorder) -> None:
    out.add(1, out.video, 10, 110, "loop")


OURS = AnnotationFormat(
    name="ours", title="Ours", told_by="OURS on top", syntax="text", suffixes=(".ours",),
    recognises=lambda file: file.head.startswith(b"OURS"), read=read_ours, options=Options,
)  # fmt: skip


def refusal(call: Callable[[], object], kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "says", "right"),
    [
        (
            {"name": "Our Format"},
            Says("cannot be a format's name; use lower-case letters and digits"),
            {"name": "ours2"},
        ),
        ({"syntax": "yaml"}, Says("is unknown; use xml, {} or text"), {"syntax": "json"}),
        (
            {"suffixes": ("OURS",)},
            Says("is not a suffix; write one in lower case, such as"),
            {"suffixes": (".xml",)},
        ),
    ],
)
def test_a_declaration(wrong: dict[str, Any], says: Says, right: dict[str, Any]) -> None:
    says.of(refusal(lambda: replace(OURS, **wrong), ValueError))
    assert replace(OURS, **right)


def contract(
    read: Callable[[AnnotationFile, Recorder], None], expected: Any = ((1, 10, 110, "Loop"),)
) -> Any:
    """Return the contract of a format that reads so."""
    found: Any = FormatContract()
    found.format, found.file, found.example = replace(OURS, read=read), "game.ours", b"OURS loop\n"
    found.label, found.expected = b"loop", expected
    return found


def test_a_format_under_its_contract() -> None:
    def strange(file: AnnotationFile, out: Recorder) -> None:
        raise Refused("strange", "not ours")

    def finds(kind: str) -> Callable[[AnnotationFile, Recorder], None]:
        def read(file: AnnotationFile, out: Recorder) -> None:
            out.issue(1, kind, "odd")

        return read

    def fails(read: Callable[[AnnotationFile, Recorder], None]) -> str:
        return refusal(lambda: contract(read).test_damaged_files_never_raise(), AssertionError)

    from pipeline.annotations.records import KINDS, REFUSALS

    Says("is not a kind of refusal; use one of REFUSALS").of(fails(strange))
    Says("is not a kind of finding; use one of KINDS").of(fails(finds("strange")))
    contract(finds(min(KINDS.keys() - REFUSALS))).test_damaged_files_never_raise()
    empty = contract(lambda file, out: None, ())
    Says("the example has no interval; give it one").of(
        refusal(empty.test_the_example_is_read_with_its_lines, AssertionError)
    )
    contract(read_ours).test_the_example_is_read_with_its_lines()


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install formats as their packages do."""
    module = types.ModuleType("their_formats")
    monkeypatch.setitem(sys.modules, "their_formats", module)

    def formats(**objects: object) -> None:
        vars(module).update(objects)
        points = [EntryPoint(name, f"their_formats:{name}", "ttprep.formats") for name in objects]
        registry = make_registry(points)
        monkeypatch.setattr(reading, "installed_formats", lambda: registry)

    return formats


def read(**options: Any) -> str:
    """Read a file; all that is found."""
    given = AnnotationOptions.model_validate(options)
    found = read_file(b"OURS\n", "game.ours", videos=VIDEOS, options=given)
    return "\n".join(i.message for i in found.issues)


def test_a_format_that_fails(install: Callable[..., None]) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError

    install(OURS=replace(OURS, read=crash))
    Says("failed while {} the file ({}); update or uninstall its package").of(read())
    install(OURS=OURS)
    assert read() == ""


def test_a_format_that_is_none() -> None:
    points = [EntryPoint("pi", "math:pi", "ttprep.formats")]
    (problem,) = make_registry(points).problems
    Says("this format is not read; update the package, or uninstall it").of(problem.message)
    assert not make_registry([]).problems


def test_options_of_a_format(install: Callable[..., None]) -> None:
    install(OURS=OURS)
    wrong = {"formats": {"ours": {"shift": "far"}}}
    Says("{}: {}; correct the manifest").of(refusal(lambda: read(**wrong), UserError))
    assert read(formats={"ours": {"shift": 1}}) == ""
    other = {"formats": {"our": {"shift": 1}}}
    (names,) = Says("(those that have: {}); install its package or correct the name").of(
        refusal(lambda: read(**other), UserError)
    )
    assert read(formats={names: {"shift": 1}}) == ""


def samples(*begins: int) -> list[Sample]:
    return [Sample(f"s{b}", "v.mp4", b, b + 100, "Loop", (), "", "") for b in begins]


def test_splits() -> None:
    text = refusal(lambda: SplitParams(train=0.9, validation=0.2, test=0.1), ValidationError)
    Says("train, validation and test add up to {}, not 1; change one of them").of(text)
    params = SplitParams(train=0.7, validation=0.2, test=0.1)
    text = refusal(lambda: assign_splits(samples(1, 1), params), ValueError)
    Says("two samples have the id {}; give each its own interval").of(text)
    assert len(assign_splits(samples(1, 200), params)) == 2
    text = refusal(lambda: assign_splits(samples(1), params, {"s1": "exam"}), ValueError)
    _, names = Says("names a split {}; there are {}: correct it, or begin with an empty table").of(text)[:2]
    assert assign_splits(samples(1), params, {"s1": names.split(", ")[0]}) == {"s1": names.split(", ")[0]}
    assert assign_splits(samples(1), params, {})


def test_a_plan_of_a_demo() -> None:
    text = refusal(
        lambda: plan_clip(seed=0, strokes=("Serve Forehand Loop",), duration=(0.1, 0.2)), ValueError
    )
    (least,) = Says("s: must ascend and start at {} s or more; give another range").of(text)
    assert plan_clip(seed=0, strokes=("Serve Forehand Loop",), duration=(float(least), 0.5))
    text = refusal(lambda: plan_trial(seed=0, player=0, target=9, trial=0), ValueError)
    _, last = Says("target {}: there are targets 0 to {}").of(text)
    assert plan_trial(seed=0, player=0, target=int(last), trial=0)
    text = refusal(lambda: plan_clip(seed=0, strokes=("Serve",)), ValueError)
    _, names = Says("no stroke is called {}; known: {}").of(text)
    assert plan_clip(seed=0, strokes=(names.split(", ")[0],))
