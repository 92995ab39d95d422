"""Who plays, and what the ROI and the descriptor make of who is followed."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.base import Params, Setting, VideoInfo
from stages.contract import StageContract
from stages.descriptor import STAGE as DESCRIPTOR
from stages.descriptor import DescriptorParams
from stages.people.sides import SIDES
from stages.player import STAGE
from stages.roi import STAGE as ROI
from stages.roi import RoiParams
from tests.stages.people.walkers import BODY, HEIGHT, WIDTH, Arrays, detections, info_of, mirrored, run

RATES = [25, 30, 60, 120, 240]
PLACES = np.array([[70.0, 90], [250, 90]])
#: wrist of PoseNet that is moved
WRIST = 10


def match(fps: float, swings: list[tuple[float, float, int, float]], seconds: float = 3) -> Arrays:
    """Two opponents, one left, one right, and the flow of their arms.

    Each swing is (begin, end, person, speed): seconds, 0 or 1, px/s along x.
    """
    n = round(seconds * fps)
    data, _ = detections(np.tile(PLACES, (n, 1, 1)))
    flow = np.zeros((n - 1, HEIGHT, WIDTH, 2), np.int16)
    for begin, end, person, speed in swings:
        x, y = (PLACES[person] + BODY[WRIST]).astype(int)
        rows = slice(round(begin * fps), min(round(end * fps), n - 1))
        flow[rows, y - 3 : y + 4, x - 3 : x + 4, 0] = round(speed / fps * 64)
    return run("people", data | {"flow.flow": flow}, fps)


def playing(data: Arrays, fps: float, **params: Any) -> Any:
    """Who plays at each frame: 0, who stands left, or 1."""
    box = run("player", data, fps, **params)["player.box"]
    return (box[:, [0, 2]].mean(axis=1) > WIDTH / 2).astype(int)


@pytest.mark.parametrize("fps", RATES)
def test_who_swings_towards_the_other_plays(fps: float) -> None:
    """Strokes in turns, each with the other stepping back, and a twitch that is no stroke."""
    data = match(fps, [(0, 0.8, 0, 200), (0, 0.8, 1, 300), (0.9, 1.8, 1, -200), (0.9, 1.8, 0, -400),
                       (1.3, 1.34, 0, 200), (1.9, 2.8, 0, 200)])  # fmt: skip
    who = playing(data, fps)
    assert np.flatnonzero(np.diff(who)) / fps == pytest.approx([0.85, 1.85], abs=0.1)
    assert who[0] == 0
    out = run("player", data, fps)
    np.testing.assert_array_equal(out["player.pose"], who)
    speeds = out["player.swing"]
    assert speeds[round(0.4 * fps), 1] == 0  # stepping back counts for nothing
    assert speeds[round(0.4 * fps), 0] == pytest.approx(200 / data["people.size"][0, 0], rel=0.1)


@pytest.mark.parametrize("fps", RATES)
def test_a_short_clip_has_one_player(fps: float) -> None:
    """The tail of the opponent's stroke before, then the stroke."""
    data = match(fps, [(0, 0.2, 1, -250), (0.3, 0.65, 0, 250)], 0.75)
    assert (playing(data, fps) == 0).all()
    data = match(fps, [(0, 0.2, 0, 250), (0.3, 0.65, 1, -250)], 0.75)
    assert (playing(data, fps) == 1).all()


def test_how_readily_it_goes_over_can_be_set() -> None:
    data = match(30, [(0, 1, 0, 200), (1, 1.3, 1, -200), (1.3, 3, 0, 200)])
    assert playing(data, 30).tolist() == [0] * 90
    assert 0 < playing(data, 30, least_stay=0).sum() < 30


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_nothing_prefers_a_side(seed: int) -> None:
    """Mirrored pictures give the mirrored choice, ROI and pose, for whatever moves."""
    rng = np.random.default_rng(seed)
    swings = [(float(a), float(a) + 0.3, int(rng.integers(2)), float(rng.normal(0, 200)))
              for a in rng.uniform(0, 1.2, 6)]  # fmt: skip
    data = match(30, swings, 1.5)
    other = run("people", mirrored({k: v for k, v in data.items() if not k.startswith("people")}), 30)
    one, two = run("player", data, 30), run("player", other, 30)
    np.testing.assert_array_equal(one["player.pose"], two["player.pose"])
    np.testing.assert_allclose(one["player.box"][:, 0], WIDTH - 1 - two["player.box"][:, 2], atol=1e-3)
    np.testing.assert_allclose(one["player.swing"], two["player.swing"][:, ::-1], atol=1e-4)


def test_where_nobody_swings_the_nearer_one_is_followed() -> None:
    for scale, expected in (([1, 1.3], 1), ([1.3, 1], 0)):
        data, _ = detections(np.tile(PLACES, (30, 1, 1)), scale=np.array(scale))
        still = {"flow.flow": np.zeros((29, HEIGHT, WIDTH, 2), np.int16)}
        assert (playing(run("people", data | still, 30), 30) == expected).all()


def test_who_crosses_over_is_still_the_one() -> None:
    """Nobody may be exchanged here, but the two walk past each other."""
    t = np.linspace(0, 180, 60)
    places = np.stack([np.stack([70 + t, 84 + 0 * t], -1), np.stack([250 - t, 96 + 0 * t], -1)], axis=1)
    data, _ = detections(places, scale=np.array([1, 1.2]))
    still = {"flow.flow": np.zeros((59, HEIGHT, WIDTH, 2), np.int16)}
    out = run("player", run("people", data | still, 30), 30, least_stay=60)
    assert (out["player.pose"] == 1).all()
    assert (out["people.pose"][0, :2] == [0, 1]).all()
    assert (out["people.pose"][-1, :2] == [1, 0]).all()


def test_who_is_alone_is_followed() -> None:
    """Whatever else moves; and once the other is there and plays, that one."""
    seen = np.ones((90, 2), bool)
    seen[:45, 0] = False
    data, _ = detections(np.tile(PLACES, (90, 1, 1)), seen)
    flow = np.zeros((89, HEIGHT, WIDTH, 2), np.int16)
    flow[:40, 20:40, 20:40] = 500
    x, y = (PLACES[0] + BODY[WRIST]).astype(int)
    flow[50:, y - 3 : y + 4, x - 3 : x + 4, 0] = 500
    who = playing(run("people", data | {"flow.flow": flow}, 30), 30)
    assert (who[:44] == 1).all()
    assert (who[52:] == 0).all()


def test_no_run_includes_it_by_itself() -> None:
    assert not STAGE.applies(Setting(frozenset({"rgb", "flow", "pose"}), untrimmed=True, starts=True))


# -- what follows ----------------------------------------------------------------------------


def busy(seed: int = 3) -> Arrays:
    """The match of above among spectators who move more than both."""
    data = match(30, [(0, 1, 0, 200), (1.2, 2.5, 1, -200)], 2.6)
    rng = np.random.default_rng(seed)
    data["flow.flow"][:, :30] = rng.integers(-900, 900, (len(data["flow.flow"]), 30, WIDTH, 2))
    data = {name: rows.copy() for name, rows in data.items()}
    data["pose.n_poses"] += 1
    n = len(data["pose.n_poses"])
    data["pose.keypoints"][:, 2] = (160, 60) + 0.5 * BODY
    data["pose.keypoint_scores"][:, 2] = data["pose.pose_scores"][:, 2, None] = 0.9
    assert (data["pose.n_poses"] == 3).all()
    return run("player", run("people", data, 30), 30) | {"n": np.array(n)}


@pytest.mark.parametrize("focus", ["auto", *(f"auto-{side}" for side in SIDES)])
def test_roi_and_pose_stay_with_who_is_followed(focus: str) -> None:
    data = busy()
    box = data["player.box"] if focus == "auto" else data["people.box"][:, SIDES.index(focus[5:])]
    pose = data["player.pose"] if focus == "auto" else data["people.pose"][:, SIDES.index(focus[5:])]
    out = run("roi", data, 30, focus=focus, smoothing="none", crop_width=2, crop_height=2)
    centre = out["roi.raw"]
    moving = out["roi.moving"] > 0
    if focus != "auto":  # in the frames of the pause nobody swings
        assert 0 < moving.mean() < 0.6
    for axis in (0, 1):
        inside = (centre[:, axis] >= box[:, axis] - 1) & (centre[:, axis] <= box[:, axis + 2] + 1)
        assert inside[moving].all()
    # the first of the fastest pixels counts for 0.6
    np.testing.assert_allclose(centre[moving], PLACES[pose[moving]] + BODY[WRIST] - 1.8, atol=1)
    described = run("descriptor", out, 30, focus=focus)
    np.testing.assert_array_equal(described["descriptor.chosen"], pose)
    assert (described["descriptor.n_poses"] == 3).all()


def test_without_motion_of_his_own_the_roi_starts_at_the_person() -> None:
    data = busy()
    data["flow.flow"] = np.zeros_like(data["flow.flow"])
    out = run("roi", data, 30, focus="auto-right")
    box = data["people.box"][0, SIDES.index("right")]
    np.testing.assert_allclose(out["roi.centre"][0], [box[[0, 2]].mean(), box[[1, 3]].mean()], atol=1e-3)
    assert not out["roi.moving"].any()


def test_who_is_not_seen_has_no_pose() -> None:
    data = busy()
    data["people.pose"][5:9, SIDES.index("left")] = -1
    out = run("descriptor", run("roi", data, 30, focus="auto-left"), 30, focus="auto-left")
    assert np.flatnonzero(out["descriptor.found"] == 0).tolist() == [5, 6, 7, 8]
    assert (out["descriptor.chosen"][5:9] == -1).all()
    assert (out["descriptor.joints"][5:9, :, 2] == 0).all()


def test_who_is_followed_out_of_the_region_is_not_looked_at() -> None:
    out = run("roi", busy(), 30, focus="auto-left", region=(0.6, 0, 1, 1))
    assert not out["roi.moving"].any()


@pytest.mark.parametrize(
    ("focus", "read"),
    [(None, set()), ("left", set()), ("auto", {"player"}), ("auto-far", {"people"})],
)
def test_only_what_is_followed_is_read(focus: Any, read: set[str]) -> None:
    """A store without such a focus has nothing to do."""
    assert ROI.reads is not None
    assert DESCRIPTOR.reads is not None
    given_ = {"focus": focus}
    for arrays in (
        ROI.reads(RoiParams.model_validate(given_)),
        DESCRIPTOR.reads(DescriptorParams.model_validate(given_)),
    ):
        assert {name.split(".")[0] for name in arrays} & {"people", "player"} == read


class Following(StageContract):
    """The contract, with somebody followed."""

    info: ClassVar[VideoInfo] = info_of(78, 30)

    def arrays(self) -> Arrays:
        data = run("roi", busy(), 30)
        return {name: rows for name, rows in data.items() if name in self.stage.inputs}


class TestRoiOfWhoPlays(Following):
    stage = ROI
    params: ClassVar[Params] = RoiParams.model_validate({"focus": "auto"})


class TestRoiOfASide(Following):
    stage = ROI
    params: ClassVar[Params] = RoiParams.model_validate({"focus": "auto-right"})


class TestRoiInAPolygon(Following):
    stage = ROI
    params: ClassVar[Params] = RoiParams.model_validate({"focus": [[0, 0], [0.6, 0.2], [0.4, 1]]})


class TestDescriptorOfWhoPlays(Following):
    stage = DESCRIPTOR
    params: ClassVar[Params] = DescriptorParams.model_validate({"focus": "auto"})


class TestDescriptorInABox(Following):
    stage = DESCRIPTOR
    params: ClassVar[Params] = DescriptorParams.model_validate({"focus": "right"})


class TestPlayer(Following):
    stage = STAGE
