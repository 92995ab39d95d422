"""A focus is written into a manifest and nothing else of it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.inputs.manifest import read_manifest
from pipeline.inputs.manifest_editing import focus_line, with_focus, write_focus
from stages.focus import Focus
from tests.remedies.following import Says

LEFT = "  - {path: match1.mp4, focus: left}"

#: manifest → the lines taken out and put in
CASES: dict[str, tuple[str, list[str]]] = {
    "nothing": ("", ["+videos:", f"+{LEFT}"]),
    "no videos": ("store: x  # here\n", ["+videos:", f"+{LEFT}"]),
    "no newline at the end": ("store: x", ["+videos:", f"+{LEFT}"]),
    "no video": (
        "videos: []  # none yet\nstore: x\n",
        ["-videos: []  # none yet", "+videos:", f"+{LEFT}  # none yet"],
    ),
    "nothing behind the colon": ("videos:\nstore: x\n", [f"+{LEFT}"]),
    "its name alone": (
        "videos:\n  - match0.mp4\n  - match1.mp4   # ours\n",
        ["-  - match1.mp4   # ours", f"+{LEFT}   # ours"],
    ),
    "a quoted name": (
        "videos:\n- 'match1.mp4'\n",
        ["-- 'match1.mp4'", "+- {path: 'match1.mp4', focus: left}"],
    ),
    "a list on one line": (
        "videos: [match1.mp4, match2.mp4]\n",
        ["-videos: [match1.mp4, match2.mp4]", "+videos: [{path: match1.mp4, focus: left}, match2.mp4]"],
    ),
    "settings on one line": (
        "videos:\n  - {path: match1.mp4, fps: 120 }\n",
        ["-  - {path: match1.mp4, fps: 120 }", "+  - {path: match1.mp4, fps: 120, focus: left }"],
    ),
    "settings below each other": (
        "videos:\n  - path: match1.mp4  # final\n    fps: 120\n  - other.mp4\n",
        ["+    focus: left"],
    ),
    "another focus": (
        "videos:\n  - path: match1.mp4\n    focus: [0, 0, 0.5, 1]  # by hand\n    fps: 3\n",
        ["-    focus: [0, 0, 0.5, 1]  # by hand", "+    focus: left  # by hand"],
    ),
    "no focus so far": ("videos:\n  - path: match1.mp4\n    focus:\n", ["-    focus:", "+    focus: left"]),
    "a focus for each": (
        "videos:\n  - path: match1.mp4\n    focus:\n      anna: left\n      ben: right\n    fps: 3\n",
        ["-    focus:", "-      anna: left", "-      ben: right", "+    focus: left"],
    ),
    "a folder of it": (
        "videos:\n  - {path: ., fps: 60, player: 'Jörg: 1'}\nstore: x\n",
        ['+  - {path: match1.mp4, fps: 60, player: "Jörg: 1", focus: left}'],
    ),
    "a folder by its name": (
        "videos: [.]\n",
        ["-videos: [.]", "+videos: [., {path: match1.mp4, focus: left}]"],
    ),
    "another one": ("videos:\n    - other.mp4", ["+    - {path: match1.mp4, focus: left}"]),
    "the same again": ("videos: [{path: match1.mp4, focus: left}]\n", []),
}  # fmt: skip


@pytest.mark.parametrize("eol", ["\n", "\r\n"])
@pytest.mark.parametrize("case", CASES)
def test_only_the_focus_changes(tmp_path: Path, case: str, eol: str) -> None:
    text, changed = CASES[case]
    manifest = tmp_path / "m.yaml"
    manifest.write_bytes(text.replace("\n", eol).encode())
    found = write_focus(manifest, tmp_path / "match1.mp4", "left")
    after = manifest.read_bytes().decode()
    assert found == changed
    if "\n" in text:  # the ends of lines are as they were
        assert after.count("\r\n") == (after.count("\n") if eol == "\r\n" else 0)
    if not text.endswith("\n"):  # its last line gets its end
        assert after.startswith(text.replace("\n", eol))
    own = [e for e in yaml.safe_load(after)["videos"] if isinstance(e, dict) and e["path"] == "match1.mp4"]
    assert own[-1]["focus"] == "left"


@pytest.mark.parametrize(
    ("focus", "line"),
    [
        ("auto-near", "focus: auto-near"),
        ([0.1, 0.25, 1 / 3, 1.0], "focus: [0.1, 0.25, 0.3333, 1]"),
        ({"anna": "left", "Jörg: x": [0.5, 0.0, 1.0, 1.0]}, 'focus: {anna: left, "Jörg: x": [0.5, 0, 1, 1]}'),
        ({"no": "left", "12": "right"}, 'focus: {"no": left, "12": right}'),
    ],
)
def test_how_a_focus_is_written(tmp_path: Path, focus: Any, line: str) -> None:
    assert focus_line(focus) == line
    manifest = tmp_path / "m.yaml"
    manifest.write_text("\ufeffvideos: [match1.mp4]\n", encoding="utf-8")
    write_focus(manifest, tmp_path / "match1.mp4", focus)
    text = manifest.read_text(encoding="utf-8")
    assert text == "\ufeffvideos: [{path: match1.mp4, " + line + "}]\n"
    assert write_focus(manifest, tmp_path / "match1.mp4", focus) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("videos: 3\n", "has no list under videos"),
        ("- a\n", "is no mapping"),
        (
            "videos:\n  - path: match1.mp4\n    focus:\n      # mine\n      a: left\n",
            "cannot be changed alone",
        ),
        ("sources: [{kind: clips, path: .}]\n", "belongs to the source ."),
    ],
)
def test_what_is_refused_stays(tmp_path: Path, text: str, why: str) -> None:
    manifest = tmp_path / "m.yaml"
    manifest.write_text(text)
    with pytest.raises(UserError, match=why) as raised:
        write_focus(manifest, tmp_path / "match1.mp4", "left")
    assert manifest.read_text() == text
    source = "belongs to" in why
    said = (
        Says("whose videos have one focus; add to that entry: {}")
        if source
        else Says("; add it to the video's entry yourself: {}")
    )
    assert said.of(str(raised.value)) == ("focus: left",)


def test_the_line_that_is_told_can_be_added_by_hand(tmp_path: Path) -> None:
    manifest = tmp_path / "m.yaml"
    for text, place in (
        ("videos:\n  - path: match1.mp4\n    focus:\n      # mine\n      a: left\n", "videos"),
        ("sources:\n  - kind: clips\n    path: .\n", "sources"),
    ):
        manifest.write_text(text)
        with pytest.raises(UserError) as raised:
            write_focus(manifest, tmp_path / "match1.mp4", "left")
        line = str(raised.value).rpartition(": focus")[2]
        manifest.write_text(text.partition("    focus:")[0] + f"    focus{line}\n")
        (entry,) = getattr(read_manifest(manifest), place)
        assert entry.focus == (("", Focus.model_validate("left")),)


NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\\ufeff\u2028\u2029\x85"),
    min_size=1,
    max_size=12,
)


@given(NAMES, st.lists(NAMES, max_size=3), st.booleans(), st.booleans())
def test_whatever_videos_are_called(name: str, others: list[str], flow: bool, known: bool) -> None:
    name = f"x{name}.mp4"
    given_ = [f"y{other}.mov" for other in others]
    entries: list[Any] = [*given_, *([{"path": name, "fps": 25}] if known else [])]
    text = "# head\n" + yaml.safe_dump(
        {"videos": entries, "store": "s"}, default_flow_style=flow, allow_unicode=True
    )
    folder = Path("/nowhere/at all")
    after = with_focus(text, folder / "m.yaml", folder / name, "right")
    mine = {"path": name, "fps": 25, "focus": "right"} if known else {"path": name, "focus": "right"}
    assert yaml.safe_load(after) == {"videos": [*given_, mine], "store": "s"}
    assert after.startswith("# head\n")
