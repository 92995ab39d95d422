"""Robustness [GRU] §V-F: what is disturbed and how, and that nothing else decides the random numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tttrain.perturb import (
    DISTURBANCES,
    cut,
    frame_rate_error,
    missing_frames,
    reach_over,
    spatial_offset,
    trial_rng,
    undisturbed,
)

T = 40


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_extra_frames_are_deleted_and_the_rest_keeps_its_order(seed: int, extra: int) -> None:
    made = frame_rate_error(np.random.default_rng(seed), T, extra)
    assert len(made.frames) == len(set(made.frames.tolist())) == T
    assert (np.diff(made.frames) >= 1).all()
    assert 0 <= made.frames[0] <= extra
    assert made.frames[-1] <= T + extra - 1
    assert made.frames[-1] - made.frames[0] >= T - 1
    assert not made.missing.any()
    assert made.shift == (0, 0)


def test_every_frame_is_deleted_as_often_as_any_other() -> None:
    rng = np.random.default_rng(0)
    kept = np.zeros(T + 5)
    for _ in range(2000):
        kept[frame_rate_error(rng, T, 5).frames] += 1
    share = kept / 2000
    assert np.abs(share - T / (T + 5)).max() < 0.03  # 4 deviations of a share of 2000


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
    given_ = (7, "frame-rate", 3, 1, "abc:20-90")
    first = trial_rng(*given_).integers(0, 2**63, 4).tolist()
    trial_rng(*given_).random(100)
    assert trial_rng(*given_).integers(0, 2**63, 4).tolist() == first
    others = [
        (8, "frame-rate", 3, 1, "abc:20-90"), (7, "missing-frames", 3, 1, "abc:20-90"),
        (7, "frame-rate", 2, 1, "abc:20-90"), (7, "frame-rate", 3, 0, "abc:20-90"),
        (7, "frame-rate", 3, 1, "abc:21-90"), (7, "frame-rate", 31, 0, "abc:20-90"),
    ]  # fmt: skip
    drawn = [trial_rng(*other).integers(0, 2**63, 4).tolist() for other in others]
    assert len({tuple(d) for d in [first, *drawn]}) == 1 + len(others)


def test_strengths_are_the_papers_and_follow_length_and_crop() -> None:
    rate, missing, offset = DISTURBANCES.values()
    assert (rate.strengths, missing.strengths) == ((1, 2, 3, 4, 5), (1, 2, 3, 4, 5))
    assert offset.strengths == tuple(range(1, 11))
    assert [rate.scaled(k, 40, 240) for k in rate.strengths] == [1, 2, 3, 4, 5]
    assert [missing.scaled(k, 160, 120) for k in missing.strengths] == [4, 8, 12, 16, 20]
    assert [offset.scaled(k, 160, 120) for k in (1, 4, 10)] == [1, 2, 5]
    assert undisturbed(4).frames.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("corner", [(0, 0), (3, 2), (-2, 1), (4, -3), (7, 5), (-9, -9), (30, 30)])
def test_a_crop_over_the_border_repeats_it(corner: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 9, 12, 3), dtype=np.uint8)
    pad = 40
    padded = np.pad(frames, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="edge")
    x, y = corner
    expected = padded[:, pad + y : pad + y + 5, pad + x : pad + x + 7]
    assert np.array_equal(cut(frames, corner, (7, 5)), expected)


def test_how_far_a_crop_reaches_over() -> None:
    assert reach_over((0, 0), (7, 5), (12, 9)) == 0
    assert reach_over((5, 4), (7, 5), (12, 9)) == 0
    assert reach_over((6, 4), (7, 5), (12, 9)) == 1
    assert reach_over((-3, 6), (7, 5), (12, 9)) == 3
