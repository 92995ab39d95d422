"""The detections stage: its arrays, its parameters, blocks against the whole, the summary."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from stages.base import Block, StageError, VideoInfo
from stages.contract import run_whole
from stages.pose import STAGE, PoseNet, PoseParams, read_checkpoint, summarise
from stages.pose.weights import ENVIRONMENT
from tests.support.pose import checkpoint, needs_shared, reference, write_checkpoint

INFO = VideoInfo(7, Fraction(120), 160, 90)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of random weights, which finds people everywhere."""
    folder = write_checkpoint(tmp_path / "w", "0.50")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(ENVIRONMENT, str(folder))
    return folder


@pytest.fixture
def frames() -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (7, 90, 160, 3), np.uint8)


def split(frames: NDArray[np.uint8], cuts: list[int]) -> Iterator[Block]:
    for a, b in zip([0, *cuts], [*cuts, len(frames)], strict=True):
        yield Block(a, b, a, {"frames.rgb": frames[a:b]})


def test_arrays_are_those_declared(weights: Path, frames: NDArray[np.uint8]) -> None:
    out = run_whole(STAGE, PoseParams(model="0.50"), INFO, {"frames.rgb": frames})
    tail = {"pose": 10, "keypoint": 17, "xy": 2}
    for spec in STAGE.outputs:
        assert out[spec.name].dtype == spec.dtype
        assert out[spec.name].shape == (7, *(tail[a] for a in spec.axes[1:]))
        assert np.isfinite(out[spec.name]).all()
    net = PoseNet.load(weights)
    for t, frame in enumerate(frames):
        poses, n = net.detect(frame), out["n_poses"][t]
        assert n == len(poses) > 0
        np.testing.assert_array_equal(out["pose_scores"][t, :n], poses.scores)
        np.testing.assert_array_equal(out["keypoint_scores"][t, :n], poses.keypoint_scores)
        np.testing.assert_array_equal(out["keypoints"][t, :n], poses.keypoints)
        for name in ("pose_scores", "keypoint_scores", "keypoints"):
            assert not out[name][t, n:].any()


@pytest.mark.parametrize("cuts", [[1], [3, 4], [1, 2, 3, 4, 5, 6]])
def test_chunked_equals_whole(weights: Path, frames: NDArray[np.uint8], cuts: list[int]) -> None:
    params = PoseParams(model="0.50", max_poses=4)
    whole = run_whole(STAGE, params, INFO, {"frames.rgb": frames})
    parts = list(STAGE.compute(split(frames, cuts), params, INFO))
    assert len(parts) == len(cuts) + 1
    for spec in STAGE.outputs:
        assert np.concatenate([p[spec.name] for p in parts]).tobytes() == whole[spec.name].tobytes()
    assert whole["n_poses"].max() == 4


def test_a_frame_does_not_see_its_neighbours(weights: Path, frames: NDArray[np.uint8]) -> None:
    params = PoseParams(model="0.50")
    whole = run_whole(STAGE, params, INFO, {"frames.rgb": frames})
    turned = run_whole(STAGE, params, INFO, {"frames.rgb": frames[::-1]})
    for spec in STAGE.outputs:
        assert turned[spec.name][::-1].tobytes() == whole[spec.name].tobytes()


def test_only_the_planned_weights_are_used(
    weights: Path, frames: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = PoseParams(model="0.50", weights_sha256=read_checkpoint(weights).sha256)
    run_whole(STAGE, planned, INFO, {"frames.rgb": frames})
    other = write_checkpoint(tmp_path / "other", "0.50", seed=1)
    monkeypatch.setenv(ENVIRONMENT, str(other))
    with pytest.raises(StageError, match="not those that this run was planned with"):
        run_whole(STAGE, planned, INFO, {"frames.rgb": frames})


def test_without_weights_the_stage_says_so_and_downloads_nothing(
    tmp_path: Path, frames: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(StageError, match="not in the cache") as error:
        run_whole(STAGE, PoseParams(), INFO, {"frames.rgb": frames})
    assert ENVIRONMENT in str(error.value)


def test_parameters() -> None:
    params = PoseParams()
    assert (params.model, params.stride, params.scale, params.max_poses) == ("0.75", 16, 1.6, 10)
    assert (params.score_threshold, params.nms_radius, params.min_pose_score) == (0.5, 20.0, 0.25)
    assert PoseParams(model="1.0", stride=32).stride == 32
    with pytest.raises(ValidationError, match=r"strides up to 16"):
        PoseParams(stride=32)
    wrong: list[dict[str, object]] = [
        {"model": "0.25"},
        {"stride": 4},
        {"max_poses": 11},
        {"scale": 0},
        {"weights_sha256": "abc"},
        {"weights": "a path would make the key depend on the machine"},
    ]
    for values in wrong:
        with pytest.raises(ValidationError):
            PoseParams.model_validate(values)


@needs_shared
def test_attributes_tell_published_weights_from_others() -> None:
    digest = read_checkpoint(checkpoint()).sha256
    assert STAGE.attrs(PoseParams(weights_sha256=digest), INFO)["weights"] == "as published"
    assert STAGE.attrs(PoseParams(weights_sha256="0" * 64), INFO)["weights"] == "own"


@needs_shared
def test_stage_on_the_stored_clip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(ENVIRONMENT, str(checkpoint()))
    frames = np.load(reference() / "video_v19F_frames_320x180.npz")["frames_bgr"][:20, :, :, ::-1]
    stored = np.load(reference() / "video_v19F_poses_s1.60.npz")
    out = run_whole(STAGE, PoseParams(), VideoInfo(20, Fraction(30), 320, 180), {"frames.rgb": frames})
    np.testing.assert_allclose(out["pose_scores"], stored["pose_scores"][:20], atol=1e-5)
    np.testing.assert_allclose(out["keypoints"], stored["keypoint_coords_yx"][:20, ..., ::-1], atol=0.005)


def track(n: int) -> NDArray[np.float32]:
    """A pose that glides 2 px to the right a frame."""
    joints = np.zeros((n, 14, 3), np.float32)
    joints[..., 0] = 2 * np.arange(n)[:, None]
    joints[..., 2] = 0.5
    return joints


def test_summary_of_a_steady_movement() -> None:
    joints, n_poses = track(10), np.ones(10, np.uint8)
    n_poses[8:] = [0, 2]
    joints[8, :, 2] = 0
    joints[9, 0, 2] = 0.9
    got = summarise(joints, (n_poses > 0).astype(np.uint8), n_poses, fps=120)
    assert got["frames"] == 10
    assert got["found"] == pytest.approx(0.9)
    assert got["several"] == pytest.approx(0.1)
    assert got["jitter_px"] == 0
    assert got["jump_px"] == pytest.approx(2)
    assert got["pose_score"]["p50"] == pytest.approx(0.5)
    assert 0.5 < got["pose_score"]["p95"] < 0.9


def test_people_who_are_not_the_player_count_as_people() -> None:
    joints, found = track(4), np.array([1, 0, 0, 1], np.uint8)
    joints[found == 0] = 0
    got = summarise(joints, found, np.full(4, 2, np.uint8), fps=120)
    assert (got["found"], got["several"]) == (0.5, 1.0)
    assert np.isnan(got["jump_px"])


def test_summary_of_a_trembling_one() -> None:
    joints = track(11)
    joints[1::2, :, 1] += 3  # to and fro: second differences of 6 px
    got = summarise(joints, np.ones(11, np.uint8), np.ones(11, np.uint8), fps=10)
    assert got["jitter_px"] == pytest.approx(6)
    assert got["jitter_px_s2"] == pytest.approx(600)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_summary_of_next_to_nothing(n: int) -> None:
    got = summarise(track(n), np.zeros(n, np.uint8), np.zeros(n, np.uint8), fps=30)
    assert np.isnan(got["jitter_px"])
    assert np.isnan(got["jump_px"])
    assert np.isnan(got["pose_score"]["p50"])
    assert got["found"] == 0 if n else np.isnan(got["found"])
