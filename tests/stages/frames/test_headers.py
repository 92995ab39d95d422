"""What stands in headers: cropping in Matroska, HDR, and headers that are cut or nonsense."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.frames.fragments import read_promise
from stages.frames.matroska import Segment, read_segment
from tests.support.ffmpeg import ffmpeg, needs_ffmpeg, pattern, stored

TRACKS, ENTRY, VIDEO, VOID = b"\x16\x54\xae\x6b", b"\xae", b"\xe0", b"\xec"
#: PixelCrop- left, top, right, bottom; DisplayWidth, DisplayHeight
LEFT, TOP, RIGHT, BOTTOM, WIDTH, HEIGHT = (
    b"\x54\xcc",
    b"\x54\xbb",
    b"\x54\xdd",
    b"\x54\xaa",
    b"\x54\xb0",
    b"\x54\xba",
)


def element(name: bytes, content: bytes) -> bytes:
    return name + (len(content) | 1 << 56).to_bytes(8, "big") + content


def number(name: bytes, value: int) -> bytes:
    return element(name, value.to_bytes(2, "big"))


def width_of(head: int) -> int:
    return 9 - head.bit_length()


def split(data: bytes) -> list[tuple[bytes, bytes]]:
    """Names and contents of elements of known length."""
    found, at = [], 0
    while at < len(data):
        n = width_of(data[at])
        m = width_of(data[at + n])
        length = int.from_bytes(data[at + n : at + n + m], "big") & (1 << 7 * m) - 1
        found.append((data[at : at + n], data[at + n + m : at + n + m + length]))
        at += n + m + length
    return found


def with_crop(live: bytes, extra: bytes, drop: tuple[bytes, ...] = ()) -> bytes:
    """A live recording with more in its description of the video; nothing points at positions in it."""
    at = live.index(b"\x18\x53\x80\x67") + 4 + 8
    segment = live[at:]
    cluster = segment.index(b"\x1f\x43\xb6\x75")
    head = [
        (name, content)
        for name, content in split(segment[:cluster])
        if name not in (b"\x11\x4d\x9b\x74", VOID)
    ]
    made = b""
    for name, content in head:
        if name == TRACKS:
            entry = dict(split(content))[ENTRY]
            parts = []
            for part, inner in split(entry):
                if part == VIDEO:
                    kept = b"".join(element(k, v) for k, v in split(inner) if k not in drop)
                    parts.append(element(VIDEO, kept + extra))
                else:
                    parts.append(element(part, inner))
            content = element(ENTRY, b"".join(parts))
        made += element(name, content)
    return live[:at] + made + segment[cluster:]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return ffmpeg(
        *pattern("320x240", 0.3), "-c:v", "ffv1", "-pix_fmt", "yuv420p", "-live", 1, "-f", "matroska", "-"
    )


def check_same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> None:
    """The same but for chroma, which is interpolated across the border of a crop."""
    away = np.abs(one.astype(int) - other)
    assert away.mean() < 0.2
    assert np.abs(one[:, :, 2:].astype(int) - other[:, :, :-2]).mean() > 1, "a shift would be seen"


@needs_ffmpeg
@pytest.mark.parametrize("display", [(0, 0), (320, 180), (640, 240)])
def test_pixels_that_matroska_hides(live: bytes, tmp_path: Path, display: tuple[int, int]) -> None:
    """30 lines above and below are no part of the picture: 4:3 coded, 16:9 shown."""
    crop = number(TOP, 30) + number(BOTTOM, 30)
    shown = number(WIDTH, display[0]) + number(HEIGHT, display[1]) if any(display) else b""
    path = tmp_path / "crop.mkv"
    path.write_bytes(with_crop(live, crop + shown, (WIDTH, HEIGHT)))
    assert read_segment(path, 0) == Segment((0, 30, 0, 30), display, 0)
    rgb, _, attrs = stored(path)
    plain = tmp_path / "plain.mkv"
    plain.write_bytes(live)
    whole = stored(plain, width=320, height=240)[0]
    assert attrs["source_crop_left_top_right_bottom"] == [0, 30, 0, 30]
    if display == (640, 240):  # pixels of 3:2
        assert attrs["fit"] == "pad"
        assert attrs["picture_x_y_w_h"] == [0, 30, 320, 120]
    else:
        assert attrs["fit"] == "exact"
        check_same(rgb, whole[:, 30:210])


@needs_ffmpeg
def test_a_crop_of_the_sides(live: bytes, tmp_path: Path) -> None:
    path = tmp_path / "crop.mkv"
    path.write_bytes(with_crop(live, number(LEFT, 20) + number(RIGHT, 60), (WIDTH, HEIGHT)))
    rgb, _, _ = stored(path, width=240, height=240)
    plain = tmp_path / "plain.mkv"
    plain.write_bytes(live)
    whole = stored(plain, width=320, height=240)[0]
    check_same(rgb, whole[:, :, 20:260])


@needs_ffmpeg
@pytest.mark.parametrize(
    ("transfer", "name"), [("smpte2084", "pq"), ("arib-std-b67", "hlg"), ("bt709", "none")]
)
def test_hdr_is_said(tmp_path: Path, transfer: str, name: str) -> None:
    path = tmp_path / "hdr.mkv"
    ffmpeg(
        *pattern(seconds=0.1), "-c:v", "ffv1", "-pix_fmt", "yuv420p10le", "-color_trc", transfer,
        "-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_range", "tv", path,
    )  # fmt: skip
    attrs = stored(path)[2]
    assert attrs["hdr"] == name
    assert attrs["colour"] == "bt2020/limited"
    assert [note for note in attrs["notes"] if "tone mapping" in note] == (
        []
        if name == "none"
        else [f"HDR ({name.upper()}) is stored without tone mapping: its pictures look flat"]
    )


@given(
    st.binary(max_size=400), st.sampled_from([b"moov", b"moof", b"sidx", b"mfra"]), st.integers(0, 2**32 - 1)
)
def test_nonsense_in_boxes_is_read_to_its_end(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, kind: bytes, size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "nonsense.mp4"
    for stated in (len(content) + 8, size):
        path.write_bytes(stated.to_bytes(4, "big") + kind + content)
        assert read_promise(path, 1).samples >= 0


@given(st.binary(max_size=400))
def test_nonsense_in_matroska_is_read_to_its_end(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "nonsense.mkv"
    for data in (content, b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + TRACKS + b"\x41\x00" + content):
        path.write_bytes(data)
        assert len(read_segment(path, 0).crop) == 4
