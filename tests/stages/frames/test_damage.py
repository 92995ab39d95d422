"""Damaged files never pass for sound.

Every damage is real: bytes cut off or overwritten in files that an encoder wrote.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from stages.frames.decode import decode
from stages.frames.report import MOST_FAULTS, Report
from tests.conftest import encode, remux, scene
from tests.stages.frames.decoding import (
    BLIND,
    FORMATS,
    each_clip,
    garbage,
    hide_first,
    picture_bytes,
    read,
    refused,
    run,
    seen,
    truncated,
)


@pytest.mark.parametrize("name", [n for n in FORMATS if n not in BLIND])
def test_garbage_in_the_pictures_is_seen(formats: dict[str, Path], tmp_path: Path, name: str) -> None:
    if name not in formats:
        pytest.skip("this FFmpeg has no such encoder")
    path, whole = formats[name], read(formats[name])[0]
    places = picture_bytes(path) or [(k * path.stat().st_size // 24, 1) for k in range(24)]
    missed = []
    # a stream without an index whose last pictures are all gone is a shorter stream and nothing else
    for k, (at, size) in enumerate(place for place in places[::5] if place[0] + 4096 < places[-1][0]):
        bad = garbage(path, tmp_path / f"bad-{name}", at + size // 3, seed=k)
        if not seen(bad) and read(bad)[0] != whole:
            missed.append(at)
    assert missed == []


@each_clip
def test_garbage_in_real_clips_is_seen(shared: Path, tmp_path: Path, clip: str) -> None:
    """4 kB at six places of each clip, among them its first and its largest picture."""
    path = shared / "videos" / clip
    whole, places = read(path)[0], picture_bytes(path)
    chosen = [
        places[0],
        max(places, key=lambda p: p[1]),
        *(places[len(places) * k // 5] for k in range(1, 5)),
    ]
    for k, (at, size) in enumerate(chosen):
        bad = garbage(path, tmp_path / f"bad{path.suffix}", at + size // 4, seed=k)
        assert seen(bad) or read(bad)[0] == whole, f"4 kB at {at} changed pictures silently"


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.9])
@pytest.mark.parametrize(
    "name",
    ["h264.mp4", "h264-faststart.mp4", "h264-fragmented.mp4", "h264.mkv", "mjpeg.avi", "vp9.webm", "raw.avi"],
)
def test_truncation_is_seen(formats: dict[str, Path], tmp_path: Path, name: str, keep: float) -> None:
    if name not in formats:
        pytest.skip("this FFmpeg has no such encoder")
    bad = truncated(formats[name], tmp_path / name, keep)
    text = refused(bad)
    if name == "h264.mp4":
        assert "truncated (no index)" in text
    if "frames decoded" in text:
        rgb, time, attrs = run(bad, damaged="keep")
        assert 0 < len(rgb) == len(time) <= 24
        assert attrs["faults"]


@each_clip
def test_truncated_real_clips_are_seen(shared: Path, tmp_path: Path, clip: str) -> None:
    path = shared / "videos" / clip
    fast = None
    if path.suffix == ".mp4":
        fast = remux(path, tmp_path / "fast.mp4", movflags="faststart")
        mkv = remux(path, tmp_path / "clip.mkv")
    for source in [path] + ([fast, mkv] if fast else []):
        for keep in (0.3, 0.97):
            assert seen(truncated(source, tmp_path / f"cut{source.suffix}", keep)), (source.name, keep)


def test_truncation_between_two_pictures_is_seen(formats: dict[str, Path], tmp_path: Path) -> None:
    """A cut that leaves every packet whole shows only in the index, or in the length that a file states."""
    for name in ("h264-faststart.mp4", "h264.mkv", "mjpeg.avi"):
        data = formats[name].read_bytes()
        for at, size in picture_bytes(formats[name])[-6:-1]:
            (tmp_path / name).write_bytes(data[: at + size])
            assert seen(tmp_path / name), (name, at + size)


def test_a_lost_transport_packet_is_seen(formats: dict[str, Path], tmp_path: Path) -> None:
    data, (at, size) = formats["h264.ts"].read_bytes(), picture_bytes(formats["h264.ts"])[0]
    gap = (at + size // 2) // 188 * 188
    (tmp_path / "gap.ts").write_bytes(data[:gap] + data[gap + 188 :])
    assert read(tmp_path / "gap.ts")[1].faults[0] == "frame 0 is damaged"


def test_the_same_damage_is_seen_again(formats: dict[str, Path], tmp_path: Path) -> None:
    """The second of two files with the same fault is as damaged as the first."""
    for name, keep in (("h264.mkv", 0.6), ("vp9.webm", 0.6), ("h264-faststart.mp4", 0.6), ("mjpeg.avi", 0.6)):
        if name in formats:
            bad = truncated(formats[name], tmp_path / name, keep)
            reports = [asdict(read(bad)[1]) for _ in range(3)]
            assert reports[0]["faults"]
            assert reports[1:] == reports[:1] * 2


def test_one_message_is_not_lost_behind_the_same_one_before(formats: dict[str, Path], tmp_path: Path) -> None:
    """FFmpeg's only word on this damage is one message, equal for every such file."""
    sources = []
    for k in range(2):
        data = bytearray(formats["ffv1-crc.mkv"].read_bytes())
        at, size = picture_bytes(formats["ffv1-crc.mkv"])[5 + k]
        data[at + size // 2 : at + size // 2 + 64] = bytes(64)
        sources.append(tmp_path / f"{k}.mkv")
        sources[-1].write_bytes(data)
    for path in [*sources, *sources]:
        assert read(path)[1].faults


def test_two_files_read_in_turn_keep_their_faults_apart(formats: dict[str, Path], tmp_path: Path) -> None:
    sound = formats["h264.mp4"]
    at, size = picture_bytes(sound)[8]
    bad = garbage(sound, tmp_path / "bad.mp4", at + size // 3)
    alone = asdict(read(bad)[1])
    good_report, bad_report = Report(), Report()
    both: list[Iterator[Any]] = [decode(sound, good_report), decode(bad, bad_report)]
    assert sum(1 for _ in zip_longest(*both)) >= 24
    assert good_report.faults == []
    assert asdict(bad_report) == alone


def test_an_abandoned_file_does_not_hear_for_others(formats: dict[str, Path]) -> None:
    pictures = decode(formats["h264.mp4"], Report())
    assert isinstance(pictures, Generator)
    next(pictures)
    with av.logging.Capture() as heard:
        av.logging.log(av.logging.ERROR, "other", "mine")
        pictures.close()
        av.logging.log(av.logging.ERROR, "other", "mine too")
    assert [m[2] for m in heard] == ["mine", "mine too"]


def test_faults_in_a_hidden_picture_count(formats: dict[str, Path], tmp_path: Path) -> None:
    """An edit list hides the damaged key frame, but what is shown is predicted from it."""
    path = tmp_path / "clip.mp4"
    encode(path, scene(30, (320, 192), noise=12), options={"x264-params": "bframes=0:keyint=30"})
    hide_first(path, 10)
    whole = read(path)[0]
    at, size = picture_bytes(path)[0]
    for k in range(4):
        bad = garbage(path, tmp_path / "bad.mp4", at + size * (k + 1) // 6, size=512, seed=k)
        assert seen(bad) or read(bad)[0] == whole


@pytest.mark.parametrize("keep", ["garbage", "cut"])
def test_damaged_keep_stores_what_is_there(formats: dict[str, Path], tmp_path: Path, keep: str) -> None:
    path = formats["h264-faststart.mp4"]
    at, size = picture_bytes(path)[12]
    if keep == "garbage":
        bad = garbage(path, tmp_path / "bad.mp4", at + size // 3)
    else:
        bad = tmp_path / "bad.mp4"
        bad.write_bytes(path.read_bytes()[: at + size // 2])
    text = refused(bad)
    assert "damaged" in text
    assert "damaged: keep" in text, "the remedy names the setting"
    rgb, time, attrs = run(bad, damaged="keep")
    assert 0 < len(rgb) == len(time) <= 24
    assert attrs["faults"]
    assert all("\n" not in f and "[Errno" not in f for f in attrs["faults"])
    sound = run(path)[0]
    np.testing.assert_array_equal(rgb[:5], sound[:5])
    if keep == "garbage":
        assert any(re.fullmatch(r"frame 1\d is damaged", f) for f in attrs["faults"]), "says which frame"
    if keep == "cut":
        assert "the index lists 24 frames" in attrs["faults"][-1]
        assert len(rgb) < 24


def test_thousands_of_faults_stay_readable(formats: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "long.avi"
    encode(path, scene(200, (160, 96)), codec="mjpeg", pix_fmt="yuvj420p")
    data = bytearray(path.read_bytes())
    for at, size in picture_bytes(path):
        data[at + 8 : at + min(size, 300)] = bytes(min(size, 300) - 8)
    path.write_bytes(data)
    report = Report()
    for _ in decode(path, report):
        pass
    assert 1 < len(report.faults) <= MOST_FAULTS
    assert report.faults[-1].endswith("more signs of damage")
    assert int(report.faults[-1].split()[1]) > 100


def test_a_change_of_size_is_a_fault(tmp_path: Path) -> None:
    parts = []
    for k, size in enumerate([(320, 192), (160, 96)]):
        parts.append(encode(tmp_path / f"{k}.ts", scene(6, size), codec="mpeg2video", fps=25).read_bytes())
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(parts))
    refused(path)
    rgb, _, attrs = run(path, damaged="keep")
    assert rgb.shape[1:] == (180, 320, 3)
    assert any("picture size or format changes at frame" in fault for fault in attrs["faults"])
