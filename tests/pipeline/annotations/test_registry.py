"""Formats of this package and of others: which there are, in which order, and what cannot be used."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import NoReturn

import pytest
from pydantic import Field

from pipeline.annotations import (
    AnnotationOptions,
    FileContent,
    VideoFacts,
    read_annotations,
    read_file,
    reading,
)
from pipeline.annotations.formats import AnnotationFile, AnnotationFormat, Recorder, Refused
from pipeline.annotations.formats.registry import FormatRegistry, installed_formats, make_registry
from pipeline.errors import UserError
from stages.base import Params

VIDEOS = {"game.mp4": VideoFacts(6000, Fraction(120))}


class Options(Params):
    shift: int = Field(default=0, ge=0)


def is_ours(file: AnnotationFile) -> bool:
    return file.head.startswith(b"OURS")


def read_ours(file: AnnotationFile, out: Recorder) -> None:
    shift = out.options_as(Options).shift
    out.add(1, out.video, 10 + shift, 110 + shift, "loop")


OURS = AnnotationFormat(
    name="ours",
    title="Ours",
    told_by="OURS on top",
    syntax="text",
    suffixes=(".ours",),
    recognises=is_ours,
    read=read_ours,
    options=Options,
)


def crash(*_: object) -> NoReturn:
    raise ZeroDivisionError("of\nour own")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FormatRegistry]:
    """Install formats: real entry points that point into a module that is made here."""
    module = types.ModuleType("their_formats")
    monkeypatch.setitem(sys.modules, "their_formats", module)

    def install(**objects: object) -> FormatRegistry:
        vars(module).update(objects)
        points = [EntryPoint(name, f"their_formats:{name}", "ttprep.formats") for name in objects]
        registry = make_registry(points)
        monkeypatch.setattr(reading, "installed_formats", lambda: registry)
        return registry

    return install


def read(text: str, file: str = "game.ours", **options: object) -> FileContent:
    return read_file(text.encode(), file, videos=VIDEOS, options=AnnotationOptions.model_validate(options))


def test_the_built_in_formats_and_their_order() -> None:
    found = [k.format.name for k in make_registry([]).formats]
    assert found == ["csv", "cvat", "elan", "mediaeval", "openttgames", "strokes", "label_studio"]
    assert make_registry([]).suffixes == {".xml", ".json", ".csv", ".tsv", ".eaf"}
    assert installed_formats() is installed_formats()


def test_a_format_of_another_package(use: Callable[..., FormatRegistry]) -> None:
    registry = use(OURS=OURS)
    assert registry.problems == ()
    assert registry.formats[0].format is OURS
    content = read("OURS\n")
    assert [(a.video, a.begin, a.end, a.label) for a in content.annotations] == [
        ("game.mp4", 10, 110, "Loop")
    ]
    shifted = read("OURS\n", formats={"ours": {"shift": 5}})
    assert shifted.annotations[0].begin == 15
    # its ending is no part of the video's name, known or not
    assert read("OURS\n", "x/other.ours").annotations[0].video == "other"
    assert "also read: OURS on top" in read("theirs\n").issues[0].message


def test_other_packages_are_asked_first_unless_they_say_otherwise(use: Callable[..., FormatRegistry]) -> None:
    greedy = replace(OURS, name="greedy", recognises=lambda file: True)
    use(A=replace(greedy, name="a", precedence=-2), B=greedy)
    assert read("begin,end\n1,2\n", "game.csv").annotations[0].label == "Loop"
    use(A=replace(greedy, name="a", precedence=-2))
    assert read("begin,end\n1,2\n", "game.csv").annotations[0].begin == 1
    assert read("of no format\n", "game.csv").annotations[0].label == "Loop"


def test_files_with_its_ending_are_found_in_folders(
    use: Callable[..., FormatRegistry], tmp_path: Path
) -> None:
    folder = tmp_path
    (folder / "game.OURS").write_text("OURS")
    (folder / "game.theirs").write_text("OURS")
    assert read_annotations([folder], videos=VIDEOS).annotations == ()
    use(OURS=OURS)
    found = read_annotations([folder], videos=VIDEOS)
    assert [(a.video, a.file) for a in found.annotations] == [("game.mp4", (folder / "game.OURS").as_posix())]


def test_entry_points_that_cannot_be_used(use: Callable[..., FormatRegistry]) -> None:
    points = [
        EntryPoint("gone", "no_such_module:FORMAT", "ttprep.formats"),
        EntryPoint("nothing", "json:NO_SUCH_NAME", "ttprep.formats"),
        EntryPoint("number", "math:pi", "ttprep.formats"),
        EntryPoint("twin", "pipeline.annotations.formats.cvat:FORMAT", "ttprep.formats"),
    ]
    use(CSV=replace(OURS, name="csv"), OURS=OURS)
    points += [EntryPoint(name, f"their_formats:{name}", "ttprep.formats") for name in ("CSV", "OURS")]
    registry = make_registry(points)
    assert [k.format.name for k in registry.formats][:2] == ["ours", "csv"]
    messages = [str(i) for i in registry.problems]
    assert len(messages) == 4
    for name, reason in (
        ("'gone' (no_such_module:FORMAT)", "it cannot be loaded: ModuleNotFoundError: No module named"),
        ("'nothing' (json:NO_SUCH_NAME)", "it cannot be loaded: AttributeError"),
        ("'number' (math:pi)", "it is a float, not an AnnotationFormat"),
        ("'CSV' (their_formats:CSV)", "a format named 'csv' comes with ttprep itself already"),
    ):
        assert any(name in m and reason in m and "\n" not in m for m in messages), (name, messages)


def test_a_reader_that_fails_costs_its_file_and_no_other(use: Callable[..., FormatRegistry]) -> None:
    use(OURS=replace(OURS, read=crash))
    content = read("OURS\n")
    assert [(i.kind, i.line) for i in content.issues] == [("reader-failed", 0)]
    assert "ours of an unknown package failed while reading the file (ZeroDivisionError: of our own)" in str(
        content.issues[0]
    )
    assert read("begin,end\n1,2\n", "game.csv").annotations[0].begin == 1


def test_a_recogniser_that_fails_is_reported_and_passed_over(use: Callable[..., FormatRegistry]) -> None:
    use(OURS=replace(OURS, recognises=crash))
    content = read("begin,end\n1,2\n", "game.csv")
    assert [a.begin for a in content.annotations] == [1]
    assert [i.kind for i in content.issues] == ["unusable-format"]
    assert [i.kind for i in read("of no format\n").issues] == ["unusable-format", "unknown-format"]


def test_a_format_that_parses_in_vain_leaves_the_file_to_the_others(
    use: Callable[..., FormatRegistry],
) -> None:
    def looks_closely(file: AnnotationFile) -> bool:
        raise Refused("broken-file", "not ours")

    use(OURS=replace(OURS, recognises=looks_closely))
    assert read("begin,end\n1,2\n", "game.csv").annotations[0].begin == 1
    assert [i.message for i in read("of no format\n").issues] == ["not ours"]


def test_options_of_formats_are_validated(use: Callable[..., FormatRegistry]) -> None:
    use(OURS=OURS)
    with pytest.raises(UserError, match=r"formats\.ours\.shift: Input should be a valid integer"):
        read("OURS", formats={"ours": {"shift": "far"}})
    with pytest.raises(UserError, match=r"formats\.ours\.shfit: Extra inputs are not permitted"):
        read("OURS", formats={"ours": {"shfit": 1}})
    with pytest.raises(UserError, match=r"formats\.cvat: no installed format of this name"):
        read("OURS", formats={"cvat": {}})


def test_a_format_gets_no_options_but_its_own(use: Callable[..., FormatRegistry]) -> None:
    use(OURS=replace(OURS, options=None))
    message = read("OURS").issues[0].message
    assert "the format declares no options of type Options" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Our Format"}, "cannot be a format's name"),
        ({"suffixes": ("ours",)}, "is not a suffix"),
        ({"suffixes": (".mp4",)}, "is a suffix of videos"),
        ({"syntax": "yaml"}, "syntax 'yaml' is unknown"),
    ],
)
def test_declarations_that_cannot_be(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(OURS, **changes)  # type: ignore[arg-type]


def test_a_file_is_parsed_once() -> None:
    file = AnnotationFile("a.xml", b"\xef\xbb\xbf \n<video other='kept' xtl='1'/>")
    assert file.syntax == "xml"
    assert file.json is None
    assert file.xml is file.xml
    assert file.xml is not None
    assert file.xml.attrs == {"other": "kept"}
    assert file.head == b"<video other='kept' xtl='1'/>"
    broken = AnnotationFile("a.JSON", b"{")
    assert broken.suffix == ".json"
    for _ in range(2):
        with pytest.raises(Refused, match="broken-file"):
            _ = broken.json
