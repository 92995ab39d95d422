"""BlazePose against MediaPipe's own package, and the steps before and after its networks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.base import StageError
from stages.pose3d.detector import Detector, anchors, decode, merged
from stages.pose3d.landmarks import LandmarkNetwork, refined
from stages.pose3d.player import Player
from stages.pose3d.runtime import Network
from stages.pose3d.weights import read_folder
from tests.remedies.following import Says
from tests.stages.pose3d.blazepose import networks

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    """A drawn person of 320×180."""
    bgr = cv2.imread(str(HERE / "person.png"))
    assert bgr is not None
    return np.ascontiguousarray(bgr[..., ::-1], np.uint8)


def test_what_mediapipe_finds(picture: NDArray[np.uint8]) -> None:
    """Detection, points in px and in metres, visibility, as mediapipe 0.10.21 gives them for this picture."""
    said = json.loads((HERE / "mediapipe.json").read_text(encoding="utf-8"))
    folder = networks()
    found = Detector(folder / "pose_detection.tflite").detect(picture)
    assert len(found.scores) == 1
    assert found.scores[0] == pytest.approx(said["score"], abs=1e-4)
    np.testing.assert_allclose(found.keypoints[0], said["keypoints"], atol=0.01)
    person = LandmarkNetwork(folder / "pose_landmark_full.tflite").find(picture, found.rect(0))
    points = np.array(said["points"])
    assert person.score > 0.9
    np.testing.assert_allclose(person.points, points[:, :2], atol=0.05)
    np.testing.assert_allclose(person.visibility, points[:, 2], atol=1e-3)
    np.testing.assert_allclose(person.metres, said["metres"], atol=1e-3)


@pytest.mark.parametrize("crop", ["joints", "detector"])
def test_the_player_is_whom_the_joints_name(picture: NDArray[np.uint8], crop: str) -> None:
    """Of two people side by side each is found by his joints, whoever is larger or better seen."""
    two = np.full((180, 480, 3), 150, np.uint8)
    two[:, :240] = picture[:, 40:280]
    smaller = cv2.resize(picture[:, 40:280], (180, 135), interpolation=cv2.INTER_AREA)
    two[30:165, 260:440] = smaller
    points = np.array(json.loads((HERE / "mediapipe.json").read_text(encoding="utf-8"))["points"])[:, :2]
    rows = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24]
    player = Player(read_folder(networks(), "full"), crop)
    left = points[rows] - [40, 0]
    right = left * 0.75 + [260, 30]
    for joints, size in ((left, 1.0), (right, 0.75)):
        seen = player.find(two, joints)
        assert seen is not None
        assert np.abs(seen.pixels - joints).mean() < 6 * size
        np.testing.assert_allclose(seen.joints[11:].mean(axis=0), 0, atol=1e-9)
        # upright: the head above the hips; facing: the nose in front of the ears
        assert seen.joints[0, 1] > 0.3
        assert seen.joints[0, 2] > seen.joints[3:5, 2].mean()
        assert 0 <= seen.scores.min() <= seen.scores.max() <= 1
    assert player.find(np.full_like(two, 150), left) is None


def test_joints_in_one_point_are_nobody_and_no_fault() -> None:
    player = Player(read_folder(networks(), "full"), "joints")
    assert player.find(np.zeros((180, 320, 3), np.uint8), np.full((13, 2), 50.0)) is None


def test_anchors_are_those_of_the_published_graph() -> None:
    """28² + 14² cells with two anchors each, 7² with six."""
    found = anchors()
    assert found.shape == (28 * 28 * 2 + 14 * 14 * 2 + 7 * 7 * 6, 2)
    np.testing.assert_allclose(found[:3], [[0.5 / 28] * 2, [0.5 / 28] * 2, [1.5 / 28, 0.5 / 28]])
    np.testing.assert_allclose(found[-6:], [[6.5 / 7] * 2] * 6)


def test_boxes_and_keypoints_lie_relative_to_their_anchor() -> None:
    raw, logits = np.zeros((2254, 12), np.float32), np.full(2254, -9.0, np.float32)
    raw[100] = [22.4, 0, 44.8, 22.4, 0, 11.2, 0, 0, 0, 0, -22.4, 0]
    logits[100] = 2.0
    boxes, keypoints, scores = decode(raw, logits)
    x, y = anchors()[100]
    np.testing.assert_allclose(boxes, [[x + 0.1 - 0.1, y - 0.05, x + 0.2, y + 0.05]], atol=1e-6)
    np.testing.assert_allclose(keypoints[0, [0, 3]], [[x, y + 0.05], [x - 0.1, y]], atol=1e-6)
    assert scores == pytest.approx(1 / (1 + np.exp(-2)))


def test_what_overlaps_is_one_person_at_the_weighted_mean() -> None:
    boxes = np.array([[0, 0, 1, 1], [0.1, 0, 1.1, 1], [3, 3, 4, 4], [2, 0, 2, 0]], float)
    keypoints = np.arange(4)[:, None, None] * np.ones((4, 4, 2))
    found, scores = merged(boxes, keypoints, np.array([0.6, 0.9, 0.7, 0.5]))
    assert scores.tolist() == [0.9, 0.7, 0.5]
    assert found[:, 0, 0] == pytest.approx([0.9 / 1.5, 2, 3])
    assert merged(np.zeros((0, 4)), np.zeros((0, 4, 2)), np.zeros(0))[0].shape == (0, 4, 2)


def test_a_point_moves_to_the_middle_of_a_sure_heat_alone() -> None:
    heat = np.full((64, 64, 39), -20, np.float32)
    heat[31, 33, 0] = 8.0  # sure: three cells away
    heat[31, 33, 1] = -0.1  # less than half sure
    heat[10, 10, 2] = 8.0  # out of reach
    points = np.full((39, 2), 30.5 / 64)
    points[3] = -0.2, 0.5
    out = refined(points, heat)
    np.testing.assert_allclose(out[0], [33 / 64, 31 / 64], atol=1e-6)
    np.testing.assert_array_equal(out[1:], points[1:])


def test_a_file_that_is_no_network_is_said_to_be(tmp_path: Path) -> None:
    folder = networks()
    (tmp_path / "pose_detection.tflite").write_bytes(b"no network")
    with pytest.raises(StageError, match="no network that LiteRT can run") as error:
        Detector(tmp_path / "pose_detection.tflite")
    Says("`ttprep weights pose3d` fetches the published networks").of(str(error.value))
    with pytest.raises(StageError, match="another network than the published one") as error:
        Detector(folder / "pose_landmark_lite.tflite")
    Says("`ttprep weights pose3d` fetches the published networks").of(str(error.value))
    # the remedy: the published file
    assert Detector(folder / "pose_detection.tflite")
    assert Network(folder / "pose_detection.tflite", (1, 224, 224, 3), {})


def test_loading_says_nothing_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    Detector(networks() / "pose_detection.tflite")
    os.write(2, b"still there\n")
    assert capfd.readouterr() == ("", "still there\n")
