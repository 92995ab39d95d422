"""OpenTTGames' windows and events."""

from __future__ import annotations

import json
from fractions import Fraction

from pipeline.annotations import (
    AnnotationOptions,
    VideoFacts,
)
from tests.pipeline.annotations.formats.strokes import read, spans


def test_openttgames_window_and_events() -> None:
    options = AnnotationOptions.model_validate({"openttgames": {"before": 0.5, "after": 0.25}})
    content = read('{"600": "right_forehand_serve neutral unknown", "700": "bounce"}', "game.json", options)
    assert [(a.begin, a.end, a.label, a.player) for a in content.annotations] == [
        (540, 630, "Serve Forehand", "right")
    ]
    assert [(e.frame, e.name) for e in content.events] == [(700, "bounce")]
    slow = {"game.mp4": VideoFacts(6000, Fraction(30))}
    content = read('{"600": "right_forehand_serve"}', "game.json", options, slow)
    assert [(a.begin, a.end) for a in content.annotations] == [(585, 608)]  # 7.5 frames go up


def test_openttgames_events_are_no_strokes() -> None:
    names = ["bounce", "net", "empty_event", "play", "pause", "left_out", "right_winner", "left_net"]
    text = json.dumps({str(10 * i): name for i, name in enumerate(names)})
    content = read(text, "game.json")
    assert content.annotations == ()
    assert len(content.events) == len(names)
    assert content.issues == ()


def test_openttgames_unknown_and_odd_entries() -> None:
    text = '{"10": "bounce",\n"30": "rrr",\n"20": "net",\n"x": "bounce",\n"40": 3,\n"10": "net"}'
    content = read(text, "game.json")
    assert [(i.line, i.kind) for i in content.issues] == [
        (2, "unknown-event"),
        (3, "unsorted"),
        (4, "malformed"),
        (5, "malformed"),
        (6, "duplicate"),
    ]
    assert [e.frame for e in content.events] == [10, 30, 20, 10]


def test_openttgames_stroke_that_nobody_listed_keeps_its_name() -> None:
    content = read('{"900": "left_forehand_chop x y"}', "game.json")
    assert spans(content) == [(864, 936, "Forehand Chop")]
