"""Decoding: sound files raise no alarm; edit lists, rotation, interlacing and rates are the file's."""

from __future__ import annotations

import csv
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.frames.times import MOST_FPS, Rate, rate_of
from tests.conftest import remux, scene
from tests.stages.frames.decoding import (
    FORMATS,
    Factory,
    box,
    each_clip,
    hide_first,
    read,
    run,
    seen,
    truncated,
)

# -- sound files -----------------------------------------------------------------------------


def manifest(shared: Path) -> dict[str, int]:
    with (shared / "MANIFEST.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {Path(r["file"]).name: int(r["frames_decoded"]) for r in rows if r["frames_decoded"]}


@each_clip
def test_real_clips_have_the_frames_that_are_there(shared: Path, clip: str) -> None:
    digests, report = read(shared / "videos" / clip)
    assert len(digests) == report.frames == manifest(shared)[clip]
    assert report.faults == []


@each_clip
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_remuxed_real_clips_raise_no_alarm(shared: Path, tmp_path: Path, clip: str, container: str) -> None:
    source = shared / "videos" / clip
    if clip.endswith(".avi"):
        container = "avi"  # msmpeg4 is not allowed in the others
    options = {"movflags": "faststart"} if container == "mp4" else {}
    again, report = read(remux(source, tmp_path / f"again.{container}", **options))
    assert report.faults == []
    before, original = read(source)
    if container == "mkv" and original.discarded:  # Matroska has no edit lists: the hidden ones show
        assert again[-len(before) :] == before
        assert report.frames == original.packets
    else:
        assert again == before


@pytest.mark.parametrize("name", FORMATS)
def test_sound_files_raise_no_alarm(formats: dict[str, Path], name: str) -> None:
    if name not in formats:
        pytest.skip("this FFmpeg has no such encoder")
    digests, report = read(formats[name])
    assert report.faults == []
    assert len(digests) == report.frames == report.packets == 24
    assert report.claimed in (0, 24)
    assert len(set(digests)) == 24, "every picture is its own"
    assert report.interlaced == (24 if "interlaced" in name else 0)


def test_an_avi_with_dropped_pictures_is_sound(formats: dict[str, Path], tmp_path: Path) -> None:
    """AVI counts time slots: a camera that drops a picture leaves one empty, and that is no damage."""
    path = tmp_path / "dropped.avi"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for t, rgb in enumerate(scene(24, (320, 192))):
            if t in (7, 8, 15):
                continue
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = t, Fraction(1, 30)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    _, report = read(path)
    assert (report.claimed, report.frames) == (24, 21), "otherwise this test shows nothing"
    assert report.faults == []
    assert seen(truncated(path, tmp_path / "cut.avi", 0.7))


@pytest.mark.parametrize(
    "name", ["a b.mp4", "concat:x.mp4", "clip%03d [1].mp4", "-y.mp4", "spiel ü 卓球.mp4"]
)
def test_file_names_are_only_names(
    formats: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """FFmpeg takes what stands before a colon for a protocol."""
    (tmp_path / name).write_bytes(formats["h264.mp4"].read_bytes())
    monkeypatch.chdir(tmp_path)
    assert len(read(tmp_path / name)[0]) == len(read(Path(name))[0]) == 24


def test_decoding_is_the_same_each_time_and_in_any_batch(formats: dict[str, Path]) -> None:
    whole = run(formats["h264.mp4"])
    for batch in (1, 7, 24):
        for a, b in zip(run(formats["h264.mp4"], batch)[:2], whole[:2], strict=True):
            np.testing.assert_array_equal(a, b)
    assert whole[0].dtype == np.uint8
    assert whole[1].dtype == np.float64
    np.testing.assert_allclose(np.diff(whole[1]), 1 / 30, atol=1e-9)


def test_pictures_come_in_presentation_order(formats: dict[str, Path]) -> None:
    """With B-frames the file's order is another one; the shown order is the scene's."""
    drawn = np.stack(list(scene(24, (320, 192), seed=3, noise=8)))
    for name in ("h264.mp4", "h264.mkv", "mpeg4-b.avi"):
        rgb, time, attrs = run(formats[name], width=320, height=192)
        assert attrs["timestamps_not_increasing"] == 0
        assert (np.diff(time) > 0).all()
        away = [[np.abs(shown.astype(int) - d).mean() for d in drawn] for shown in rgb]
        np.testing.assert_array_equal(np.argmin(away, axis=1), np.arange(24))


# -- what the container asks for -------------------------------------------------------------


def test_what_an_edit_list_hides_is_hidden(clip_factory: Factory) -> None:
    path = clip_factory(n=30, options={"x264-params": "bframes=0"})
    before = run(path)[0]
    hide_first(path, 10)
    rgb, time, attrs = run(path)
    assert (attrs["frames_claimed"], attrs["frames_hidden_by_edit_list"]) == (30, 10)
    assert attrs["faults"] == []
    np.testing.assert_array_equal(rgb, before[10:])
    assert time[0] == pytest.approx(0, abs=0.034)


def test_the_edit_list_of_a_real_clip(shared: Path) -> None:
    rgb, _, attrs = run(shared / "videos" / "tennis_behind_480p30.mp4")
    assert attrs["frames_claimed"] == 195
    assert len(rgb) == 127
    assert attrs["frames_hidden_by_edit_list"] == 195 - 127
    assert attrs["faults"] == []


def quarters() -> NDArray[np.uint8]:
    """An upright picture that no turn or mirror maps onto itself: red, green / blue, white."""
    out = np.zeros((180, 320, 3), np.uint8)
    out[:90, :160], out[:90, 160:], out[90:, :160], out[90:, 160:] = (
        (220, 30, 30), (30, 220, 30), (30, 30, 220), (220, 220, 220)
    )  # fmt: skip
    return out


#: clockwise quarter turns -> the matrix (a b u, c d v, x y w) of a tkhd box: x' = ax + cy, y' = bx + dy
TURNS = {
    1: (0, 1, 0, -1, 0, 0, 0, 0, 0x4000),
    2: (-1, 0, 0, 0, -1, 0, 0, 0, 0x4000),
    3: (0, -1, 0, 1, 0, 0, 0, 0, 0x4000),
}


@pytest.mark.parametrize("turns", TURNS)
def test_rotated_recordings_come_out_upright(clip_factory: Factory, turns: int) -> None:
    """A phone held sideways stores turned pictures and a tag that says how to show them."""
    upright = quarters()
    stored = np.ascontiguousarray(np.rot90(upright, turns))  # anticlockwise: the tag turns it back
    path = clip_factory(frames=[stored] * 3, options={"crf": "5"})
    data = bytearray(path.read_bytes())
    at = box(data, b"tkhd") + 4 + 20 + 8 + 8  # version and flags, 5 fields, reserved, layer … volume
    struct.pack_into(">9i", data, at, *(v * 0x10000 for v in TURNS[turns]))
    path.write_bytes(data)
    rgb, _, attrs = run(path)
    assert attrs["fit"] == "exact"
    assert abs(attrs["rotation"]) == (180 if turns == 2 else 90)
    away = np.abs(rgb.astype(int) - upright).max(axis=(0, 3))
    away[86:94], away[:, 156:164] = 0, 0  # the encoder blurs the borders between colours
    assert away.max() <= 12


def test_interlaced_flagged_files_decode_right(clip_factory: Factory) -> None:
    """OpenCV gives black or another file's frames for these."""
    pictures = list(scene(12, (320, 192), seed=9, noise=1))
    path = clip_factory(frames=pictures, options={"x264-params": "tff=1:weightp=0", "crf": "12"})
    rgb, _, attrs = run(path, height=192)
    assert attrs["frames_interlaced"] == len(rgb) == 12
    for shown, drawn in zip(rgb, pictures, strict=True):
        assert np.abs(shown.astype(int) - drawn).mean() < 4
    assert attrs["faults"] == []


# -- frame rate ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fps", [Fraction(120), Fraction(60), Fraction(30000, 1001), Fraction(10), Fraction(240)]
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_the_frame_rate_is_the_files(clip_factory: Factory, name: str, fps: Fraction) -> None:
    attrs = run(clip_factory(name, n=12, size=(160, 96), codec="mpeg4", fps=fps))[2]
    assert Fraction(attrs["fps_num"], attrs["fps_den"]) == fps
    assert attrs["fps_from"] == "container"


def test_the_manifest_overrules(clip_factory: Factory) -> None:
    attrs = run(clip_factory(n=4, fps=30), fps=119.88)[2]
    assert attrs["fps"] == pytest.approx(119.88)
    assert attrs["fps_from"] == "manifest"


def test_claims_that_no_timestamp_supports_are_replaced() -> None:
    rng = np.random.default_rng(0)
    tick = Fraction(1, 1000)
    times = list(np.round(np.arange(300) / 30 + rng.uniform(-0.004, 0.004, 300), 3))
    rate = rate_of(Fraction(1000), tick, times)
    assert (rate.origin, rate.variable) == ("timestamps", False)
    assert float(rate.fps) == pytest.approx(30, rel=1e-3)
    assert rate_of(Fraction(30), tick, times) == Rate(Fraction(30), "container", False)
    dropped = [t for k, t in enumerate(times) if k % 5]  # every fifth picture lost: still a 30 fps camera
    assert rate_of(Fraction(30), tick, dropped) == Rate(Fraction(30), "container", True)
    assert rate_of(Fraction(0), tick, [0.0]) == Rate(Fraction(0), "container", False)
    assert rate_of(Fraction(25), tick, [0.0, np.nan, 0.1]) == Rate(Fraction(25), "container", False)


def test_a_time_base_is_no_rate() -> None:
    assert rate_of(Fraction(90000), Fraction(1, 90000), [0.0]).fps == 0
    assert rate_of(Fraction(1000), Fraction(1, 1000), [0.0]).fps == 0
    assert rate_of(Fraction(600), Fraction(1, 600), [0.0]).fps == 0
    assert rate_of(Fraction(240), Fraction(1, 240), [0.0]).fps == 240
    assert rate_of(Fraction(600), Fraction(1, 600), [k / 600 for k in range(9)]).fps == 600
    assert rate_of(Fraction(90000), Fraction(1, 90000), [k / 30 for k in range(9)]).fps == 30
    assert rate_of(Fraction(2000), Fraction(1, 90000), [k / 2000 for k in range(9)]).fps == 0
    assert MOST_FPS == 1000


def test_a_rate_that_drifts_from_even_times_is_replaced() -> None:
    """30/s is said, 30000/1001 it is: within a minute seconds name other frames."""
    times = [round(k * 1001 / 30000, 3) for k in range(1800)]
    assert rate_of(Fraction(30), Fraction(1, 1000), times) == Rate(Fraction(30000, 1001), "timestamps", False)


def test_interlaced_streams_have_their_frame_rate(clip_factory: Factory) -> None:
    path = clip_factory("a.ts", n=25, codec="mpeg2video", fps=25, options={"flags": "+ildct+ilme"})
    attrs = run(path)[2]
    assert attrs["fps"] == 25
