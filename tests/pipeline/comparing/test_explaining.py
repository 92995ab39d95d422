"""Which joint is to blame, in strokes of the renderer whose places are moved by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.comparing.measuring.band import Aligned, Band, make_band
from pipeline.comparing.measuring.explaining import Model, fit, movements_of, profiles
from pipeline.comparing.measuring.measures import INDEX, TRUNK
from pipeline.comparing.measuring.movement import MOMENTS
from stages.kinematics.course import Floats
from tests.pipeline.comparing.trials import movements, plan_of

JOINTS = ("left elbow", "left wrist", "right elbow", "right wrist", "hips")


@pytest.fixture(scope="module")
def band() -> Band:
    return make_band(movements(plan_of(["Offensive Forehand Loop"] * 12, 21)))


@pytest.fixture(scope="module")
def model(band: Band) -> Model:
    return fit(band)


def moved(band: Band, by: Floats) -> Aligned:
    """The mean of the references with each part elsewhere, (M, 9, 2) body lengths."""
    one = band.aligned[band.middle]
    return replace(one, places=band.places.mean(axis=0) + by)


@pytest.mark.parametrize("joint", ["right elbow", "right wrist", "left elbow"])
def test_the_joint_that_was_moved_explains_it(band: Band, model: Model, joint: str) -> None:
    faults = movements_of(model.usual, profiles(band))[joint]
    told = model.explain(moved(band, 1.5 * faults[0]))
    assert max(told, key=told.__getitem__) == joint
    assert told[joint] > 5
    assert set(told) == set(JOINTS)


def test_late_hips_explain_a_trunk_that_is_late(band: Band, model: Model) -> None:
    late = np.zeros((MOMENTS, 9, 2))
    late[6:, TRUNK] = model.usual[:-6, TRUNK] - model.usual[6:, TRUNK]
    # the places of all but the hips are told about the hips of the same moment
    hips = [INDEX["left hip"], INDEX["right hip"]]
    others = [column for column in range(9) if column not in hips]
    late[:, others] -= late[:, hips].mean(axis=1, keepdims=True)
    told = model.explain(moved(band, late))
    assert max(told, key=told.__getitem__) == "hips"
    assert told["hips"] > 5


def test_nothing_explains_a_stroke_like_the_others(band: Band, model: Model) -> None:
    assert max(model.explain(moved(band, np.zeros((MOMENTS, 9, 2)))).values()) < 0
    for number, one in enumerate(band.aligned):
        assert max(fit(band, number).explain(one).values()) < 20


def test_a_wrist_of_low_score_proves_less(band: Band, model: Model) -> None:
    one = moved(band, movements_of(model.usual, profiles(band))["right wrist"][0])
    doubtful = one.confidence.copy()
    doubtful[:, INDEX["right wrist"]] = 0.2
    sure, unsure = model.explain(one), model.explain(replace(one, confidence=doubtful))
    assert unsure["right wrist"] < sure["right wrist"] / 2


def test_what_is_unknown_counts_for_nothing(band: Band) -> None:
    """Of a part that few references show, or the stroke does not, nothing is concluded."""
    blind = [a.places.copy() for a in band.aligned]
    for places in blind[:7]:
        places[:, INDEX["right wrist"]] = np.nan
    few = replace(band, aligned=tuple(replace(a, places=p) for a, p in zip(band.aligned, blind, strict=True)))
    elsewhere = np.zeros((MOMENTS, 9, 2))
    elsewhere[:, INDEX["right wrist"]] = 3.0
    for seen, by in ((few, elsewhere), (band, np.where(elsewhere > 0, np.nan, 0.0))):
        told = fit(seen).explain(moved(band, by))
        assert all(np.isfinite(v) for v in told.values())
        assert max(told.values()) < 1


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_references_do(band: Band, count: int) -> None:
    few = make_band(band.references[:count])
    told = fit(few).explain(few.align(band.references[5]))
    assert all(np.isfinite(v) for v in told.values())


def test_the_arm_without_racket_is_blamed_at_longer_odds(band: Band, model: Model) -> None:
    """The same wandering of a wrist says less of the free arm: it must be 20 times as probable."""
    one = moved(band, np.zeros((MOMENTS, 9, 2)))
    as_left, as_right = (replace(model, hand=hand).explain(one) for hand in ("left", "right"))
    for joint in ("elbow", "wrist"):
        assert as_left[f"left {joint}"] - as_right[f"left {joint}"] == pytest.approx(np.log(20), abs=0.01)
        assert as_right[f"right {joint}"] - as_left[f"right {joint}"] == pytest.approx(np.log(20), abs=0.01)
    assert as_left["hips"] == as_right["hips"]
