"""The command ffmpeg, for inputs and truths that PyAV cannot make, and what the stage makes of a file."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.base import Block, SourceFile, VideoInfo
from stages.frames import STAGE, FramesParams

FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="the command ffmpeg is not installed")


def ffmpeg(*words: object, cwd: Path | None = None) -> bytes:
    """Run the command; what it writes to stdout."""
    command = [FFMPEG or "ffmpeg", "-nostdin", "-y", "-v", "error", "-threads", "1", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=False)
    assert done.returncode == 0, (words, done.stderr.decode(errors="replace"))
    return done.stdout


def pattern(size: str = "320x180", seconds: float = 1, rate: object = 30) -> list[object]:
    """Input options for a moving test picture of which every frame is another."""
    return ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}"]


def tone(seconds: float) -> list[object]:
    """Input options for a sine."""
    return ["-f", "lavfi", "-i", f"sine=d={seconds}"]


def decoded_by_ffmpeg(path: Path, size: tuple[int, int], *words: object) -> NDArray[np.uint8]:
    """(n, H, W, 3): all pictures as the command shows them, turned, fitted and padded."""
    w, h = size
    flags = "area+accurate_rnd+full_chroma_int"
    fitted = f"scale=iw*sar:ih:flags={flags},setsar=1," if "-sar" in words else ""
    chain = f"{fitted}scale={w}:{h}:force_original_aspect_ratio=decrease:flags={flags},pad={w}:{h}:-1:-1"
    rest = [word for word in words if word != "-sar"]
    raw = ffmpeg(
        *rest,
        "-i",
        path,
        "-fps_mode",
        "passthrough",
        "-vf",
        chain,
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    )
    return np.frombuffer(raw, np.uint8).reshape(-1, h, w, 3)


def stored(path: Path, **params: Any) -> tuple[NDArray[np.uint8], NDArray[np.float64], dict[str, Any]]:
    """rgb, time and attributes, by the stage."""
    blocks = iter([Block(0, 50, 0, {}, SourceFile(path))])
    parts = list(STAGE.compute(blocks, FramesParams(**params), VideoInfo()))
    rgb, time = (np.concatenate([p[name] for p in parts]) for name in ("rgb", "time"))
    return rgb, time, parts[-1].attrs


def set_matrix(source: Path, target: Path, matrix: Sequence[float]) -> Path:
    """Copy an MP4 with another display matrix (a, b, c, d) in its first track header."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    a, b, c, d = (round(v * 65536) for v in matrix)
    struct.pack_into(">8i", data, at, a, b, 0, c, d, 0, 0, 0)
    target.write_bytes(data)
    return target
