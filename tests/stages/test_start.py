"""Start-frame detection: the paper's three conditions, word for word, and trials whose start is known."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.base import VideoInfo
from stages.contract import run_whole
from stages.start import (
    NO_START,
    STAGE,
    StartParams,
    central,
    conditions,
    find_start,
    joint_change,
    picture_change,
    why_none,
)
from ttdemo.throws.plan import plan_trial
from ttdemo.throws.scene import render_trial

PARAMS = StartParams()
Curve = NDArray[np.float64]


def as_printed(dx: Curve, dtheta: Curve) -> int | None:
    """[GRU] §IV-A at 30 fps with its own numbering: t = 1 … T, changes from t = 11; None: no frame."""
    total = len(dx)
    x = {t: dx[t - 1] for t in range(11, total + 1)}
    theta = {t: dtheta[t - 1] for t in range(11, total + 1)}
    for i in range(11, total + 1):
        try:
            a = all(x[t] >= 6 for t in range(i, i + 8))
            b = all(x[t + 1] >= x[t] for t in range(i, i + 7))
        except KeyError:  # there is no frame i + 7
            return None
        if a and b and theta[i] >= 0.16:
            return i
    return None


@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.sampled_from([0.02, 0.3, 1.0]))
@settings(max_examples=400)
def test_it_is_the_rule_as_printed(seed: int, n: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    rise = np.cumsum(np.abs(rng.normal(0, 0.5, n))) * (rng.random(n) > 0.1)
    dx = np.asarray(
        np.round(np.maximum(rise + rng.normal(0, noise, n), 0), 1), float
    )  # rounded: equal neighbours occur
    dtheta = np.asarray(np.round(np.abs(np.cumsum(rng.normal(0, 0.05, n))), 2), float)
    found, printed = find_start(dx, dtheta, PARAMS, 30.0), as_printed(dx, dtheta)
    assert found == (NO_START if printed is None else printed - 1)


def ramp(n: int = 60, start: int = 20, step: float = 1.0, level: float = 6.0) -> Curve:
    """0, from ``start`` on rising."""
    out = np.zeros(n)
    out[start:] = level + step * np.arange(n - start)
    return out


def test_thresholds_are_inclusive_and_a_plateau_counts_as_growth() -> None:
    moved = np.where(np.arange(60) >= 20, 0.16, 0.0)
    assert find_start(ramp(step=0.0), moved, PARAMS, 30.0) == 20
    assert find_start(ramp(step=0.0, level=5.999999), moved, PARAMS, 30.0) == NO_START
    assert find_start(ramp(), np.where(moved > 0, 0.159999, 0.0), PARAMS, 30.0) == NO_START


def test_each_condition_can_delay_the_start() -> None:
    moved = np.where(np.arange(60) >= 20, 1.0, 0.0)
    assert find_start(ramp(), moved, PARAMS, 30.0) == 20
    late = np.where(np.arange(60) >= 25, 1.0, 0.0)
    assert find_start(ramp(), late, PARAMS, 30.0) == 25
    dip = ramp()
    dip[24] = dip[23] - 0.01  # within the eight frames of 20 … 23
    assert find_start(dip, moved, PARAMS, 30.0) == 24
    slow = ramp(step=0.5, level=4.0)  # reaches 6 four frames later
    assert find_start(slow, moved, PARAMS, 30.0) == 24


def test_nothing_begins_in_the_first_ten_frames_nor_where_fewer_than_eight_are_left() -> None:
    always = np.ones(60)
    assert find_start(np.arange(60, dtype=float) + 6, always, PARAMS, 30.0) == 10
    assert find_start(ramp(60, 52), always, PARAMS, 30.0) == 52
    assert find_start(ramp(60, 53), always, PARAMS, 30.0) == NO_START


@pytest.mark.parametrize(("fps", "still", "growing"), [(30, 10, 8), (15, 5, 4), (60, 20, 16), (120, 40, 32)])
def test_constants_last_as_long_at_any_rate(fps: int, still: int, growing: int) -> None:
    assert (PARAMS.still(fps), PARAMS.growing(fps)) == (still, growing)
    n = still + growing
    assert find_start(np.arange(n, dtype=float) + 6, np.ones(n), PARAMS, fps) == still
    assert find_start(np.arange(n - 1, dtype=float) + 6, np.ones(n - 1), PARAMS, fps) == NO_START


def test_changes_are_the_norms_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (3, 240, 320, 3), dtype=np.uint8)
    rows, columns, scale = central(320, 240, 240)
    assert (rows, columns, scale) == (slice(0, 240), slice(40, 280), 1.0)
    crop = rgb[:, rows, columns]
    x = crop / 255
    expected = [np.linalg.norm(x[t] - x[0]) for t in range(3)]
    np.testing.assert_allclose(picture_change(crop, crop[0], scale), expected, rtol=1e-12)
    joints = rng.uniform(0, 200, (3, 13, 3))
    theta = joints[..., :2] / (320, 240)
    expected = [np.linalg.norm((theta[t] - theta[0]).ravel()) for t in range(3)]
    np.testing.assert_allclose(joint_change(joints, joints[0], 320, 240), expected, rtol=1e-12)


def test_a_smaller_frame_changes_as_much_as_the_same_scene_in_a_large_one() -> None:
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (2, 60, 60, 3), dtype=np.uint8)
    large = small.repeat(4, axis=1).repeat(4, axis=2)
    changes = []
    for frames in (small, large):
        side = frames.shape[1]
        rows, columns, scale = central(side, side, 240)
        changes.append(picture_change(frames[:, rows, columns], frames[0, rows, columns], scale)[1])
    np.testing.assert_allclose(*changes)


def test_a_missing_joint_has_not_moved() -> None:
    still = np.ones((13, 3))
    moved = np.tile(still, (3, 1, 1))
    moved[1:, 4, 0] += 100
    moved[2, 4, 2] = 0  # given no score: not seen
    change = joint_change(moved, still, 320, 240)
    np.testing.assert_allclose(change, [0, 100 / 320, 0])
    gone = still.copy()
    gone[4, 2] = 0
    assert joint_change(moved, gone, 320, 240).max() == 0


def trial(seed: int, size: tuple[int, int]) -> tuple[int, VideoInfo, dict[str, NDArray[Any]]]:
    """A rendered trial as the stage gets it, and its true start."""
    plan = plan_trial(seed=seed, player=seed % 6, target=seed % 9, trial=0, size=size)
    rng = np.random.default_rng(seed)
    frames = np.stack(list(render_trial(plan, np.random.default_rng((seed, 1)), rng)))
    jitter = rng.normal(0, 0.0015 * size[0], plan.clip.joints.shape)
    joints = np.ones((len(frames), 14, 3), np.float32)
    joints[:, 1:, :2] = plan.clip.joints + jitter
    joints[:, 0, :2] = joints[:, 1:, :2].mean(axis=1)
    info = VideoInfo(len(frames), Fraction(30), *size)
    return plan.start, info, {"frames.rgb": frames, "descriptor.joints": joints}


@pytest.mark.parametrize("size", [(320, 240), (160, 120)])
@pytest.mark.parametrize("seed", range(20))
def test_the_start_of_a_rendered_trial_is_found_within_a_frame(seed: int, size: tuple[int, int]) -> None:
    true, info, data = trial(seed, size)
    out = run_whole(STAGE, PARAMS, info, data)
    (found,) = np.flatnonzero(out["start"])
    assert abs(int(found) - true) <= 1
    assert out["met"][found].tolist() == [1, 1, 1]


def test_no_start_is_said_in_the_file_and_in_words() -> None:
    true, info, data = trial(3, (160, 120))
    idle = {name: values[np.arange(len(values)) % true] for name, values in data.items()}
    out = run_whole(STAGE, PARAMS, info, idle)
    assert not out["start"].any()
    assert not out["met"].all(axis=1).any()
    frozen = {**data, "descriptor.joints": np.repeat(data["descriptor.joints"][:1], info.n_frames, axis=0)}
    out = run_whole(STAGE, PARAMS, info, frozen)
    assert not out["start"].any()
    assert "joints never move by 0.16" in why_none(out["picture"], out["joints"], PARAMS, 30.0)


@pytest.mark.parametrize(
    ("dx", "dtheta", "words"),
    [
        (np.full(17, 9.0), np.ones(17), "17 frames, and 18 are the fewest"),
        (np.full(60, 5.0), np.ones(60), "never changes by 6 for 8 frames (at most by 5.00)"),
        (ramp(), np.full(60, 0.1), "never move by 0.16 (at most by 0.100)"),
        (90.0 - np.arange(60), np.ones(60), "never grows over 8 frames"),
        (ramp(60, 20), (np.arange(60) < 20).astype(float), "all three conditions at once"),
    ],
)
def test_the_reason_names_what_was_lacking(dx: Curve, dtheta: Curve, words: str) -> None:
    assert find_start(dx, dtheta, PARAMS, 30.0) == NO_START
    assert words in why_none(dx, dtheta, PARAMS, 30.0)


def test_conditions_are_kept_apart() -> None:
    met = conditions(ramp(), np.where(np.arange(60) >= 22, 1.0, 0.0), PARAMS, 30.0)
    assert met[20].tolist() == [1, 1, 0]
    assert met[22].tolist() == [1, 1, 1]
    assert met[12].tolist() == [0, 1, 0]  # nothing changes, so nothing shrinks
    assert met[12 + 2].tolist() == [0, 1, 0]
    assert met[:10].sum() == 0
