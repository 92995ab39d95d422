"""Cuboids: the annotated samples, cut around the ROI with room for augmentation [3S §2.2, §2.6].

What is stored is the *window*: the crop plus the margin that rotation, translation and zoom may
reach into, clipped to the image. At 320×180 the margin of a 120×120 crop reaches 186×186, so
windows are 186×180: the trainer keeps its transforms inside them, and no pixel is ever invented.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from stages.base import WHOLE, Arrays, ArraySpec, Block, Params, Result, Sampling, Span, Stage, VideoInfo
from stages.crop import augmentation_reach, cut_modalities, window_origin
from stages.flow.quantise import QUANTUM

#: rows per chunk; samples start on a multiple of it, so that a sample is a run of whole chunks
ROWS = 10


class CuboidParams(Params):
    """Parameters of the cuboids."""

    crop_width: int = Field(120, ge=2, le=4096, description="width of what the network sees, px")
    crop_height: int = Field(120, ge=2, le=4096, description="height of it, px")
    length: int = Field(100, ge=1, le=10_000, description="T, frames the network sees")
    rotation: float = Field(10.0, ge=0, lt=45, description="rotation that the margin must allow, degrees")
    translation: float = Field(
        0.1, ge=0, le=0.5, description="shift that it must allow, as a share of the crop"
    )
    zoom: float = Field(0.1, ge=0, lt=0.9, description="zoom that it must allow: 1 ± zoom")

    def window(self, info: VideoInfo) -> tuple[int, int]:
        """(width, height) of the stored window, px."""
        width, height = self.crop_width, self.crop_height
        limits = self.rotation, self.translation, self.zoom
        return (
            min(augmentation_reach(width, *limits, across=height), info.width),
            min(augmentation_reach(height, *limits, across=width), info.height),
        )


def span(begin: int, end: int, length: int, n_frames: int) -> Span:
    """The frames to store for the stroke [begin, end).

    A stroke shorter than T is extended evenly into its surroundings; where the video ends too early
    the rest is taken from the other side, and a video shorter than T repeats its last frame.

    Parameters
    ----------
    begin, end : int
        The annotated interval, 0 ≤ begin < end ≤ n_frames.
    length : int
        T.
    n_frames : int
        Frames in the video.
    """
    missing = max(0, length - (end - begin))
    first = max(0, begin - missing // 2)
    last = min(n_frames, max(end, first + length))
    first = max(0, min(first, last - length))
    return Span(first, last, max(0, length - (last - first)))


def padding(last: Arrays, times: int) -> Result:
    """Rows that continue a cuboid behind its last frame: the frame repeated, its flow zero.

    Parameters
    ----------
    last : mapping of str to array
        The outputs for the frames before, at least one row each.
    times : int
    """
    rows = Result({name: np.repeat(values[-1:], times, axis=0) for name, values in last.items()})
    if "flow" in rows:
        rows["flow"] = np.zeros_like(rows["flow"])
    return rows


def compute(blocks: Iterator[Block], params: CuboidParams, info: VideoInfo) -> Iterator[Result]:
    """Cut the window around the ROI out of every frame of the samples.

    Parameters
    ----------
    blocks : iterator of Block
        Runs of frames of the samples (see :func:`span`); ``roi.centre`` (n, 2) and, as far as the
        modality is on, ``frames.rgb`` (n, H, W, 3), ``flow.flow`` (n or n-1, H, W, 2),
        ``descriptor.joints`` (n, 14, 3).
    params : CuboidParams
    info : VideoInfo

    Yields
    ------
    Result
        ``rgb`` (n, h, w, 3) uint8, ``flow`` (n, h, w, 2) int16 (zero for a video's last frame, which
        has no pair), ``pose`` (n, 14, 3) float32 in px of the frame, ``roi`` (n, 2) float32 in px of
        the frame, ``window`` (n, 2) int16 and ``frame`` (n,) int32.
    """
    size = params.window(info)
    for block in blocks:
        centre = np.asarray(block.rows("roi.centre"), np.float32)
        origin = window_origin(centre, size, (info.width, info.height))
        numbers = np.arange(block.start, block.stop, dtype=np.int32)
        out = Result({"roi": centre, "window": origin, "frame": numbers})
        out |= cut_modalities(block, origin, size)
        if "descriptor.joints" in block.data:
            out["pose"] = block.rows("descriptor.joints").astype(np.float32)
        yield out


STAGE = Stage(
    name="cuboids",
    version=3,
    title="annotated samples around the ROI",
    params=CuboidParams,
    inputs=("frames.rgb", "flow.flow", "roi.centre", "descriptor.joints"),
    outputs=(
        ArraySpec(
            "rgb",
            "uint8",
            ("frame", "y", "x", "channel"),
            kind="samples",
            description="RGB window",
            chunk=(ROWS, 60, WHOLE),
            given_by="frames.rgb",
        ),
        # mostly zero and read at random: LZ4 gives it back twice as fast as Zstd for a third more bytes
        ArraySpec(
            "flow",
            "int16",
            ("frame", "y", "x", "component"),
            "px",
            "vectors",
            QUANTUM,
            "masked flow",
            chunk=(ROWS // 2, WHOLE, WHOLE),
            codec="lz4",
            given_by="flow.flow",
        ),
        ArraySpec(
            "pose",
            "float32",
            ("frame", "joint", "xys"),
            "px",
            description="x, y, score of 14 rows",
            given_by="descriptor.joints",
        ),
        ArraySpec("roi", "float32", ("frame", "xy"), "px", description="ROI centre in the frame"),
        ArraySpec("window", "int16", ("frame", "xy"), "px", description="first pixel of the window"),
        ArraySpec("frame", "int32", ("frame",), description="frame number in the video"),
    ),
    compute=compute,
    sampling=Sampling(lambda begin, end, params, n: span(begin, end, params.length, n), padding),
    optional={"frames.rgb": "rgb", "flow.flow": "flow", "descriptor.joints": "pose"},
)
