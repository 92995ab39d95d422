"""What is wrong with real recordings is flagged, and nothing of those that are fine; PoseNet finds people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from tests.conftest import encode
from tests.support.command_line import as_json, ttprep
from tests.support.pose import checkpoint, needs_shared

pytestmark = needs_shared
Picture = NDArray[np.uint8]


def read(path: Path, n: int, width: int = 640) -> list[Picture]:
    """The first n frames of a video, as large as the flags need them."""
    frames: list[Picture] = []
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            if len(frames) == n:
                break
            height = round(frame.height * width / frame.width)
            picture = frame.to_ndarray(format="rgb24", width=width, height=height)
            frames.append(np.asarray(picture, np.uint8))
    return frames


def handheld(frame: Picture, t: int) -> Picture:
    """As if somebody held the camera: a hundredth of the width, to and fro, a few times a second."""
    height, width = frame.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0.3 * np.sin(t / 3), 1.06)
    matrix[:, 2] += 0.01 * width * np.array([np.sin(t / 2.1), np.cos(t / 3.3)])
    return np.asarray(cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def from_above(t: int) -> Picture:
    """A table from above; of two players shoulders, heads and arms are seen."""
    frame = np.full((360, 640, 3), (110, 60, 70), np.uint8)
    cv2.rectangle(frame, (190, 95), (450, 265), (30, 80, 120), -1)
    cv2.rectangle(frame, (190, 95), (450, 265), (240, 240, 240), 2)
    for side, x, shirt in ((1, 125, (200, 40, 40)), (-1, 515, (30, 120, 200))):
        y = 180 + 45 * np.sin(t / 14 + side)
        cv2.ellipse(frame, (x, int(y)), (22, 48), 0, 0, 360, shirt, -1, cv2.LINE_AA)
        hand = int(x + side * (40 + 25 * np.sin(t / 5))), int(y + 35 * np.cos(t / 5))
        cv2.line(frame, (x, int(y) + 30 * side), hand, (220, 170, 140), 11, cv2.LINE_AA)
        cv2.circle(frame, (x + 6 * side, int(y)), 17, (70, 50, 40), -1, cv2.LINE_AA)
    return np.asarray(
        cv2.add(frame, np.random.default_rng(t).integers(0, 6, frame.shape, np.uint8)), np.uint8
    )


@pytest.fixture(scope="module")
def flags(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Clip → names of its flags."""
    folder = tmp_path_factory.mktemp("flags")
    rally = read(shared / "videos" / "tt_rally_720p30_progressive.mp4", 45)
    table = read(shared / "videos" / "tt_net_1080p120_a.mp4", 40)
    strokes = shared / "strokes" / "table_tennis" / "clips"
    two = read(strokes / "left_lefty_backhand_10.mp4", 32)
    man = read(shared / "strokes" / "tennis" / "clips" / "f_volley5.mp4", 21)[-1][:244, 83:192]
    umpire = np.asarray(cv2.resize(man, (58, 130)), np.uint8)

    def watched(frame: Picture) -> Picture:
        frame = frame.copy()
        frame[70:200, 290:348] = umpire
        return frame

    clips: dict[str, tuple[list[Picture], dict[str, Any]]] = {
        "rally": (rally, {}),
        "second rally": ([np.asarray(cv2.resize(f, (480, 270)), np.uint8) for f in rally[4:]], {"crf": "30"}),
        "handheld": ([handheld(f, t) for t, f in enumerate(rally)], {}),
        "black": ([np.zeros_like(rally[0])] * 20, {}),
        "empty table": (table, {}),
        "from above": ([from_above(t) for t in range(40)], {}),
        "umpire": ([watched(f) for f in two], {}),
        "two players": (two, {}),
        "two players, focus": (two, {"crf": "24"}),
    }
    for name, (frames, options) in clips.items():
        encode(folder / f"{name}.mp4", frames, options={"crf": "18", **options})
    manifest = {
        "videos": [
            {"path": f"{name}.mp4", **({"focus": "left"} if "focus" in name else {})} for name in clips
        ],
        "dataset": None,
        "stages": {"flow": {"method": "dis"}, "pose": {"source": "original"}},
        "pose_weights": str(checkpoint()),
    }
    (folder / "data_manifest.yaml").write_text(yaml.safe_dump(manifest))
    done = ttprep("run", "--workers", "2", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    found = as_json(ttprep("status", "--json", cwd=folder))["flags"]["videos"]
    print(json.dumps(found, indent=1))
    return {Path(name.split(" (")[0]).stem: [f["flag"] for f in own] for name, own in found.items()}


WRONG: dict[str, Callable[[list[str]], bool]] = {
    "second rally": lambda f: f == ["copy-of"],
    "handheld": lambda f: f[0] == "camera-moves",
    "black": lambda f: f == ["black"],
    "empty table": lambda f: "no-person" in f,
    "from above": lambda f: f == ["no-person"],
    "umpire": lambda f: "person-rests" in f,
    "two players": lambda f: bool({"roi-far-from-pose", "roi-jumps"} & {*f}),
}


@pytest.mark.parametrize("clip", WRONG)
def test_what_is_wrong_is_named(flags: dict[str, list[str]], clip: str) -> None:
    assert WRONG[clip](flags[clip]), flags[clip]


@pytest.mark.parametrize("clip", ["rally", "two players, focus"])
def test_nothing_is_said_of_a_clip_that_is_fine(flags: dict[str, list[str]], clip: str) -> None:
    assert [f for f in flags[clip] if f != "copy-of"] == []
