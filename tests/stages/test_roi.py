"""The region of interest against hand-computed cases and a second, literal implementation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pydantic import ValidationError

from stages.base import Block, StageError, VideoInfo
from stages.contract import run_whole
from stages.focus import Focus, pixels_of
from stages.roi import STAGE, RoiParams, clamp, hold, kernel, raw_centre, smooth

W, H = 320, 180


def field(*pixels: tuple[int, int, int, int]) -> NDArray[np.int16]:
    """One 320×180 flow field, zero but for the given (x, y, vx, vy)."""
    out = np.zeros((H, W, 2), np.int16)
    for x, y, vx, vy in pixels:
        out[y, x] = vx, vy
    return out


def literal(flow: NDArray[Any], params: RoiParams) -> list[tuple[float, float]]:
    """[3S] §2.2 word by word, pixel by pixel."""
    out = []
    height, width = flow.shape[1:3]
    for one in flow.astype(np.int64):
        best, places = -1, []
        for y in range(height):
            for x in range(width):
                speed = abs(int(one[y, x, 0])) + abs(int(one[y, x, 1]))
                if speed:
                    places.append((x, y))
                if speed > best:
                    best, peak = speed, (x, y)
        if not places:
            out.append((np.nan, np.nan))
            continue
        centre = []
        for axis, (crop, extent) in enumerate([(params.crop_width, width), (params.crop_height, height)]):
            crop = min(crop, extent)
            mean = sum(p[axis] for p in places) / len(places)
            inside = [max(min(u, extent - crop / 2), crop / 2) for u in (peak[axis], mean)]
            centre.append(params.alpha * inside[0] + (1 - params.alpha) * inside[1])
        out.append((centre[0], centre[1]))
    return out


# -- one field -------------------------------------------------------------------------------


def test_a_single_moving_pixel_is_the_centre() -> None:
    np.testing.assert_array_equal(raw_centre(field((200, 100, 5, -3))[None], RoiParams()), [[200, 100]])


def test_fastest_and_mean_are_weighted_six_to_four() -> None:
    """Fastest (100, 80); mean of three pixels (140, 90): 0.6·100 + 0.4·140 = 116, 0.6·80 + 0.4·90 = 84."""
    flow = field((100, 80, -30, 40), (160, 90, 30, 30), (160, 100, 1, 0))[None]
    np.testing.assert_allclose(raw_centre(flow, RoiParams()), [[116, 84]], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(raw_centre(flow, RoiParams(alpha=1)), [[100, 80]])
    np.testing.assert_array_equal(raw_centre(flow, RoiParams(alpha=0)), [[140, 90]])


def test_speed_is_the_sum_of_magnitudes_not_their_square() -> None:
    """(50, 0) has the larger Euclidean length, (-30, -30) the larger |vx|+|vy|."""
    flow = field((100, 90, 50, 0), (200, 90, -30, -30))[None]
    np.testing.assert_array_equal(raw_centre(flow, RoiParams(alpha=1)), [[200, 90]])


def test_equal_maxima_take_the_first_in_reading_order() -> None:
    flow = field((150, 100, 7, 0), (140, 100, 0, -7), (200, 70, 0, 7))[None]
    np.testing.assert_array_equal(raw_centre(flow, RoiParams(alpha=1)), [[200, 70]])


def test_each_part_is_clamped_on_its_own() -> None:
    """Fastest at (0, 0) → (60, 60); mean (159.5, 89.5) stays: the two are clamped before they are mixed."""
    flow = field((0, 0, 9, 0), (319, 179, 1, 0))[None]
    np.testing.assert_allclose(
        raw_centre(flow, RoiParams()), [[0.6 * 60 + 0.4 * 159.5, 0.6 * 60 + 0.4 * 89.5]], atol=1e-12
    )


def test_int16_extremes_do_not_wrap() -> None:
    flow = field((100, 90, -32768, -32768), (200, 90, 32767, 32767))[None]
    np.testing.assert_array_equal(raw_centre(flow, RoiParams(alpha=1)), [[100, 90]])


def test_nothing_moves() -> None:
    assert np.isnan(raw_centre(field()[None], RoiParams())).all()
    assert raw_centre(np.zeros((0, H, W, 2), np.int16), RoiParams()).shape == (0, 2)


@given(
    flow=hnp.arrays(
        np.int16,
        st.tuples(st.integers(1, 2), st.integers(1, 12), st.integers(1, 12), st.just(2)),
        elements=st.one_of(st.just(0), st.integers(-32768, 32767)),
    ),
    crop=st.tuples(st.integers(2, 16), st.integers(2, 16)),
    alpha=st.sampled_from([0.0, 0.25, 0.6, 1.0]),
)
def test_equals_the_papers_words(flow: NDArray[np.int16], crop: tuple[int, int], alpha: float) -> None:
    params = RoiParams(alpha=alpha, crop_width=crop[0], crop_height=crop[1])
    expected = np.array(literal(flow, params))
    np.testing.assert_array_equal(raw_centre(flow, params), expected)
    np.testing.assert_array_equal(raw_centre(flow.astype(np.float32) / 64, params), expected)


def test_counting_by_rows_and_columns_is_faster_than_listing_pixels() -> None:
    flow = np.random.default_rng(0).integers(-300, 300, (20, H, W, 2)).astype(np.int16)
    flow[:, :, :200] = 0

    def listed() -> None:
        for one in flow.astype(np.float32):
            speed = np.abs(one).sum(axis=2)
            ys, xs = np.nonzero(speed)
            xs.mean(), ys.mean(), speed.argmax()

    def cpu(work: Callable[[], Any]) -> float:
        begin = time.process_time()
        work()
        return time.process_time() - begin

    counted = min(cpu(lambda: raw_centre(flow, RoiParams())) for _ in range(9))
    assert counted < 0.6 * min(cpu(listed) for _ in range(9))


# -- clamping --------------------------------------------------------------------------------


def test_clamp_as_printed() -> None:
    """[3S] eq. 1 with ω = 320, S = 120: 60 … 260."""
    u = np.array([-5.0, 0, 59.9, 60, 160, 260, 260.1, 319])
    np.testing.assert_allclose(clamp(u, 120, 320), [60, 60, 60, 60, 160, 260, 260, 260])


def test_a_crop_larger_than_the_image_is_centred() -> None:
    np.testing.assert_array_equal(clamp(np.array([0.0, 50, 89]), 120, 90), [45, 45, 45])


@given(st.floats(-1e4, 1e4), st.integers(2, 500), st.integers(2, 500))
def test_a_clamped_crop_lies_inside(u: float, size: int, extent: int) -> None:
    centre = clamp(np.array([u]), size, extent)[0]
    half = min(size, extent) / 2
    assert centre - half >= 0
    assert centre + half <= extent
    if half <= u <= extent - half:
        assert centre == u


# -- along time ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fps", "taps"),
    [
        (120, 41),
        (119.88, 39),
        (60, 21),
        (59.94, 19),
        (50, 17),
        (30, 11),
        (29.97, 9),
        (25, 9),
        (10, 3),
        (1, 1),
    ],
)
def test_kernel_length_is_the_odd_number_nearest_to_a_third_of_a_second(fps: float, taps: int) -> None:
    weights = kernel(RoiParams(), fps)
    assert len(weights) == taps
    assert taps % 2 == 1
    assert min(abs(fps / 3 - n) for n in range(1, 101, 2)) == pytest.approx(abs(fps / 3 - taps))
    assert weights.sum() == pytest.approx(1, abs=1e-15)
    np.testing.assert_array_equal(weights, weights[::-1])
    assert (np.diff(weights[: taps // 2 + 1]) > 0).all()


def test_the_papers_kernel() -> None:
    """[3S] §2.2 at 120 fps: 41 taps, σ = 0.3·((41−1)·0.5−1)+0.8 = 6.5; it is OpenCV's own rule."""
    weights = kernel(RoiParams(), 120)
    t = np.arange(-20, 21)
    expected = np.exp(-(t**2) / (2 * 6.5**2))
    np.testing.assert_allclose(weights, expected / expected.sum(), rtol=1e-13)
    for fps in (120, 60, 30):
        own = kernel(RoiParams(), fps)
        np.testing.assert_allclose(own, cv2.getGaussianKernel(len(own), 0).ravel(), rtol=1e-9)


def test_the_siamese_preset() -> None:
    """[SSTC] §IV-B: ksize 40, σ 4.44, at any frame rate; an even kernel is centred between two frames."""
    weights = kernel(RoiParams(smoothing="siamese"), 120)
    t = np.arange(40) - 19.5
    expected = np.exp(-(t**2) / (2 * 4.44**2))
    np.testing.assert_allclose(weights, expected / expected.sum(), rtol=1e-13)
    np.testing.assert_array_equal(kernel(RoiParams(smoothing="siamese"), 30), weights)


def test_no_smoothing() -> None:
    raw = np.random.default_rng(0).uniform(60, 260, (9, 2))
    np.testing.assert_array_equal(smooth(raw, kernel(RoiParams(smoothing="none"), 120)), raw)


@pytest.mark.parametrize("smoothing", ["three-stream", "siamese", "reflected", "none"])
@pytest.mark.parametrize("n", [1, 2, 19, 200])
def test_smoothing_keeps_a_constant(smoothing: Any, n: int) -> None:
    raw = np.tile([123.25, 67.75], (n, 1))
    out = smooth(raw, kernel(RoiParams(smoothing=smoothing), 120))
    np.testing.assert_allclose(out, raw, rtol=1e-14)
    np.testing.assert_array_equal(out.astype(np.float32), raw.astype(np.float32))


def test_smoothing_by_hand() -> None:
    """Three taps (¼, ½, ¼), ends continued with their own value."""
    raw = np.array([[0.0, 4], [4, 4], [8, 0]])
    np.testing.assert_array_equal(smooth(raw, np.array([0.25, 0.5, 0.25])), [[1, 4], [4, 3], [7, 1]])


@pytest.mark.parametrize("n", [3, 4, 19, 20, 21, 22, 200])
def test_reflected_ends_are_those_of_opencv(n: int) -> None:
    flow = np.zeros((n - 1, H, W, 2), np.int16)
    rng = np.random.default_rng(n)
    for field in flow:  # one moving pixel per frame
        field[rng.integers(60, H - 60), rng.integers(60, W - 60)] = 64
    info = VideoInfo(n, Fraction(120), W, H)
    found = run_whole(STAGE, RoiParams(smoothing="reflected"), info, {"flow.flow": flow})
    raw = found["raw"].astype(np.float64)
    expected = np.zeros((n, 2))
    weights = kernel(RoiParams(), 120)
    for t in range(n):  # one product after the other
        for k, weight in enumerate(weights):
            at = cv2.borderInterpolate(t + k - len(weights) // 2, n, cv2.BORDER_REFLECT_101)
            expected[t] += weight * raw[at]
    np.testing.assert_allclose(found["centre"], expected, rtol=1e-6)
    plain = run_whole(STAGE, RoiParams(), info, {"flow.flow": flow})
    np.testing.assert_array_equal(plain["raw"], found["raw"])
    assert not np.array_equal(plain["centre"], found["centre"])
    np.testing.assert_array_equal(plain["centre"][20 : n - 20], found["centre"][20 : n - 20])


def test_smoothing_does_not_shift_in_time() -> None:
    raw = np.zeros((101, 2))
    raw[50] = 1
    out = smooth(raw, kernel(RoiParams(), 120))
    np.testing.assert_allclose(out[:, 0], out[::-1, 0], atol=1e-15)
    assert out[50, 0] == out.max()


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 60), st.just(2)), elements=st.floats(60, 260)))
def test_smoothing_stays_between_the_extremes(raw: NDArray[np.float64]) -> None:
    out = smooth(raw, kernel(RoiParams(), 120))
    assert out.shape == raw.shape
    assert (out >= raw.min(axis=0) - 1e-9).all()
    assert (out <= raw.max(axis=0) + 1e-9).all()


def test_hold() -> None:
    nan = [np.nan, np.nan]
    raw = np.array([nan, nan, [1, 2], nan, [3, 4], nan, nan])
    expected = [[1, 2], [1, 2], [1, 2], [1, 2], [3, 4], [3, 4], [3, 4]]
    np.testing.assert_array_equal(hold(raw, (9, 9)), expected)
    np.testing.assert_array_equal(hold(np.array([nan, nan]), (159.5, 89.5)), [[159.5, 89.5]] * 2)


# -- the stage -------------------------------------------------------------------------------


def blocks(flow: NDArray[np.int16], n_frames: int, size: int) -> Iterator[Block]:
    for start in range(0, n_frames, size):
        stop = min(start + size, n_frames)
        yield Block(start, stop, start, {"flow.flow": flow[start:stop]})


def test_a_video_that_never_moves_looks_at_its_centre() -> None:
    info = VideoInfo(5, Fraction(120), W, H)
    out = run_whole(STAGE, RoiParams(), info, {"flow.flow": np.zeros((4, H, W, 2), np.int16)})
    np.testing.assert_array_equal(out["centre"], [[159.5, 89.5]] * 5)
    assert not out["moving"].any()


def test_the_last_frame_has_no_pair_and_holds() -> None:
    flow = np.stack([field((100, 90, 5, 0)), field(), field((200, 100, 5, 0))])
    out = run_whole(
        STAGE, RoiParams(smoothing="none"), VideoInfo(4, Fraction(120), W, H), {"flow.flow": flow}
    )
    np.testing.assert_array_equal(out["centre"], [[100, 90], [100, 90], [200, 100], [200, 100]])
    np.testing.assert_array_equal(out["moving"], [1, 0, 1, 0])
    assert out["centre"].dtype == out["raw"].dtype == np.float32


def test_the_track_is_the_smoothed_held_raw_track() -> None:
    rng = np.random.default_rng(1)
    places = zip(rng.integers(0, W, 59), rng.integers(0, H, 59), strict=True)
    flow = np.stack([field((int(x), int(y), 3, 1)) for x, y in places])
    flow[10:20] = 0
    info = VideoInfo(60, Fraction(60), W, H)
    out = run_whole(STAGE, RoiParams(), info, {"flow.flow": flow})
    track = cv2.GaussianBlur(
        cv2.copyMakeBorder(out["raw"].astype(np.float64), 10, 10, 0, 0, cv2.BORDER_REPLICATE), (1, 21), 3.5
    )[10:-10]
    np.testing.assert_allclose(out["centre"], track, atol=1e-4)
    assert STAGE.attrs(RoiParams(), info) == {"smoothing_taps": 21}
    assert (out["centre"][:, 0] >= 60).all()
    assert (out["centre"][:, 0] <= 260).all()
    for size in (1, 7, 60):
        parts = list(STAGE.compute(blocks(flow, 60, size), RoiParams(), info))
        np.testing.assert_array_equal(np.concatenate([p["centre"] for p in parts]), out["centre"])


def test_a_region_holds_the_track_on_the_player_in_it() -> None:
    flow = field((40, 60, 3, 0), (250, 90, 9, 9), (44, 62, 1, 0))[None]
    left = RoiParams(region=(0, 0, 0.5, 1), crop_width=20, crop_height=20)
    np.testing.assert_allclose(raw_centre(flow, left), [[0.6 * 40 + 0.4 * 42, 0.6 * 60 + 0.4 * 61]])
    corner = RoiParams(region=(0.5, 0.25, 1, 0.75), crop_width=20, crop_height=20)
    np.testing.assert_array_equal(raw_centre(flow, corner), [[250, 90]])
    # nothing moves there: in the frame none, in the whole video the middle of the region
    still = RoiParams(region=(0.5, 0.75, 1, 1), crop_width=20, crop_height=20)
    assert np.isnan(raw_centre(flow, still)).all()
    held = run_whole(STAGE, still, VideoInfo(2, Fraction(120), W, H), {"flow.flow": flow})["centre"]
    np.testing.assert_array_equal(held, [[(160 + 319) / 2, (135 + 179) / 2]] * 2)


@given(st.tuples(*[st.floats(0, 1, allow_nan=False)] * 4))
def test_a_region_is_inside_the_frame_or_refused(region: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = region
    if not (left < right and top < bottom):
        with pytest.raises(ValidationError, match="left half"):
            RoiParams(region=region)
        return
    rows, columns = pixels_of(RoiParams(region=region).region, 320, 180)
    assert 0 <= rows.start < rows.stop <= 180
    assert 0 <= columns.start < columns.stop <= 320


def test_without_a_region_the_parameters_are_written_as_before() -> None:
    before = {"alpha": 0.6, "crop_width": 120, "crop_height": 120, "smoothing": "three-stream"}
    assert RoiParams().model_dump(mode="json") == STAGE.key_values(RoiParams()) == before
    assert STAGE.version == 2
    told = RoiParams(region=(0, 0, 0.5, 1))
    assert RoiParams(**told.model_dump(mode="json")) == told


# -- a focus ---------------------------------------------------------------------------------


def focused(focus: Any, **others: Any) -> RoiParams:
    return RoiParams.model_validate({"focus": focus, "crop_width": 2, "crop_height": 2, **others})


def random_flow(seed: int, n: int = 3, density: float = 0.02) -> NDArray[np.int16]:
    rng = np.random.default_rng(seed)
    moving = rng.random((n, 45, 64, 1)) < density
    return (rng.integers(-300, 300, (n, 45, 64, 2)) * moving).astype(np.int16)


@given(
    seed=st.integers(0, 2**32 - 1),
    x=st.tuples(st.integers(0, 64), st.integers(0, 64)).filter(lambda p: p[0] != p[1]),
    y=st.tuples(st.integers(0, 32), st.integers(0, 32)).filter(lambda p: p[0] != p[1]),
    density=st.sampled_from([0.0, 0.002, 0.1]),
)
def test_a_box_a_polygon_and_a_region_are_alike(
    seed: int, x: tuple[int, int], y: tuple[int, int], density: float
) -> None:
    (left, right), (top, bottom) = sorted(x), sorted(y)
    box = (left / 64, top / 32, right / 64, bottom / 32)
    corners = [[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]]
    flow = random_flow(seed, density=density)[:, :32]
    info = VideoInfo(4, Fraction(30), 64, 32)
    made = [
        run_whole(STAGE, params, info, {"flow.flow": flow})
        for params in (focused(list(box)), focused(corners), focused(None, region=box))
    ]
    for name, values in made[0].items():
        np.testing.assert_array_equal(values, made[1][name])
        np.testing.assert_array_equal(values, made[2][name])


@given(seed=st.integers(0, 2**32 - 1), density=st.sampled_from([0.0, 0.002, 0.1]))
def test_motion_outside_a_polygon_is_not_there(seed: int, density: float) -> None:
    corners = [[0.2, 0.1], [0.9, 0.3], [0.5, 0.95]]
    flow = random_flow(seed, density=density)
    mask = Focus.model_validate(corners).mask(64, 45)
    assert 300 < mask.sum() < 64 * 45 / 2
    inside = raw_centre(flow * mask[..., None], focused(None))
    np.testing.assert_array_equal(raw_centre(flow, focused(corners)), inside)


@given(seed=st.integers(0, 2**32 - 1), pair=st.sampled_from([("left", "right"), ("near", "far")]))
def test_mirrored_pictures_give_the_mirrored_track(seed: int, pair: tuple[str, str]) -> None:
    """All speeds differ, so that no order of reading decides."""
    rng = np.random.default_rng(seed)
    flow = np.zeros((3, 44, 64, 2), np.int16)
    flow[..., 0].flat[:] = rng.permutation(flow[..., 0].size) + 1
    flow *= rng.random((3, 44, 64, 1)) < 0.1
    axis = 2 if pair[0] == "left" else 1
    one = raw_centre(flow, focused(pair[0]))
    other = raw_centre(np.flip(flow, axis), focused(pair[1]))
    column, extent = (0, 64) if axis == 2 else (1, 44)
    other[:, column] = extent - other[:, column]
    # a pixel at x lies at extent − 1 − x when mirrored, the crop's border at extent − x: ½ px apart
    np.testing.assert_allclose(one, other, atol=1 + 1e-9)
    assert np.isnan(one).sum() == np.isnan(other).sum()


def test_where_nothing_moves_the_track_rests_in_the_middle_of_the_place() -> None:
    still, info = {"flow.flow": np.zeros((1, H, W, 2), np.int16)}, VideoInfo(2, Fraction(120), W, H)
    for focus, middle in (
        ("left", (79.5, 89.5)),
        ([0.5, 0.5, 1, 1], (239.5, 134.5)),
        ([[0, 0], [1, 0], [1, 1], [0, 1]], (159.5, 89.5)),
        ([[0, 0], [1, 0], [0.5, 1]], (159.5, 59.5)),
    ):
        centre = run_whole(STAGE, focused(focus), info, still)["centre"]
        np.testing.assert_allclose(centre, [middle] * 2, atol=0.3)


def test_a_region_and_a_focus_hold_together() -> None:
    flow = field((40, 60, 3, 0), (40, 150, 9, 0), (250, 60, 9, 9))[None]
    both = focused("left", region=(0, 0, 1, 0.5))
    np.testing.assert_array_equal(raw_centre(flow, both), [[40, 60]])
    with pytest.raises(
        StageError, match=r"lies outside stages\.roi\.region; remove the region from the manifest"
    ):
        raw_centre(flow, focused("left", region=(0.5, 0, 1, 1)))


def test_a_focus_is_part_of_the_key() -> None:
    values = STAGE.key_values(focused("left"))
    assert values["focus"] == "left"
    assert RoiParams.model_validate(values) == focused("left") == focused([0, 0, 0.5, 1])
