"""Many kinds of files, decoded by the stage and by the command ffmpeg: the same pictures at the same times.

Truth is ffmpeg's own decoding to RGB (``rawvideo rgb24``, swscale with area scaling, rotated by its own
auto-rotation) and the time stamps that ffprobe reads. Number and order of frames are equal, times to 1.1 ms
(containers round to milliseconds). Colours are equal to :data:`COLOUR` levels on average: swscale calculates
in 8 bits and rounds chroma on its way; another matrix, another range or a neighbour is further away.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.support.ffmpeg import decoded_by_ffmpeg, ffmpeg, needs_ffmpeg, set_matrix, stored, tone

pytestmark = [
    needs_ffmpeg,
    pytest.mark.skipif(shutil.which("ffprobe") is None, reason="the command ffprobe is not installed"),
]

#: mean difference of colours, levels
COLOUR = 0.5
#: stored size, px: half of the source's
SIZE = (80, 60)
FRAMES = 10

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-pix_fmt", "yuv420p")
H264_B = (*H264, "-bf", "2", "-x264-params", "b-adapt=0:keyint=10")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:bframes=2", "-crf", "14")
MPEG4_B = ("-c:v", "mpeg4", "-q:v", "2", "-bf", "2")
MPEG2_B = ("-c:v", "mpeg2video", "-q:v", "2", "-bf", "2")
MJPEG = ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p")
VP8 = ("-c:v", "libvpx", "-b:v", "2M", "-deadline", "realtime", "-cpu-used", "8")
VP9 = ("-c:v", "libvpx-vp9", "-b:v", "2M", "-deadline", "realtime", "-cpu-used", "8")
FFV1 = ("-c:v", "ffv1", "-level", "3")
PRORES = ("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le")


@dataclass(frozen=True)
class Case:
    """A file to make.

    Attributes
    ----------
    name : str
        Its suffix is the container.
    codec : tuple of str
        Output options.
    rate : str
    before : tuple of str
        Options for the input.
    sound : bool
    matrix : tuple of float
        Display matrix to be put in; empty: none.
    cut : float
        Seconds that an edit list hides in the beginning (copied without decoding).
    """

    name: str
    codec: tuple[str, ...]
    rate: str = "30"
    before: tuple[str, ...] = ()
    sound: bool = False
    matrix: tuple[float, ...] = ()
    cut: float = 0


def _cases() -> list[Case]:
    kinds: dict[str, dict[str, tuple[str, ...]]] = {
        "mp4": {"h264": H264, "h264b": H264_B, "hevc": HEVC, "mpeg4": MPEG4_B, "vp9": VP9},
        "mov": {"h264b": H264_B, "prores": PRORES, "mjpeg": MJPEG, "png": ("-c:v", "png")},
        "mkv": {
            "h264b": H264_B,
            "hevc": HEVC,
            "mpeg4": MPEG4_B,
            "ffv1": FFV1,
            "vp8": VP8,
            "mpeg2": MPEG2_B,
        },
        "webm": {"vp8": VP8, "vp9": VP9},
        "avi": {
            "h264": H264,
            "h264b": H264_B,
            "mpeg4": MPEG4_B,
            "mjpeg": MJPEG,
            "raw": ("-c:v", "rawvideo"),
        },
        "ts": {"h264b": H264_B, "hevc": HEVC, "mpeg2": MPEG2_B},
        "mpg": {"mpeg2": MPEG2_B},
        "flv": {"h264b": H264_B, "flv1": ("-c:v", "flv", "-q:v", "2")},
        "3gp": {"h264": H264},
        "wmv": {"wmv2": ("-c:v", "wmv2", "-q:v", "2")},
        "ogv": {"theora": ("-c:v", "libtheora", "-q:v", "10")},
        "mxf": {"mpeg2": MPEG2_B},
    }
    cases = [
        Case(f"{name}-{k}.{suffix}", codec)
        for suffix, codecs in kinds.items()
        for k, (name, codec) in enumerate(codecs.items())
    ]
    for rate in ("10", "24000/1001", "25", "30000/1001", "50", "60000/1001", "120", "240"):
        for suffix in ("mp4", "mkv"):
            cases.append(Case(f"rate-{rate.replace('/', '_')}.{suffix}", H264_B, rate))
    corners = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [
        (0, b, c, 0) for b in (1, -1) for c in (1, -1)
    ]
    cases += [Case(f"matrix-{k}.mp4", H264, matrix=m) for k, m in enumerate(corners)]
    cases += [Case(f"singular-{k}.mp4", H264, matrix=m) for k, m in enumerate([(0, 0, 0, 0), (1, 0, 0, 0)])]
    cases += [Case(f"cut-{cut}.mp4", H264_B, cut=cut) for cut in (0.1, 0.2)]
    cases += [Case("cut-turned.mov", H264, matrix=(0, 1, -1, 0), cut=0.1)]
    for suffix in ("mp4", "mov", "mkv"):
        late = (*H264_B, "-fps_mode", "passthrough")
        cases.append(Case(f"late.{suffix}", late, before=("-itsoffset", "0.7"), sound=True))
    cases += [
        Case(f"offset.{suffix}", (*H264_B, "-output_ts_offset", "7"), sound=True) for suffix in ("ts", "mkv")
    ]
    for name, more in {
        "709": ("-color_range", "tv", "-colorspace", "bt709"),
        "601": ("-color_range", "tv", "-colorspace", "smpte170m"),
        "full": ("-color_range", "pc", "-colorspace", "bt709"),
    }.items():
        cases.append(Case(f"colour-{name}.mkv", (*H264, *more)))
    for form in ("yuv422p", "yuv444p", "yuv420p10le"):
        cases.append(Case(f"{form}.mkv", (*FFV1, "-pix_fmt", form)))
    cases += [
        Case("gray.mkv", (*FFV1, "-pix_fmt", "gray")),
        Case("interlaced.ts", (*MPEG2_B, "-flags", "+ildct+ilme")),
    ]
    cases += [Case("fragmented.mp4", (*H264_B, "-movflags", "frag_keyframe+empty_moov"))]
    uneven = (
        "-vf",
        "select='gt(n,5)+not(mod(n,2))'",
        "-fps_mode",
        "passthrough",
        "-enc_time_base",
        "1:90000",
    )
    cases += [Case(f"variable.{suffix}", (*uneven, *H264_B)) for suffix in ("mp4", "mkv")]
    return cases


CASES = _cases()


@cache
def _encoders() -> str:
    return ffmpeg("-encoders").decode()


def make(case: Case, place: Path) -> Path:
    """Write the file of a case."""
    encoder = case.codec[case.codec.index("-c:v") + 1]
    if f" {encoder} " not in _encoders():
        pytest.skip(f"this ffmpeg has no encoder {encoder}")
    seconds = FRAMES / float(Fraction(case.rate))
    path = place / case.name
    sound = tone(1.2) if case.sound else []
    ffmpeg(
        *case.before, "-f", "lavfi", "-i", f"testsrc2=s=160x120:r={case.rate}:d={seconds * 1.0001:.6f}",
        *sound, *case.codec, *(["-c:a", "aac"] if sound else []), path,
    )  # fmt: skip
    if case.matrix:
        set_matrix(path, path, case.matrix)
    if case.cut:
        whole = path.rename(place / f"whole-{case.name}")
        ffmpeg("-ss", case.cut, "-i", whole, "-c", "copy", "-copyinkf", path)
    return path


def probed(path: Path) -> tuple[list[float], float]:
    """The times of all pictures, ascending, and that of the file's start, s."""
    words = ["ffprobe", "-v", "error", "-select_streams", "V", "-of", "json", "-show_entries"]
    words += ["frame=best_effort_timestamp_time:format=start_time", str(path)]
    found = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    times = sorted(float(f["best_effort_timestamp_time"]) for f in found["frames"])
    return times, float(found["format"].get("start_time", 0))


def test_there_are_sixty() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pictures_and_times_are_ffmpegs(case: Case, tmp_path: Path) -> None:
    path = make(case, tmp_path)
    rgb, time, attrs = stored(path, width=SIZE[0], height=SIZE[1])
    truth = decoded_by_ffmpeg(path, SIZE)
    assert attrs["faults"] == []
    assert len(rgb) == len(truth), "number of frames"
    away = np.array([[np.abs(a.astype(int) - b).mean() for b in truth] for a in rgb])
    np.testing.assert_array_equal(away.argmin(axis=1), np.arange(len(rgb)))  # order
    assert away.diagonal().max() < COLOUR
    if path.suffix == ".avi":  # pictures have no times there, packets have
        times, start = [k / float(Fraction(case.rate)) for k in range(len(rgb))], 0.0
    else:
        times, start = probed(path)
    if path.suffix in (".ts", ".mpg"):  # a broadcast clock may start anywhere
        times = [t - start for t in times]
    np.testing.assert_allclose(time, times, atol=1.1e-3)
    if "variable" not in case.name:
        assert abs(attrs["fps"] / float(Fraction(case.rate)) - 1) < 1e-3
    assert attrs["rate"] == ("variable" if "variable" in case.name else "constant")
