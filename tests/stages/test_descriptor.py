"""The descriptor J: which person, which rows, what stands where nobody is."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.base import Array, Block, VideoInfo, upstream_of
from stages.contract import run_whole
from stages.descriptor import JOINTS, STAGE, DescriptorParams
from stages.focus import Focus
from stages.pose import KEYPOINTS

#: a place that is no box
TRIANGLE = [[0.1, 0.1], [0.9, 0.4], [0.3, 0.9]]


def detections(seed: int, n: int, most: int = 10) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    n_poses = rng.integers(0, most + 1, n).astype(np.uint8)
    there = np.arange(10) < n_poses[:, None]
    return {
        "pose.n_poses": n_poses,
        "pose.pose_scores": (rng.uniform(0.25, 1, (n, 10)) * there).astype(np.float32),
        "pose.keypoint_scores": (rng.uniform(0, 1, (n, 10, 17)) * there[..., None]).astype(np.float32),
        "pose.keypoints": (rng.uniform(0, 320, (n, 10, 17, 2)) * there[..., None, None]).astype(np.float32),
        "roi.centre": rng.uniform(60, 260, (n, 2)).astype(np.float32),
    }


def run(data: dict[str, Array], focus: Any = None) -> dict[str, Array]:
    n = len(data["pose.n_poses"])
    params = DescriptorParams.model_validate({"focus": focus})
    return run_whole(STAGE, params, VideoInfo(n, Fraction(120), 320, 180), data)


def test_joints_are_the_first_thirteen_keypoints_of_the_method() -> None:
    assert len(JOINTS) == 13
    assert KEYPOINTS[:13] == JOINTS
    assert JOINTS[0] == "nose"
    assert JOINTS[-1] == "right_hip"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), most=st.sampled_from([0, 1, 3, 10]))
def test_same_as_frame_by_frame(seed: int, most: int) -> None:
    data = detections(seed, 12, most)
    out = run(data)
    for t in range(12):
        roi, n = data["roi.centre"][t].astype(np.float64), int(data["pose.n_poses"][t])
        assert out["n_poses"][t] == n
        assert out["found"][t] == (n > 0)
        rows = out["joints"][t]
        if n == 0:
            np.testing.assert_array_equal(rows, [[*data["roi.centre"][t], 0]] * 14)
            assert out["chosen"][t] == out["roi_distance"][t] == -1
            continue
        centres = [data["pose.keypoints"][t, k, :13].mean(axis=0, dtype=np.float64) for k in range(n)]
        distances = [float(np.linalg.norm(c - roi)) for c in centres]
        best = distances.index(min(distances))
        assert out["chosen"][t] == best
        assert out["roi_distance"][t] == pytest.approx(distances[best], rel=1e-6)
        np.testing.assert_allclose(rows[0, :2], centres[best], rtol=1e-6)
        assert rows[0, 2] == data["pose.pose_scores"][t, best]
        np.testing.assert_array_equal(rows[1:, :2], data["pose.keypoints"][t, best, :13])
        np.testing.assert_array_equal(rows[1:, 2], data["pose.keypoint_scores"][t, best, :13])


def test_padding_is_never_chosen() -> None:
    """Poses that are not there are zeros: a ROI at the origin must not find them."""
    data = detections(1, 5)
    data["pose.n_poses"][:] = [0, 1, 1, 2, 0]
    data["roi.centre"][:] = 0
    out = run(data)
    np.testing.assert_array_equal(out["found"], [0, 1, 1, 1, 0])
    np.testing.assert_array_equal(out["chosen"][:3], [-1, 0, 0])
    assert out["roi_distance"][1] > 0


def test_of_equally_near_people_the_first() -> None:
    data = detections(2, 1)
    data["pose.n_poses"][:] = 2
    data["pose.keypoints"][0, 0] = (100, 50)
    data["pose.keypoints"][0, 1] = (140, 50)
    data["roi.centre"][0] = (120, 50)
    assert run(data)["chosen"][0] == 0


def test_legs_do_not_move_the_centre() -> None:
    data = detections(3, 1)
    data["pose.n_poses"][:] = 1
    data["pose.keypoints"][0, 0, :13] = (100, 50)
    data["pose.keypoints"][0, 0, 13:] = (300, 170)
    np.testing.assert_array_equal(run(data)["joints"][0, :, :2], [[100, 50]] * 14)


@pytest.mark.parametrize("size", [1, 4, 11])
def test_chunked_equals_whole(size: int) -> None:
    data = detections(4, 25, most=2)
    info = VideoInfo(25, Fraction(120), 320, 180)
    blocks = [
        Block(a, min(a + size, 25), a, {k: v[a : a + size] for k, v in data.items()})
        for a in range(0, 25, size)
    ]
    parts = list(STAGE.compute(iter(blocks), DescriptorParams(), info))
    whole = run(data)
    for spec in STAGE.outputs:
        joined = np.concatenate([p[spec.name] for p in parts])
        assert joined.dtype == spec.dtype
        assert joined.tobytes() == whole[spec.name].tobytes()


def test_inputs_leave_the_pictures_out() -> None:
    """Another ROI recomputes this stage alone: neither frames nor network are among its inputs."""
    assert STAGE.reads is not None
    assert upstream_of(STAGE.reads(DescriptorParams())) == ("pose", "roi")
    for focus, more in (("left", ()), ("auto", ("player",)), ("auto-near", ("people",))):
        params = DescriptorParams.model_validate({"focus": focus})
        assert upstream_of(STAGE.reads(params)) == ("pose", "roi", *more)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), focus=st.sampled_from(["left", "far", [0.25, 0, 1, 0.5], TRIANGLE]))
def test_only_people_in_the_place_are_chosen(seed: int, focus: Any) -> None:
    """As if the others were not there, but they still count as people of the frame."""
    data = detections(seed, 12, 4)
    out = run(data, focus)
    mask = Focus.model_validate(focus).mask(320, 180)
    for t in range(12):
        alone = {name: rows[t : t + 1].copy() for name, rows in data.items()}
        n = int(data["pose.n_poses"][t])
        assert out["n_poses"][t] == n
        kept = []
        for k in range(n):
            x, y = data["pose.keypoints"][t, k, :13].mean(axis=0, dtype=np.float64)
            if mask[min(max(round(y), 0), 179), min(max(round(x), 0), 319)]:
                kept.append(k)
        for name in ("pose.pose_scores", "pose.keypoint_scores", "pose.keypoints"):
            alone[name][0, : len(kept)] = alone[name][0, kept]
        alone["pose.n_poses"][0] = len(kept)
        expected = run(alone)
        assert out["found"][t] == expected["found"][0] == bool(kept)
        assert out["chosen"][t] == (kept[expected["chosen"][0]] if kept else -1)
        assert out["roi_distance"][t] == expected["roi_distance"][0]
        np.testing.assert_array_equal(out["joints"][t], expected["joints"][0])


def test_without_a_focus_the_parameters_are_written_as_before() -> None:
    assert DescriptorParams().model_dump(mode="json") == STAGE.key_values(DescriptorParams()) == {}
    told = DescriptorParams.model_validate({"focus": "left"})
    assert DescriptorParams.model_validate(told.model_dump(mode="json")) == told
