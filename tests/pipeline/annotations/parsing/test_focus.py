"""A focus as text reads back the same; annotations are given to the players whom they name."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.annotations import VideoFacts
from pipeline.annotations.parsing.focus import name_of, picked, read_focus
from pipeline.annotations.players import assign_players
from pipeline.annotations.records import Annotation
from stages.focus import AUTO, HALVES

WORDS = (*HALVES, AUTO, *(f"{AUTO}-{side}" for side in HALVES))
SHARE = st.floats(0, 1)


@st.composite
def boxes(draw: st.DrawFn) -> list[float]:
    left, right, top, bottom = (draw(SHARE) for _ in range(4))
    low, high = sorted((left, right)), sorted((top, bottom))
    if low[0] == low[1] or high[0] == high[1]:
        return [0, 0, 1, 1]
    return [low[0], high[0], low[1], high[1]]


@given(st.one_of(st.sampled_from(WORDS), boxes(), st.just([[0, 1], [0.5, 0.25], [1, 1]])))
def test_its_text_reads_back_the_same(value: Any) -> None:
    focus = read_focus(value)
    text = name_of(focus)
    assert read_focus(text) == focus
    assert name_of(read_focus(text)) == text


@given(st.text(max_size=20))
def test_any_text_is_a_focus_or_an_error_of_one_line(text: str) -> None:
    try:
        said = name_of(read_focus(text))
    except ValueError as error:
        said = str(error)
    assert said.splitlines() == [said]
    assert said in WORDS or "; give " in said or said.startswith("give ")


@pytest.mark.parametrize("word", HALVES)
def test_a_word_means_a_person_where_people_are_followed(word: str) -> None:
    auto, half = read_focus(AUTO), read_focus(word)
    assert picked(auto, word, "") == picked(auto, "", word.title()) == read_focus(f"{AUTO}-{word}")
    assert picked(None, word, "") == picked(read_focus("near"), word, "carl") == half
    assert picked(None, "", word) is None
    assert picked(half, "", "right") == half


NAMES = ("anna", "Ben")
WHO = st.sampled_from(("", "anna", "ANNA", "ben", "carl", "left"))


@given(st.lists(st.tuples(st.sampled_from(("a", "b")), WHO, WHO), max_size=12))
def test_every_annotation_is_of_one_player_or_of_nobody(rows: list[tuple[str, str, str]]) -> None:
    facts = {name: VideoFacts(100, Fraction(30), f"id-{name}", "video's own") for name in ("a", "b")}
    read = [
        Annotation(video, 1, 9, "Up", "", "x.csv", line, player=player, focus=focus)
        for line, (video, player, focus) in enumerate(rows, 2)
    ]
    given_ = assign_players(read, facts, {"a": NAMES})
    assert sorted(a.line for a in (*given_.annotations, *given_.nobody)) == [a.line for a in read]
    assert {name: f.content_id for name, f in given_.videos.items()} == {
        "a (anna)": "id-a/anna", "a (Ben)": "id-a/Ben", "b": "id-b",
    }  # fmt: skip
    for a in given_.annotations:
        before = next(r for r in read if r.line == a.line)
        if before.video == "b":
            assert (a.video, a.player) == ("b", before.player)
            continue
        assert a.video == f"a ({a.player})"
        assert a.player.casefold() in (before.player.casefold(), before.focus.casefold())
    told = {i.line for i in given_.issues if i.kind == "unknown-player"}
    assert bool(told) is bool(given_.nobody)
    assert told <= {a.line for a in given_.nobody}
    assert all(a.video == "a" for a in given_.nobody)
