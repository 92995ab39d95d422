"""Normalisation statistics [3S §2.4, eq. 3].

Flow, each component apart: μ and σ of the per-frame maxima of |v|; v' = v/(μ+3σ), clipped to [−1, 1].
The stage keeps the maxima of one video; :func:`summarise` makes μ and σ of any set of videos from
them, so a new video never re-reads the old ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stages.base import ArraySpec, Block, Params, Result, Stage, VideoInfo
from stages.flow.quantise import QUANTUM


class StatisticsParams(Params):
    """Parameters of the normalisation statistics."""

    min_flow: float = Field(
        0.0,
        ge=0,
        description="per component: leave out maxima below this, px (the authors' script: 5)",
    )


def compute(blocks: Iterator[Block], params: StatisticsParams, info: VideoInfo) -> Iterator[Result]:
    """Largest |vx| and |vy| of each flow field.

    Parameters
    ----------
    blocks : iterator of Block
        ``flow.flow`` (pairs, H, W, 2) int16 in units of ``QUANTUM`` px.
    params : StatisticsParams
    info : VideoInfo

    Yields
    ------
    Result
        ``flow_max`` (pairs, 2) float32, px.
    """
    for block in blocks:
        flow = block.rows("flow.flow")
        largest = np.zeros((len(flow), 2), np.float32)
        for t, field in enumerate(flow):
            for axis in range(2):
                component = np.ascontiguousarray(field[..., axis])  # 10 times faster than reducing in place
                # int16 has no +32768: take extrema before the absolute value
                largest[t, axis] = max(-int(component.min()), int(component.max()))
        yield Result({"flow_max": largest * np.float32(QUANTUM)})


def summarise(maxima: Iterable[NDArray[np.float32]], params: StatisticsParams) -> dict[str, Any]:
    """μ, σ and the divisor μ+3σ over all given videos.

    Parameters
    ----------
    maxima : iterable of (pairs, 2) float32
        px, one array a video.
    params : StatisticsParams

    Returns
    -------
    dict
        ``mean``, ``std``, ``divisor`` (each [x, y], px), ``frames`` used for either component and
        ``frames_left_out`` of both. Where nothing moved at all the divisor is 1.
    """
    rows = np.concatenate([np.zeros((0, 2), np.float32), *maxima]).astype(np.float64)
    # each component apart: a fast vertical motion must not bring a still horizontal one along
    used = rows >= params.min_flow
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing, 0 here
        mean = np.nan_to_num(rows.mean(axis=0, where=used))
        std = np.nan_to_num(rows.std(axis=0, where=used))
    divisor = mean + 3 * std
    frames = int(used.any(axis=1).sum())
    return {
        "mean": mean.tolist(),
        "std": std.tolist(),
        "divisor": np.where(divisor > 0, divisor, 1.0).tolist(),
        "frames": frames,
        "frames_left_out": len(rows) - frames,
    }


STAGE = Stage(
    name="statistics",
    version=1,
    title="per-frame flow maxima for normalisation",
    params=StatisticsParams,
    inputs=("flow.flow",),
    outputs=(
        ArraySpec("flow_max", "float32", ("pair", "component"), "px", description="max |vx|, max |vy|"),
    ),
    compute=compute,
    rows="pairs",
    summary_only=("min_flow",),
)
