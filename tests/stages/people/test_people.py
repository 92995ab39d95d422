"""Who is who from frame to frame, and who stands where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.base import Block, Setting
from stages.people import SIDES, STAGE, PeopleParams
from stages.people.sides import windowed_mean
from stages.people.tracking import sizes_of
from tests.stages.people.walkers import (
    BODY,
    HEIGHT,
    WIDTH,
    Arrays,
    detections,
    info_of,
    mirrored,
    run,
)

RATES = [24, 25, 30, 59.94, 120, 240]
LEFT, RIGHT, NEAR, FAR = range(4)


def crossing(fps: float, seconds: float = 3) -> NDArray[np.float64]:
    """Two who walk past each other, one 12 px lower, and a third who stands aside: (n, 3, 2)."""
    t = np.arange(round(seconds * fps)) / fps / seconds
    still = np.full_like(t, 40.0)
    return np.stack(
        [
            np.stack([60 + 200 * t, np.full_like(t, 84.0)], -1),
            np.stack([260 - 200 * t, np.full_like(t, 96.0)], -1),
            np.stack([still, still], -1),
        ],
        axis=1,
    )


def numbers_of(track: NDArray[Any], who: NDArray[Any]) -> list[set[int]]:
    return [set(track[who == person].tolist()) for person in range(int(who.max()) + 1)]


@settings(max_examples=8, deadline=None)
@given(fps=st.sampled_from(RATES), seed=st.integers(0, 2**32 - 1), missing=st.sampled_from([0.0, 0.2, 0.4]))
def test_who_crosses_and_is_missed_keeps_the_number(fps: float, seed: int, missing: float) -> None:
    """Misses of up to 0.3 s, joints that tremble, detections in any order."""
    rng = np.random.default_rng(seed)
    places = crossing(fps)
    # misses last as long at every rate
    blocks = rng.random((30, 3)) < missing
    blocks[0] = False
    blocks[3:] &= ~(blocks[2:-1] & blocks[1:-2] & blocks[:-3])
    seen = ~np.repeat(blocks, round(fps / 10) + 1, axis=0)[: len(places)]
    seen = np.concatenate([seen, np.ones((len(places) - len(seen), 3), bool)])
    data, who = detections(places, seen, order=rng)
    there = who[..., None, None] >= 0
    data["pose.keypoints"] += (rng.normal(0, 1.0, data["pose.keypoints"].shape) * there).astype(np.float32)
    track = run("people", data, fps)["people.track"]
    found = numbers_of(track, who)
    assert all(len(numbers) == 1 for numbers in found), found
    assert len(set.union(*found)) == 3
    assert set(track[who < 0].tolist()) <= {-1}


@pytest.mark.parametrize("fps", RATES)
def test_who_is_gone_for_longer_than_the_gap_is_a_new_person(fps: float) -> None:
    n = round(4 * fps)
    places = np.tile(np.array([[80.0, 90], [240, 90]]), (n, 1, 1))
    for seconds, known in ((0.9, True), (1.2, False)):
        seen = np.ones((n, 2), bool)
        seen[round(fps) : round((1 + seconds) * fps), 0] = False
        data, who = detections(places, seen)
        mine, other = numbers_of(run("people", data, fps)["people.track"], who)
        assert (len(mine), len(other)) == (1 if known else 2, 1)
        assert len(numbers_of(run("people", data, fps, max_gap=1.5)["people.track"], who)[0]) == 1


def random_people(seed: int, n: int = 40) -> tuple[Arrays, NDArray[np.int64], np.random.Generator]:
    """Up to five who wander about, with misses and trembling joints."""
    rng = np.random.default_rng(seed)
    people = int(rng.integers(1, 6))
    steps = rng.normal(0, 4, (n, people, 2)).cumsum(axis=0)
    places = rng.uniform([30, 40], [290, 140], (people, 2)) + steps
    data, who = detections(places, rng.random((n, people)) < 0.85, rng.uniform(0.6, 1.6, people))
    trembling = rng.normal(0, 1, data["pose.keypoints"].shape) * (who >= 0)[..., None, None]
    data["pose.keypoints"] += trembling.astype(np.float32)
    return data, who, rng


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_detections_changes_nothing(seed: int) -> None:
    data, _, rng = random_people(seed)
    other = {name: rows.copy() for name, rows in data.items()}
    places = np.tile(np.arange(10), (40, 1))
    for t, k in enumerate(data["pose.n_poses"]):
        places[t, :k] = rng.permutation(int(k))
        for name in ("pose.pose_scores", "pose.keypoint_scores", "pose.keypoints"):
            other[name][t] = data[name][t, places[t]]
    one, two = run("people", data, 30), run("people", other, 30)
    np.testing.assert_array_equal(np.take_along_axis(one["people.track"], places, 1), two["people.track"])
    for name in ("player", "box", "size"):
        np.testing.assert_array_equal(one[f"people.{name}"], two[f"people.{name}"])
    index = two["people.pose"].astype(int)
    back = np.where(index >= 0, np.take_along_axis(places, np.maximum(index, 0), 1), -1)
    np.testing.assert_array_equal(one["people.pose"], back)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_in_a_mirror_left_is_right(seed: int) -> None:
    data, _, _ = random_people(seed)
    one, two = run("people", data, 30), run("people", mirrored(data), 30)
    for here, there in ((LEFT, RIGHT), (RIGHT, LEFT), (NEAR, NEAR), (FAR, FAR)):
        np.testing.assert_array_equal(one["people.pose"][:, here], two["people.pose"][:, there])
        somebody = one["people.player"][:, here] >= 0
        box, other = one["people.box"][somebody, here], two["people.box"][somebody, there]
        np.testing.assert_allclose(box[:, [0, 2]], WIDTH - 1 - other[:, [2, 0]], atol=1e-3)
        np.testing.assert_allclose(box[:, [1, 3]], other[:, [1, 3]], atol=1e-3)


@pytest.mark.parametrize("fps", RATES)
def test_sides_go_by_the_place_at_the_time(fps: float) -> None:
    """They change ends: left is who is left then, and near is the lower and larger one throughout."""
    data, who = detections(crossing(fps)[:, :2], scale=np.array([0.8, 1.2]))
    out = run("people", data, fps)
    n = len(who)
    pose = out["people.pose"]
    assert (pose[: n // 2 - n // 10, LEFT] == 0).all()
    assert (pose[n // 2 + n // 10 :, LEFT] == 1).all()
    np.testing.assert_array_equal(pose[:, RIGHT], 1 - pose[:, LEFT])
    assert (pose[:, NEAR] == 1).all()
    assert (pose[:, FAR] == 0).all()
    assert np.count_nonzero(np.diff(pose[:, LEFT])) == 1


def test_who_moves_counts_for_more_than_who_sits() -> None:
    """Players at both ends of a table move their arms, a larger umpire between them does not."""
    t = np.arange(90)
    places = np.tile(np.array([[60.0, 90], [160, 80], [260, 90]]), (90, 1, 1))
    data, who = detections(places, scale=np.array([1.0, 1.3, 1.0]))
    for person, phase in ((0, 0.0), (2, 1.0)):
        rows, columns = np.nonzero(who == person)
        data["pose.keypoints"][rows, columns, 9:11, 0] += (12 * np.sin(t / 2 + phase))[:, None]
    pose = run("people", data, 30)["people.pose"]
    assert (pose[:, LEFT] == 0).all()
    assert (pose[:, RIGHT] == 2).all()


def test_boxes_are_held_where_nobody_is_seen() -> None:
    places = np.tile(np.array([[80.0, 90], [240, 90]]), (60, 1, 1))
    places[:, 0, 0] += np.arange(60)
    seen = np.ones((60, 2), bool)
    seen[20:30, 0] = False  # a miss: between the sightings the box moves on
    seen[50:, 0] = False  # and then gone
    data, _ = detections(places, seen)
    out = run("people", data, 30)
    assert (out["people.pose"][20:30, LEFT] == -1).all()
    assert (out["people.player"][20:30, LEFT] == out["people.player"][0, LEFT]).all()
    middle = out["people.box"][:, LEFT, [0, 2]].mean(axis=1)
    np.testing.assert_allclose(middle[:50], places[:50, 0, 0], atol=1e-3)
    assert (out["people.player"][50:, LEFT] == -1).all()
    np.testing.assert_array_equal(out["people.box"][50:, LEFT], out["people.box"][[49] * 10, LEFT])
    padding = 0.75 * sizes_of(BODY[:13])
    np.testing.assert_allclose(
        out["people.box"][0, RIGHT],
        [240 + BODY[:, 0].min() - padding, 90 + BODY[:, 1].min() - padding,
         240 + BODY[:, 0].max() + padding, 90 + BODY[:, 1].max() + padding], rtol=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize(("x", "y", "sides"), [(80, 60, {LEFT, FAR}), (250, 130, {RIGHT, NEAR})])
def test_who_is_alone_stands_in_that_half(x: float, y: float, sides: set[int]) -> None:
    data, _ = detections(np.tile(np.array([[x, y]], float), (20, 1, 1)))
    pose = run("people", data, 30)["people.pose"]
    assert {side for side in range(4) if (pose[:, side] == 0).all()} == sides
    assert {side for side in range(4) if (pose[:, side] == -1).all()} == set(range(4)) - sides


def test_whose_opponent_has_gone_keeps_the_side() -> None:
    """The right one walks over to the left half once the other is gone."""
    places = np.tile(np.array([[60.0, 90], [200, 90]]), (150, 1, 1))
    places[60:, 1, 0] -= np.minimum(np.arange(90) * 2, 150)
    seen = np.ones((150, 2), bool)
    seen[60:, 0] = False
    data, _ = detections(places, seen)
    player = run("people", data, 30)["people.player"]
    assert (player[:, RIGHT] == 1).all()
    assert (player[60:, LEFT] == -1).all()


def test_joints_that_came_with_the_source_are_one_person_a_frame() -> None:
    data, _ = detections(np.tile(np.array([[80.0, 60]]), (20, 1, 1)))
    given_ = {name: rows[:, :1] if rows.ndim > 1 else rows for name, rows in data.items()}
    given_["pose.keypoint_scores"][:, :, 13:] = 0
    given_["pose.keypoints"][:, :, 13:] = 0
    out = run("people", given_, 30)
    assert (out["people.track"] == 0).all()
    assert out["people.track"].shape == (20, 1)
    assert (out["people.box"][:, LEFT, :2] > 0).all()  # legs that are not given are nowhere


def test_nobody() -> None:
    data, _ = detections(np.zeros((5, 0, 2)))
    out = run("people", data, 30)
    for name in ("track", "player", "pose"):
        assert (out[f"people.{name}"] == -1).all()
    np.testing.assert_array_equal(out["people.box"], np.tile([0, 0, WIDTH, HEIGHT], (5, 4, 1)))
    assert (
        run("player", out | {"flow.flow": np.zeros((4, HEIGHT, WIDTH, 2), np.int16)}, 30)["player.pose"] == -1
    ).all()


def test_the_file_has_a_table_of_the_people() -> None:
    data, who = detections(crossing(30)[:, :2], scale=np.array([0.8, 1.2]))
    n = len(who)
    (result,) = STAGE.compute(iter([Block(0, n, 0, data)]), PeopleParams(), info_of(n, 30))
    first, second = result.attrs["tracks"]
    assert result.attrs["n_tracks"] == 2
    assert first == {
        "track": 0, "name": first["name"], "first": 0, "last": n - 1, "frames": n,
        "x": pytest.approx(159, abs=2), "y": 84.0, "motion": 0.0,
        "size": round(float(0.8 * sizes_of(BODY[:13])), 1),
    }  # fmt: skip
    assert (first["name"].split()[-1], second["name"].split()[-1]) == ("far", "near")
    assert STAGE.attrs(PeopleParams(), info_of(n, 30))["side_names"] == list(SIDES)


def test_no_run_includes_it_by_itself() -> None:
    everything = Setting(frozenset({"rgb", "flow", "pose"}), untrimmed=True, starts=True)
    assert not STAGE.applies(everything)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.integers(0, 12))
def test_a_windowed_mean_is_the_mean_of_the_window(values: list[float], reach: int) -> None:
    expected = [np.mean(values[max(0, t - reach) : t + reach + 1]) for t in range(len(values))]
    np.testing.assert_allclose(windowed_mean(np.array(values), reach), expected, atol=1e-9)
