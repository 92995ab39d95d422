"""A film that shows what a network found: label, score, ROI, skeleton and time line on the pictures.

H.264 in MP4 without B-frames, which every browser plays; where this PyAV encodes no H.264, MPEG-4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np

from pipeline.pictures.draw import Picture, caption, draw_box, draw_player
from pipeline.predicting.clock import Clock
from pipeline.predicting.network import Span
from pipeline.predicting.results import Results

#: raised when films look different
VERSION = 1
#: stored frames are small; they are enlarged by this factor
ZOOM = 2
#: more pictures a second than a screen shows are left out
MOST_FPS = 60.0
#: heights of the strip with label and score, and of the time line, px
STRIP, LINE = 26, 18
BLOCK = 50
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Seen:
    """What a network found of one player.

    Attributes
    ----------
    results : Results
    player : str
        Empty where nobody named one.
    spans : list of Span
        Strokes, in rows.
    """

    results: Results
    player: str
    spans: list[Span]


def write_overlay(
    path: Path, seen: Sequence[Seen], clock: Clock, classes: Sequence[str], tell: Callable[[int], None]
) -> None:
    """Write the film of a video.

    Parameters
    ----------
    path : Path
        Written as it is: the caller replaces files atomically.
    seen : sequence of Seen
        One for each player.
    clock : Clock
    classes : sequence of str
    tell : callable
        Called with numbers of rows done.
    """
    rows, n = clock.rows, len(classes)
    every = max(1, math.ceil(clock.rate / MOST_FPS - 0.01))
    fps = Fraction(clock.rate).limit_denominator(1001) / every
    first = seen[0].results.pictures(0, 1)[0]
    height, width = first.shape[0] * ZOOM, first.shape[1] * ZOOM
    bands = [(_texts(rows, s, classes), _time_line(width, rows, s.spans, n)) for s in seen]
    total = height + len(seen) * (STRIP + LINE)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        stream = _stream(out, width, total, fps)
        number = 0
        for at in range(0, rows, BLOCK):
            stop = min(at + BLOCK, rows)
            pictures = seen[0].results.pictures(at, stop)
            joints = [s.results.joints(at, stop) for s in seen]
            centres = [s.results.centres(at, stop) for s in seen]
            for t in range(at, stop):
                if t % every:
                    continue
                picture = _enlarged(pictures[t - at])
                for one, centre in zip(seen, centres, strict=True):
                    draw_box(picture, centre[t - at], one.results.crop, ZOOM)
                for pose in joints:
                    if pose is not None:
                        draw_player(picture, pose[t - at], ZOOM)
                parts = [_band(texts[t], line, t / rows, n) for texts, line in bands]
                shown = next((texts[t] for texts, _ in bands if texts[t] is not None), None)
                if shown is not None:
                    corner = (width - 1, height - 1)
                    cv2.rectangle(picture, (0, 0), corner, colour(shown[0].label, n), 2 * ZOOM)
                frame = av.VideoFrame.from_ndarray(np.concatenate([picture, *parts]), format="rgb24")
                frame.pts, frame.time_base = number, 1 / fps
                number += 1
                out.mux(stream.encode(frame))
            tell(stop - at)
        out.mux(stream.encode(None))


def _stream(out: Any, width: int, height: int, fps: Fraction) -> Any:
    """Return a stream of H.264 where that can be encoded; sides are even, as the codec asks."""
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


def _enlarged(picture: Picture) -> Picture:
    size = picture.shape[1] * ZOOM, picture.shape[0] * ZOOM
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _texts(rows: int, seen: Seen, classes: Sequence[str]) -> list[tuple[Span, str] | None]:
    """Return what is shown of a player in each row."""
    shown: list[tuple[Span, str] | None] = [None] * rows
    who = f"{seen.player}: " if seen.player else ""
    for span in seen.spans:
        text = f"{who}{classes[span.label]}  {span.score:.2f}"
        shown[span.begin : span.end] = [(span, text)] * (span.end - span.begin)
    return shown


def _time_line(width: int, rows: int, spans: Sequence[Span], classes: int) -> Picture:
    """Draw the strokes of the whole video as bars along time; (LINE, width, 3)."""
    line = np.full((LINE, width, 3), 30, np.uint8)
    for s in spans:
        left, right = round(s.begin * width / rows), max(round(s.end * width / rows), 1)
        line[3:-3, left : max(right, left + 1)] = colour(s.label, classes)
    return line


def _band(shown: tuple[Span, str] | None, line: Picture, share: float, classes: int) -> Picture:
    """Draw what stands below the picture: label and score, and the time line with its playhead."""
    width = line.shape[1]
    strip = np.array(caption(width, shown[1] if shown is not None else "", STRIP))
    if shown is not None:
        score = min(max(shown[0].score, 0.0), 1.0)
        strip[-3:, : round(width * score)] = colour(shown[0].label, classes)
    now = line.copy()
    at = min(round(share * width), width - 1)
    now[:, max(at - 1, 0) : at + 1] = WHITE
    return np.concatenate([strip, now])
