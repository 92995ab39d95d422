"""Normalisation statistics against numpy over everything at once."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pydantic import ValidationError

from stages.base import VideoInfo
from stages.contract import run_whole
from stages.flow.quantise import QUANTUM
from stages.statistics import STAGE, StatisticsParams, summarise

Maxima = NDArray[np.float32]


def maxima(flow: NDArray[np.int16]) -> Maxima:
    info = VideoInfo(len(flow) + 1, Fraction(120), flow.shape[2], flow.shape[1])
    return run_whole(STAGE, StatisticsParams(), info, {"flow.flow": flow})["flow_max"]


@given(
    hnp.arrays(
        np.int16,
        st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.just(2)),
        elements=st.integers(-32768, 32767),
    )
)
def test_maxima_are_the_largest_magnitudes(flow: NDArray[np.int16]) -> None:
    expected = np.abs(flow.astype(np.int64)).max(axis=(1, 2)) * QUANTUM
    got = maxima(flow)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected.astype(np.float32))


def test_the_extremes_of_int16_do_not_wrap() -> None:
    flow = np.zeros((2, 4, 4, 2), np.int16)
    flow[0, 1, 1] = -32768, 32767
    flow[1, 2, 2] = 32767, -32767
    np.testing.assert_array_equal(maxima(flow), [[512, 511.984375], [511.984375, 511.984375]])


def test_a_video_of_one_frame_has_no_maxima() -> None:
    assert maxima(np.zeros((0, 4, 4, 2), np.int16)).shape == (0, 2)


def by_numpy(videos: list[Maxima], least: float) -> dict[str, Any]:
    """[3S] §2.4, eq. 3, over the concatenation in double precision."""
    rows = np.concatenate(videos).astype(np.float64)
    used = [np.array([v for v in component if v >= least]) for component in rows.T]
    mean = np.array([np.sum(c) / len(c) for c in used])
    std = np.array([np.sqrt(np.sum((c - m) ** 2) / len(c)) for c, m in zip(used, mean, strict=True)])
    frames = sum(1 for row in rows if max(row) >= least)
    return {
        "mean": mean,
        "std": std,
        "divisor": mean + 3 * std,
        "frames": frames,
        "left": len(rows) - frames,
    }


@pytest.mark.parametrize("least", [0.0, 5.0])
def test_summarise_equals_numpy_over_all_videos(least: float) -> None:
    rng = np.random.default_rng(0)
    videos = [rng.gamma(2, 4, (n, 2)).astype(np.float32) for n in (50, 1, 700)]
    got, expected = summarise(videos, StatisticsParams(min_flow=least)), by_numpy(videos, least)
    for name in ("mean", "std", "divisor"):
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-12)
    assert got["frames"] == expected["frames"]
    assert got["frames_left_out"] == expected["left"] == (0 if not least else expected["left"])
    assert 0 < got["frames"] <= 751
    if least:
        assert got["frames_left_out"] > 0


def test_by_hand() -> None:
    """Maxima 2, 4, 6 → μ 4, σ √(8/3), divisor 4 + 3σ; y constant 1 → σ 0, divisor 1."""
    got = summarise(
        [np.array([[2, 1], [4, 1]], np.float32), np.array([[6, 1]], np.float32)], StatisticsParams()
    )
    sigma = np.sqrt(8 / 3)
    np.testing.assert_allclose(got["mean"], [4, 1])
    np.testing.assert_allclose(got["std"], [sigma, 0])
    np.testing.assert_allclose(got["divisor"], [4 + 3 * sigma, 1])


def test_min_flow_looks_at_each_component_and_keeps_the_threshold_itself() -> None:
    rows = np.array([[4.99, 0], [5, 0], [0, 5], [4.5, 4.5], [80, 1]], np.float32)
    got = summarise([rows], StatisticsParams(min_flow=5))
    assert (got["frames"], got["frames_left_out"]) == (3, 2)
    np.testing.assert_allclose(got["mean"], [(5 + 80) / 2, 5])
    np.testing.assert_allclose(got["std"], [(80 - 5) / 2, 0])


def test_no_motion_divides_by_one() -> None:
    still = summarise([np.zeros((9, 2), np.float32)], StatisticsParams())
    assert still["divisor"] == [1.0, 1.0]
    assert still["frames"] == 9
    for nothing in ([], [np.zeros((0, 2), np.float32)]):
        got = summarise(nothing, StatisticsParams())
        assert got["divisor"] == [1.0, 1.0]
        assert (got["frames"], got["frames_left_out"]) == (0, 0)
    left_out = summarise([np.ones((4, 2), np.float32)], StatisticsParams(min_flow=5))
    assert left_out["divisor"] == [1.0, 1.0]
    assert (left_out["frames"], left_out["frames_left_out"]) == (0, 4)


def test_one_still_component_does_not_spoil_the_other() -> None:
    rows = np.zeros((5, 2), np.float32)
    rows[:, 0] = [1, 2, 3, 4, 5]
    got = summarise([rows], StatisticsParams())
    assert got["divisor"][0] == pytest.approx(3 + 3 * np.sqrt(2))
    assert got["divisor"][1] == 1.0


@given(st.permutations(range(4)))
def test_the_order_of_the_videos_does_not_matter(order: list[int]) -> None:
    rng = np.random.default_rng(5)
    videos = [rng.gamma(2, 4, (n, 2)).astype(np.float32) for n in (3, 40, 17, 1)]
    got = summarise([videos[k] for k in order], StatisticsParams())
    np.testing.assert_allclose(got["divisor"], summarise(videos, StatisticsParams())["divisor"], rtol=1e-12)


def test_clipping_at_mu_plus_three_sigma_touches_few() -> None:
    """What eq. 3 is for: after division nearly all maxima lie within [−1, 1]."""
    rows = np.random.default_rng(0).gamma(3, 5, (5000, 2)).astype(np.float32)
    divisor = summarise([rows], StatisticsParams())["divisor"]
    assert (rows / divisor <= 1).mean() > 0.98


def test_a_negative_threshold_is_refused() -> None:
    with pytest.raises(ValidationError):
        StatisticsParams(min_flow=-1)
