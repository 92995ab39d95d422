"""Label Studio's exports: JSON, JSON-MIN, results, values."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from pipeline.annotations import (
    FileContent,
)
from tests.pipeline.annotations.formats.strokes import label_studio, read, spans


@pytest.mark.parametrize(
    ("who", "name"), [(4, "4"), ({"id": 4, "email": "ann@club"}, "ann@club"), (None, "")]
)
def test_label_studio_annotator(who: object, name: str) -> None:
    assert {a.annotator for a in read(label_studio(who=who), "e.json").annotations} == {name}


@pytest.mark.parametrize(
    "address",
    [
        "game.mp4",
        "/data/upload/3/game.mp4",
        "/data/upload/3/0a1b2c3d-game.mp4",
        "/data/local-files/?d=club%2Fgame.mp4",
        "s3://bucket/club/game.mp4",
        "https://host/videos/game.mp4?token=1",
    ],
)
def test_label_studio_addresses(address: str) -> None:
    assert {a.video for a in read(label_studio(address), "e.json").annotations} == {"game.mp4"}


def test_label_studio_bare_forms() -> None:
    value = {"ranges": [{"start": 3, "end": 5}], "timelinelabels": ["Moving"]}
    result = {"type": "timelinelabels", "from_name": "a", "to_name": "b", "value": value}
    forms = [value, {"value": value}, [result], {"result": [result]}, {"annotations": [{"result": [result]}]}]
    for form in forms:
        assert spans(read(json.dumps(form), "game.json")) == [(2, 5, "Moving")]


def test_label_studio_min_loses_who_plays_which_stroke() -> None:
    def read_min(*begins: int, player: object) -> FileContent:
        strokes = [{"ranges": [{"start": b, "end": b + 4}], "timelinelabels": ["Moving"]} for b in begins]
        return read(json.dumps({"video": "game.mp4", "strokes": strokes, "player": player}), "game.json")

    content = read_min(1, player="anna")
    assert [a.player for a in content.annotations] == ["anna"]
    assert not content.issues
    for answers in ("anna", ["anna", "ben"], [{"choices": ["anna"]}]):
        content = read_min(1, 11, player=answers)
        assert [a.player for a in content.annotations] == ["", ""]
        assert [i.kind for i in content.issues] == ["unsupported"]


def test_label_studio_oddities() -> None:
    value = {"ranges": [{"start": 3, "end": 5}], "timelinelabels": ["A", "B"]}
    task = {
        "data": {"video": "game.mp4"},
        "annotations": [
            {"was_cancelled": True, "result": [{"value": value}]},
            {"result": [{"type": "choices", "value": {"choices": ["x"]}}, {"value": value}]},
            {"result": [{"value": {"timelinelabels": ["A"], "ranges": [{"start": 1}]}}]},
            {"result": [{"value": {"timelinelabels": [3], "ranges": [{"start": 1, "end": 2}]}}]},
            {},
        ],
    }
    content = read(json.dumps(task), "e.json")
    assert Counter(i.kind for i in content.issues) == {
        "unsupported": 2,
        "several-labels": 1,
        "malformed": 3,
    }
    assert spans(content) == [(2, 5, "A"), (2, 5, "B")]
