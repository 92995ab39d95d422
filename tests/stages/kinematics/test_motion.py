"""The wrist's movement from the flow: pixels whose movement is known, and joints that wander."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.base import Block, Result, VideoInfo
from stages.contract import StageContract
from stages.descriptor import JOINTS
from stages.flow.quantise import QUANTUM
from stages.kinematics.course import INDEX, Course, smoothed
from stages.kinematics.motion import carried, moved
from stages.kinematics.params import KinematicsParams
from stages.kinematics.phases import phases
from stages.kinematics.stage import FLOW, JOINTS_READ, STAGE
from tests.stages.kinematics.test_kinematics import still, swinging

Floats = NDArray[np.float64]
PARAMS, RATE = KinematicsParams(), 120.0
WRIST = INDEX["right_wrist"]
H, W = 180, 320


def disc(flow: NDArray[np.int16], where: Floats, step: Floats, radius: float = 5) -> None:
    """Let the pixels around a place move."""
    (x, y), r = np.rint(where).astype(int), int(radius)
    down, across = np.mgrid[y - r : y + r + 1, x - r : x + r + 1]
    near = np.hypot(across - where[0], down - where[1]) < radius
    flow[y - r : y + r + 1, x - r : x + r + 1][near] = np.rint(step / QUANTUM)


def flow_of(course: Course) -> NDArray[np.int16]:
    """What moves are discs around the wrists."""
    out = np.zeros((len(course) - 1, H, W, 2), np.int16)
    for name in ("left_wrist", "right_wrist"):
        points = course.joint(name)
        for t, step in enumerate(np.diff(points, axis=0)):
            disc(out[t], points[t], step)
    return out


def wandering(course: Course, seed: int, size: float = 2.0) -> tuple[Floats, Floats]:
    """Joints that stray as those of a network do: slowly, some pixels, and a little in each frame."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (len(course) + 60, 13, 2))
    slow = np.stack(
        [np.convolve(column, np.hanning(30), "same") for column in noise.reshape(len(noise), -1).T]
    )
    slow = slow.T.reshape(noise.shape)[30:-30]
    joints = course.joints + size * slow / slow.std() + rng.normal(0, 0.5, course.joints.shape)
    return joints, course.confidence.copy()


def off(found: Course, true: Course) -> float:
    """Median error of the wrist's velocity, px a frame."""
    steps = [np.diff(c.joints[:, WRIST], axis=0) for c in (found, true)]
    return float(np.median(np.linalg.norm(steps[0] - steps[1], axis=-1)))


# -- pixels --------------------------------------------------------------------------------


@given(st.floats(-8, 8), st.floats(-8, 8), st.floats(-20, 340), st.floats(-20, 200))
def test_pixels_that_all_move_alike_give_their_movement(dx: float, dy: float, x: float, y: float) -> None:
    stored = np.rint(np.array([dx, dy]) / QUANTUM).astype(np.int16)
    found = moved(np.broadcast_to(stored, (H, W, 2)), np.array([x, y]), 6.0)
    if not stored.any():
        assert found is None
    elif found is None:  # nothing of the disc lies in the picture
        assert x < -14 or x > W + 14 or y < -14 or y > H + 14
    else:
        np.testing.assert_allclose(found, stored * QUANTUM, rtol=1e-9, atol=1e-12)


def test_a_fast_hand_counts_more_than_the_slow_trunk_around_it() -> None:
    flow = np.zeros((H, W, 2), np.int16)
    flow[:] = np.rint(np.array([0.3, 0]) / QUANTUM)
    disc(flow, np.array([100.0, 100.0]), np.array([-3.0, 1.0]))
    found = moved(flow, np.array([102.0, 99.0]), 6.0)
    assert found == pytest.approx((-3, 1), abs=0.75)  # the plain mean is (-0.5, 0.2)
    far = moved(flow, np.array([140.0, 100.0]), 6.0)
    assert far == pytest.approx((0.3, 0), abs=QUANTUM)


def test_where_nothing_moves_nothing_is_said() -> None:
    assert moved(np.zeros((H, W, 2), np.int16), np.array([50.0, 50.0]), 6.0) is None
    assert moved(np.ones((H, W, 2), np.int16), np.array([-90.0, 500.0]), 6.0) is None


# -- courses -------------------------------------------------------------------------------


def test_the_flow_carries_a_wrist_along_its_way() -> None:
    course = swinging()
    found = carried(course, flow_of(course))
    assert set(found) == {INDEX["left_wrist"], INDEX["right_wrist"]}
    way = course.joints[:, WRIST] - course.joints[0, WRIST]
    np.testing.assert_allclose(found[WRIST], way, atol=len(course) * QUANTUM)


@pytest.mark.parametrize("seed", range(3))
def test_a_wrist_that_wanders_is_steadied_by_the_flow(seed: int) -> None:
    true = swinging()
    given = wandering(true, seed)
    alone = smoothed(*given, RATE, PARAMS)
    together = smoothed(*given, RATE, PARAMS, carried(alone, flow_of(true)))
    assert off(together, true) < 0.8 * off(alone, true)
    # all other joints are as they were
    rest = [row for row in range(13) if JOINTS[row] not in ("left_wrist", "right_wrist")]
    np.testing.assert_array_equal(together.joints[:, rest], alone.joints[:, rest])
    found, real = phases(together, "right"), phases(true, "right")
    for name in ("turn", "peak", "finish"):
        assert abs(getattr(found, name) - getattr(real, name)) <= 3, name


def test_the_joints_correct_the_drift() -> None:
    """Flow that adds a tenth of a pixel to each step ends 13 px away; the course does not."""
    true = swinging()
    flow = flow_of(true)
    flow[flow.any(axis=-1)] += np.int16(round(0.1 / QUANTUM))
    alone = smoothed(true.joints, true.confidence, RATE, PARAMS)
    way = carried(alone, flow)
    assert np.linalg.norm(way[WRIST][-1] - (true.joints[-1] - true.joints[0])[WRIST]) > 10
    together = smoothed(true.joints, true.confidence, RATE, PARAMS, way)
    assert np.linalg.norm((together.joints - true.joints)[:, WRIST], axis=-1).max() < 1


def test_without_any_flow_the_joints_alone_decide() -> None:
    true = swinging()
    alone = smoothed(true.joints, true.confidence, RATE, PARAMS)
    nothing = np.zeros((len(true), H, W, 2), np.int16)
    together = smoothed(true.joints, true.confidence, RATE, PARAMS, carried(alone, nothing))
    np.testing.assert_allclose(together.joints, alone.joints, atol=0.5)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_flow_invents_no_joint_that_nobody_saw(seed: int) -> None:
    rng = np.random.default_rng(seed)
    course = swinging(int(rng.integers(1, 60)))
    joints, scores = wandering(course, seed)
    scores[rng.random(scores.shape) < rng.uniform(0, 1)] = 0
    flow = rng.integers(-500, 500, (len(course), H, W, 2), np.int16)
    alone = smoothed(joints, scores, RATE, PARAMS)
    together = smoothed(joints, scores, RATE, PARAMS, carried(alone, flow))
    np.testing.assert_array_equal(np.isnan(together.joints), np.isnan(alone.joints))
    np.testing.assert_array_equal(together.confidence, alone.confidence)


def test_of_nobody_the_flow_says_nothing() -> None:
    course = still(10)
    nobody = Course(np.full(course.joints.shape, np.nan), np.zeros((10, 13)), RATE)
    assert carried(nobody, np.ones((9, H, W, 2), np.int16)) == {}


# -- the stage -----------------------------------------------------------------------------


def inputs() -> dict[str, NDArray[Any]]:
    true = swinging()
    joints, scores = wandering(true, 0)
    rows = np.concatenate([joints, scores[..., None]], -1)
    rows = np.concatenate([rows.mean(axis=1, keepdims=True), rows], axis=1)
    return {JOINTS_READ: rows.astype(np.float32), FLOW: flow_of(true)}


def run(data: dict[str, NDArray[Any]], **params: Any) -> Result:
    info = VideoInfo(180, Fraction(120), W, H)
    return next(iter(STAGE.compute(iter([Block(0, 180, 0, data)]), STAGE.params(**params), info)))


def test_flow_is_read_only_where_it_is_asked_for() -> None:
    data = inputs()
    joints = {JOINTS_READ: data[JOINTS_READ]}
    told, untold, without = run(data), run(data, motion="joints"), run(joints)
    assert all(untold[name].tobytes() == without[name].tobytes() for name in without)
    assert (told["joints"][:, WRIST] != without["joints"][:, WRIST]).any()
    true = phases(swinging(), "right")
    np.testing.assert_allclose(told["moments"][0, 1:], (true.turn, true.peak, true.finish), atol=3)
    assert STAGE.reads is not None
    assert STAGE.reads(PARAMS) == (JOINTS_READ, FLOW)
    assert STAGE.reads(KinematicsParams(motion="joints")) == (JOINTS_READ,)


class TestContract(StageContract):
    """What holds for every stage, with flow."""

    stage = STAGE
    info = VideoInfo(180, Fraction(120), W, H)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return inputs()
