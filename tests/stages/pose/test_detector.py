"""PoseNet on pictures: against every stored reference pose, and what it says of wrong input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.base import StageError
from stages.pose import PoseNet
from stages.pose.detector import net_input, net_size
from stages.pose.weights import ENVIRONMENT
from tests.support.pose import checkpoint, needs_shared, reference, write_checkpoint

Image = NDArray[np.uint8]
PICTURES = ("astronaut", "tennis_in_crowd", "test_couple", "v19F_f030", "v19F_f110")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(ENVIRONMENT, raising=False)


def read_rgb(path: Path) -> Image:
    picture = cv2.imread(str(path))
    assert picture is not None, path
    return np.ascontiguousarray(picture[:, :, ::-1], np.uint8)


@needs_shared
@pytest.mark.parametrize("scale", ["1.00", "1.60"])
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_the_reference(name: str, scale: str) -> None:
    path = reference() / f"{name}__320x180_s{scale}.json"
    stored = json.loads(path.read_text())
    image = read_rgb(reference() / stored["source_file"])
    size = net_size(320, 180, float(scale))
    assert list(size) == stored["net_input_wh"]
    np.testing.assert_array_equal(net_input(image, size), np.load(path.with_suffix(".npz"))["input"])

    poses = PoseNet.load(checkpoint(), scale=float(scale)).detect(image)
    assert len(poses) == len(stored["poses"])
    for k, want in enumerate(stored["poses"]):
        assert poses.scores[k] == pytest.approx(want["score"], abs=1e-5)
        np.testing.assert_allclose(poses.keypoint_scores[k], want["keypoint_scores"], atol=1e-4)
        yx = np.array(want["keypoint_coords_yx"])
        np.testing.assert_allclose(poses.keypoints[k], yx[:, ::-1], atol=0.005)


@needs_shared
def test_every_frame_of_the_stored_clip() -> None:
    frames = np.load(reference() / "video_v19F_frames_320x180.npz")["frames_bgr"]
    stored = np.load(reference() / "video_v19F_poses_s1.60.npz")
    net = PoseNet.load(checkpoint(), scale=float(stored["scale_factor"]))
    counts = (stored["pose_scores"] > 0).sum(axis=1)
    for t, frame in enumerate(frames):
        poses, n = net.detect(np.ascontiguousarray(frame[:, :, ::-1])), counts[t]
        assert len(poses) == n, t
        np.testing.assert_allclose(poses.scores, stored["pose_scores"][t, :n], atol=1e-5)
        np.testing.assert_allclose(poses.keypoint_scores, stored["keypoint_scores"][t, :n], atol=1e-4)
        yx = stored["keypoint_coords_yx"][t, :n]
        np.testing.assert_allclose(poses.keypoints, yx[..., ::-1], atol=0.005)


@needs_shared
def test_channels_in_the_wrong_order_show() -> None:
    image = read_rgb(reference() / "v19F_f110__320x180.png")
    net = PoseNet.load(checkpoint())
    right, wrong = net.detect(image), net.detect(np.ascontiguousarray(image[:, :, ::-1]))
    assert right.scores[0] > 0.7
    assert len(wrong) == 0 or wrong.scores[0] < right.scores[0] - 0.1


@needs_shared
def test_a_finer_stride_finds_the_same_person() -> None:
    image = read_rgb(reference() / "v19F_f110__320x180.png")
    usual = PoseNet.load(checkpoint()).detect(image)
    fine = PoseNet.load(checkpoint(), stride=8).detect(image)
    assert len(usual) == len(fine) == 1
    sure = usual.keypoint_scores[0] > 0.8
    apart = np.linalg.norm(usual.keypoints[0] - fine.keypoints[0], axis=1)[sure]
    assert sure.sum() >= 8
    assert np.median(apart) < 3


@needs_shared
def test_a_larger_picture_of_the_frame() -> None:
    """The original picture goes to the net input of the frame; keypoints are in the frame's pixels."""
    image = read_rgb(reference() / "test_couple__320x180.png")
    large = np.asarray(cv2.resize(image, (1920, 1080), interpolation=cv2.INTER_CUBIC), np.uint8)
    net = PoseNet.load(checkpoint())
    small, direct = net.detect(image), net.detect(large, frame_size=(320, 180))
    assert len(small) == len(direct) == 2
    for k in range(2):
        sure = (small.keypoint_scores[k] > 0.9) & (direct.keypoint_scores[k] > 0.9)
        apart = np.linalg.norm(small.keypoints[k] - direct.keypoints[k], axis=1)[sure]
        assert np.median(apart) < 2


@pytest.mark.parametrize(
    ("picture", "scale", "stride", "size"),
    [
        ((320, 180), 1.0, 16, (321, 177)),
        ((320, 180), 1.6, 16, (513, 289)),
        ((320, 180), 2.0, 16, (641, 353)),
        ((320, 180), 1.6, 8, (513, 289)),
        ((320, 180), 1.6, 32, (513, 289)),
        ((180, 320), 1.6, 16, (289, 513)),
        ((768, 576), 0.7, 16, (529, 401)),
    ],
)
def test_net_size(picture: tuple[int, int], scale: float, stride: int, size: tuple[int, int]) -> None:
    assert net_size(*picture, scale, stride) == size


def test_net_input_has_rgb_planes_in_minus_one_to_one() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 0], image[..., 1] = 255, 51
    tensor = net_input(image, (17, 33))
    assert tensor.shape == (1, 3, 33, 17)
    assert tensor.dtype == np.float32
    np.testing.assert_allclose(tensor[0].mean(axis=(1, 2)), [1.0, -0.6, -1.0], atol=1e-6)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    net = PoseNet.load(write_checkpoint(tmp_path / "w", "0.50"))
    wrongs: list[Any] = [
        np.zeros((90, 160), np.uint8), np.zeros((90, 160, 4), np.uint8), np.zeros((90, 160, 3)),
    ]  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"RGB picture is \(height, width, 3\) uint8"):
            net.detect(wrong)
    with pytest.raises(ValueError, match=r"9x90 picture at scale 1\.6"):
        net.detect(np.zeros((90, 9, 3), np.uint8))
    with pytest.raises(ValueError, match=r"stride 32 with MobileNet 0\.50"):
        PoseNet.load(write_checkpoint(tmp_path / "v", "0.50"), stride=32)
    with pytest.raises(StageError, match="nowhere"):
        PoseNet.load(tmp_path / "nowhere")


def test_a_picture_may_be_a_view(tmp_path: Path) -> None:
    """Slices and flips of an array give what their copies give."""
    net = PoseNet.load(write_checkpoint(tmp_path / "w", "0.50"))
    array = np.random.default_rng(3).integers(0, 256, (2, 90, 200, 3), np.uint8)
    view = array[1, :, 20:180, ::-1]
    one, two = net.detect(view), net.detect(np.ascontiguousarray(view))
    assert len(one) > 0
    np.testing.assert_array_equal(one.keypoints, two.keypoints)
