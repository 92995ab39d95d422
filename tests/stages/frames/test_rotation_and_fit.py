"""Colour and geometry of one picture, against float64 arithmetic that shares no code with the stage."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.base import Block, SourceFile, StageError, VideoInfo
from stages.frames import STAGE, FramesParams
from stages.frames.decode import decode
from stages.frames.report import Report
from stages.frames.rotation_and_fit import GREY, RGB, Colour, Fit, colour_of, geometry, to_rgb
from tests.conftest import scene

Float = NDArray[np.float64]

# ITU-R BT.601-7 §2.5.1, BT.709-6 §3.2, BT.2020-2 table 4: luma weights of red and blue
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
TAGS = {"bt601": 6, "bt709": 1, "bt2020": 9}
LIMITED, FULL = 1, 2


def samples_of(rgb: Float, matrix: str, full: bool, bits: int) -> Float:
    """(H, W, 3) RGB in [0, 255] → unrounded Y, Cb, Cr code values."""
    kr, kb = WEIGHTS[matrix]
    r, g, b = np.moveaxis(rgb / 255, -1, 0)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    top = 2**bits - 1
    if full:
        return np.stack([y * top, cb * top + 2 ** (bits - 1), cr * top + 2 ** (bits - 1)], -1)
    s = 2 ** (bits - 8)
    return np.stack([(219 * y + 16) * s, (224 * cb + 128) * s, (224 * cr + 128) * s], -1)


def rgb_of(yuv: Float, matrix: str, full: bool, bits: int) -> Float:
    """The inverse, clipped to [0, 255]."""
    kr, kb = WEIGHTS[matrix]
    y, cb, cr = np.moveaxis(yuv, -1, 0)
    if full:
        top = 2**bits - 1
        y, cb, cr = y / top, (cb - 2 ** (bits - 1)) / top, (cr - 2 ** (bits - 1)) / top
    else:
        s = 2 ** (bits - 8)
        y, cb, cr = (y / s - 16) / 219, (cb / s - 128) / 224, (cr / s - 128) / 224
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    return np.asarray(np.clip(np.stack([r, g, b], -1) * 255, 0, 255))


def area(image: Float, width: int, height: int) -> Float:
    """Exact area average: every stored pixel is the mean of the source under it."""

    def weights(n: int, m: int) -> Float:
        edge, cell = np.arange(m + 1) * n / m, np.arange(n)
        inside = np.minimum(edge[1:, None], cell + 1) - np.maximum(edge[:-1, None], cell)
        return np.asarray(np.maximum(inside, 0) * m / n, float)

    rows = np.einsum("ih,hwc->iwc", weights(image.shape[0], height), image)
    return np.asarray(np.einsum("jw,iwc->ijc", weights(image.shape[1], width), rows))


def frame_of(planes: list[NDArray[Any]], pix_fmt: str, size: tuple[int, int]) -> Any:
    """A picture with exactly these samples, as a decoder would hand it out."""
    frame: Any = av.VideoFrame(*size, pix_fmt)
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.buffer_size // plane.line_size, plane.line_size), np.uint8)
        packed = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
        rows[: packed.shape[0], : packed.shape[1]] = packed
        plane.update(rows.tobytes())
    return frame


def one_picture(size: tuple[int, int], seed: int = 1, contrast: float = 0.6) -> Float:
    """A textured picture; with less contrast no colour leaves the gamut when its chroma is averaged."""
    levels = (next(scene(1, size, seed=seed)).astype(np.float64) - 128) * contrast + 128
    return np.clip(levels, 0, 255)


def picture(
    matrix: str,
    full: bool,
    chroma: tuple[int, int],
    bits: int,
    size: tuple[int, int],
    pix_fmt: str,
    contrast: float = 0.6,
) -> tuple[Any, Float]:
    """A frame of ``pix_fmt`` and what it shows, at full size."""
    width, height = size
    exact = samples_of(one_picture(size, contrast=contrast), matrix, full, bits)
    sx, sy = chroma
    dtype = np.uint8 if bits == 8 else np.uint16
    planes, shown = [], []
    for c in range(3):
        kx, ky = (1, 1) if c == 0 else (sx, sy)
        pad = np.pad(exact[..., c], ((0, -height % ky), (0, -width % kx)), mode="edge")
        small = pad.reshape(pad.shape[0] // ky, ky, pad.shape[1] // kx, kx).mean(axis=(1, 3))
        plane = np.rint(small).astype(dtype)
        planes.append(plane)
        shown.append(plane.repeat(ky, 0).repeat(kx, 1)[:height, :width].astype(np.float64))
    frame = frame_of(planes, pix_fmt, size)
    return frame, rgb_of(np.stack(shown, -1), matrix, full, bits)


def converted(frame: Any, target: tuple[int, int] = (320, 180)) -> NDArray[np.uint8]:
    plan = geometry((frame.width, frame.height), target, 0, Fraction(1), "stretch")
    return to_rgb(frame, plan, colour_of(frame))


def check(stored: NDArray[np.uint8], truth: Float, worst: float = 4.0) -> None:
    error = stored.astype(np.float64) - truth
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.15, "a channel is biased"
    assert np.abs(error).mean() < 0.6
    assert np.abs(error).max() < worst


# -- colour ----------------------------------------------------------------------------------

SUBSAMPLED = {"yuv420p": (2, 2), "yuv422p": (2, 1), "yuv444p": (1, 1), "yuv440p": (1, 2), "yuv411p": (4, 1)}


@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("pix_fmt", SUBSAMPLED)
def test_colour_against_float64(matrix: str, full: bool, pix_fmt: str) -> None:
    frame, truth = picture(matrix, full, SUBSAMPLED[pix_fmt], 8, (1280, 540), pix_fmt)
    frame.colorspace, frame.color_range = TAGS[matrix], FULL if full else LIMITED
    colour = colour_of(frame)
    assert colour.name == f"{matrix}/{'full' if full else 'limited'}"
    check(converted(frame), area(truth, 320, 180))


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize(
    ("pix_fmt", "bits"), [("yuv420p10le", 10), ("yuv422p10le", 10), ("yuv444p12le", 12), ("yuv420p16le", 16)]
)
def test_deep_colour_against_float64(pix_fmt: str, bits: int, full: bool) -> None:
    frame, truth = picture("bt2020", full, SUBSAMPLED[pix_fmt[:7]], bits, (960, 540), pix_fmt)
    frame.colorspace, frame.color_range = 9, FULL if full else LIMITED
    check(converted(frame), area(truth, 320, 180))


def test_saturated_colour_against_float64() -> None:
    """Out-of-gamut samples are clipped after averaging, not before: single pixels differ, no bias."""
    frame, truth = picture("bt709", False, (2, 2), 8, (960, 540), "yuv420p", contrast=1.0)
    frame.colorspace, frame.color_range = 1, LIMITED
    check(converted(frame), area(truth, 320, 180), worst=12.0)


def test_deep_samples_are_rounded_once() -> None:
    """With ten bits kept until the end only the last rounding is left: a quarter of a level on average."""
    frame, truth = picture("bt709", False, (1, 1), 10, (960, 540), "yuv444p10le")
    frame.colorspace, frame.color_range = 1, LIMITED
    error = np.abs(converted(frame) - area(truth, 320, 180))
    assert error.mean() < 0.33


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("pix_fmt", ["nv12", "yuyv422", "uyvy422", "p010le", "yuv420p10be", "yuva420p"])
def test_other_orders_of_the_same_samples(pix_fmt: str, full: bool) -> None:
    """Interleaved and big-endian pictures, as cameras and grabbers give them, equal the planar ones."""
    planar = {"p010le": "yuv420p10le", "yuv420p10be": "yuv420p10le", "nv12": "yuv420p", "yuva420p": "yuv420p"}
    twin = planar.get(pix_fmt, "yuv422p")
    bits = 10 if "10" in twin else 8
    reference, _ = picture("bt709", full, SUBSAMPLED[twin[:7]], bits, (640, 360), twin)
    y, u, v = (p.copy() for p in planes_of(reference, bits))
    if pix_fmt == "nv12":
        planes = [y, np.stack([u, v], -1).reshape(len(u), -1)]
    elif pix_fmt == "p010le":
        planes = [y << 6, np.stack([u, v], -1).reshape(len(u), -1) << 6]
    elif pix_fmt == "yuv420p10be":
        planes = [p.byteswap() for p in (y, u, v)]
    elif pix_fmt == "yuva420p":
        planes = [y, u, v, np.full_like(y, 255)]
    else:
        quads = np.stack([y[:, ::2], u, y[:, 1::2], v], -1)
        planes = [(quads if pix_fmt == "yuyv422" else quads[..., [1, 0, 3, 2]]).reshape(len(y), -1)]
    frame = frame_of(planes, pix_fmt, (640, 360))
    for picture_ in (frame, reference):
        picture_.colorspace, picture_.color_range = 1, FULL if full else LIMITED
    np.testing.assert_array_equal(converted(frame), converted(reference))


def planes_of(frame: Any, bits: int) -> list[NDArray[Any]]:
    dtype = np.dtype(np.uint8 if bits == 8 else np.uint16)
    return [
        np.frombuffer(p, dtype).reshape(-1, p.line_size // dtype.itemsize)[: p.height, : p.width]
        for p in frame.planes
    ]


@pytest.mark.parametrize("pix_fmt", ["rgb24", "bgr24", "gbrp", "rgba", "0rgb", "rgb48le"])
def test_rgb_sources_meet_no_matrix(pix_fmt: str) -> None:
    given_ = np.rint(one_picture((960, 540))).astype(np.uint8)
    frame: Any = av.VideoFrame.from_ndarray(given_, format="rgb24")
    if pix_fmt != "rgb24":
        frame = frame.reformat(format=pix_fmt)
    assert colour_of(frame) == Colour(RGB, True, False)
    assert colour_of(frame).name == "rgb"
    check(converted(frame), area(given_.astype(np.float64), 320, 180), worst=2.0)


@pytest.mark.parametrize("pix_fmt", ["x2rgb10le", "gbrp10le", "pal8", "bgr8", "argb", "bayer_rggb8"])
def test_rare_rgb_formats_are_known_as_rgb(pix_fmt: str) -> None:
    assert colour_of(av.VideoFrame(64, 36, pix_fmt)).name == "rgb"


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le", "gray16le", "gray10be", "ya8"])
@pytest.mark.parametrize("range_", [LIMITED, FULL, 0], ids=["limited", "full", "untagged"])
def test_grey_sources(pix_fmt: str, range_: int) -> None:
    bits = next((n for n in (10, 16) if str(n) in pix_fmt), 8)
    luma = one_picture((960, 540))[..., 1]
    if range_ == LIMITED:
        plane = np.rint((16 + 219 * luma / 255) * 2 ** (bits - 8))
        shown = (plane / 2 ** (bits - 8) - 16) / 219 * 255
    else:
        plane = np.rint(luma / 255 * (2**bits - 1))
        shown = plane / (2**bits - 1) * 255
    packed = plane.astype(np.uint8 if bits == 8 else np.uint16)
    if pix_fmt.endswith("be"):
        packed = packed.byteswap()
    if pix_fmt == "ya8":
        packed = np.stack([packed, np.full_like(packed, 255)], -1).reshape(len(packed), -1)
    frame = frame_of([packed], pix_fmt, (960, 540))
    frame.color_range = range_
    assert colour_of(frame).matrix == GREY
    assert colour_of(frame).name == ("grey/limited" if range_ == LIMITED else "grey/full")
    truth = np.repeat(shown[..., None], 3, -1)
    check(converted(frame), area(truth, 320, 180), worst=2.0)


def test_codes_beyond_the_range_saturate() -> None:
    for value, expected in ((255, 255), (16, 0), (0, 0), (235, 255)):
        planes = [np.full((36, 64), value, np.uint8)] + [np.full((36, 64), 128, np.uint8)] * 2
        frame = frame_of(planes, "yuv444p", (64, 36))
        assert (converted(frame, (64, 36)) == expected).all()
        deep = frame_of([p.astype(np.uint16) * 4 for p in planes], "yuv444p10le", (64, 36))
        assert (converted(deep, (64, 36)) == expected).all()


@pytest.mark.parametrize(
    ("height", "expected"), [(576, "bt601"), (719, "bt601"), (720, "bt709"), (1080, "bt709")]
)
def test_untagged_streams_follow_the_convention_and_say_so(height: int, expected: str) -> None:
    colour = colour_of(av.VideoFrame(640, height, "yuv420p"))
    assert colour.assumed
    assert colour.name == f"{expected}/limited (assumed)"


def test_jpeg_formats_are_full_range_without_a_tag() -> None:
    assert colour_of(av.VideoFrame(640, 360, "yuvj420p")).full_range


@pytest.mark.parametrize("tag", [8, 11, 14])
def test_a_matrix_that_is_not_understood_is_refused(tag: int) -> None:
    frame = av.VideoFrame(64, 36, "yuv444p")
    frame.colorspace = tag
    with pytest.raises(StageError, match=f"number {tag} of ITU-T H.273.*re-encode it as BT.709"):
        colour_of(frame)


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("range_", [LIMITED, FULL])
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "ffv1")])
def test_tags_survive_the_file(
    clip_factory: Callable[..., Path], name: str, codec: str, matrix: str, range_: int
) -> None:
    """Colours come back as they went in, through a real encoder and container, whatever the tag."""
    options = {"crf": "4", "preset": "ultrafast"} if codec == "libx264" else {}
    frame, truth = picture(matrix, range_ == FULL, (2, 2), 8, (640, 360), "yuv420p")
    path = clip_factory(name, frames=[frame], codec=codec, colour=(TAGS[matrix], range_), options=options)
    report = Report()
    decoded = next(iter(decode(path, report)))
    colour = colour_of(decoded)
    assert not colour.assumed
    assert colour.name == f"{matrix}/{'full' if range_ == FULL else 'limited'}"
    error = converted(decoded) - area(truth, 320, 180)
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.3  # cv2 rounds halves upwards
    assert np.abs(error).mean() < 1.0


def test_a_wrong_tag_would_be_seen() -> None:
    """The tolerances above tell the matrices and the ranges apart."""
    frame, truth = picture("bt709", False, (2, 2), 8, (960, 540), "yuv420p")
    for tag, range_ in ((6, LIMITED), (9, LIMITED), (1, FULL)):
        frame.colorspace, frame.color_range = tag, range_
        with pytest.raises(AssertionError):
            check(converted(frame), area(truth, 320, 180))


# -- geometry --------------------------------------------------------------------------------

SIDES = st.integers(2, 4000)
ASPECTS = st.fractions(Fraction(1, 3), Fraction(3), max_denominator=64)


@given(
    source=st.tuples(SIDES, SIDES),
    target=st.tuples(st.integers(16, 700), st.integers(16, 700)),
    rotation=st.sampled_from([0, 90, -90, 180, -180, 270]),
    pixel_aspect=ASPECTS,
    fit=st.sampled_from(["pad", "crop", "stretch"]),
)
@example((1920, 1080), (320, 180), 0, Fraction(1), "pad")
@example((3, 3), (320, 180), 0, Fraction(1), "crop")
@example((7, 5), (320, 180), 90, Fraction(1), "crop")
@example((99, 57), (320, 180), 0, Fraction(1), "crop")
def test_geometry_never_stretches_unless_asked(
    source: tuple[int, int], target: tuple[int, int], rotation: int, pixel_aspect: Fraction, fit: Fit
) -> None:
    plan = geometry(source, target, rotation, pixel_aspect, fit)
    cx, cy, cw, ch = plan.crop
    px, py, pw, ph = plan.place
    assert (plan.width, plan.height) == target
    assert 0 <= cx < cx + cw <= source[0]
    assert 0 <= cy < cy + ch <= source[1]
    assert 0 <= px < px + pw <= target[0]
    assert 0 <= py < py + ph <= target[1]
    assert plan.fit in ("exact", fit), "what was done is what was asked for, and it is on record"
    if plan.fit == "stretch":
        return
    # the part of the source that is used, as the viewer sees it, and one source pixel of slack in a crop
    shown = [cw * pixel_aspect, Fraction(ch)]
    slack = [2 * pixel_aspect, Fraction(2)] if plan.fit == "crop" else [Fraction(0)] * 2
    if plan.quarter_turns % 2:
        shown, slack = shown[::-1], slack[::-1]
    # one scale for both axes must explain the placed size to half a stored pixel
    low = [
        max(Fraction(0), p - Fraction(1, 2)) / (s + d) for p, s, d in zip((pw, ph), shown, slack, strict=True)
    ]
    high = [
        (p + Fraction(1, 2)) / (s - d) if s > d else math.inf
        for p, s, d in zip((pw, ph), shown, slack, strict=True)
    ]
    assert max(low) <= min(high) or 1 in (pw, ph)
    if plan.fit == "pad":
        assert plan.crop == (0, 0, *source)
        assert pw == target[0] or ph == target[1]
        assert abs(px - (target[0] - pw - px)) <= 1, "centred"
        assert abs(py - (target[1] - ph - py)) <= 1
    if plan.fit == "crop":
        assert plan.place == (0, 0, *target)
        assert cw == source[0] or ch == source[1]
        assert abs(cx - (source[0] - cw - cx)) <= 3, "centred, on an even pixel"
        assert abs(cy - (source[1] - ch - cy)) <= 3
        assert cx % 2 == cy % 2 == 0, "chroma stays aligned"


@pytest.mark.parametrize(
    ("source", "fit", "expected"),
    [
        ((1920, 1080), "pad", ("exact", (0, 0, 1920, 1080), (0, 0, 320, 180))),
        ((854, 480), "pad", ("exact", (0, 0, 854, 480), (0, 0, 320, 180))),
        ((1080, 1920), "pad", ("pad", (0, 0, 1080, 1920), (109, 0, 101, 180))),
        ((640, 480), "pad", ("pad", (0, 0, 640, 480), (40, 0, 240, 180))),
        ((640, 480), "crop", ("crop", (0, 60, 640, 360), (0, 0, 320, 180))),
        ((640, 480), "stretch", ("stretch", (0, 0, 640, 480), (0, 0, 320, 180))),
    ],
)
def test_geometry_by_hand(source: tuple[int, int], fit: Fit, expected: tuple[Any, ...]) -> None:
    plan = geometry(source, (320, 180), 0, Fraction(1), fit)
    assert (plan.fit, plan.crop, plan.place) == expected


def test_pixel_aspect_by_hand() -> None:
    """Anamorphic DV: 720×576 coded, 16:11 pixels, shown as 1047×576."""
    plan = geometry((720, 576), (320, 180), 0, Fraction(16, 11), "pad")
    assert plan.place == (0, 2, 320, 176)
    assert geometry((1440, 1080), (320, 180), 0, Fraction(4, 3), "pad").fit == "exact"


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (5, 2), (7, 5), (16, 16), (321, 181), (1, 9), (33, 1000)])
@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "rgb24"])
def test_odd_and_tiny_pictures(size: tuple[int, int], fit: Fit, rotation: int, pix_fmt: str) -> None:
    grey = np.full((size[1], size[0], 3), 100, np.uint8)
    frame: Any = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format=pix_fmt)
    plan = geometry(size, (320, 180), rotation, Fraction(1), fit)
    rgb = to_rgb(frame, plan, colour_of(frame))
    assert rgb.shape == (180, 320, 3)
    assert rgb.dtype == np.uint8
    x, y, w, h = plan.place
    assert np.abs(rgb[y : y + h, x : x + w].astype(int) - 100).max() <= 2
    inside = np.zeros((180, 320), bool)
    inside[y : y + h, x : x + w] = True
    assert not rgb[~inside].any(), "the padding is black"


def test_a_huge_picture() -> None:
    luma = np.tile(np.rint(np.linspace(16, 235, 7680)).astype(np.uint8), (4320, 1))
    frame = frame_of([luma, *[np.full((2160, 3840), 128, np.uint8)] * 2], "yuv420p", (7680, 4320))
    rgb = converted(frame)
    assert rgb.shape == (180, 320, 3)
    expected = (np.linspace(0, 255, 7680).reshape(320, 24)).mean(axis=1)
    assert np.abs(rgb[90] - expected[:, None]).max() < 1.5


def test_shrinking_one_side_and_enlarging_the_other_does_not_alias() -> None:
    stripes = np.tile((np.arange(1080) % 2 * 255).astype(np.uint8)[:, None, None], (1, 160, 3))
    frame = av.VideoFrame.from_ndarray(stripes, format="rgb24")
    rgb = converted(frame)
    assert np.abs(rgb.astype(int) - 127.5).max() <= 1


def test_enlarging_is_smooth() -> None:
    ramp = np.repeat(np.linspace(0, 255, 80)[None, :, None], 45, 0).repeat(3, 2)
    frame = av.VideoFrame.from_ndarray(np.rint(ramp).astype(np.uint8), format="rgb24")
    steps = np.diff(converted(frame)[90, :, 0].astype(int))
    assert steps.min() >= 0
    assert steps.max() <= 2, "bilinear, no blocks"


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_the_stage_records_what_it_did(clip_factory: Callable[..., Path], fit: Fit) -> None:
    path = clip_factory(n=2, size=(320, 240), pixel_aspect=Fraction(1))
    attrs = run_frames(path, fit=fit)[1]
    assert attrs["fit"] == fit
    assert (attrs["source_width"], attrs["source_height"]) == (320, 240)
    assert attrs["picture_x_y_w_h"] == ([40, 0, 240, 180] if fit == "pad" else [0, 0, 320, 180])


def test_pixel_aspect_is_read_from_the_file(clip_factory: Callable[..., Path]) -> None:
    """A circle stays a circle: 4:3 pixels in a 240-wide picture make it 320 wide."""
    canvas = np.zeros((180, 240, 3), np.uint8)
    cv2.ellipse(canvas, (120, 90), (45, 60), 0, 0, 360, (255, 255, 255), -1)
    path = clip_factory(frames=[canvas] * 2, pixel_aspect=Fraction(4, 3), options={"crf": "5"})
    rgb, attrs = run_frames(path)
    assert attrs["fit"] == "exact"
    white = rgb[0, ..., 1] > 127
    assert abs(white.any(axis=0).sum() - 120) <= 2
    assert abs(white.any(axis=1).sum() - 120) <= 2


def run_frames(path: Path, **params: Any) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """All frames of a file and the attributes, by the stage itself."""
    blocks = iter([Block(0, 50, 0, {}, SourceFile(path))])
    parts = list(STAGE.compute(blocks, FramesParams(**params), VideoInfo()))
    return np.concatenate([p["rgb"] for p in parts]), parts[-1].attrs
