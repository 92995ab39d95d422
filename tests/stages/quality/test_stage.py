"""The stage: people against ROI and movement, the focus, what is left out, and what a summary says."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.base import Arrays, Block, VideoInfo
from stages.focus import Focus
from stages.quality import STAGE, QualityParams
from stages.quality.likeness import Moments, vectors
from stages.quality.people import People, at_border, shares_of_movement
from stages.quality.stage import WITH_PEOPLE
from stages.quality.summary import summarise
from tests.conftest import scene

W, H, N = 320, 180, 60
INFO = VideoInfo(N, Fraction(30), W, H)


def person(x: float, y: float, height: float = 60) -> NDArray[np.float32]:
    """17 keypoints of somebody who stands there, (17, 2)."""
    k = np.arange(17)
    return np.stack([x + 8 * np.cos(2.4 * k), y + height * (k / 16 - 0.4)], -1).astype(np.float32)


def filmed(players: tuple[tuple[float, float], ...], chosen: Any, roi: Any, moving: Any) -> Arrays:
    """A still hall with people; ``moving`` gives the boxes of what moves in frame t."""
    rgb = np.repeat(next(iter(scene(1)))[None], N, axis=0)
    mask = np.zeros((N, H, W), np.uint8)
    for t in range(N):
        for left, top, right, bottom in moving(t):
            mask[t, top:bottom, left:right] = 1
    people = np.stack([person(*p) for p in players])
    return {
        "frames.rgb": rgb,
        "foreground.mask": mask,
        "roi.centre": np.array([roi(t) for t in range(N)], np.float32),
        "pose.n_poses": np.full(N, len(players), np.uint8),
        "pose.keypoints": np.repeat(people[None], N, axis=0),
        "pose.keypoint_scores": np.full((N, len(players), 17), 0.9, np.float32),
        "descriptor.chosen": np.array([chosen(t) for t in range(N)], np.int8),
    }


def measured(data: Arrays, focus: Any = None, info: VideoInfo = INFO) -> tuple[dict[str, Any], Arrays]:
    """The summary, and all rows."""
    params = QualityParams(focus=Focus.model_validate(focus) if focus else None)
    n = info.n_frames
    parts = [*STAGE.compute((Block(t, min(t + 7, n), t, {k: v[t : t + 7] for k, v in data.items()})
                             for t in range(0, n, 7)), params, info)]  # fmt: skip
    rows = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    summary: dict[str, Any] = parts[-1].attrs["summary"]
    assert summary == summarise(rows, float(info.fps), info.width)
    return summary, rows


LEFT, RIGHT = (80.0, 90.0), (240.0, 90.0)


def at(place: tuple[float, float]) -> tuple[int, int, int, int]:
    x, y = map(int, place)
    return x - 8, y - 20, x + 8, y + 30


def test_a_player_in_the_roi_is_shown_and_moves() -> None:
    summary, rows = measured(
        filmed((LEFT, RIGHT), lambda t: 0, lambda t: LEFT, lambda t: [at(LEFT), at(RIGHT)])
    )
    assert (summary["found"], summary["several"], summary["shown"], summary["changes"], summary["rests"]) == (
        1,
        1,
        1,
        0,
        0,
    )
    assert summary["of_person"] == pytest.approx(0.5, abs=0.01)
    assert summary["of_people"] == 1
    assert summary["camera_moves"] == 0
    assert "outside" not in summary
    assert rows["sampled"].sum() == N / 3
    assert (rows["moving"][rows["sampled"] == 0] == -1).all()


def test_an_umpire_rests_while_others_move() -> None:
    umpire = (160.0, 60.0)
    summary, _ = measured(
        filmed((umpire, LEFT, RIGHT), lambda t: 0, lambda t: umpire, lambda t: [at(LEFT), at(RIGHT)])
    )
    assert summary["shown"] == summary["rests"] == 1
    assert summary["of_person"] == 0
    assert summary["of_people"] == 1


def test_a_roi_between_two_people_shows_neither() -> None:
    summary, rows = measured(
        filmed(((40, 90), (280, 90)), lambda t: t // 5 % 2, lambda t: (160, 90), lambda t: [])
    )
    assert summary["shown"] == summary["in_crop"] == 0
    assert summary["changes"] == pytest.approx(11 / (N / 30))
    assert np.flatnonzero(rows["person_changed"]).tolist() == list(range(5, N, 5))
    assert summary["still"] == 1


def test_the_speed_of_the_roi_is_per_second() -> None:
    summary, rows = measured(filmed((LEFT,), lambda t: 0, lambda t: (60 + 3 * t, 90), lambda t: []))
    np.testing.assert_allclose(rows["roi_speed"][1:], 90)
    assert rows["roi_speed"][0] == 0
    assert summary["roi_speed"] == pytest.approx(90 / W)


@pytest.mark.parametrize(
    ("focus", "share"), [("left", 0.5), ("right", 0.5), ([0, 0, 0.1, 1], 1.0), ([0, 0, 1, 1], 0)]
)
def test_what_moves_outside_the_focus(focus: Any, share: float) -> None:
    data = filmed((LEFT, RIGHT), lambda t: 0, lambda t: LEFT, lambda t: [at(LEFT), at(RIGHT)])
    assert measured(data, focus)[0]["outside"] == pytest.approx(share, abs=0.01)


def test_nothing_is_outside_a_focus_that_follows() -> None:
    data = filmed((LEFT, RIGHT), lambda t: 0, lambda t: LEFT, lambda t: [at(LEFT)])
    assert "outside" not in measured(data, "auto")[0]


def test_without_pose_the_rest_is_measured() -> None:
    data = filmed((LEFT,), lambda t: 0, lambda t: LEFT, lambda t: [at(LEFT)])
    plain = {k: v for k, v in data.items() if not k.startswith(("pose", "descriptor"))}
    summary, rows = measured(plain)
    assert not set(WITH_PEOPLE) & set(rows)
    assert "found" not in summary
    assert summary["moving"] > 0


def test_without_a_focus_the_key_says_nothing_of_it() -> None:
    assert "focus" not in QualityParams().model_dump(mode="json")
    assert "focus" in QualityParams(focus=Focus.model_validate("left")).model_dump(mode="json")


def test_a_crop_as_large_as_the_frame_touches_no_border() -> None:
    centre = np.array([[60, 90], [61, 90], [259, 60], [260, 90]])
    assert at_border(centre, (120, 120), (320, 180)).tolist() == [True, False, True, True]
    assert not at_border(centre, (320, 180), (320, 180)).any()


def test_joints_that_are_guesses_make_no_box() -> None:
    keypoints = np.array([[[[10, 10], [30, 50], [300, 170]]]], np.float32)
    scores = np.array([[[0.9, 0.9, 0.01]]], np.float32)
    people = People(np.ones(1, np.uint8), keypoints, scores, np.zeros(1, np.int8))
    assert people.box(0, 0, 0.25).tolist() == [0, 0, 40, 60]


def test_shares_of_nothing_are_unknown() -> None:
    nothing = shares_of_movement(np.zeros((9, 16)), np.zeros((0, 4)), -1, None)
    assert nothing[0] == 0
    assert np.isnan(nothing[1:]).all()


# -- likeness -------------------------------------------------------------------------------------

Pictures = list[NDArray[np.uint8]]


def recorded(seed: int, n: int = 120, fps: int = 30, first: int = 0) -> Pictures:
    """A shape that wanders through the same hall as ``seed`` says; frames from ``first`` on, at a rate."""
    rng = np.random.default_rng(seed)
    speed = rng.uniform(0.5, 2, 2)
    hall = next(iter(scene(1, noise=0)))
    frames = []
    for t in np.arange(first, n, 30 / fps):
        x, y = 160 + 120 * np.sin(speed[0] * t / 9), 90 + 50 * np.cos(speed[1] * t / 7)
        frame = hall.copy()
        cv2.ellipse(frame, (int(x), int(y)), (14, 30), 0, 0, 360, (250, 60, 40), -1)
        frames.append(np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8))
    return frames


def told(frames: Pictures, fps: float = 30) -> list[dict[str, Any]]:
    moments = Moments(fps)
    for frame in frames:
        moments.add(frame)
    return moments.told()


def alike(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> float:
    return float((vectors(a) @ vectors(b).T).max())


def test_a_recording_is_like_its_copies_alone() -> None:
    whole = told(recorded(1))
    assert len(whole) == 3
    assert alike(whole, whole) == pytest.approx(1)
    for first in (7, 20):
        assert alike(whole, told(recorded(1, first=first))) == pytest.approx(1)
    assert alike(whole, told(recorded(1, fps=60), 60)) > 0.95
    assert all(alike(whole, told(recorded(seed))) < 0.8 for seed in range(2, 8))


@pytest.mark.parametrize("n", [5, 12])
def test_a_short_recording_is_like_itself(n: int) -> None:
    short = told(recorded(1, n))
    assert len(short) == 1
    assert alike(short, short) == pytest.approx(1)


def test_light_that_flickers_is_no_likeness() -> None:
    flicker = [
        np.asarray(np.minimum(f, 240) + np.uint8(9 * (i % 2)), np.uint8) for i, f in enumerate(recorded(1))
    ]
    assert alike(told(flicker), told(recorded(1))) > 0.95


def test_a_still_recording_has_no_moments() -> None:
    assert told(recorded(1)[:1] * 30) == []
    assert told([]) == told(recorded(1)[:1]) == []
