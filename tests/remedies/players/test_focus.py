"""What is said about the focus of videos and their players, followed as it is written."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main
from pipeline.errors import OK
from tests.remedies.following import Case, Says, both, call, check, manifest, write
from tests.support.projects import TINY, write_video

RUN = ("run", "--workers", "0", "--stage", "roi")
CLIP = "videos/clip.mp4"
PLAYERS = {"anna": "left", "ben": "right"}
HEAD = "video,begin,end,label,player\n"


def focus(value: Any = None, **more: Any) -> None:
    """Write a manifest of one video with a focus."""
    entry = {"path": CLIP} | ({"focus": value} if value is not None else {})
    manifest(**{**TINY, "videos": [entry], "modalities": ["rgb"], **more})


def players(**more: Any) -> None:
    focus(PLAYERS, **more)


def run(*words: object) -> None:
    code, text = call(main, "run", "--workers", "0", *words)
    assert code == OK, text


def written(before: Any, says: Says, after: Callable[..., Any]) -> Case:
    """Return a focus with a fault; ``after`` makes one without of what stands in the holes."""
    return Case(
        RUN, says, follow=lambda *holes: focus(after(*holes)), prepare=both(players, partial(focus, before))
    )


def clips(text: str, **entry: Any) -> None:
    """Write a table of labels, and a manifest of clips."""
    write("labels.csv", text)()
    source = {"kind": "clips", "path": "videos", "labels": "labels.csv", **entry}
    manifest(**{**TINY, "videos": [], "annotations": [], "sources": [source], "modalities": ["rgb"]})


def two_videos() -> None:
    write_video(Path("videos/other.mp4"), 20, 3)
    manifest(**{**TINY, "focus": PLAYERS, "modalities": ["rgb"]})
    run("--stage", "roi")


CASES = {
    "a word that is none": written(
        "middle",
        Says("give {}, {}, {}, a box [left, top, right, bottom] or a polygon [[x, y], …] in shares of the"
             " picture, 0 to 1"),
        lambda first, *_: first.split(", ")[0],
    ),
    "text that looks like a box": written(
        "[0, 0, half, 1]",
        Says("is no list of numbers; give [left, top, right, bottom] in 0 to 1"),
        lambda: [0, 0, 0.5, 1],
    ),
    "a player without a name": written(
        {" ": "left"},
        Says("name each player in 1 to {} letters, as in {anna: left, ben: right}"),
        lambda most: {"a" * int(most): "left"},
    ),
    "two players of one name": written(
        {"anna": "left", "Anna": "right"}, Says("two players are called {}; rename one"), lambda _: PLAYERS
    ),
    "a focus among the stages": Case(
        RUN,
        Says("is of videos, not of stages; set `{}:` on top or in an entry"),
        follow=lambda key: focus(**{key: "left"}),
        prepare=lambda: focus(stages={**TINY["stages"], "roi": {"focus": "left"}}),
    ),
    "a focus outside the region": Case(
        RUN,
        Says("the focus of this video lies outside stages.roi.region; remove the region from the manifest, or"
             " move the focus into it"),
        follow=lambda: focus("left"),
        prepare=lambda: focus("left", stages={**TINY["stages"], "roi": {"region": [0.6, 0, 1, 1]}}),
    ),
    "a result that each player has": Case(
        ("path", CLIP, "roi"),
        Says("{}: has {} results of {}; name {}"),
        again=lambda *holes: ("path", holes[3].split("`")[1], "roi"),
        prepare=both(players, partial(run, "--stage", "roi")),
    ),
    "a picture of several players": Case(
        ("preview", CLIP, "-o", "p.png"),
        Says("name one with --player ({}), or give -o a folder to draw all"),
        again=lambda names: ("preview", CLIP, "-o", "p.png", "--player", names.split(", ")[0]),
        prepare=both(players, partial(run, "--stage", "roi")),
    ),
    "a player who is not there": Case(
        ("preview", CLIP, "-o", "p.png", "--player", "carl"),
        Says("there is no player {}; known: {}"),
        again=lambda _, names: ("preview", CLIP, "-o", "p.png", "--player", names.split(", ")[1]),
        prepare=both(players, partial(run, "--stage", "roi")),
    ),
    "a player of several videos": Case(
        ("preview", "videos", "-o", "p.png", "--player", "anna"),
        Says("{}: a player of {} videos ({}); name one of them"),
        again=lambda player, _, names: (
            "preview", names.split(" (")[0], "-o", "p.png", "--player", player
        ),
        prepare=two_videos,
    ),
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_video(Path(CLIP), 24)
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_a_remedy_works_as_it_is_written(here: Path, name: str) -> None:
    check(main, CASES[name])


def test_an_annotation_of_nobody(here: Path) -> None:
    """It is a finding, after which the stroke is no sample; with a name it is one."""
    says = Says("{} has the players {}, and {} ({}); name one of them in the column of the player")
    write("annotations/a.csv", f"{HEAD}clip.mp4,2,20,Up,\n")()
    players()
    run()
    code, text = call(main, "annotations")
    assert code == OK
    assert "0 │ actions" in text
    _, names, who, _ = says.of(text)
    assert who == "no player is named"
    write("annotations/a.csv", f"{HEAD}clip.mp4,2,20,Up,{names.split(', ')[1]}\n")()
    run()
    code, text = call(main, "annotations")
    assert "unknown-player" not in text
    assert "1 │ actions" in text
    code, text = call(main, "export", "d.h5")
    assert code == OK, text
    assert "1 samples" in text


def test_a_clip_of_nobody(here: Path) -> None:
    says = Says("{}: no sample: it has the players {}, and {}; name one of them in the labels")
    clips("file,label\nclip,Up\n", focus=PLAYERS)
    code, text = call(main, "run", "--workers", "0")
    assert code == OK
    _, names, who = says.of(text)
    assert who == "its label has no player"
    clips(f"file,label,player\nclip,Up,{names.split(', ')[0]}\n", focus=PLAYERS)
    code, text = call(main, "run", "--workers", "0")
    assert "no sample" not in text
    code, text = call(main, "export", "d.h5")
    assert code == OK, text
