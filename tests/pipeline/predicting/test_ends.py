"""Strokes that begin and end where the player is stillest near the ends that the rules decide on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.predicting.ends import REACH, SMOOTHING, smooth, still_ends, with_still_ends
from pipeline.predicting.network import Span

RATE = 120.0
Motion = NDArray[np.float64]


def played(stops: list[int], n: int, rate: float = RATE) -> Motion:
    """Speed of a hand that comes to rest at some rows: movements of unit height between them."""
    out = np.zeros(n)
    for begin, end in zip([0, *stops], [*stops, n], strict=True):
        u = (np.arange(begin, end) + 0.5 - begin) / (end - begin)
        out[begin:end] = 4 * u * (1 - u)  # from rest to rest, by a cubic
    sway = 0.02 * (1 + np.sin(np.arange(n) / rate * 2 * np.pi * 1.3))
    return out + sway


@pytest.mark.parametrize("away", [(-20, -12), (14, -18), (-9, 22), (0, 0)])
def test_ends_go_to_the_stops_of_the_movement(away: tuple[int, int]) -> None:
    motion = played([150, 320, 410, 600, 700], 800)
    told = [(150 + away[0], 320 + away[1]), (410 + away[0], 600 + away[1])]
    # where the hand hardly moves, the rule's end still counts a little
    for (b, e), (begin, end) in zip(still_ends(told, motion, RATE), [(150, 320), (410, 600)], strict=True):
        assert abs(b - begin) <= max(4, abs(away[0]) / 2)
        assert abs(e - end) <= max(4, abs(away[1]) / 2)


def test_it_is_the_same_in_seconds_at_another_rate_and_in_any_unit() -> None:
    fast = still_ends([(130, 300)], played([150, 320, 410], 480), 120.0)
    slow = still_ends([(65, 150)], played([75, 160, 205], 240, 60.0), 60.0)
    assert np.abs(np.array(fast) - 2 * np.array(slow)).max() <= 2
    assert still_ends([(130, 300)], 40 * played([150, 320, 410], 480), 120.0) == fast


def test_a_stop_far_away_is_none_of_this_stroke() -> None:
    motion = np.ones(600)
    motion[100:110] = 0
    assert still_ends([(300, 450)], motion, RATE) == [(300, 450)]


def test_who_waits_is_still_however_the_noise_varies() -> None:
    rng = np.random.default_rng(3)
    motion = np.concatenate([rng.uniform(0, 0.01, 300), np.full(150, 1.0), rng.uniform(0, 0.01, 300)])
    ((begin, end),) = still_ends([(290, 460)], motion, RATE)
    assert abs(begin - 290) <= 6
    assert abs(end - 460) <= 6


def test_nothing_moves_or_nothing_was_found() -> None:
    assert still_ends([(10, 60)], np.zeros(100), RATE) == [(10, 60)]
    assert still_ends([], np.ones(100), RATE) == []


def test_what_the_video_cuts_off_stays_there() -> None:
    motion = played([20, 130], 150)
    assert still_ends([(0, 150)], motion, RATE) == [(0, 150)]


def test_the_common_end_of_strokes_that_touch_is_moved_once() -> None:
    first, second = still_ends([(100, 190), (190, 300)], played([100, 200, 300], 400), RATE)
    assert first[1] == second[0]
    assert abs(first[1] - 200) <= 3


def test_the_smoothing_keeps_constants_and_the_middle_of_a_bump() -> None:
    np.testing.assert_allclose(smooth(np.full(50, 0.3), RATE), 0.3)
    bump = np.zeros(201)
    bump[100] = 1
    smoothed = smooth(bump, RATE)
    np.testing.assert_allclose(smoothed, smoothed[::-1], atol=1e-15)
    assert smoothed.argmax() == 100
    assert np.count_nonzero(smoothed) == SMOOTHING * RATE - 1  # Hann: zero at both ends
    assert len(smooth(np.ones(1), RATE)) == 1


@st.composite
def found(draw: st.DrawFn) -> tuple[list[tuple[int, int]], Motion, float]:
    """Strokes that neither overlap nor are empty, some of which touch, and any motion."""
    cuts = draw(st.lists(st.integers(0, 400), min_size=2, max_size=12, unique=True).map(sorted))
    pairs = list(pairwise(cuts))
    chosen = [p for p in pairs if draw(st.booleans())]
    values = np.random.default_rng(draw(st.integers(0, 99))).exponential(1, 400)
    return chosen, values * draw(st.sampled_from([0.0, 1e-6, 1.0])), draw(st.sampled_from([25.0, 120.0]))


@settings(deadline=None, max_examples=60)
@given(found())
def test_order_and_number_stay_and_no_end_goes_far(case: tuple[list[tuple[int, int]], Motion, float]) -> None:
    told, motion, rate = case
    moved = still_ends(told, motion, rate)
    assert len(moved) == len(told)
    flat = [end for interval in moved for end in interval]
    assert flat == sorted(flat)
    for old, new in zip(told, moved, strict=True):
        assert 0 <= new[0] < new[1] <= len(motion)
        assert max(abs(a - b) for a, b in zip(old, new, strict=True)) <= round(REACH * rate)


def test_the_score_is_that_of_the_rows_that_the_stroke_then_has() -> None:
    scores = np.linspace(0, 1, 480)[:, None] * [[1.0, 0.5]]
    motion = played([150, 320, 410], 480)
    (span,) = with_still_ends([Span(130, 300, 1, 0.0)], motion, RATE, scores)
    assert span.label == 1
    assert (span.begin, span.end) == still_ends([(130, 300)], motion, RATE)[0]
    assert span.score == pytest.approx(scores[span.begin : span.end, 1].mean())
