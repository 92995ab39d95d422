"""Which stretches are worth a label: doubt, newness, and what no choice may do."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.predicting.ranking import Scored, entropy, rank

CLASSES = 4


def one_hot(labels: list[int], sure: float = 0.97) -> NDArray[np.float64]:
    scores = np.full((len(labels), CLASSES), (1 - sure) / (CLASSES - 1))
    scores[np.arange(len(labels)), labels] = sure
    return scores


@st.composite
def videos(draw: st.DrawFn) -> list[Scored]:
    found = []
    for number in range(draw(st.integers(1, 3))):
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        n = draw(st.integers(1, 400))
        w = draw(st.integers(1, 30))
        labelled = []
        for _ in range(draw(st.integers(0, 4))):
            begin = draw(st.integers(-10, n))
            labelled.append((begin, begin + draw(st.integers(1, 60))))
        scores = rng.dirichlet(np.full(CLASSES, 0.5), n)
        centres = np.sort(rng.integers(0, n, w))
        found.append(Scored(f"v{number}", scores, rng.normal(size=(w, 5)), centres, labelled))
    return found


@settings(deadline=None)
@given(videos(), st.integers(1, 30), st.integers(1, 120), st.floats(0, 1), st.booleans())
def test_no_two_overlap_and_none_is_labelled(
    given_: list[Scored], count: int, length: int, weight: float, elsewhere: bool
) -> None:
    known = np.ones((3, 5)) if elsewhere else None
    found = rank(given_, count, length, known=known, weight=weight)
    assert len(found) <= count
    assert [s.rank for s in found] == list(range(1, len(found) + 1))
    by_name = {v.name: v for v in given_}
    taken: dict[str, NDArray[np.int64]] = {v.name: np.zeros(len(v.scores), np.int64) for v in given_}
    for video in given_:
        for begin, end in video.labelled:
            taken[video.name][max(begin, 0) : max(end, 0)] = 1
    for stretch in found:
        n = len(by_name[stretch.video].scores)
        assert 0 <= stretch.begin < stretch.end <= n
        assert stretch.end - stretch.begin == min(length, n)
        assert not taken[stretch.video][stretch.begin : stretch.end].any()
        taken[stretch.video][stretch.begin : stretch.end] = 1
        assert 0 <= stretch.doubt <= 1
    assert rank(given_, count, length, known=known, weight=weight) == found


def test_doubt_is_the_entropy_of_the_scores() -> None:
    scores = np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]])
    assert np.allclose(entropy(scores), [0, 1, 0.5])
    assert np.array_equal(entropy(np.ones((3, 1))), np.zeros(3))


def test_where_the_network_doubts_comes_first() -> None:
    scores = one_hot([3] * 1000)
    scores[600:650] = [0.4, 0.35, 0.15, 0.1]
    centres = np.arange(25, 1000, 25)
    video = Scored("a", scores, np.zeros((len(centres), 2)), centres, [(0, 100)])
    first = rank([video], 3, 50, weight=1.0)[0]
    assert (first.begin, first.end) == (600, 650) or abs(first.begin - 600) <= 12
    assert first.classes == (0, 1)
    assert first.doubt_share > 0.95


def test_what_looks_unlike_anything_labelled_comes_first_where_nothing_is_doubted() -> None:
    centres = np.arange(5, 1000, 10)
    features = np.zeros((len(centres), 3))
    features[(centres >= 300) & (centres < 350), 0] = 5.0
    features[(centres >= 800) & (centres < 850), 0] = 4.9
    features[(centres >= 500) & (centres < 530), 1] = 2.0
    video = Scored("a", one_hot([0] * 1000), features, centres, [(0, 100)])
    first, second = sorted(s.begin for s in rank([video], 2, 50, weight=0.0))
    # of the two that look alike one is enough, though both are far from what was labelled
    assert 270 <= first <= 330 or 770 <= second <= 830
    assert 470 <= first <= 530 or 470 <= second <= 530


def test_what_is_known_elsewhere_is_not_new() -> None:
    centres = np.arange(5, 400, 10)
    features = np.zeros((len(centres), 2))
    features[centres >= 200] = 3.0
    video = Scored("a", one_hot([0] * 400), features, centres)
    assert rank([video], 1, 50, known=np.zeros((4, 2)))[0].begin >= 175
    assert rank([video], 1, 50, known=np.full((4, 2), 3.0))[0].begin < 200


def test_nothing_is_left_to_suggest() -> None:
    scores = one_hot([0] * 100)
    video = Scored("a", scores, np.zeros((1, 2)), np.array([50]), [(0, 60), (70, 100)])
    assert rank([video], 5, 50) == []
    gap = rank([video], 5, 10)
    assert [(s.begin, s.end) for s in gap] == [(60, 70)]
    assert rank([], 5, 10) == []


def test_doubt_and_newness_take_turns() -> None:
    scores = one_hot([3] * 1000)
    scores[600:650] = [0.4, 0.35, 0.15, 0.1]
    centres = np.arange(5, 1000, 10)
    features = np.zeros((len(centres), 2))
    features[(centres >= 300) & (centres < 350)] = 5.0
    video = Scored("a", scores, features, centres, [(0, 100)])
    new, doubt = rank([video], 2, 50)
    assert (new.why, doubt.why) == ("new", "doubt")
    assert 270 <= new.begin <= 330
    assert 588 <= doubt.begin <= 612
    assert [s.why for s in rank([video], 8, 20, weight=0.25)].count("doubt") == 2
