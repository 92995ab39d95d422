"""What is found in strokes that the renderer plays wrongly on purpose, from its own joints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.comparing.measuring.band import make_band, mean, unusual
from pipeline.comparing.measuring.findings import Judged, judge, learn
from pipeline.comparing.measuring.movement import MOMENTS, PARTS, Movement, movement, spaced
from pipeline.comparing.measuring.outliers import apart, find_unlike
from pipeline.comparing.measuring.warping import carried, distance, path
from stages.kinematics.course import Course, mirrored, smoothed
from stages.kinematics.params import KinematicsParams
from tests.pipeline.comparing.trials import movements, plan_of
from ttdemo import DEFAULT_CLASSES, Change, plan_clip

LOOPS = ("Offensive Forehand Loop", "Offensive Backhand Loop")
REFERENCES, UNCHANGED = 12, 3
FAULTS = {"right elbow": Change(elbow=45), "hips": Change(hip=0.2), "right wrist": Change(hand=0.2)}


def joint(judged: Judged) -> str:
    return next((f.joint for f in judged.findings if f.joint != "tempo"), "")


@pytest.fixture(scope="module")
def sets() -> list[list[Movement]]:
    """References, unchanged strokes and one with each fault; of four players."""
    changes = [Change()] * (REFERENCES + UNCHANGED) + [*FAULTS.values()]
    return [movements(plan_of([LOOPS[n % 2]] * len(changes), 40 + n, changes)) for n in range(4)]


def test_strokes_with_a_fault_stand_above_all_others_and_the_joint_is_named(
    sets: list[list[Movement]],
) -> None:
    above, named = [], []
    for strokes in sets:
        references = learn(make_band(strokes[:REFERENCES]))
        judged = [judge(references, m) for m in strokes[REFERENCES:]]
        most = max(j.score for j in judged[:UNCHANGED])
        above += [j.score > most for j in judged[UNCHANGED:]]
        named += [joint(j) == right for right, j in zip(FAULTS, judged[UNCHANGED:], strict=True)]
    assert len(above) == 12
    assert sum(above) >= 11, above
    assert sum(named) >= 11, named


def test_the_sign_of_a_difference_is_that_of_the_fault() -> None:
    moves = [LOOPS[0]] * 10
    for metres, word in ((0.2, "higher"), (-0.2, "lower")):
        strokes = movements(plan_of(moves, 3, [Change()] * 9 + [Change(hand=metres)]))
        first = judge(learn(make_band(strokes[:9])), strokes[9]).findings[0]
        assert first.joint == "right wrist"
        assert (first.difference > 0) == (metres > 0)
        assert word in first.text
        assert f"{first.beyond} of {first.of}" in first.text or "all 9 references" in first.text


def test_late_hips_are_called_late() -> None:
    strokes = movements(plan_of([LOOPS[1]] * 13, 5, [Change()] * 12 + [Change(hip=0.15)]))
    references = learn(make_band(strokes[:12]))
    found = judge(references, strokes[12])
    assert joint(found) == "hips"
    assert abs(references.lates.mean()) < 0.01


def test_one_reference_gives_differences_alone() -> None:
    strokes = movements(plan_of([LOOPS[0]] * 2, 7, [Change(), Change(hand=0.25)]))
    found = judge(learn(make_band(strokes[:1])), strokes[1])
    assert np.isnan(found.score)
    assert not len(found.usual)
    assert found.findings
    assert all(f.text.endswith("than the reference") for f in found.findings)
    same = judge(learn(make_band(strokes[:1])), strokes[0])
    assert not same.findings, [f.text for f in same.findings]


def test_a_joint_that_nobody_saw_does_not_count_and_is_told() -> None:
    hidden = {12: ("right_wrist",)}
    changes = [Change()] * 12 + [Change(hand=0.25)]
    plan = plan_of([LOOPS[0]] * 13, 9, changes)
    seen, blind = movements(plan), movements(plan, hidden)
    references = learn(make_band(seen[:12]))
    found = judge(references, blind[12])
    assert found.unseen == {"right wrist": 0.0}
    assert not any(f.joint == "right wrist" for f in found.findings)
    assert np.isnan(found.distances["right wrist"]["stroke"][0])
    assert np.isfinite(found.distances["left wrist"]["stroke"][0])
    assert judge(references, seen[12]).unseen == {}


def test_nobody_at_all() -> None:
    plan = plan_of([LOOPS[0]] * 4, 9)
    every = ["nose", *(f"{s}_{j}" for s in ("left", "right") for j in ("shoulder", "elbow", "wrist", "hip"))]
    blind = movements(plan, {3: every})[3]
    assert not blind.seen.any()
    assert path(blind, movements(plan)[0]) == []
    assert np.isnan(distance(blind, movements(plan)[0]))
    found = judge(learn(make_band(movements(plan)[:3])), blind)
    assert np.isnan(found.score)
    assert set(found.unseen) == set(PARTS)


def test_alignment_undoes_a_change_of_pace() -> None:
    stroke = movements(plan_of([LOOPS[0]], 2))[0]
    at = np.arange(MOMENTS)
    bent = np.interp(at, at, MOMENTS * (at / MOMENTS) ** 1.15)
    slow = replace(stroke, places=np.stack([
        np.interp(bent, at, column) for column in stroke.places.reshape(MOMENTS, -1).T
    ], axis=-1).reshape(stroke.places.shape))  # fmt: skip
    pairs = path(slow, stroke)
    off = np.abs(carried(slow.places, pairs) - stroke.places)[8:-8]
    plain = np.abs(slow.places - stroke.places)[8:-8]
    assert off.max() < plain.max() / 2
    assert distance(stroke, stroke) == 0
    assert 0 < distance(slow, stroke) < 0.05


def test_the_camera_and_the_rate_do_not_matter() -> None:
    """Another size of the player in the picture, another place, another rate: the same movement."""
    plan = plan_of([LOOPS[0]], 2, fps=60)
    s = plan.strokes[0]
    course = smoothed(plan.joints, np.ones(plan.joints.shape[:2]), 60.0, KinematicsParams()).part(
        s.begin, s.end
    )
    other = Course(course.joints[::2] * 0.4 + (30, -20), course.confidence[::2], 30.0)
    one, two = movement(course), movement(other)
    assert distance(one, two) < 0.02
    assert two.seconds == pytest.approx(one.seconds, abs=0.04)


def test_a_left_hander_in_the_mirror_is_a_right_hander() -> None:
    plan = plan_of([LOOPS[0]], 2)
    s = plan.strokes[0]
    course = smoothed(plan.joints, np.ones(plan.joints.shape[:2]), 30.0, KinematicsParams()).part(
        s.begin, s.end
    )
    left = mirrored(course)
    assert (movement(course).hand, movement(left).hand) == ("right", "left")
    assert distance(movement(course), movement(left)) > 0.3
    assert distance(movement(course), movement(mirrored(left))) < 1e-9


def test_swapped_labels_come_to_the_top() -> None:
    every: list[Movement] = []
    labels: list[str] = []
    for clip in range(4):
        dealt = [DEFAULT_CLASSES[i % 4] for i in range(10)]
        plan = plan_clip(seed=(8, clip), strokes=dealt, fps=30, size=(640, 360))
        every += movements(plan)
        labels += dealt
    distances = apart(every)
    assert not any(u.margin > 1 for u in find_unlike(distances, labels))
    swapped = {5, 31}  # 5 %
    given = [
        DEFAULT_CLASSES[DEFAULT_CLASSES.index(n) - 1] if i in swapped else n for i, n in enumerate(labels)
    ]
    first = find_unlike(distances, given)[:2]
    assert {u.number for u in first} == swapped
    assert [u.nearest for u in first] == [labels[u.number] for u in first]
    assert all(u.told for u in first)


def test_small_classes_are_left_out() -> None:
    strokes = movements(plan_of([LOOPS[0]] * 5 + [LOOPS[1]] * 2, 2))
    found = find_unlike(apart(strokes), [LOOPS[0]] * 5 + [LOOPS[1]] * 2)
    assert {u.number for u in found} == set(range(5))
    assert {u.margin for u in found} == {0.0}


def test_moments_lie_evenly_and_invent_nothing() -> None:
    values = np.array([0.0, 1.0, np.nan, 3.0, 4.0])
    found = spaced(values, 9)
    assert found[[0, 1, 2, 6, 7, 8]].tolist() == [0, 0.5, 1, 3, 3.5, 4]
    assert np.isnan(found[3:6]).all()
    with pytest.raises(ValueError, match="has no movement"):
        movement(Course(np.zeros((1, 13, 2)), np.ones((1, 13)), 30.0))


def test_spreads() -> None:
    usual = np.array([1.0, 2.0, 3.0, np.nan])
    assert unusual(4.0, usual, 0.0) == pytest.approx(2 / np.sqrt(1 + 1 / 3))
    assert unusual(4.0, usual[:1], 0.5) == 6
    assert np.isnan(unusual(np.nan, usual, 0.1))
    assert np.isnan(unusual(1.0, usual[3:], 0.1))
    assert mean(np.array([[1.0, np.nan], [3.0, np.nan]]), 0).tolist()[0] == 2
