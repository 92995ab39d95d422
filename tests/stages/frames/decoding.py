"""What tests of decoding share: formats, readings, and real damage to files."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.base import Block, SourceFile, StageError, VideoInfo
from stages.frames import STAGE, FramesParams
from stages.frames.decode import decode
from stages.frames.report import Report

Factory = Callable[..., Path]

_ROOT = os.environ.get("TTPREP_SHARED")
CLIPS = sorted(p.name for p in Path(_ROOT, "videos").iterdir()) if _ROOT else []
each_clip = pytest.mark.parametrize(
    "clip", CLIPS or [pytest.param("", marks=pytest.mark.skip("no shared clips"))]
)

#: what cameras, phones, editors and browsers write
FORMATS: dict[str, dict[str, Any]] = {
    "h264.mp4": {"sound": True},
    "h264-faststart.mp4": {"container_options": {"movflags": "faststart"}, "sound": True},
    "h264-fragmented.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "h264.mkv": {},
    "h264.ts": {},
    "h264-cavlc.mov": {"options": {"x264-params": "cabac=0:bframes=0"}},
    "h264-interlaced.mp4": {"options": {"x264-params": "tff=1:weightp=0"}},
    "h264-10bit.mkv": {"pix_fmt": "yuv420p10le"},
    "mpeg4.mp4": {"codec": "mpeg4"},
    "mpeg4-b.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "msmpeg4.avi": {"codec": "msmpeg4v2"},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "mpeg2.mpg": {"codec": "mpeg2video", "fps": 25},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "ffv1-crc.mkv": {"codec": "ffv1", "options": {"level": "3", "slicecrc": "1"}},
    "raw.avi": {"codec": "rawvideo", "pix_fmt": "bgr24"},
    "png.mov": {"codec": "png", "pix_fmt": "rgb24"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime", "crf": "32"}},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none", "preset": "ultrafast"}},
}
#: formats without anything by which overwritten bytes could be told (no syntax to break, no checksum)
BLIND = {"raw.avi", "vp9.webm", "hevc.mp4"}


def read(path: Path) -> tuple[list[bytes], Report]:
    """A digest of every picture, and the report."""
    report = Report()
    digests = []
    for frame in decode(path, report):
        digest = sha256()
        for plane in frame.planes:
            digest.update(bytes(plane))
        digests.append(digest.digest())
    return digests, report


def seen(path: Path) -> bool:
    """Whether the stage would say that something is wrong with this file."""
    try:
        digests, report = read(path)
    except StageError:
        return True
    return bool(report.faults) or not digests


def run(path: Path, batch: int = 50, **params: Any) -> tuple[NDArray[np.uint8], NDArray[Any], dict[str, Any]]:
    """rgb, time and attributes, by the stage."""
    blocks = iter([Block(0, batch, 0, {}, SourceFile(path))])
    parts = list(STAGE.compute(blocks, FramesParams(**params), VideoInfo()))
    rgb, time = (np.concatenate([p[name] for p in parts]) for name in ("rgb", "time"))
    return rgb, time, parts[-1].attrs


def refused(path: Path, **params: Any) -> str:
    """The error of a file that cannot be used: one line that names the file, the reason and the remedy."""
    with pytest.raises(StageError) as caught:
        run(path, **params)
    text = str(caught.value)
    assert caught.value.reason.startswith(f"{path}: ")
    assert caught.value.remedy
    assert "\n" not in text
    assert "[Errno" not in text
    assert "Traceback" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return text


def garbage(path: Path, target: Path, at: int, size: int = 4096, seed: int = 0) -> Path:
    """A copy with ``size`` random bytes at ``at``."""
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()
    data[at : at + size] = noise[: max(0, len(data) - at)]
    target.write_bytes(data)
    return target


def truncated(path: Path, target: Path, keep: float) -> Path:
    """A copy of the first part of a file."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * keep)])
    return target


def picture_bytes(path: Path) -> list[tuple[int, int]]:
    """(position, size) of the compressed pictures in a file."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]


def box(data: bytes | bytearray, name: bytes) -> int:
    """Position behind the type of the first MP4 box of that name (ISO/IEC 14496-12)."""
    at = data.index(name)
    return at + 4


def hide_first(path: Path, frames: int) -> None:
    """Let the edit list start after so many frames of a clip without B-frames, at 30 fps."""
    with av.open(str(path)) as container:
        base = container.streams.video[0].time_base
    assert base is not None
    ticks = int(Fraction(1, 30) / base)
    data = bytearray(path.read_bytes())
    at = box(data, b"elst") + 4 + 4  # version and flags, number of entries
    duration, media_time = struct.unpack_from(">Ii", data, at)
    struct.pack_into(">Ii", data, at, duration - frames * 1000 // 30, media_time + frames * ticks)
    path.write_bytes(data)
