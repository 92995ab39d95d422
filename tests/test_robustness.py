"""Robustness [GRU] §V-F: what is disturbed and how, and that nothing else decides the random numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tttrain.perturb import (
    DISTURBANCES,
    Perturbed,
    frame_rate_error,
    missing_frames,
    perturbed,
    shifted,
    spatial_offset,
    trial_rng,
    undisturbed,
)

T = 40


@given(st.integers(0, 2**32 - 1), st.integers(41, 45))
def test_extra_frames_are_deleted_and_the_rest_keeps_its_order(seed: int, taken: int) -> None:
    made = frame_rate_error(np.random.default_rng(seed), T, taken)
    assert len(made.frames) == len(set(made.frames.tolist())) == T
    assert (np.diff(made.frames) >= 1).all()
    assert made.frames[0] >= 0
    assert made.frames[-1] < taken
    assert not made.missing.any()
    assert made.shift == (0, 0)


def test_every_frame_is_deleted_as_often_as_any_other() -> None:
    rng = np.random.default_rng(0)
    kept = np.zeros(T + 5)
    for _ in range(2000):
        kept[frame_rate_error(rng, T, T + 5).frames] += 1
    assert np.abs(kept / 2000 - T / (T + 5)).max() < 0.03  # 4 deviations of a share of 2000


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_so_many_frames_are_missing_and_no_other_thing_changes(seed: int, count: int) -> None:
    made = missing_frames(np.random.default_rng(seed), T, count)
    assert made.missing.sum() == count
    assert made.missing.dtype == bool
    assert made.frames.tolist() == list(range(T))
    assert made.shift == (0, 0)


def test_any_frame_can_be_missing() -> None:
    rng = np.random.default_rng(1)
    lost = sum(missing_frames(rng, T, 2).missing.astype(int) for _ in range(1500))
    assert np.abs(lost / 1500 - 2 / T).max() < 0.03


@given(st.integers(0, 2**32 - 1), st.integers(1, 10))
def test_the_offset_is_so_long(seed: int, pixels: int) -> None:
    made = spatial_offset(np.random.default_rng(seed), T, pixels)
    assert abs(np.hypot(*made.shift) - pixels) <= np.sqrt(0.5)  # rounded to whole pixels
    assert made.frames.tolist() == list(range(T))
    assert not made.missing.any()


def test_offsets_go_in_all_directions() -> None:
    rng = np.random.default_rng(2)
    shifts = np.array([spatial_offset(rng, T, 10).shift for _ in range(400)])
    quarter = np.floor(np.arctan2(shifts[:, 1] + 0.01, shifts[:, 0] + 0.01) / (np.pi / 2)).astype(int) % 4
    assert np.bincount(quarter, minlength=4).min() > 70
    assert np.abs(shifts.mean(axis=0)).max() < 1.5


def test_random_numbers_follow_from_seed_disturbance_strength_repeat_and_trial_alone() -> None:
    given_ = (7, "frame-rate", 43, 1, "abc:20-90")
    first = trial_rng(*given_).integers(0, 2**63, 4).tolist()
    trial_rng(*given_).random(100)
    assert trial_rng(*given_).integers(0, 2**63, 4).tolist() == first
    others = [
        (8, "frame-rate", 43, 1, "abc:20-90"), (7, "missing-frames", 43, 1, "abc:20-90"),
        (7, "frame-rate", 42, 1, "abc:20-90"), (7, "frame-rate", 43, 0, "abc:20-90"),
        (7, "frame-rate", 43, 1, "abc:21-90"), (7, "frame-rate", 4, 31, "abc:20-90"),
    ]  # fmt: skip
    drawn = [trial_rng(*other).integers(0, 2**63, 4).tolist() for other in others]
    assert len({tuple(d) for d in [first, *drawn]}) == 1 + len(others)


def test_the_three_experiments_are_the_papers() -> None:
    rate, missing, offset = DISTURBANCES.values()
    assert rate.strengths == (41, 42, 43, 44, 45)
    assert missing.strengths == (1, 2, 3, 4, 5)
    assert offset.strengths == tuple(range(1, 11))
    rng = np.random.default_rng
    assert rate.apply(rng(3), T, 45, 240).frames.max() > T
    assert missing.apply(rng(3), T, 4, 240).missing.sum() == 4
    assert np.hypot(*offset.apply(rng(3), T, 10, 240).shift) == pytest.approx(10, abs=0.71)
    assert np.hypot(*offset.apply(rng(3), T, 10, 120).shift) == pytest.approx(5, abs=0.71)


@pytest.mark.parametrize("shift", [(0, 0), (3, 2), (-2, 1), (4, -3), (12, 9), (-30, -30)])
def test_a_shift_moves_the_content_and_repeats_the_border(shift: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 9, 12, 3), dtype=np.uint8)
    pad = 40
    padded = np.pad(frames, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="edge")
    x, y = shift
    expected = padded[:, pad - y : pad - y + 9, pad - x : pad - x + 12]
    assert np.array_equal(shifted(frames, shift), expected)


def test_a_dot_goes_where_the_shift_says() -> None:
    frames = np.zeros((1, 9, 12, 3), np.uint8)
    frames[0, 4, 6] = 255
    moved = shifted(frames, (2, -3))
    assert np.argwhere(moved[0, ..., 0]).tolist() == [[1, 8]]


def test_frames_behind_the_last_one_repeat_it() -> None:
    frames = np.arange(42, dtype=np.uint8).reshape(42, 1, 1, 1)
    chosen = np.array([*range(3, 41), 43, 44])
    out = perturbed(frames, Perturbed(chosen, np.zeros(T, bool), (0, 0)))
    assert out[:, 0, 0, 0].tolist() == [*range(3, 41), 41, 41]
    assert perturbed(frames, undisturbed(T))[:, 0, 0, 0].tolist() == list(range(T))
