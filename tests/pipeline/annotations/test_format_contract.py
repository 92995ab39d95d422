"""The built-in formats keep the contract, and the contract finds those that do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline.annotations.formats import (
    AnnotationFile,
    AnnotationFormat,
    Recorder,
    Refused,
    csv_table,
    cvat,
    elan,
    label_studio,
    mediaeval,
    openttgames,
    strokes_json,
)
from pipeline.annotations.formats.contract import FormatContract
from pipeline.annotations.formats.registry import built_in_formats

LOOP, PUSH = "Offensive Forehand Loop", "Defensive Backhand Push"


class TestMediaeval(FormatContract):
    format = mediaeval.FORMAT
    file = "game.xml"
    example = (
        b'<video>\n  <action begin="120" end="192" move="Offensive Forehand Loop"/>\n'
        b'  <action begin="300" end="372" move="Defensive Backhand Push"/>\n</video>\n'
    )
    label = LOOP.encode()
    expected = ((2, 120, 192, LOOP), (3, 300, 372, PUSH))


class TestCvat(FormatContract):
    format = cvat.FORMAT
    file = "game.xml"
    example = (
        b"<annotations>\n<meta><task><id>7</id><source>game.mp4</source></task></meta>\n"
        b'<track id="0" label="Offensive Forehand Loop">\n<box frame="120" outside="0" xtl="1"/>\n'
        b'<box frame="192" outside="1"/>\n</track>\n</annotations>\n'
    )
    label = LOOP.encode()
    expected = ((4, 120, 192, LOOP),)


class TestOpenTTGames(FormatContract):
    format = openttgames.FORMAT
    file = "game.json"
    example = b'{\n"156": "left_forehand_loop neutral both_feet_planted",\n"400": "net",\n"500": "odd"\n}\n'
    label = b"left_forehand_loop"
    expected = ((2, 120, 192, LOOP),)


class TestLabelStudio(FormatContract):
    format = label_studio.FORMAT
    file = "export.json"
    example = json.dumps(
        [
            {
                "data": {"video": "/data/upload/3/0a1b2c3d-game.mp4"},
                "annotations": [
                    {
                        "completed_by": 4,
                        "result": [
                            {"value": {"ranges": [{"start": 121, "end": 192}], "timelinelabels": [LOOP]}}
                        ],
                    }
                ],
            }
        ],
        indent=1,
    ).encode()
    label = LOOP.encode()
    expected = ((13, 600, 960, LOOP),)  # 24 positions a second of a video of 120 frames/s


class TestCsv(FormatContract):
    format = csv_table.FORMAT
    file = "game.csv"
    example = b"video;begin;end;label\ngame.mp4;120;192;Offensive Forehand Loop\ngame.mp4;300;372;?\n"
    label = LOOP.encode()
    expected = ((2, 120, 192, LOOP), (3, 300, 372, "?"))


class TestElan(FormatContract):
    format = elan.FORMAT
    file = "game.eaf"
    example = (
        b'<ANNOTATION_DOCUMENT>\n<HEADER><MEDIA_DESCRIPTOR MEDIA_URL="file:///d/game.mp4"/></HEADER>\n'
        b'<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="1000"/>\n'
        b'<TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="1600"/></TIME_ORDER>\n<TIER TIER_ID="t">\n<ANNOTATION>\n'
        b'<ALIGNABLE_ANNOTATION TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">\n'
        b"<ANNOTATION_VALUE>Offensive Forehand Loop</ANNOTATION_VALUE>\n"
        b"</ALIGNABLE_ANNOTATION></ANNOTATION></TIER>\n</ANNOTATION_DOCUMENT>\n"
    )
    label = LOOP.encode()
    expected = ((7, 120, 192, LOOP),)


class TestStrokesJson(FormatContract):
    format = strokes_json.FORMAT
    file = "predictions.json"
    example = (
        b'{"format": "ttprep strokes", "format_version": 1, "videos": [\n{"video": "game.mp4", "strokes": [\n'
        b'{"begin": 120, "end": 192, "label": "Offensive Forehand Loop"}]}]}\n'
    )
    label = LOOP.encode()
    expected = ((3, 120, 192, LOOP),)


def test_every_built_in_format_is_held_to_the_contract() -> None:
    classes = (TestMediaeval, TestCvat, TestOpenTTGames, TestLabelStudio, TestCsv, TestElan, TestStrokesJson)
    held = {cls.format.name for cls in classes}
    assert held == {f.name for f in built_in_formats()}
    assert held == {"csv", "cvat", "elan", "label_studio", "mediaeval", "openttgames", "strokes"}


def _crash(file: AnnotationFile, out: Recorder) -> None:
    for line, text in enumerate(file.text().splitlines(), 1):
        begin, end, label = text.split()
        out.add(line, out.video, int(begin), int(end), label)


def _no_lines(file: AnnotationFile, out: Recorder) -> None:
    if b"\0" not in file.data:
        out.add(0, out.video, 1, 2, "x")


def _odd_refusal(file: AnnotationFile, out: Recorder) -> None:
    raise Refused("oops", "a kind that nobody knows")


def _chatter(file: AnnotationFile, out: Recorder) -> None:
    out.issue(1, "malformed", f"this is not a label: {file.data!r}")


_remembered: list[int] = []


def _with_memory(file: AnnotationFile, out: Recorder) -> None:
    _remembered.append(1)
    out.add(1, out.video, 1, 1 + len(_remembered), "x")


def _many(file: AnnotationFile, out: Recorder) -> None:
    for _ in range(len(file.data) + 2):
        out.issue(1, "malformed", "again")


@pytest.mark.parametrize(
    ("read", "test", "error"),
    [
        (_crash, "test_damaged_files_never_raise", ValueError),
        (_no_lines, "test_the_example_is_read_with_its_lines", AssertionError),
        (_odd_refusal, "test_damaged_files_never_raise", AssertionError),
        (_chatter, "test_a_huge_label_stays_bounded", AssertionError),
        (_with_memory, "test_reading_twice_gives_equal_records", AssertionError),
        (_many, "test_damaged_files_never_raise", AssertionError),
    ],
)
def test_the_contract_finds(
    read: Callable[[AnnotationFile, Recorder], None], test: str, error: type[Exception]
) -> None:
    class Bad(FormatContract):
        format = AnnotationFormat(
            name="bad",
            title="bad",
            told_by="bad",
            syntax="text",
            suffixes=(".bad",),
            recognises=lambda file: file.syntax == "text",
            read=read,
        )
        example = b"1 2 x\n"
        label = b"x"
        expected = ((1, 1, 2, "X"),)

    with pytest.raises(error):
        getattr(Bad(), test)()


def test_the_contract_finds_a_format_that_claims_everything() -> None:
    class Greedy(TestCsv):
        format = replace(csv_table.FORMAT, name="greedy", recognises=lambda file: True)

    with pytest.raises(AssertionError, match="is claimed"):
        Greedy().test_other_content_is_not_recognised()
