"""A film that shows what a network found: label, score, skeleton and a time line over the pictures.

H.264 in MP4 without B-frames, which every browser plays; where this PyAV encodes no H.264, MPEG-4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np

from pipeline.pictures.draw import Picture, caption, draw_player, enlarge
from pipeline.predicting.network import Span
from pipeline.predicting.results import Results
from stages.base import Array

#: raised when films look different
VERSION = 1
#: stored frames are small; their pixels are shown as squares of this side
ZOOM = 2
#: more pictures a second than a screen shows are left out
MOST_FPS = 60.0
#: heights of the strip with label and score, and of the time line, px
STRIP, LINE = 26, 18
BLOCK = 50
WHITE, DIM = (255, 255, 255), (70, 70, 70)


def write_overlay(
    path: Path,
    results: Results,
    rate: float,
    rows: int,
    spans: Sequence[tuple[Span, str]],
    classes: Sequence[str],
    tell: Callable[[int], None],
) -> None:
    """Write the film of a video.

    Parameters
    ----------
    path : Path
        Written as it is: the caller replaces files atomically.
    results : Results
    rate : float
        Of the rows, 1/s.
    rows : int
    spans : sequence of (Span, str)
        Strokes, in rows, each with the text shown while it lasts.
    classes : sequence of str
        Decide on colours.
    tell : callable
        Called with numbers of rows done.
    """
    every = max(1, round(rate / MOST_FPS + 0.49))
    fps = Fraction(rate).limit_denominator(1001) / every
    first = results.pictures(0, 1)[0]
    height, width = first.shape[0] * ZOOM, first.shape[1] * ZOOM
    line = _time_line(width, rows, [s for s, _ in spans], len(classes))
    shown = [None] * rows if not spans else _texts(rows, spans)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        stream = _stream(out, width, -(-(height + STRIP + LINE) // 2) * 2, fps)
        number = 0
        for at in range(0, rows, BLOCK):
            stop = min(at + BLOCK, rows)
            pictures, joints = results.pictures(at, stop), results.joints(at, stop)
            for t in range(at, stop):
                if t % every:
                    continue
                pose = joints[t - at] if joints is not None else None
                drawn = _picture(pictures[t - at], pose, shown[t], line, t / rows, len(classes))
                frame = av.VideoFrame.from_ndarray(drawn, format="rgb24")
                frame.pts, frame.time_base = number, 1 / fps
                number += 1
                out.mux(stream.encode(frame))
            tell(stop - at)
        out.mux(stream.encode(None))


def _stream(out: Any, width: int, height: int, fps: Fraction) -> Any:
    try:
        options = {"crf": "24", "preset": "veryfast", "bf": "0", "g": "48"}
        stream = out.add_stream("libx264", rate=fps, options=options)
    except (av.error.FFmpegError, ValueError):
        stream = out.add_stream("mpeg4", rate=fps)
        stream.bit_rate = 2_000_000
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.thread_count = 1
    return stream


def colour(label: int, classes: int) -> tuple[int, int, int]:
    """Return the colour of a class, RGB: hues evenly around the circle."""
    hsv = np.array([[[int(180 * label / max(classes, 1)) % 180, 190, 230]]], np.uint8)
    r, g, b = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return r, g, b


def _texts(rows: int, spans: Sequence[tuple[Span, str]]) -> list[tuple[Span, str] | None]:
    """Return what is shown in each row; of strokes that overlap, the one that begins later."""
    shown: list[tuple[Span, str] | None] = [None] * rows
    for span, text in sorted(spans, key=lambda s: s[0].begin):
        shown[span.begin : span.end] = [(span, text)] * (span.end - span.begin)
    return shown


def _time_line(width: int, rows: int, spans: Sequence[Span], classes: int) -> Picture:
    """Draw the strokes of the whole video as bars along time; (LINE, width, 3)."""
    line = np.full((LINE, width, 3), 30, np.uint8)
    for s in spans:
        left, right = round(s.begin * width / rows), max(round(s.end * width / rows), 1)
        line[3:-3, left : max(right, left + 1)] = colour(s.label, classes)
    return line


def _picture(
    rgb: Picture,
    joints: Array | None,
    shown: tuple[Span, str] | None,
    line: Picture,
    share: float,
    classes: int,
) -> Picture:
    """Draw one picture: the frame, the strip with label and score, the time line with its playhead."""
    frame = enlarge(rgb, ZOOM)
    if joints is not None:
        draw_player(frame, joints, ZOOM)
    width = frame.shape[1]
    strip = np.array(caption(width, shown[1] if shown is not None else "", STRIP))
    if shown is not None:
        of = colour(shown[0].label, classes)
        cv2.rectangle(frame, (0, 0), (width - 1, frame.shape[0] - 1), of, 2 * ZOOM)
        strip[-3:, : round(width * min(max(shown[0].score, 0.0), 1.0))] = of
    now = line.copy()
    at = min(round(share * width), width - 1)
    now[:, max(at - 1, 0) : at + 1] = WHITE
    stacked = np.concatenate([frame, strip, now])
    if len(stacked) % 2:
        stacked = np.concatenate([stacked, np.zeros((1, width, 3), np.uint8)])
    return stacked
