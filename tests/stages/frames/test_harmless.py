"""Oddities that harm no shown picture are notes, every picture shown is right; beside each, real damage."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.base import StageError
from stages.frames.damage import end_of_content
from tests.support.ffmpeg import ffmpeg, needs_ffmpeg, pattern, stored, tone

pytestmark = needs_ffmpeg
X264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", 18, "-pix_fmt", "yuv420p"]


def harmless(path: Path, *words: str) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """The pictures and attributes of a file without faults; its notes hold the words."""
    rgb, time, attrs = stored(path)
    assert attrs["faults"] == []
    for word in words:
        assert any(word in note for note in attrs["notes"]), (word, attrs["notes"])
    assert (np.diff(time) > 0).all()
    return rgb, attrs


def places(shown: NDArray[np.uint8], whole: NDArray[np.uint8]) -> list[int]:
    """Which picture of the whole each is, to the last bit; −1: none."""
    known = {picture.tobytes(): k for k, picture in enumerate(whole)}
    return [known.get(picture.tobytes(), -1) for picture in shown]


def overwrite(path: Path, at: int, size: int, seed: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + size] = random.Random(seed).randbytes(size)
    path.write_bytes(data)


def pictures_in(path: Path, kind: str = "video") -> list[tuple[int, int, bool]]:
    with av.open(str(path)) as container:
        packets = container.demux(**{kind: 0})
        return [(int(p.pos or 0), p.size, bool(p.is_keyframe)) for p in packets if p.size]


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "ac3"])
def test_broken_sound(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "a.mp4"
    ffmpeg(*pattern(seconds=1), *tone(1), *X264, "-c:a", codec, path)
    whole = stored(path)[0]
    for at, size, _ in pictures_in(path, "audio"):
        overwrite(path, at + min(4, size), max(0, size - 6), seed=at)
    np.testing.assert_array_equal(harmless(path)[0], whole)
    at, size, _ = pictures_in(path)[5]
    overwrite(path, at + size // 3, 400)
    with pytest.raises(StageError, match="damaged"):
        stored(path)


def test_a_makers_sei(tmp_path: Path) -> None:
    """DJI, Dahua and Reolink write supplemental messages that are shorter than they say."""
    ffmpeg(*pattern(seconds=1), *X264, "-bf", 0, tmp_path / "n.mp4")
    ffmpeg("-i", tmp_path / "n.mp4", "-c", "copy", "-bsf:v", "h264_mp4toannexb", tmp_path / "n.h264")
    parts = re.split(b"(\0\0\0\x01|\0\0\x01)", (tmp_path / "n.h264").read_bytes())
    out = bytearray()
    for start, nal in zip(parts[1::2], parts[2::2], strict=True):
        if nal and nal[0] & 31 in (1, 5):
            out += b"\0\0\0\x01\x06\x05\xc8" + b"DJI" * 6 + b"\x80"
        out += start + nal
    (tmp_path / "sei.h264").write_bytes(out)
    ffmpeg("-f", "h264", "-r", 30, "-i", tmp_path / "sei.h264", "-c", "copy", tmp_path / "sei.mp4")
    rgb, _ = harmless(tmp_path / "sei.mp4", "SEI type 5")
    assert len(rgb) == 30
    assert places(rgb, stored(tmp_path / "n.mp4")[0]) == list(range(30))
    at, size, _ = pictures_in(tmp_path / "sei.mp4")[9]
    overwrite(tmp_path / "sei.mp4", at + size // 2, 300)
    with pytest.raises(StageError, match="damaged"):
        stored(tmp_path / "sei.mp4")


def test_an_app1_that_is_no_exif(tmp_path: Path) -> None:
    ffmpeg(*pattern(seconds=1), "-c:v", "mjpeg", "-q:v", 3, "-pix_fmt", "yuvj420p", tmp_path / "m.avi")
    data = (tmp_path / "m.avi").read_bytes()
    changed = data.replace(b"\xff\xfe\x00\x10Lavc", b"\xff\xe1\x00\x10Exif")
    assert changed != data
    (tmp_path / "app1.avi").write_bytes(changed)
    rgb, _ = harmless(tmp_path / "app1.avi", "EXIF")
    assert places(rgb, stored(tmp_path / "m.avi")[0]) == list(range(30))


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("pyramid", ["none", "normal"])
def test_a_lossless_cut_of_an_open_group(tmp_path: Path, container: str, pyramid: str) -> None:
    params = f"open-gop=1:keyint=30:min-keyint=30:scenecut=0:bframes=3:b-pyramid={pyramid}:ref=3"
    ffmpeg(*pattern(seconds=4), *X264, "-x264-params", params, tmp_path / "og.mkv")
    path = tmp_path / f"cut.{container}"
    ffmpeg("-ss", 1.2, "-i", tmp_path / "og.mkv", "-c", "copy", "-v", "quiet", path)
    rgb, _ = harmless(path)
    found = places(rgb, stored(tmp_path / "og.mkv")[0])
    assert found == list(range(found[0], 120))
    assert 27 <= found[0] <= 36
    keys = [p for p in pictures_in(path) if p[2]]
    overwrite(path, keys[0][0] + keys[0][1] // 3, 500)
    with pytest.raises(StageError, match="damaged"):
        stored(path)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video", "libx265"])
def test_a_recording_that_begins_within_a_group(tmp_path: Path, codec: str) -> None:
    """A recorder that starts to write wherever it is."""
    options: dict[str, list[object]] = {
        "libx264": ["-preset", "veryfast", "-crf", 20],
        "mpeg2video": ["-q:v", 4],
        "libx265": [
            "-x265-params",
            "log-level=none:keyint=30:min-keyint=30:bframes=2",
            "-preset",
            "ultrafast",
        ],
    }
    ffmpeg(
        *pattern("160x96", 3), "-c:v", codec, *options[codec], "-g", 30, "-bf", 2, "-pix_fmt", "yuv420p",
        "-f", "mpegts", tmp_path / "long.ts",
    )  # fmt: skip
    data = (tmp_path / "long.ts").read_bytes()
    whole = stored(tmp_path / "long.ts")[0]
    for part in (5, 4, 2.2):
        path = tmp_path / "dvr.ts"
        path.write_bytes(data[int(len(data) / part) // 188 * 188 :])
        rgb, _ = harmless(path, "begins within a group of pictures")
        found = places(rgb, whole)
        assert found == list(range(found[0], len(whole))), "every picture shown is right"
        assert found[0] in (29, 30, 31, 58, 59, 60, 61)


@pytest.mark.parametrize("continued", [False, True])
def test_transport_streams_put_together(tmp_path: Path, continued: bool) -> None:
    for k, seconds in ((1, 1), (2, 2)):
        shift = ["-output_ts_offset", 1] if continued and k == 2 else []
        ffmpeg(*pattern(seconds=seconds), *X264, *shift, "-f", "mpegts", tmp_path / f"{k}.ts")
    path = tmp_path / "cat.ts"
    path.write_bytes((tmp_path / "1.ts").read_bytes() + (tmp_path / "2.ts").read_bytes())
    rgb, attrs = harmless(path, "put together")
    _, time, _ = stored(path)
    np.testing.assert_allclose(np.diff(time), 1 / 30, atol=1e-3)
    assert attrs["rate"] == "constant"
    whole = np.concatenate([stored(tmp_path / f"{k}.ts")[0] for k in (1, 2)])
    np.testing.assert_array_equal(rgb, whole)
    # a packet lost in the middle of the first part, or the first part cut short
    data, second = (tmp_path / "1.ts").read_bytes(), (tmp_path / "2.ts").read_bytes()
    middle = len(data) // 2 // 188 * 188
    for bad in (data[:middle] + data[middle + 188 :] + second, data[: middle * 4 // 3 // 188 * 188] + second):
        path.write_bytes(bad)
        with pytest.raises(StageError, match="damaged"):
            stored(path)


def test_room_that_a_recorder_reserved(tmp_path: Path) -> None:
    live = ffmpeg(*pattern(seconds=1), *X264, "-f", "matroska", "-")
    path = tmp_path / "zeros.mkv"
    path.write_bytes(live)
    whole = stored(path)[0]
    path.write_bytes(live + bytes(100_000))
    assert end_of_content(path) == len(live.rstrip(b"\0"))
    rgb, _ = harmless(path, "zero bytes behind the recording")
    np.testing.assert_array_equal(rgb, whole)
    # the same zeros in place of pictures that the file says it has
    ffmpeg(*pattern(seconds=1), *X264, tmp_path / "sized.mkv")
    data = (tmp_path / "sized.mkv").read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3] + bytes(len(data) - len(data) * 2 // 3))
    with pytest.raises(StageError, match="damaged"):
        stored(path)
    # and zeros that begin within a picture
    path.write_bytes(live[: len(live) * 2 // 3] + bytes(100_000))
    with pytest.raises(StageError, match="damaged"):
        stored(path)


@pytest.mark.parametrize("container", ["mp4", "avi", "ts", "mpg"])
def test_zeros_behind_other_files(tmp_path: Path, container: str) -> None:
    codec = ["-c:v", "mpeg2video"] if container == "mpg" else X264
    path = tmp_path / f"a.{container}"
    ffmpeg(*pattern(seconds=1), *codec, "-f", {"ts": "mpegts", "mpg": "mpeg"}.get(container, container), path)
    whole = stored(path)[0]
    path.write_bytes(path.read_bytes() + bytes(50_000))
    np.testing.assert_array_equal(harmless(path)[0], whole)
