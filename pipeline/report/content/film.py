"""The film of one video: frame, foreground and flow in one picture, one above the other.

One file holds all raster layers, so they cannot drift apart: a page draws the parts that are switched on into
one canvas. What is made of lines, ROI and joints, is data (:mod:`pipeline.report.content.overlay`).

H.264 in MP4, without B-frames, each frame at its own time of ``frames/time``: every browser plays it, and a
seek to the middle of a frame's time shows that frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from pipeline.pictures.draw import flow_glow
from pipeline.report.content.measures import BLOCK, Floats, picture_place
from pipeline.report.content.results import Results
from pipeline.report.folder import MARK, Folder
from stages.base import Array
from stages.flow.quantise import QUANTUM
from store import FeatureReader

#: raised when films look different
VERSION = 1
#: layer → stage and dataset that it shows, from the top of the picture to the bottom
TILES = {"frame": ("frames", "rgb"), "flow": ("flow", "flow"), "mask": ("foreground", "mask")}
#: what is not foreground keeps this share of its light, as in the previews
DIMMED = 64
#: units of a time stamp, 1/s
CLOCK = 90_000
#: frames from one that can be decoded by itself to the next: a step back decodes no more
KEYFRAMES = 24


def largest_flow(results: Results) -> float:
    """Return a length in px that few flow vectors exceed; it gets full colour."""

    def read(reader: FeatureReader) -> float:
        maxima = reader.read("flow_max").max(axis=1, initial=0.0)
        moving = maxima[maxima > 0]
        return float(max(np.percentile(moving, 75), 1.0)) if len(moving) else 1.0

    return results.try_reading("statistics", read) or 5.0


def film_digest(results: Results, frames: int) -> str:
    """Return what a film of the first ``frames`` frames is made of: equal digests are equal films."""
    stages = (*(stage for stage, _ in TILES.values()), "statistics")
    return f"{VERSION}-{results.digest(*stages)}-{frames}"


def write_film(
    folder: Folder, name: str, results: Results, frames: int, tell: Callable[[int], None]
) -> dict[str, Any]:
    """Write the film of a video's first frames.

    Parameters
    ----------
    folder : Folder
    name : str
        Of the file in the folder.
    results : Results
        Its frames are there.
    frames : int
        Number of frames, at most those of the video.
    tell : callable
        Called with numbers of frames done.

    Returns
    -------
    dict
        JSON values: ``frames``, ``tile`` (width and height of the picture, px), ``pitch`` (from one part to
        the one below, px), ``tiles`` (names from the top), ``largest`` (px of full colour), ``at`` (where the
        picture lies in the stored frame, px).

    Raises
    ------
    UnreadableError
        A result cannot be read.
    UserError
        The film cannot be written.
    """
    x, y, w, h = picture_place(results)
    tiles = [layer for layer, (stage, _) in TILES.items() if stage in results.readers]
    pitch = -(-h // 16) * 16  # blocks of the codec do not mix two parts
    width, height = -(-w // 2) * 2, pitch * len(tiles)
    largest = largest_flow(results)
    info = results.info
    assert info is not None
    times = np.asarray(results.must_read("frames", "time", 0, frames), np.float64)
    with folder.replacing(name) as temp, av.open(str(temp), "w", format="mp4",
                                                 options={"movflags": "+faststart"}) as out:  # fmt: skip
        out.metadata["comment"] = MARK
        stream = _stream(out, width, height, info.fps)
        canvas = np.zeros((height, width, 3), np.uint8)
        for t, (stamp, parts) in enumerate(zip(_stamps(times), _parts(results, tiles, frames), strict=True)):
            for i, (layer, part) in enumerate(zip(tiles, parts, strict=True)):
                shown = _tile(layer, part[y : y + h, x : x + w], largest)
                canvas[i * pitch : i * pitch + h, :w] = shown
            picture = av.VideoFrame.from_ndarray(canvas, format="rgb24")
            picture.pts, picture.time_base = stamp, Fraction(1, CLOCK)
            out.mux(stream.encode(picture))
            if t % BLOCK == BLOCK - 1 or t == frames - 1:
                tell(t % BLOCK + 1)
        out.mux(stream.encode(None))
    return {
        "frames": frames, "tile": [w, h], "pitch": pitch, "size": [width, height], "tiles": tiles,
        "largest": round(largest, 2), "at": [x, y],
    }  # fmt: skip


def _stream(out: Any, width: int, height: int, fps: Fraction) -> Any:
    options = {"crf": "24", "preset": "veryfast", "bf": "0", "g": str(KEYFRAMES), "keyint_min": "1"}
    stream = out.add_stream("libx264", rate=fps, options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.time_base = Fraction(1, CLOCK)
    stream.codec_context.thread_count = 1  # one film a thread
    return stream


def _stamps(times: Floats) -> Iterator[int]:
    """Yield the frames' times in units of the clock, from 0, ascending."""
    before = -1
    for time in times:
        before = max(before + 1, math.floor((time - times[0]) * CLOCK + 0.5))
        yield before


def _parts(results: Results, tiles: list[str], frames: int) -> Iterator[list[Array]]:
    """Yield the stored rows of each layer, frame by frame; where a layer has none, zeros."""
    for at in range(0, frames, BLOCK):
        stop = min(at + BLOCK, frames)
        columns = []
        for layer in tiles:
            columns.append(results.must_read(*TILES[layer], at, stop))
        for t in range(stop - at):
            yield [c[t] if t < len(c) else np.zeros(c.shape[1:], c.dtype) for c in columns]


def _tile(layer: str, rows: Array, largest: float) -> Array:
    if layer == "flow":
        return flow_glow(rows.astype(np.float32) * QUANTUM, largest)
    if layer == "mask":
        return np.where(rows > 0, 255, DIMMED).astype(np.uint8)[..., None]
    return rows
