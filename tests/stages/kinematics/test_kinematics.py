"""Courses, angles, speeds and phases of synthetic joints whose answers are known."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.base import VideoInfo
from stages.contract import StageContract
from stages.descriptor import JOINTS
from stages.kinematics.angles import UNITS, faster_hand, meaning, path_length, series, speed
from stages.kinematics.course import (
    INDEX,
    Course,
    body_length,
    mirrored,
    normalised,
    runs,
    smoothed,
)
from stages.kinematics.hand import hands
from stages.kinematics.measures import MEASURES, described, measures
from stages.kinematics.params import KinematicsParams
from stages.kinematics.phases import Phases, phases
from stages.kinematics.stage import STAGE
from ttdemo import MOTIONS, plan_clip

Floats = NDArray[np.float64]
PARAMS = KinematicsParams()
SHAPE = {
    "nose": (160, 60), "left_eye": (162, 58), "right_eye": (158, 58), "left_ear": (165, 60),
    "right_ear": (155, 60), "left_shoulder": (172, 70), "right_shoulder": (148, 70), "left_elbow": (180, 90),
    "right_elbow": (140, 90), "left_wrist": (180, 110), "right_wrist": (140, 110),
    "left_hip": (170, 110), "right_hip": (150, 110),
}  # fmt: skip


def still(n: int = 120, rate: float = 120.0, **moved: Any) -> Course:
    """Somebody who stands still, but for some joints: (n, 2) or (2,) px."""
    joints = np.tile(np.array([SHAPE[name] for name in JOINTS], float), (n, 1, 1))
    for name, where in moved.items():
        joints[:, INDEX[name]] = where
    return Course(joints, np.full((n, 13), 0.9), rate)


def swinging(n: int = 180, rate: float = 120.0, hand: str = "right") -> Course:
    """Half a second back, a third of a second forward, and rest: a raised cosine each way."""
    t = np.arange(n) / rate
    back, forward = (np.clip((t - a) / b, 0, 1) for a, b in ((0.2, 0.5), (0.7, 1 / 3)))
    ease = (1 - np.cos(np.pi * np.stack([back, forward]))) / 2
    x = SHAPE[f"{hand}_wrist"][0] - 15 * ease[0] + 60 * ease[1]
    return still(n, rate, **{f"{hand}_wrist": np.stack([x, np.full(n, 105.0)], -1)})


def given_as(course: Course) -> tuple[Floats, Floats]:
    return course.joints.copy(), course.confidence.copy()


def stroke(move: str, seed: int = 0) -> Course:
    """The renderer's own joints of one stroke, px of 320x180."""
    plan = plan_clip(seed=seed, strokes=[move], size=(320, 180))
    (s,) = plan.strokes
    return Course(plan.joints, np.ones(plan.joints.shape[:2]), 120.0).part(s.begin, s.end)


# -- smoothing -----------------------------------------------------------------------------


def test_a_parabola_passes_unchanged() -> None:
    t = np.arange(60.0)
    course = still(60, left_wrist=np.stack([100 + t + 0.01 * t**2, 80 - 0.5 * t], -1))
    out = smoothed(*given_as(course), 120.0, PARAMS)
    np.testing.assert_allclose(out.joints, course.joints, atol=1e-3)
    np.testing.assert_array_equal(out.confidence, course.confidence)


def test_noise_becomes_less_and_a_jump_of_two_frames_moves_nothing() -> None:
    course = swinging()
    rng = np.random.default_rng(0)
    joints, scores = given_as(course)
    joints += rng.normal(0, 1.5, joints.shape)
    joints[100:102, INDEX["right_wrist"]] += 60
    out = smoothed(joints, scores, 120.0, PARAMS)
    error = np.linalg.norm(out.joints - course.joints, axis=-1)
    assert np.median(error) < 0.8
    assert error[95:107, INDEX["right_wrist"]].max() < 4


@pytest.mark.parametrize("rate", [25.0, 30.0, 60.0, 240.0])
def test_any_rate_is_smoothed_over_the_same_time(rate: float) -> None:
    course = swinging(int(1.5 * rate), rate)
    out = smoothed(*given_as(course), rate, PARAMS)
    # the swing lasts a third of a second, and its ends are rounded off
    assert np.abs(out.joints - course.joints).max() < 60 * 0.085
    found = phases(out, "right", PARAMS)
    assert found.peak / rate == pytest.approx(0.7 + 1 / 6, abs=0.03 + 0.5 / rate)
    assert found.turn / rate == pytest.approx(0.7, abs=0.06 + 1 / rate)


def test_short_gaps_are_bridged_with_no_confidence_and_long_ones_stay_unknown() -> None:
    course = swinging()
    joints, scores = given_as(course)
    wrist = INDEX["right_wrist"]
    scores[30:40, wrist] = 0.05  # a twelfth of a second
    joints[30:40, wrist] = 0
    scores[120:150, wrist] = 0  # a quarter
    joints[120:150, wrist] = 1e6
    out = smoothed(joints, scores, 120.0, PARAMS)
    assert np.isfinite(out.joints[30:40, wrist]).all()
    assert np.abs(out.joints[30:40, wrist] - course.joints[30:40, wrist]).max() < 1
    assert (out.confidence[30:40, wrist] == 0).all()
    assert np.isnan(out.joints[120:150, wrist]).all()
    around = [*range(100, 120), *range(150, 180)]
    assert np.abs(out.joints[around, wrist] - course.joints[around, wrist]).max() < 3
    others = [i for i in range(13) if i != wrist]
    assert np.isfinite(out.joints[:, others]).all()


def test_nothing_leaks_across_a_long_gap() -> None:
    joints, scores = given_as(still(100))
    wrist = INDEX["left_wrist"]
    scores[40:70, wrist] = 0
    first = smoothed(joints, scores, 120.0, PARAMS)
    joints[70:, wrist] += 90
    second = smoothed(joints, scores, 120.0, PARAMS)
    np.testing.assert_array_equal(first.joints[:40, wrist], second.joints[:40, wrist])


def test_who_was_never_seen_is_never_invented() -> None:
    joints, scores = given_as(still(50))
    joints[:], scores[:] = 77.0, 0.0  # the descriptor's row of a frame without a pose
    out = smoothed(joints, scores, 120.0, PARAMS)
    assert np.isnan(out.joints).all()
    told = described(out, PARAMS)
    assert (told.hand, told.phases) == ("", Phases())
    assert all(np.isnan(v) for v in told.measures.values())
    assert not told.certainty.any()
    assert all(np.isnan(v).all() for v in series(out).values())


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_the_shortest_courses(n: int) -> None:
    course = smoothed(*given_as(still(n)), 120.0, PARAMS)
    np.testing.assert_allclose(course.joints, still(n).joints, atol=1e-6)
    assert {len(v) for v in series(course).values()} == {n}
    described(course, PARAMS)


def test_a_rate_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        smoothed(*given_as(still(5)), 0.0, PARAMS)


@given(st.lists(st.booleans(), max_size=30))
def test_runs_are_the_stretches_of_true_values(known: list[bool]) -> None:
    found = list(runs(np.array(known, bool)))
    again = np.zeros(len(known), bool)
    for begin, end in found:
        assert begin < end
        again[begin:end] = True
    assert again.tolist() == known
    assert all(a[1] < b[0] for a, b in itertools.pairwise(found))


# -- angles and speeds ---------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [10.0, 45.0, 90.0, 135.0, 180.0])
def test_an_elbow_has_the_angle_it_was_given(degrees: float) -> None:
    shoulder, elbow = np.array(SHAPE["right_shoulder"]), np.array(SHAPE["right_elbow"])
    up = np.arctan2(*(shoulder - elbow)[::-1])
    for sign in (-1, 1):
        turned = up + sign * np.deg2rad(degrees)
        wrist = elbow + 25 * np.array([np.cos(turned), np.sin(turned)])
        found = series(still(5, right_wrist=wrist))
        np.testing.assert_allclose(found["elbow_right"], degrees, atol=1e-6)


def test_lean_height_and_width_are_as_measured_by_hand() -> None:
    lean = still(5, left_shoulder=(172 + 40, 70), right_shoulder=(148 + 40, 70))
    found = series(lean)
    np.testing.assert_allclose(found["trunk_lean"], 45)
    length = body_length(still(5))
    assert length == pytest.approx(np.hypot(2, 40))
    np.testing.assert_allclose(series(still(5, left_wrist=(180, 70)))["hand_height_left"], 40 / length)
    np.testing.assert_allclose(found["hip_width"], 20 / body_length(lean))


def test_speed_and_way_are_in_body_lengths() -> None:
    t = np.arange(60.0)
    course = still(60, left_wrist=np.stack([100 + 2 * t, 50 + 0 * t], -1))
    length = body_length(course)
    np.testing.assert_allclose(speed(course, "left_wrist"), 2 * 120 / length)
    assert path_length(course, "left_wrist") == pytest.approx(118 / length)
    assert faster_hand(course) == "left"


@settings(max_examples=25)
@given(
    st.floats(-3, 3), st.floats(0.3, 4), st.tuples(st.floats(-200, 200), st.floats(-200, 200)),
    st.sampled_from(sorted(MOTIONS)),
)  # fmt: skip
def test_angles_and_speeds_do_not_depend_on_where_the_camera_is_turned_or_how_near(
    turn: float, scale: float, shift: tuple[float, float], move: str
) -> None:
    course = stroke(move)
    c, s = np.cos(turn), np.sin(turn)
    moved = course.joints @ np.array([[c, s], [-s, c]]) * scale + shift
    found, other = series(course), series(Course(moved, course.confidence, course.rate))
    for name in found:
        if name.startswith(("elbow_", "shoulder_", "wrist_")) and name != "shoulder_width":
            np.testing.assert_allclose(other[name], found[name], rtol=1e-6, atol=1e-6)
    was, now = phases(course, "right"), phases(Course(moved, course.confidence, 120.0), "right")
    moments = [(getattr(was, n), getattr(now, n)) for n in ("start", "turn", "peak", "finish")]
    assert all(abs(a - b) <= 1 for a, b in moments)  # a value at a limit may be rounded to either side


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_mirrored_twice_is_the_same_and_once_exchanges_the_sides(seed: int) -> None:
    rng = np.random.default_rng(seed)
    joints, scores = given_as(swinging())
    joints += rng.normal(0, 2, joints.shape)
    scores[rng.random(scores.shape) < 0.3] = 0
    course = smoothed(joints, scores, 120.0, PARAMS)
    once = mirrored(course)
    twice = mirrored(once)
    np.testing.assert_allclose(twice.joints, course.joints, atol=1e-9)
    np.testing.assert_array_equal(twice.confidence, course.confidence)
    a, b = series(course), series(once)
    for name in UNITS:
        other = name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")
        sign = -1 if name == "trunk_lean" else 1
        np.testing.assert_allclose(b[other], sign * a[name], atol=1e-9, err_msg=name)
    assert {faster_hand(course), faster_hand(once)} == {"left", "right"}


def test_normalised_is_around_the_hips_with_y_up() -> None:
    points = normalised(still(3))
    np.testing.assert_allclose(points[:, [INDEX["left_hip"], INDEX["right_hip"]]].mean(axis=1), 0, atol=1e-12)
    assert (points[:, INDEX["nose"], 1] > 1).all()
    joints, scores = given_as(still(40))
    scores[:, INDEX["left_hip"]] = 0
    assert np.isnan(normalised(smoothed(joints, scores, 120.0, PARAMS))).all()


# -- phases --------------------------------------------------------------------------------


def test_phases_of_a_swing_whose_moments_are_known() -> None:
    found = phases(swinging(), "right")
    assert found.turn == pytest.approx(84, abs=6)  # 0.7 s: where it turns round
    assert found.peak == pytest.approx(104, abs=2)  # 0.7 + 1/6 s: the middle of the swing
    assert found.finish == pytest.approx(124, abs=7)
    assert 24 <= found.start <= 45  # it sets off at 0.2 s, slowly
    assert found.intervals()["forward_swing"] == (found.turn, found.peak)
    assert sum(found.durations(120).values()) == pytest.approx((found.finish - found.start) / 120)


def test_phases_of_nobody_and_of_who_stands_still() -> None:
    assert phases(swinging(), "") == Phases()
    assert phases(still(), "right") == Phases()
    assert not phases(still(2), "right").known
    assert Phases().intervals()["backswing"] == (-1, -1)
    assert all(np.isnan(list(Phases().durations(120.0).values())))


@pytest.mark.parametrize("move", ["Offensive Forehand Hit", "Serve Backhand Loop", "Offensive Forehand Loop"])
@pytest.mark.parametrize("seed", [0, 1])
def test_phases_are_near_the_renderers_own_postures(move: str, seed: int) -> None:
    plan = plan_clip(seed=seed, strokes=[move], size=(320, 180))
    (s,) = plan.strokes
    found = phases(Course(plan.joints, np.ones(plan.joints.shape[:2]), 120.0).part(s.begin, s.end), "right")
    n = s.end - s.begin
    assert abs(found.turn - (s.back - s.begin)) < 0.15 * n
    assert abs(found.peak - (s.contact - s.begin)) < 0.15 * n
    assert 0 <= found.start <= found.turn <= found.peak <= found.finish < n


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_phases_ascend_whatever_was_seen(seed: int) -> None:
    rng = np.random.default_rng(seed)
    joints, scores = given_as(swinging(int(rng.integers(1, 150))))
    joints += rng.normal(0, rng.uniform(0, 8), joints.shape)
    scores[rng.random(scores.shape) < rng.uniform(0, 0.95)] = 0
    course = smoothed(joints, scores, float(rng.choice([12, 25, 120])), PARAMS)
    told = described(course, PARAMS, hands(joints, scores, course.rate, PARAMS))
    found = told.phases
    assert set(told.measures) == set(MEASURES)
    assert ((told.certainty >= 0) & (told.certainty <= 1)).all()
    if found.known:
        assert told.hand in ("left", "right")
        assert 0 <= found.start <= found.turn <= found.peak <= found.finish < len(course)


# -- measures and the stage ----------------------------------------------------------------


def test_measures_of_the_known_swing() -> None:
    course = swinging(hand="left")
    description = described(course, PARAMS)
    found, told = description.phases, dict(description.measures)
    assert description.hand == "left"
    assert told["phases_certainty"] == pytest.approx(1)
    unknown = {"phases_certainty": np.nan}
    assert told | unknown == pytest.approx(measures(course, "left", found), nan_ok=True)
    length = body_length(course)
    assert told["body_length"] == pytest.approx(length)
    assert told["path_length"] == pytest.approx(75 / length, rel=0.01)
    assert told["wrist_peak_speed"] == pytest.approx(np.pi / 2 * 60 * 3 / length, rel=0.01)
    assert told["arm_confidence"] == pytest.approx(0.9)
    assert told["arm_seen"] == 1
    assert told["forward_swing"] == pytest.approx((found.peak - found.turn) / 120)
    assert described(course, KinematicsParams(hand="right")).hand == "right"


def test_every_series_and_measure_says_what_it_is() -> None:
    for name in UNITS:
        assert len(meaning(name)) > 15
    for spec in STAGE.outputs:
        assert spec.description
    assert len({spec.name for spec in STAGE.outputs}) == len(STAGE.outputs)


class TestContract(StageContract):
    """What holds for every stage."""

    stage = STAGE
    info = VideoInfo(180, Fraction(120), 320, 180)

    def arrays(self) -> dict[str, NDArray[Any]]:
        course = swinging()
        rows = np.concatenate([course.joints, course.confidence[..., None]], -1)
        rows = np.concatenate([rows.mean(axis=1, keepdims=True), rows], axis=1)
        return {"descriptor.joints": rows.astype(np.float32)}
