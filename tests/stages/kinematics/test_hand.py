"""Phases of a hand that hides: what the elbow tells, and how much less certain that is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.base import Block, VideoInfo
from stages.kinematics.course import INDEX, Course, smoothed
from stages.kinematics.hand import certainty, hands
from stages.kinematics.measures import described
from stages.kinematics.params import KinematicsParams
from stages.kinematics.phases import Phases, phases
from stages.kinematics.stage import JOINTS_READ, STAGE
from tests.stages.kinematics.test_kinematics import SHAPE, still, stroke, swinging
from ttdemo import plan_clip

Floats = NDArray[np.float64]
PARAMS, RATE = KinematicsParams(), 120.0
WRIST, ELBOW = INDEX["right_wrist"], INDEX["right_elbow"]
MOMENTS = ("start", "turn", "peak", "finish")


def arm(n: int = 180) -> Course:
    """A swing whose elbow goes two thirds of the wrist's way."""
    course = swinging(n)
    way = course.joint("right_wrist") - course.joint("right_wrist")[0]
    course.joints[:, ELBOW] = np.array(SHAPE["right_elbow"]) + way / 1.5
    return course


def hidden(course: Course, begin: int, end: int, score: float = 0.05) -> tuple[Floats, Floats]:
    """The network's joints: while the wrist is hidden, it is guessed half a body length away."""
    joints, scores = course.joints.copy(), course.confidence.copy()
    joints[begin:end, WRIST] += (-10, 15)
    scores[begin:end, WRIST] = score
    return joints, scores


def away(found: Phases, true: Phases) -> Floats:
    return np.abs([getattr(found, name) - getattr(true, name) for name in MOMENTS])


@pytest.mark.parametrize("score", [0.05, 0.25])
def test_a_hidden_hand_moves_as_its_elbow(score: float) -> None:
    """From before the turn to the middle of the swing nobody sees the wrist, or it is guessed."""
    true = arm()
    given = hidden(true, 70, 108, score)
    real = phases(true, "right")
    found = phases(hands(*given, RATE, PARAMS), "right")
    assert away(found, real).max() <= 3
    without = phases(smoothed(*given, RATE, PARAMS), "right")
    assert away(without, real).max() > 3


def test_what_the_elbow_tells_is_less_certain_and_no_joint_is_invented() -> None:
    true = arm()
    given = hidden(true, 70, 108)
    course = smoothed(*given, RATE, PARAMS)
    told = described(course, PARAMS, hands(*given, RATE, PARAMS))
    assert told.phases.known
    assert np.isnan(course.joints[75:100, WRIST]).all()
    assert np.isnan(told.measures["elbow_at_turn"])
    assert told.certainty[1] < 0.75 < told.certainty[0]
    assert told.measures["phases_certainty"] == pytest.approx(told.certainty.mean())
    seen = described(true, PARAMS)
    np.testing.assert_allclose(seen.certainty, 1)


def test_a_swing_that_the_picture_hardly_shows_is_not_certain() -> None:
    small = still(180, right_wrist=(swinging().joint("right_wrist") - (140, 0)) * (0.1, 1) + (140, 0))
    found = phases(small, "right")
    assert found.known
    assert certainty(small, "right", found).max() < 0.5
    assert not certainty(small, "right", Phases()).any()


def test_the_stage_stores_the_certainty_and_leaves_the_hidden_wrist_unknown() -> None:
    joints, scores = hidden(arm(), 70, 108)
    rows = np.concatenate([joints, scores[..., None]], -1)
    rows = np.concatenate([rows.mean(axis=1, keepdims=True), rows], axis=1).astype(np.float32)
    blocks = iter([Block(0, 180, 0, {JOINTS_READ: rows})])
    info = VideoInfo(180, Fraction(120), 320, 180)
    out = next(iter(STAGE.compute(blocks, STAGE.params(hand="right"), info)))
    assert np.isnan(out["joints"][75:100, WRIST]).all()
    assert away(Phases(*out["moments"][0]), phases(arm(), "right")).max() <= 3
    assert out["moments_certainty"].shape == (1, 4)
    assert out["phases_certainty"] == pytest.approx(out["moments_certainty"].mean())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_hands_invent_nobody(seed: int) -> None:
    """What a second's gap leaves unknown stays so, and where no wrist was ever seen there is none."""
    rng = np.random.default_rng(seed)
    course = arm(int(rng.integers(1, 200)))
    scores = course.confidence.copy()
    scores[rng.random(scores.shape) < rng.uniform(0, 1)] = 0
    scores[:, INDEX["left_wrist"]] = 0
    out = hands(course.joints, scores, 100.0, PARAMS)
    assert np.isnan(out.joints[:, INDEX["left_wrist"]]).all()
    seen = np.flatnonzero(scores[:, WRIST])
    known = np.flatnonzero(np.isfinite(out.joints[:, WRIST, 0]))
    assert set(seen) <= set(known)
    if len(seen):
        assert (known.min(), known.max()) == (seen.min(), seen.max())
    assert (out.confidence[scores == 0] == 0).all()


def test_the_swing_is_in_the_middle_of_an_annotated_stroke() -> None:
    """A hand that comes to the ready position faster than it swings has not played then."""
    swing = swinging(180)
    x = swing.joint("right_wrist").copy()
    t = np.arange(180) / RATE
    x[:, 1] += 35 * (1 - np.cos(np.pi * np.clip(t / 0.16, 0, 1))) / 2  # at once, a little faster
    found = phases(still(180, right_wrist=x), "right")
    assert away(found, phases(swing, "right"))[1:].max() <= 3


@pytest.mark.parametrize("facing", [0, 40, 90, 180])
def test_the_peak_is_near_the_contact_from_every_side(facing: float) -> None:
    moves = ["Offensive Forehand Hit", "Serve Backhand Topspin", "Offensive Backhand Loop"]
    plan = plan_clip(seed=7, strokes=moves, size=(320, 180), facing=facing)
    for s in plan.strokes:
        course = Course(plan.joints, np.ones(plan.joints.shape[:2]), RATE).part(s.begin, s.end)
        assert abs(phases(course, "right").peak - (s.contact - s.begin)) < 0.12 * (s.end - s.begin)


def test_noise_of_a_pixel_moves_the_moments_little() -> None:
    true = stroke("Offensive Forehand Loop")
    rng = np.random.default_rng(3)
    joints = true.joints + rng.normal(0, 1, true.joints.shape)
    found = phases(hands(joints, true.confidence, RATE, PARAMS), "right")
    assert away(found, phases(true, "right"))[1:].max() <= 3
