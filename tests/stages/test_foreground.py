"""The foreground masks: the published model, its warm-up, shadows, dilation."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from stages.base import Block, SourceFile, VideoInfo
from stages.contract import run_whole
from stages.foreground import STAGE, ForegroundParams, _ranked
from stages.frames import STAGE as FRAMES
from stages.frames import FramesParams
from tests.conftest import scene

Frames = NDArray[np.uint8]
Mask = NDArray[np.uint8]


def info(frames: Frames, fps: int = 120) -> VideoInfo:
    return VideoInfo(len(frames), Fraction(fps), frames.shape[2], frames.shape[1])


def masks(frames: Frames, fps: int = 120, **params: float) -> Mask:
    given = ForegroundParams.model_validate(params)
    return run_whole(STAGE, given, info(frames, fps), {"frames.rgb": frames})["mask"]


def walker(n: int, speed: float = 3.0, noise: float = 2.0, seed: int = 0) -> tuple[Frames, NDArray[np.bool_]]:
    """A textured block that crosses a textured, noisy background, and where it is."""
    rng = np.random.default_rng(seed)
    background = cv2.resize(rng.uniform(60, 180, (12, 20, 3)).astype(np.float32), (160, 96))
    block = cv2.resize(rng.uniform(0, 255, (5, 4, 3)).astype(np.float32), (24, 40))
    frames = np.empty((n, 96, 160, 3), np.uint8)
    truth = np.zeros((n, 96, 160), bool)
    for t in range(n):
        picture = background + np.asarray(rng.normal(0, noise, background.shape), np.float32)
        x = int(10 + speed * t) % 130
        picture[30:70, x : x + 24] = block + rng.normal(0, noise, block.shape)
        truth[t, 30:70, x : x + 24] = True
        frames[t] = np.clip(picture, 0, 255).astype(np.uint8)
    return frames, truth


@pytest.fixture(scope="module")
def moving() -> tuple[Frames, NDArray[np.bool_]]:
    return walker(150)


def by_hand(
    frames: Frames,
    warmup: int,
    dilate: int = 3,
    history: int = 500,
    threshold: float = 16,
    rate: float = -1,
    median: bool = True,
) -> Mask:
    """The published recipe, written out."""
    model = cv2.createBackgroundSubtractorMOG2(history, threshold, True)
    k = min(warmup, len(frames) - 1)
    if k and median:
        model.apply(np.sort(frames[: k + 1], axis=0)[k // 2], None, rate)
    for t in range(k, 0, -1):
        model.apply(frames[t], None, rate)
    out = []
    for frame in frames:
        found = np.asarray(model.apply(frame, None, rate) == 255, np.uint8)
        out.append(cv2.dilate(found, cv2.getStructuringElement(cv2.MORPH_RECT, (dilate, dilate))))
    return np.stack(out)


@pytest.mark.parametrize("n", [1, 2, 61, 255, 300])
def test_the_first_picture_a_model_sees_is_the_median(n: int) -> None:
    for high in (2, 256):
        frames = np.random.default_rng(n).integers(0, high, (n, 7, 5, 3)).astype(np.uint8)
        for rank in {0, n // 2, n - 1}:
            assert np.array_equal(_ranked(frames, rank), np.partition(frames, rank, axis=0)[rank])


@pytest.mark.parametrize(("fps", "frames"), [(240, 120), (120, 60), (30, 60), (10, 60)])
def test_equals_the_recipe(moving: tuple[Frames, NDArray[np.bool_]], fps: int, frames: int) -> None:
    """Half a second of warm-up, but 60 frames at least."""
    np.testing.assert_array_equal(masks(moving[0], fps), by_hand(moving[0], frames))
    assert STAGE.attrs(ForegroundParams(), info(moving[0], fps)) == {"warmup_frames": frames}


def test_every_parameter_reaches_the_model(moving: tuple[Frames, NDArray[np.bool_]]) -> None:
    frames = moving[0]
    usual = masks(frames)
    changed = {
        "history": (masks(frames, history=20), by_hand(frames, 60, history=20)),
        "var_threshold": (masks(frames, var_threshold=4), by_hand(frames, 60, threshold=4)),
        "learning_rate": (masks(frames, learning_rate=0.3), by_hand(frames, 60, rate=0.3)),
        "dilate": (masks(frames, dilate=7), by_hand(frames, 60, dilate=7)),
        "warmup_seconds": (masks(frames, warmup_seconds=1), by_hand(frames, 120)),
    }
    for name, (got, expected) in changed.items():
        np.testing.assert_array_equal(got, expected, err_msg=name)
        assert (got != usual).any(), name


def test_masks_are_zero_and_one(moving: tuple[Frames, NDArray[np.bool_]]) -> None:
    out = masks(moving[0])
    assert out.dtype == np.uint8
    assert set(np.unique(out)) == {0, 1}


def test_what_moves_is_found_and_the_rest_is_not(moving: tuple[Frames, NDArray[np.bool_]]) -> None:
    frames, truth = moving
    found = masks(frames).astype(bool)
    near = np.stack([cv2.dilate(t.astype(np.uint8), np.ones((9, 9))) for t in truth]).astype(bool)
    recall = (found & truth).sum() / truth.sum()
    assert recall > 0.8
    assert (found & ~near).mean() < 0.01


def test_without_warm_up_the_first_mask_is_empty_and_with_it_is_not(
    moving: tuple[Frames, NDArray[np.bool_]],
) -> None:
    """A fresh model calls whatever it sees first the background."""
    frames, truth = moving
    frames = frames.copy()
    frames[:, :8] = 0  # black bars, as padding leaves them: the bare model marks them in frame 0
    cold, warm = masks(frames, warmup_seconds=0), masks(frames)
    assert STAGE.attrs(ForegroundParams(warmup_seconds=0), info(frames)) == {"warmup_frames": 0}
    np.testing.assert_array_equal(cold[1:], by_hand(frames, 0)[1:])
    assert by_hand(frames, 0)[0, :8].all(), "otherwise this test shows nothing"
    assert not cold[0].any()
    assert (warm[0].astype(bool) & truth[0]).sum() / truth[0].sum() > 0.6
    # and what stood there in the first frame is no ghost in the following ones
    uncovered = truth[0] & ~truth[20]
    assert warm[20][uncovered].mean() < 0.2


def test_shadows_are_background() -> None:
    """A patch that only darkens, as a shadow does, is marked by the model and dropped by the stage."""
    rng = np.random.default_rng(3)
    base = rng.uniform(120, 200, (96, 160, 3))
    frames = np.clip(base + rng.normal(0, 1, (40, 96, 160, 3)), 0, 255)
    frames[30:, 20:60, 40:100] *= 0.65
    frames[30:, 70:90, 120:150] = 255 - frames[30:, 70:90, 120:150]
    pictures = frames.astype(np.uint8)
    out = masks(pictures, warmup_seconds=0)
    assert out[30, 22:58, 42:98].mean() < 0.02
    assert out[30, 71:89, 121:149].mean() > 0.9
    model = cv2.createBackgroundSubtractorMOG2(500, 16, True)
    for frame in pictures[:31]:
        marked = model.apply(frame)
    assert (marked[22:58, 42:98] == 127).mean() > 0.9, "otherwise this test shows nothing"


def test_one_pixel_is_dilated_to_nine() -> None:
    rng = np.random.default_rng(0)
    frames = (np.full((40, 96, 160, 3), 100) + rng.integers(-1, 2, (40, 96, 160, 3))).astype(np.uint8)
    frames[30, 50, 80] = 255
    expected = np.zeros((96, 160), np.uint8)
    expected[49:52, 79:82] = 1
    np.testing.assert_array_equal(masks(frames)[30], expected)
    assert masks(frames, dilate=1)[30].sum() == 1


def test_the_number_of_threads_does_not_matter(moving: tuple[Frames, NDArray[np.bool_]]) -> None:
    reference = masks(moving[0])
    threads = cv2.getNumThreads()
    cv2.setNumThreads(4)
    np.testing.assert_array_equal(by_hand(moving[0], 60), reference)
    cv2.setNumThreads(threads)


def test_no_hole_behind_the_warm_up(shared: Path) -> None:
    """People walk through the whole clip; at 10 fps half a second would be five frames.

    Five frames of warm-up blank just these five. Sixty do not, but the one that the model sees first
    would be blank when it comes round again.
    """
    frames = real(shared / "videos" / "opencv_vtest_576p10.avi", 100)
    share = masks(frames, fps=10).mean(axis=(1, 2))
    usual = np.array([np.median(share[max(0, t - 4) : t + 5]) for t in range(100)])
    assert (share > 0.6 * usual).all()
    assert by_hand(frames, 5)[1:6].mean() < 0.005 < share[1:6].mean(), "otherwise this test shows nothing"
    assert by_hand(frames, 60, median=False)[60].mean() < 0.3 * share[60]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_clips_shorter_than_the_warm_up(n: int) -> None:
    frames = np.stack(list(scene(n, (160, 96))))
    out = masks(frames)
    assert out.shape == (n, 96, 160)
    if n > 1:
        np.testing.assert_array_equal(out, by_hand(frames, 60))
    else:
        assert not out.any()


def test_parameters_out_of_range_are_refused() -> None:
    for bad in (
        {"history": 0},
        {"var_threshold": 0},
        {"dilate": 0},
        {"warmup_seconds": -1},
        {"learning_rate": 2},
    ):
        with pytest.raises(ValidationError):
            ForegroundParams.model_validate(bad)


def real(path: Path, n: int) -> Frames:
    def first() -> Iterator[Frames]:
        source = iter([Block(0, n, 0, {}, SourceFile(path))])
        yield next(FRAMES.compute(source, FramesParams(), VideoInfo()))["rgb"]

    return next(first())


def test_a_real_still_clip_is_almost_empty(shared: Path) -> None:
    frames = real(shared / "videos" / "tt_net_1080p120_static.mp4", 120)
    assert masks(frames).mean() < 0.01


def test_pedestrians_are_found(shared: Path) -> None:
    """OpenCV's own example: people walk through the picture, most of which is pavement."""
    frames = real(shared / "videos" / "opencv_vtest_576p10.avi", 60)
    share = masks(frames, fps=10).mean(axis=(1, 2))
    assert (share > 0.005).all()
    assert (share < 0.2).all()
