"""Windows, cuboids and untrimmed crops: inside the image, on the ROI, wide and long enough."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from stages.base import Block, VideoInfo
from stages.contract import run_whole
from stages.crop import augmentation_reach, crop_origin, cut, window_origin
from stages.cuboids import STAGE as CUBOIDS
from stages.cuboids import CuboidParams, padding, span
from stages.roi import clamp
from stages.untrimmed import STAGE as UNTRIMMED
from stages.untrimmed import UntrimmedParams

W, H = 320, 180
INFO = VideoInfo(12, Fraction(120), W, H)
POSITIONS = hnp.arrays(np.float64, st.tuples(st.integers(1, 8), st.just(2)), elements=st.floats(-500, 5000))


# -- windows ---------------------------------------------------------------------------------


@given(
    centre=POSITIONS,
    frame=st.tuples(st.integers(2, 4096), st.integers(2, 4096)),
    share=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)),
)
def test_windows_lie_inside_and_follow_the_roi(
    centre: NDArray[np.float64], frame: tuple[int, int], share: tuple[float, float]
) -> None:
    window = (max(1, int(frame[0] * share[0])), max(1, int(frame[1] * share[1])))
    origin = window_origin(centre, window, frame)
    assert origin.dtype == np.int16
    for axis in range(2):
        low, high = origin[:, axis].astype(int), origin[:, axis].astype(int) + window[axis]
        assert (low >= 0).all()
        assert (high <= frame[axis]).all()
        # as near to the ROI as the borders allow, to half a pixel
        best = clamp(centre[:, axis], window[axis], frame[axis])
        assert np.abs((low + high) / 2 - best).max() <= 0.5


@given(st.integers(0, 199), st.sampled_from([0.0, 0.25, 0.5, 0.75]), st.integers(1, 120))
def test_a_roi_one_pixel_on_moves_every_window_by_one(x: int, part: float, size: int) -> None:
    """Also at halves, where rounding to even would move one window by two and the next by none."""
    track = np.array([[60 + x + part + k, 90] for k in range(2)])
    origin = window_origin(track, (size, size), (400, 400))
    assert origin[1, 0] - origin[0, 0] == 1


def test_a_crop_sits_in_the_middle_of_its_window() -> None:
    """A window and a crop cut at the same ROI, here the image's centre, share their middle."""
    centre = np.array([[159.5, 89.5]])
    outer = window_origin(centre, (186, 180), (W, H))
    inner = window_origin(centre, (120, 120), (W, H))
    assert (inner - outer).tolist() == [[(186 - 120) // 2, (180 - 120) // 2]]


def test_window_by_hand() -> None:
    centre = np.array([[160, 90], [0, 0], [319, 179], [100.4, 60.6]])
    np.testing.assert_array_equal(
        window_origin(centre, (120, 120), (W, H)), [[100, 30], [0, 0], [200, 60], [40, 1]]
    )


@pytest.mark.parametrize(
    ("roi", "stored", "inside", "whole"),
    [(159.5, 67, 33, 100), (160.5, 68, 33, 101), (160.0, 67, 33, 100), (0.0, 0, 0, 0), (319.5, 134, 66, 200)],
)
def test_a_crop_within_its_window_by_hand(roi: float, stored: int, inside: int, whole: int) -> None:
    """Frames of 320 px, windows of 186 px, crops of 120 px."""
    centre = np.array([[roi, 89.5]], np.float32)
    window = window_origin(centre, (186, 180), (W, H))
    assert window.tolist() == [[stored, 0]]
    assert crop_origin(centre, window, (120, 120), (186, 180), (W, H)).tolist() == [[inside, 30]]
    assert window_origin(centre, (120, 120), (W, H)).tolist() == [[whole, 30]]


@given(
    quarters=hnp.arrays(np.int64, st.tuples(st.integers(1, 8), st.just(2)), elements=st.integers(-400, 4000)),
    sizes=st.tuples(*[st.tuples(*[st.integers(1, 300)] * 3).map(sorted)] * 2),
)
def test_a_crop_out_of_a_window_is_the_crop_out_of_the_frame(
    quarters: NDArray[np.int64], sizes: tuple[list[int], list[int]]
) -> None:
    """At any ROI, halves and places outside the image included."""
    crop, window, frame = zip(*sizes, strict=True)
    centre = quarters / 4
    stored = window_origin(centre, window, frame)
    inside = crop_origin(centre, stored, crop, window, frame)
    assert inside.dtype == np.int16
    assert (inside >= 0).all()
    assert (inside + crop <= np.array(window)).all()
    np.testing.assert_array_equal(stored + inside, window_origin(centre, crop, frame))


@given(
    frames=hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9), st.just(3))
    ),
    data=st.data(),
)
def test_cut_copies_exactly_these_pixels(frames: NDArray[np.uint8], data: st.DataObject) -> None:
    n, height, width = frames.shape[:3]
    size = data.draw(st.tuples(st.integers(1, width), st.integers(1, height)))
    origin = np.array(
        [
            data.draw(st.tuples(st.integers(0, width - size[0]), st.integers(0, height - size[1])))
            for _ in range(n)
        ],
        np.int16,
    )
    got = cut(frames, origin, size)
    assert got.shape == (n, size[1], size[0], 3)
    for t, (x, y) in enumerate(origin):
        np.testing.assert_array_equal(got[t], frames[t, y : y + size[1], x : x + size[0]])


# -- room for augmentation -------------------------------------------------------------------


def touched(
    rng: np.random.Generator, crop: tuple[int, int], limits: tuple[float, float, float], extreme: bool
) -> NDArray[np.float64]:
    """Largest |x|, |y| from the ROI that one drawn transform of [3S] §2.6 reads, px."""

    def within(limit: float) -> float:
        return float(rng.choice([-limit, limit]) if extreme else rng.uniform(-limit, limit))

    rotation, translation, zoom = limits
    angle, scale = math.radians(rng.uniform(-rotation, rotation)), 1 + within(zoom)
    if extreme and rng.random() < 0.5:
        angle = math.copysign(math.radians(rotation), angle)
    shift = np.array([within(translation) * crop[0], within(translation) * crop[1]])
    flip = rng.choice([-1, 1])
    corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) * np.array(crop) / 2
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    # picture = scale · turn · flip · scene + shift, and so the scene that a corner of the picture shows
    scene = np.linalg.solve(scale * turn @ np.diag([flip, 1]), (corners - shift).T)
    return np.asarray(np.abs(scene).max(axis=1))


@pytest.mark.parametrize("crop", [(120, 120), (120, 60), (64, 128), (13, 57)])
@pytest.mark.parametrize(
    "limits", [(10, 0.1, 0.1), (0, 0.1, 0), (0, 0, 0.1), (0, 0, 0), (44, 0.5, 0.8), (60, 0, 0)]
)
def test_the_margin_is_enough_and_no_more(crop: tuple[int, int], limits: tuple[float, float, float]) -> None:
    rotation, translation, zoom = limits
    room = [
        augmentation_reach(crop[0], rotation, translation, zoom, across=crop[1]),
        augmentation_reach(crop[1], rotation, translation, zoom, across=crop[0]),
    ]
    rng = np.random.default_rng(0)
    drawn = np.array([touched(rng, crop, limits, extreme=False) for _ in range(300)])
    worst = np.array([touched(rng, crop, limits, extreme=True) for _ in range(1500)]).max(axis=0)
    assert (drawn <= np.array(room) / 2 + 1e-9).all(), "a transform reads pixels that are not stored"
    assert (worst <= np.array(room) / 2 + 1e-9).all()
    assert (worst > np.array(room) / 2 - 1.01).all(), "pixels are stored that no transform reads"


def test_the_papers_window() -> None:
    """±10°, ±0.1, 1 ± 0.1 about a 120 px crop: 72/0.9·(cos 10° + sin 10°) = 92.7 → 186 px, image 180."""
    assert augmentation_reach(120, 10, 0.1, 0.1) == 186
    assert CuboidParams().window(INFO) == (186, 180)
    assert CuboidParams(rotation=0, translation=0, zoom=0).window(INFO) == (120, 120)
    assert CuboidParams(crop_width=120, crop_height=60, rotation=0).window(INFO) == (160, 80)
    assert CuboidParams().window(VideoInfo(9, Fraction(30), 64, 48)) == (64, 48)


# -- which frames ----------------------------------------------------------------------------


@given(
    begin=st.integers(0, 400),
    duration=st.integers(1, 400),
    length=st.integers(1, 200),
    behind=st.integers(0, 400),
)
@example(0, 1, 100, 0)
@example(0, 1, 100, 98)
@example(0, 30, 31, 400)
@example(370, 30, 31, 0)
def test_span(begin: int, duration: int, length: int, behind: int) -> None:
    end, n_frames = begin + duration, begin + duration + behind
    got = span(begin, end, length, n_frames)
    assert 0 <= got.begin <= begin, "the stroke is there from its first frame"
    assert end <= got.end <= n_frames, "to its last"
    assert got.rows == max(length, duration), "T rows, no more than needed"
    assert got.repeat >= 0
    if got.repeat:
        assert (got.begin, got.end) == (0, n_frames), "nothing repeats while there are frames"
    else:
        before, after = begin - got.begin, got.end - end
        centred = abs(before - after) <= 1
        assert centred or got.begin == 0 or got.end == n_frames, "extended evenly where the video allows"
        if duration >= length:
            assert (before, after) == (0, 0)


def test_span_by_hand() -> None:
    assert span(200, 300, 100, 1000) == span(200, 300, 50, 1000)
    table: list[tuple[tuple[int, int, int, int], tuple[int, int, int]]] = [
        ((200, 260, 100, 1000), (180, 280, 0)),
        ((200, 261, 100, 1000), (181, 281, 0)),
        ((5, 45, 100, 1000), (0, 100, 0)),
        ((970, 990, 100, 1000), (900, 1000, 0)),
        ((10, 20, 100, 64), (0, 64, 36)),
        ((0, 1, 3, 1), (0, 1, 2)),
        ((200, 350, 100, 1000), (200, 350, 0)),
    ]
    for given_, (begin, end, repeat) in table:
        got = span(*given_)
        assert (got.begin, got.end, got.repeat) == (begin, end, repeat), given_


def test_padding_repeats_the_last_row_and_stops_its_motion() -> None:
    rows: dict[str, NDArray[Any]] = {
        "rgb": np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3),
        "flow": np.ones((2, 2, 2, 2), np.int16),
        "frame": np.array([8, 9], np.int32),
    }
    got = padding(rows, 3)
    np.testing.assert_array_equal(got["rgb"], rows["rgb"][[1, 1, 1]])
    np.testing.assert_array_equal(got["frame"], [9, 9, 9])
    assert got["flow"].shape == (3, 2, 2, 2)
    assert got["flow"].dtype == np.int16
    assert not got["flow"].any()
    assert padding(rows, 0)["rgb"].shape == (0, 2, 2, 3)


# -- the stages ------------------------------------------------------------------------------


def inputs(n: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return {
        "frames.rgb": rng.integers(0, 256, (n, H, W, 3), np.uint8),
        "flow.flow": rng.integers(-99, 100, (max(0, n - 1), H, W, 2)).astype(np.int16),
        "roi.centre": rng.uniform((60, 60), (260, 120), (n, 2)).astype(np.float32),
        "descriptor.joints": rng.uniform(0, 300, (n, 14, 3)).astype(np.float32),
    }


def test_cuboids_hold_the_windows_pixels() -> None:
    data = inputs(12)
    out = run_whole(CUBOIDS, CuboidParams(), INFO, data)
    assert {s.name for s in CUBOIDS.outputs} == set(out)
    for spec in CUBOIDS.outputs:
        assert out[spec.name].dtype == spec.dtype
        assert len(out[spec.name]) == 12
    assert out["rgb"].shape[1:] == (180, 186, 3)
    for t, (x, y) in enumerate(out["window"]):
        np.testing.assert_array_equal(out["rgb"][t], data["frames.rgb"][t, y : y + 180, x : x + 186])
        if t < 11:
            np.testing.assert_array_equal(out["flow"][t], data["flow.flow"][t, y : y + 180, x : x + 186])
    assert not out["flow"][11].any(), "the last frame has no successor"
    np.testing.assert_array_equal(out["roi"], data["roi.centre"])
    np.testing.assert_array_equal(out["pose"], data["descriptor.joints"])
    np.testing.assert_array_equal(out["frame"], np.arange(12))


def test_a_run_of_frames_in_the_middle_knows_its_place() -> None:
    data = inputs(12)
    whole = run_whole(CUBOIDS, CuboidParams(), INFO, data)
    part = {name: values[4:9] for name, values in data.items()}
    got = next(iter(CUBOIDS.compute(iter([Block(4, 9, 4, part)]), CuboidParams(), INFO)))
    for name, values in got.items():
        np.testing.assert_array_equal(values, whole[name][4:9])
    assert got["flow"][-1].any(), "frame 8 has a successor"


@pytest.mark.parametrize("off", ["frames.rgb", "flow.flow", "descriptor.joints"])
def test_a_modality_that_is_off_has_no_array(off: str) -> None:
    gives = {"frames.rgb": "rgb", "flow.flow": "flow", "descriptor.joints": "pose"}
    data = inputs(3)
    del data[off]
    got = next(iter(CUBOIDS.compute(iter([Block(0, 3, 0, data)]), CuboidParams(), INFO)))
    assert set(got) == {s.name for s in CUBOIDS.outputs} - {gives[off]}
    if off != "descriptor.joints":
        got = next(iter(UNTRIMMED.compute(iter([Block(0, 3, 0, data)]), UntrimmedParams(), INFO)))
        assert set(got) == {s.name for s in UNTRIMMED.outputs} - {gives[off]}


def test_untrimmed_is_the_crop_itself() -> None:
    data = inputs(12)
    out = run_whole(UNTRIMMED, UntrimmedParams(), INFO, data)
    assert out["rgb"].shape == (12, 120, 120, 3)
    for t, (x, y) in enumerate(out["window"]):
        np.testing.assert_array_equal(out["rgb"][t], data["frames.rgb"][t, y : y + 120, x : x + 120])
        assert abs(x + 60 - data["roi.centre"][t, 0]) <= 0.5
        assert abs(y + 60 - data["roi.centre"][t, 1]) <= 0.5
    np.testing.assert_array_equal(out["flow"][:11], cut(data["flow.flow"], out["window"][:11], (120, 120)))
    assert not out["flow"][11].any()


@given(width=st.integers(16, 200), height=st.integers(16, 200), crop=st.integers(2, 260), n=st.integers(1, 3))
def test_any_frame_and_crop_size(width: int, height: int, crop: int, n: int) -> None:
    assume(width * height < 20000)
    info = VideoInfo(n, Fraction(30), width, height)
    rng = np.random.default_rng(width * height)
    data = {
        "frames.rgb": rng.integers(0, 256, (n, height, width, 3), np.uint8),
        "flow.flow": rng.integers(-9, 10, (n - 1, height, width, 2)).astype(np.int16),
        "roi.centre": rng.uniform(-50, 300, (n, 2)).astype(np.float32),
    }
    out = run_whole(UNTRIMMED, UntrimmedParams(crop_width=crop, crop_height=crop), info, data)
    assert out["rgb"].shape == (n, min(crop, height), min(crop, width), 3)
    cuboid = CuboidParams(crop_width=crop, crop_height=crop)
    size = cuboid.window(info)
    assert min(crop, width) <= size[0] <= width
    assert min(crop, height) <= size[1] <= height
    block = Block(0, n, 0, data)
    got = next(iter(CUBOIDS.compute(iter([block]), cuboid, info)))
    assert got["rgb"].shape == (n, size[1], size[0], 3)
    assert got["flow"].shape == (n, size[1], size[0], 2)
