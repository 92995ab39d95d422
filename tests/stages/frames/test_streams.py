"""Which stream is the film."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from stages.base import StageError
from tests.support.ffmpeg import ffmpeg, needs_ffmpeg, pattern, stored, tone

pytestmark = needs_ffmpeg


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 320×180, a preview, a cover larger than both, sound."""
    place = tmp_path_factory.mktemp("parts")
    x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    ffmpeg(*pattern("320x180"), *x264, place / "film.mp4")
    ffmpeg(*pattern("96x54"), *x264, place / "preview.mp4")
    ffmpeg("-f", "lavfi", "-i", "color=red:s=600x600", "-frames:v", "1", place / "cover.jpg")
    ffmpeg(*tone(1), "-c:a", "aac", place / "tone.m4a")
    return place


def check_film(path: Path, index: int) -> dict[str, object]:
    rgb, time, attrs = stored(path)
    assert (attrs["source_width"], attrs["source_height"], attrs["codec"]) == (320, 180, "h264")
    assert attrs["stream"] == index
    assert len(rgb) == len(time) == 30
    assert attrs["fps"] == 30
    assert attrs["faults"] == []
    assert attrs["streams"][index].startswith(f"{index}: h264 320x180")
    return attrs


def test_cover_art_before_the_film(parts: Path, tmp_path: Path) -> None:
    """As mutagen writes it: ``moov/udta`` before the tracks makes the cover stream 0."""
    path = tmp_path / "song.mp4"
    ffmpeg(
        "-i", parts / "cover.jpg", "-i", parts / "film.mp4", "-map", "1:v", "-map", "0:v",
        "-c", "copy", "-disposition:v:1", "attached_pic", path,
    )  # fmt: skip
    data = path.read_bytes()
    at = data.index(b"moov") - 4
    (size,) = struct.unpack(">I", data[at : at + 4])
    boxes, k = [], at + 8
    while k < at + size:
        (n,) = struct.unpack(">I", data[k : k + 4])
        boxes.append(data[k : k + n])
        k += n
    boxes.sort(key=lambda box: box[4:8] != b"udta")
    path.write_bytes(data[: at + 8] + b"".join(boxes) + data[at + size :])
    attrs = check_film(path, 1)
    assert attrs["streams"] == ["0: mjpeg 600x600, attached picture", "1: h264 320x180, default"]
    assert attrs["notes"] == []


@pytest.mark.parametrize("container", ["mkv", "mp4"])
@pytest.mark.parametrize("tag", ["attached_pic", "default", "0"])
def test_a_cover_whatever_its_tag(parts: Path, tmp_path: Path, container: str, tag: str) -> None:
    path = tmp_path / f"cover.{container}"
    ffmpeg(
        "-i", parts / "cover.jpg", "-i", parts / "film.mp4", "-map", "0:v", "-map", "1:v", "-c", "copy",
        "-disposition:v:0", tag, "-disposition:v:1", "0", path,
    )  # fmt: skip
    check_film(path, int(stored(path)[2]["stream"]))


@pytest.mark.parametrize("container", ["mkv", "mp4", "ts"])
@pytest.mark.parametrize("film_first", [True, False])
def test_a_preview_beside_the_film(parts: Path, tmp_path: Path, container: str, film_first: bool) -> None:
    names = ["film.mp4", "preview.mp4"] if film_first else ["preview.mp4", "film.mp4"]
    path = tmp_path / f"two.{container}"
    ffmpeg(
        "-i", parts / names[0], "-i", parts / names[1], "-i", parts / "tone.m4a",
        "-map", "0:v", "-map", "1:v", "-map", "2:a", "-c", "copy", path,
        "-disposition:v", "0",
    )  # fmt: skip
    attrs = check_film(path, 0 if film_first else 1)
    assert any("2 video streams" in note and "96x54" in note for note in attrs["notes"])  # type: ignore[attr-defined]


def test_the_default_is_taken_where_one_is_marked(parts: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    ffmpeg(
        "-i", parts / "film.mp4", "-i", parts / "preview.mp4", "-map", "0:v", "-map", "1:v", "-c", "copy",
        "-disposition:v:0", "0", "-disposition:v:1", "default", path,
    )  # fmt: skip
    attrs = stored(path)[2]
    assert (attrs["stream"], attrs["source_width"]) == (1, 96)
    assert "320x180" in attrs["notes"][0]


def test_a_song_with_a_cover_is_no_video(parts: Path, tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    ffmpeg(
        "-i", parts / "tone.m4a", "-i", parts / "cover.jpg", "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v:0", "attached_pic", path,
    )  # fmt: skip
    with pytest.raises(StageError, match=r"holds no video stream \(only an attached picture\)"):
        stored(path)


def test_other_streams_change_nothing(parts: Path, tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    ffmpeg("-i", parts / "film.mp4", "-i", parts / "tone.m4a", "-c", "copy", path)
    alone, beside = stored(parts / "film.mp4"), stored(path)
    np.testing.assert_array_equal(alone[0], beside[0])
    np.testing.assert_allclose(alone[1], beside[1])
    assert beside[2]["streams"] == ["0: h264 320x180, default", "1: audio aac"]
