"""Videos whose frames are shown at given times, with and without sound."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

#: in which video times are written, s
CLOCK = Fraction(1, 90000)


def write_timed(
    path: Path, times: Sequence[float], *, sound: float = 0, options: dict[str, str] | None = None
) -> Path:
    """Write a video whose frame ``i`` is shown at ``times[i]`` seconds, with sound from 0 to ``sound``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options or {}) as out:
        video: Any = out.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.time_base = video.codec_context.time_base = CLOCK
        audio: Any = out.add_stream("aac", rate=8000, layout="mono") if sound else None
        if audio is not None:
            for at in range(0, int(sound * 8000), 1024):
                heard = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                heard.sample_rate, heard.pts, heard.time_base = 8000, at, Fraction(1, 8000)
                out.mux(audio.encode(heard))
            out.mux(audio.encode(None))
        for number, time in enumerate(times):
            picture = np.full((48, 64, 3), 40 + number % 160, np.uint8)
            picture[:, : 1 + number % 64] = 250
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = round(time / CLOCK), CLOCK
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return path


def slower_from(second: float, end: float, fps: int = 30) -> list[float]:
    """Return the times of a phone in poor light: every second frame is missing from a second on."""
    every = [number / fps for number in range(round(end * fps))]
    return [t for t in every if t < second - 1e-9 or round(t * fps) % 2 == 0]
