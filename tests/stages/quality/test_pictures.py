"""Light, blur, movement of the camera and repeated frames, on pictures of which the answer is known."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.quality.pictures import blur, camera_step, difference, grey, light, without_bars
from stages.quality.summary import repeated
from tests.conftest import scene

Grey = NDArray[np.uint8]


def texture(width: int = 320, height: int = 180, seed: int = 0) -> Grey:
    """Blobs of many sizes, as a hall with people and boards."""
    rng = np.random.default_rng(seed)
    out: NDArray[np.float32] = np.zeros((height, width), np.float32)
    for size in (4, 12, 40):
        small = rng.uniform(0, 255, (height // size + 2, width // size + 2)).astype(np.float32)
        large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        out = out + np.asarray(large, np.float32)
    return np.clip(out / 3, 0, 255).astype(np.uint8)


def shifted(picture: Grey, x: float, y: float, zoom: float = 1.0, turn: float = 0.0) -> Grey:
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, zoom)
    matrix[:, 2] += np.array([x, y])
    return np.asarray(
        cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8
    )


@given(st.integers(-7, 7), st.integers(-7, 7), st.integers(0, 3))
@settings(max_examples=25)
def test_a_shift_by_k_px_gives_k(x: int, y: int, seed: int) -> None:
    hall = texture(seed=seed)
    assert camera_step(hall, shifted(hall, x, y)) == pytest.approx(np.hypot(x, y), abs=0.15)


def test_a_camera_that_turns_or_zooms_moves() -> None:
    hall = texture()
    assert camera_step(hall, shifted(hall, 0, 0, zoom=1.03)) > 1
    assert camera_step(hall, shifted(hall, 0, 0, turn=1.5)) > 1


@pytest.mark.parametrize("width", [90, 180])
def test_a_player_that_moves_is_no_camera(width: int) -> None:
    """Up to more than half of the picture."""
    before = texture()
    after, player = before.copy(), texture(width, 180, seed=7)
    before[:, 60 : 60 + width], after[:, 64 : 64 + width] = player, player
    assert camera_step(before, after) < 0.1


def test_noise_is_no_camera() -> None:
    rng, hall = np.random.default_rng(0), texture().astype(float)
    first, second = (np.clip(hall + rng.normal(0, 3, hall.shape), 0, 255).astype(np.uint8) for _ in range(2))
    assert camera_step(first, second) < 0.2


def test_where_nothing_can_be_followed_nothing_is_known() -> None:
    assert np.isnan(camera_step(np.zeros((180, 320), np.uint8), np.zeros((180, 320), np.uint8)))
    assert np.isnan(camera_step(np.zeros((9, 16), np.uint8), np.zeros((9, 16), np.uint8)))


def test_black_is_black_and_white_is_burnt_out() -> None:
    assert light(without_bars(np.zeros((90, 160), np.uint8))) == (0, 1, 0)
    assert light(np.full((90, 160), 255, np.uint8)) == (255, 0, 1)


@given(st.integers(0, 120), st.integers(0, 60), st.integers(0, 40))
@settings(max_examples=20)
def test_bars_of_black_do_not_count(left: int, top: int, bottom: int) -> None:
    picture = np.maximum(texture(), 60)
    padded = np.pad(picture, ((top, bottom), (left, 0)))
    np.testing.assert_array_equal(without_bars(padded), picture)


def test_blur_grows_whatever_the_picture_shows() -> None:
    for seed in range(3):
        hall = texture(seed=seed)
        values = [blur(hall)] + [
            blur(np.asarray(cv2.GaussianBlur(hall, (0, 0), s), np.uint8)) for s in (2, 4)
        ]
        assert values == sorted(values)
        assert values[-1] > 0.6
        low = (128 + (hall.astype(float) - 128) / 4).astype(np.uint8)  # less contrast is no blur
        assert blur(low) == pytest.approx(values[0], abs=0.05)
    assert np.isnan(blur(np.full((90, 160), 90, np.uint8)))


def differences(frames: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
    return np.array([-1.0, *(difference(a, b) for a, b in itertools.pairwise(frames))])


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_repeated_frames_are_found(times: int) -> None:
    """Encoding changes a repeated frame a little, and noise every frame."""
    rng = np.random.default_rng(0)
    frames = [f for f in scene(20, noise=0) for _ in range(times)]
    noisy = [np.clip(f + rng.normal(0, 0.5, f.shape), 0, 255).astype(np.uint8) for f in frames]
    found = repeated(differences(noisy), 30 * times)
    expected = np.arange(len(frames)) % times > 0
    assert (found == expected)[times:-times].all()


def test_a_picture_at_rest_repeats_nothing_nor_does_coming_to_rest() -> None:
    rng = np.random.default_rng(0)
    moving = list(scene(15, noise=0))
    frames = moving + [moving[-1]] * 40
    noisy = [np.clip(f + rng.normal(0, 0.5, f.shape), 0, 255).astype(np.uint8) for f in frames]
    assert repeated(differences(noisy), 30).mean() < 0.05


def test_grey_is_luma() -> None:
    assert grey(np.full((2, 3, 3), (255, 0, 0), np.uint8)).tolist() == [[76] * 3] * 2
