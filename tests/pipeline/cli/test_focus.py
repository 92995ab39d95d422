"""`ttprep focus`: candidates of one video, a picture of them, and the choice in the manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from pipeline.cli.main import main
from pipeline.pictures.candidates import ZOOM, People, candidates, draw_candidates, telling_frame
from stages.focus import Focus
from tests.remedies.following import Says
from tests.support.pose import write_checkpoint
from tests.support.projects import SIZE, write_video

#: of the frame of made-up people, px
W, H = 320, 180


def people(n: int = 100, umpire: bool = True) -> People:
    """Two players who stand left and right, the right one also farther off; and somebody between them."""
    player = np.full((n, 4), -1, np.int32)
    box = np.zeros((n, 4, 4), np.float32)
    left, right = (40, 60, 100, 170), (220, 40, 270, 120)
    player[:, 0], box[:, 0] = 3, left
    player[10:, 1], box[:, 1] = 5, right
    player[10:, 2], player[10:, 3] = 3, 5
    box[:, 2], box[:, 3] = left, right
    tracks: list[dict[str, Any]] = [
        {"track": 3, "frames": n, "x": 70, "y": 110, "size": 40},
        {"track": 5, "frames": n - 10, "x": 245, "y": 80, "size": 30},
        {"track": 8, "frames": 60, "x": 160, "y": 60, "size": 20},
        {"track": 9, "frames": 1, "x": 10, "y": 10, "size": 20},
    ]
    return People(player, box, tracks if umpire else tracks[:2])


def test_people_come_first_then_the_halves() -> None:
    found = candidates(people(), W, H)
    assert [c.number for c in found] == list(range(1, 9))
    assert [c.value for c in found[:2]] == ["auto-left", "auto-right"]
    assert "in 90% of the frames" in found[1].text
    assert found[2].value == pytest.approx([130 / W, 20 / H, 190 / W, 100 / H], abs=0.001)
    assert [c.value for c in found[3:]] == ["auto", "left", "right", "near", "far"]
    for one in found:  # the manifest understands each of them
        Focus.model_validate(one.value)
    assert [c.value for c in candidates(None, W, H)] == ["left", "right", "near", "far"]


def test_players_behind_each_other_are_near_and_far() -> None:
    one = people(umpire=False)
    box = one.box.copy()
    box[:, 0] = box[:, 2] = (130, 100, 190, 178)
    box[:, 1] = box[:, 3] = (150, 5, 175, 60)
    assert [c.value for c in candidates(People(one.player, box, one.tracks), W, H)[:2]] == [
        "auto-near",
        "auto-far",
    ]


def test_the_picture_shows_a_frame_with_everybody() -> None:
    assert telling_frame(people(), 100) == 50
    late = people()
    late.player[:80, 1] = -1
    assert telling_frame(late, 100) == 80
    found = candidates(people(), W, H)
    drawn = draw_candidates(np.zeros((H, W, 3), np.uint8), found)
    assert drawn.shape[1] == W * ZOOM
    assert drawn.shape[0] > H * ZOOM  # and lines of text
    assert tuple(drawn[60 * ZOOM, 70 * ZOOM]) == (80, 255, 80)  # upper edge of the first person's box


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("focus")
    write_video(folder / "videos" / "a.mp4", 20)
    write_checkpoint(folder / "weights", "0.50")
    return folder


@pytest.fixture
def focus(home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(home)
    stages = {"frames": {"width": SIZE[0], "height": SIZE[1]}, "pose": {"model": "0.50"}}
    text = "# mine\nvideos:\n  - videos  # all of them\n" + yaml.safe_dump({"stages": stages})
    (home / "data_manifest.yaml").write_text(text)

    def run(*words: str, code: int = 0) -> Result:
        plain = ["focus", *words, "--workers", "0", "--pose-weights", "weights"]
        done = CliRunner().invoke(main, plain)
        assert done.exit_code == code, done.output
        return done

    return run


def test_a_script_gets_the_candidates_and_is_told_the_flag(focus: Any, home: Path) -> None:
    before = (home / "data_manifest.yaml").read_text()
    done = focus("videos/a.mp4", code=2)
    assert "the left half of the picture (left)" in done.stdout
    assert "picture: a.focus.png" in done.stdout
    Says("no candidate is chosen; add --choose N, or --player NAME=N for each of several").of(done.stderr)
    assert (home / "data_manifest.yaml").read_text() == before
    picture = cv2.imread(str(home / "a.focus.png"))
    assert picture is not None
    assert picture.shape[1] == SIZE[0] * ZOOM


def test_the_choice_is_written_and_only_that(focus: Any, home: Path) -> None:
    found = json.loads(focus("a", "--json").stdout)
    numbers = {str(c["value"]): c["number"] for c in found["candidates"]}
    before = (home / "data_manifest.yaml").read_text()
    done = focus("a", "--choose", str(numbers["left"]))
    line = "  - {path: videos/a.mp4, focus: left}"
    assert f"+{line}" in done.stdout
    after = (home / "data_manifest.yaml").read_text()
    assert after.replace(line + "\n", "") == before
    assert "says focus: left already" in focus("a", "--choose", str(numbers["left"])).stdout
    two = ["--player", f"anna={numbers['left']}", "--player", f"ben={numbers['right']}"]
    assert focus("a", *two, "--print").stdout == "focus: {anna: left, ben: right}\n"
    assert (home / "data_manifest.yaml").read_text() == after
    focus("a", *two)
    value = yaml.safe_load((home / "data_manifest.yaml").read_text())
    assert value["videos"][1] == {"path": "videos/a.mp4", "focus": {"anna": "left", "ben": "right"}}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a", "--player", "anna"], "is not of the form NAME=N"),
        (["a", "--player", "anna=1", "--player", "anna=2"], "anna has a number already"),
        (["a", "--choose", "1", "-o", "x.txt"], "end it in .png"),
    ],
)
def test_what_cannot_be_meant_is_one_line(focus: Any, words: list[str], said: str) -> None:
    done = focus(*words, code=2)
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_what_messages_say_to_do(focus: Any, home: Path) -> None:
    last = Says("there is no candidate {}; choose 1 to {}").of(focus("a", "--choose", "99", code=2).stderr)[1]
    assert focus("a", "--choose", last, "--print").stdout.startswith("focus: ")
    both = focus("a", "--player", "anna=1", "--choose", "2", code=2)
    Says("--choose is for the whole video, --player for one of several; give one").of(both.stderr)
    focus("a", "--player", "anna=1", "--print")
    (home / "data_manifest.yaml").rename(home / "elsewhere.yaml")
    lacking = focus("videos/a.mp4", "--choose", "1", code=2)
    Says("is not there to write into; `ttprep init` makes one, or add --print").of(lacking.stderr)
    focus("videos/a.mp4", "--choose", "1", "--print")
    assert CliRunner().invoke(main, ["init"]).exit_code == 0
    focus("videos/a.mp4", "--choose", "1")
    value = yaml.safe_load((home / "data_manifest.yaml").read_text())
    assert value["videos"][0]["path"] == "videos/a.mp4"


def test_that_weights_are_missing_is_said_once(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").mkdir()
    (tmp_path / "data_manifest.yaml").write_text(f"videos: [{home / 'videos'}]\n")
    words = ["focus", "a", "--choose", "1", "--print", "--workers", "0", "--pose-weights", "none"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert done.stderr.count("PoseNet weights") == 1
    assert "nobody was looked for; the halves of the picture remain" in done.stderr
    assert done.stdout == "focus: left\n"
