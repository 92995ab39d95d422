"""Decision rules and scores against slow definitions and worked examples."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

from tttrain.evaluation import mediaeval
from tttrain.evaluation.decision_rules import Stroke, average, gauss, gross, spread, strokes, vote
from tttrain.evaluation.evaluate import SampleScores, add_scores, majority
from tttrain.evaluation.metrics import (
    Detections,
    class_report,
    confusion_matrix,
    interval_report,
    overlap,
)

scores_and_window = st.tuples(
    st.integers(1, 40), st.integers(2, 4), st.integers(1, 15), st.integers(0, 10_000)
)


def _scores(n: int, classes: int, seed: int) -> NDArray[np.float64]:
    raw = np.random.default_rng(seed).random((n, classes)) + 1e-3
    return np.asarray(raw / raw.sum(axis=1, keepdims=True))


def _around(t: int, n: int, window: int) -> range:
    return range(max(t - window // 2, 0), min(t - window // 2 + window, n))


@settings(max_examples=80, deadline=None)
@given(scores_and_window)
def test_vote_and_average_are_their_definitions(case: tuple[int, int, int, int]) -> None:
    n, classes, window, seed = case
    scores = _scores(n, classes, seed)
    voted, averaged = vote(scores, window), average(scores, window)
    for t in range(n):
        seen = list(_around(t, n, window))
        mean = scores[seen].mean(axis=0)
        ranked = np.sort(mean)
        if ranked[-1] - ranked[-2] > 1e-9:
            assert averaged[t] == mean.argmax()
        counts = np.bincount(scores[seen].argmax(axis=1), minlength=classes)
        first = np.flatnonzero(counts == counts.max())
        if len(first) == 1 or np.ptp(np.sort(mean[first])[-2:]) > 1e-9:
            assert voted[t] == max(first, key=lambda c: mean[c])


@settings(max_examples=50, deadline=None)
@given(scores_and_window)
def test_gauss_is_its_definition(case: tuple[int, int, int, int]) -> None:
    n, classes, half, seed = case
    window = 2 * half + 1
    scores = _scores(n, classes, seed)
    sigma = 0.3 * ((window - 1) * 0.5 - 1) + 0.8
    decided = gauss(scores, window)
    for t in range(n):
        weights = {s: np.exp(-0.5 * ((s - t) / sigma) ** 2) for s in _around(t, n, window)}
        total = sum(w * scores[s] for s, w in weights.items())
        if np.diff(np.sort(total)[-2:])[0] > 1e-9:
            assert decided[t] == total.argmax()


def test_rules_flatten_a_flicker() -> None:
    clean = np.zeros(400, int)
    clean[150:300] = 1
    noisy = clean.copy()
    noisy[[60, 61, 170, 200, 201, 202, 350]] ^= 1
    scores = np.where(np.eye(2)[noisy] > 0, 0.9, 0.1)
    assert (gross(scores) != clean).sum() == 7
    for rule in (vote, average, gauss):
        wrong = np.flatnonzero(rule(scores) != clean)
        assert len(wrong) < 12
        assert all(min(abs(w - 150), abs(w - 300)) < 8 for w in wrong)  # only at the edges


def test_a_frame_takes_the_nearest_window() -> None:
    scores = np.arange(3.0)[:, None]
    out = spread(scores, np.array([5, 15, 25]), 32)[:, 0]
    assert out.tolist() == [0] * 11 + [1] * 10 + [2] * 11
    assert spread(np.array([[0.3, 0.7]]), np.array([8]), 4).tolist() == [[0.3, 0.7]] * 4


def test_strokes_are_runs_and_short_ones_are_dropped() -> None:
    labels = np.array([2] * 5 + [0] * 29 + [2] * 3 + [1] * 30 + [0] * 40)
    assert strokes(labels, negative=2) == [Stroke(37, 67, 1), Stroke(67, 107, 0)]
    assert strokes(labels, negative=2, shortest=1)[0] == Stroke(5, 34, 0)
    assert strokes(np.zeros(3, int), negative=0) == []
    assert strokes(np.zeros(50, int), negative=-1) == [Stroke(0, 50, 0)]


def test_report_of_a_confusion_matrix() -> None:
    true = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, -1])
    predicted = np.array([0, 0, 1, 1, 2, 2, 2, 0, 2, 1])
    matrix = confusion_matrix(true, predicted, 4)
    assert matrix.tolist() == [[2, 1, 0, 0], [0, 1, 1, 0], [1, 0, 3, 0], [0, 0, 0, 0]]
    report = class_report(matrix, ("a", "b", "Negative", "d"), negative=2)
    assert report["accuracy"] == pytest.approx(6 / 9)
    assert report["accuracy_without_negative"] == pytest.approx(3 / 5)
    assert report["negative"] == {"precision": 0.75, "recall": 0.75, "f": 0.75, "support": 4}
    assert report["classes"]["b"]["precision"] == 0.5
    assert report["classes"]["a"]["f"] == pytest.approx(2 / 3)
    assert "d" not in report["classes"]
    nothing = class_report(np.zeros((2, 2), np.int64), ("a", "b"), -1)
    assert nothing["accuracy"] is None
    assert nothing["negative"] is None


def test_the_papers_f_score_follows_from_its_precision_and_recall() -> None:
    # [3S] §3.3: precision 0.99 and recall 0.42 of the negative class give an F-score of 0.59
    matrix = np.array([[4200, 5800], [42, 9958]])
    scores = class_report(matrix, ("Negative", "Stroke"), 0)["negative"]
    assert (round(scores["precision"], 2), round(scores["recall"], 2), round(scores["f"], 2)) == (
        0.99,
        0.42,
        0.59,
    )


def test_overlap_of_intervals() -> None:
    assert overlap(Stroke(0, 10, 0), Stroke(5, 15, 0)) == pytest.approx(5 / 15)
    assert overlap(Stroke(0, 10, 0), Stroke(10, 20, 0)) == 0
    assert overlap(Stroke(0, 10, 0), Stroke(2, 4, 1)) == 0.2


def test_interval_scores_of_a_worked_example() -> None:
    """Two videos; overlaps of 1.0, 0.8, 0.5 and a false alarm against four true strokes."""
    one = Detections(
        1000,
        [Stroke(100, 200, 0), Stroke(300, 400, 0), Stroke(600, 700, 0)],
        [Stroke(100, 200, 1), Stroke(300, 380, 1), Stroke(800, 900, 1)],
    )
    two = Detections(500, [Stroke(0, 100, 0)], [Stroke(50, 100, 0)])
    report = interval_report([one, two])
    # frames: both 100 + 80 + 50, either 100 + 100 + 100 + 100 + 100
    assert report["iou"] == pytest.approx(230 / 500)
    assert (report["true"], report["found"]) == (4, 4)
    hits = {"0.50": 3, "0.55": 2, "0.80": 2, "0.85": 1, "0.95": 1}
    for threshold, n in hits.items():
        assert report["at"][threshold]["recall"] == n / 4
    # mean of precision × recall over 0.50 … 0.95: 3, then 2 at six thresholds, then 1 at three
    assert report["map"] == pytest.approx((9 + 6 * 4 + 3 * 1) / 16 / 10)


def test_a_true_stroke_counts_once() -> None:
    video = Detections(200, [Stroke(0, 100, 0)], [Stroke(0, 100, 0), Stroke(0, 90, 0)])
    at = interval_report([video])["at"]["0.50"]
    assert (at["precision"], at["recall"]) == (0.5, 1.0)


def test_nothing_annotated_is_no_zero() -> None:
    assert interval_report([Detections(10, [], [])])["map"] is None
    assert interval_report([Detections(10, [], [])])["iou"] is None


def test_samples_are_decided_by_majority_and_ties_by_score() -> None:
    windows = np.array([[0.6, 0.4, 0.0], [0.55, 0.45, 0.0], [0.0, 1.0, 0.0]])
    assert majority(windows) == 0
    assert windows.mean(axis=0).argmax() == 1
    assert majority(windows[1:]) == 1


def test_late_fusion_adds_scores() -> None:
    a = SampleScores(3, np.array([0.6, 0.4]), np.array([[0.6, 0.4]]))
    b = SampleScores(3, np.array([0.1, 0.9]), np.array([[0.3, 0.7]]))
    both = add_scores([a, b])
    assert both.row == 3
    assert both.centre is not None
    np.testing.assert_allclose(both.centre, [0.35, 0.65])
    np.testing.assert_allclose(both.windows, [[0.45, 0.55]])


def test_submissions_are_read_back_by_the_annotation_reader(tmp_path: Path) -> None:
    """ttprep reads what tttrain writes, as it reads the task's own files."""
    from pipeline.annotations.reading import read_annotations
    from pipeline.annotations.records import VideoFacts

    found = [Stroke(300, 380, 1), Stroke(10, 110, 0)]
    mediaeval.write_actions(tmp_path / "v1.xml", found, ("Serve Forehand Loop", "Offensive Forehand Hit"))
    read = read_annotations([tmp_path / "v1.xml"], videos={"v1.mp4": VideoFacts(400, Fraction(120))})
    assert not read.issues
    assert [(r.begin, r.end, r.label) for r in read.annotations] == [
        (10, 110, "Serve Forehand Loop"),
        (300, 380, "Offensive Forehand Hit"),
    ]


def test_submission_files_have_the_tasks_form(tmp_path: Path) -> None:
    mediaeval.write_actions(tmp_path / "v.xml", [Stroke(5, 50, 0)])
    assert (tmp_path / "v.xml").read_text().split() == [
        "<video>",
        "<action",
        'begin="5"',
        'end="50"',
        "/>",
        "</video>",
    ]
    mediaeval.write_clips(tmp_path / "test.xml", [("6355106689.mp4", "Serve Backhand Topspin")])
    assert (
        '<video name="6355106689.mp4" class="Serve Backhand Topspin" />'
        in (tmp_path / "test.xml").read_text()
    )
    assert mediaeval.file_name("test/a.b/842826553.mp4") == "842826553.xml"
