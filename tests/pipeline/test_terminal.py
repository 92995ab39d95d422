"""Text on terminals: names as they are, one line each, whatever the encoding."""

from __future__ import annotations

import io
import json
import os
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.cli.output.table import Column, Grid
from pipeline.terminal import HANDLER, echo, echo_json, prepare_streams, readable, say
from store.names import valid_text

NAMES = [
    "Match [dQw4w9WgXcQ].mp4",
    "w[/zero].mp4",
    "a:car:.mp4",
    "[red]b[/red].mp4",
    "[link=x]c.mp4",
    "\\[d].mp4",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_markup_or_emoji(name: str) -> None:
    out = io.StringIO()
    console = Console(file=out, width=200)  # rich's own defaults: markup and emoji are on
    say(console, f"{name}: empty", "failed", "red")
    table = Grid(Column("video", "path"))
    table.add(name)
    table.print(console)
    assert out.getvalue().startswith(f"failed {name}: empty\n")
    assert f" {name} " in out.getvalue()


def test_controls_and_bytes_that_are_no_text_are_escaped() -> None:
    name = os.fsdecode(b"T\xfcr\n\x1b[2J\t\x9b.mp4") + "\x85\u202e4pm"
    assert readable(name) == "T\\xfcr\\n\\x1b[2J\\t\\x9b.mp4\\x85\\u202e4pm"
    assert readable("a\nb", lines=True) == "a\nb"
    assert readable("Zoë → 5 °C 中") == "Zoë → 5 °C 中"


def test_the_escape_of_bytes() -> None:
    assert valid_text(os.fsdecode(b"n\xff.mp4")) == "n\\xff.mp4"
    assert valid_text(os.fsdecode("Zoë.mp4".encode())) == "Zoë.mp4"
    assert valid_text("\udcc3\udcab") == "ë"  # what an ASCII locale makes of UTF-8
    assert valid_text("\ud800") == "\\ud800"


@given(st.text(alphabet=st.characters()) | st.binary().map(os.fsdecode))
def test_any_text_can_be_stored_and_printed(text: str) -> None:
    valid_text(text).encode()
    shown = readable(text)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in shown)
    for encoding in ("ascii", "latin-1", "cp1252", "utf-8", "iso8859-15", "koi8-r", "shift_jis"):
        text.encode(encoding, HANDLER)


@pytest.mark.parametrize(("encoding", "shown"), [
    ("ascii", "Zoe - 3x4 -> Grosse... \\u4e2d"),
    ("latin-1", "Zoë - 3×4 -> Größe... \\u4e2d"),
    ("utf-8", "Zoë – 3×4 → Größe… 中"),
])  # fmt: skip
def test_terminals_get_what_they_can_show(encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
    prepare_streams()
    echo("Zoë – 3×4 → Größe… 中")
    assert raw.getvalue() == f"{shown}\n".encode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252"])
def test_json_is_utf8_in_every_locale(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
    name = os.fsdecode(b"n\xff")
    echo_json({name: [name, "Zoë", ("中", 1)]})
    text = raw.getvalue().decode("utf-8")
    assert json.loads(text) == {"n\\xff": ["n\\xff", "Zoë", ["中", 1]]}
    assert "udc" not in text
