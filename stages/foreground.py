"""Foreground: the moving part of each frame, by an adaptive Gaussian mixture [3S §2.1, SSTC §IV-B1].

Z. Zivkovic and F. van der Heijden, "Efficient adaptive density estimation per image pixel for the
task of background subtraction", Pattern Recognition Letters 27 (2006); OpenCV's MOG2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from pydantic import Field

from stages.base import Array, ArraySpec, Block, Params, Result, Stage, VideoInfo

_FOREGROUND = 255  # MOG2 marks shadows with another value: they count as background

#: A warm-up is never shorter. The model counts frames, not seconds, and takes what it saw in a tenth of
#: them for background: half a second at 60 fps, 30 frames, finds half the pixels in just these frames that
#: 60 frames of warm-up find; at 10 fps, 5 frames, it finds none.
LEAST_WARMUP = 60


class ForegroundParams(Params):
    """Parameters of the background model."""

    history: int = Field(500, ge=1, le=100_000, description="frames the model remembers")
    var_threshold: float = Field(16.0, gt=0, description="squared Mahalanobis distance to the background")
    learning_rate: float = Field(-1.0, ge=-1, le=1, description="-1: 1/history, as OpenCV chooses")
    dilate: int = Field(3, ge=1, le=1000, description="square that dilates the mask, px; 1 = none")
    warmup_seconds: float = Field(
        0.5, ge=0, description="frames the model sees, backwards, before frame 0; 0 = empty first masks"
    )


def warmup_frames(params: ForegroundParams, info: VideoInfo) -> int:
    """Frames that the model sees, backwards, before frame 0, where the video has so many."""
    asked = round(params.warmup_seconds * float(info.fps))
    return max(asked, LEAST_WARMUP) if asked else 0


def compute(blocks: Iterator[Block], params: ForegroundParams, info: VideoInfo) -> Iterator[Result]:
    """Foreground masks in frame order.

    A fresh model calls its first frames background whatever they show. With ``warmup_seconds`` it
    first sees that much of the beginning in reverse (frames k … 1), at least ``LEAST_WARMUP`` frames, so
    that frame 0 is judged by a model that knows what follows. Before these it sees their median: whatever
    a model sees first stays in it as background for long, and would be missing when frame k comes
    round again. Without a warm-up, frame 0's mask is empty.

    Parameters
    ----------
    blocks : iterator of Block
        ``frames.rgb`` (n, H, W, 3) uint8, in order, from frame 0.
    params : ForegroundParams
    info : VideoInfo
        ``fps`` turns the warm-up into frames.

    Yields
    ------
    Result
        ``mask`` (n, H, W) uint8, 1 = foreground, dilated.
    """
    cv2.setNumThreads(1)  # MOG2 is parallel over rows otherwise
    model = cv2.createBackgroundSubtractorMOG2(
        history=params.history, varThreshold=params.var_threshold, detectShadows=True
    )
    needed = warmup_frames(params, info) + 1
    kernel = np.ones((params.dilate, params.dilate), np.uint8)
    waiting: list[Array] = []
    held, warm = 0, False
    for block in blocks:
        rgb = block.rows("frames.rgb")
        if warm:
            yield Result({"mask": _masks(model, rgb, params, kernel)})
            continue
        waiting.append(rgb)
        held += len(rgb)
        if held >= needed:
            yield from _first(model, waiting, needed, params, kernel)
            waiting, warm = [], True
    if waiting:
        yield from _first(model, waiting, needed, params, kernel)


def _first(
    model: Any, waiting: list[Array], needed: int, params: ForegroundParams, kernel: Array
) -> Iterator[Result]:
    frames = np.concatenate(waiting)
    seen = frames[1:needed][::-1]
    median = _ranked(frames[:needed], len(seen) // 2)
    for frame in (median, *seen) if len(seen) else ():
        model.apply(frame, learningRate=params.learning_rate)
    masks = _masks(model, frames, params, kernel)
    if not len(seen):
        masks[0] = 0  # a model that knows nothing marks black pixels
    yield Result({"mask": masks})


def _ranked(frames: Array, rank: int) -> Array:
    """Return the value of each pixel that has this rank in time: as `np.partition`, several times as fast.

    The bits of the value are found one by one, from the highest: a bit is set where no more than `rank` of
    the pixel's values are below it.
    """
    found, count = np.zeros(frames.shape[1:], np.uint8), np.min_scalar_type(len(frames))
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        tried = found | np.uint8(bit)
        found = np.where((frames < tried).sum(axis=0, dtype=count) <= rank, tried, found)
    return found


def _masks(model: Any, rgb: Array, params: ForegroundParams, kernel: Array) -> Array:
    out = np.empty(rgb.shape[:3], np.uint8)
    for frame, mask in zip(rgb, out, strict=True):
        found = (model.apply(frame, learningRate=params.learning_rate) == _FOREGROUND).astype(np.uint8)
        mask[:] = cv2.dilate(found, kernel) if params.dilate > 1 else found
    return out


STAGE = Stage(
    name="foreground",
    version=3,
    title="moving foreground (MOG2)",
    params=ForegroundParams,
    inputs=("frames.rgb",),
    outputs=(
        ArraySpec("mask", "uint8", ("frame", "y", "x"), kind="mask", description="1 = foreground, dilated"),
    ),
    compute=compute,
    attrs=lambda params, info: {"warmup_frames": warmup_frames(params, info)},
)
