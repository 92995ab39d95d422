"""Kinematics of every annotated stroke: joints, angles and speeds per frame, phases and measures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from stages.base import Array, Arrays, ArraySpec, Block, Result, Sampling, Span, Stage, VideoInfo
from stages.descriptor import JOINTS
from stages.kinematics.angles import UNITS, meaning, series
from stages.kinematics.course import Course, smoothed
from stages.kinematics.hand import hands
from stages.kinematics.measures import MEASURES, described
from stages.kinematics.motion import carried
from stages.kinematics.params import KinematicsParams

#: frames around a stroke that are smoothed with it, so that its first and last ones have neighbours
CONTEXT = 240
JOINTS_READ, FLOW = "descriptor.joints", "flow.flow"
HANDS = ("", "left", "right")
PHASE_MOMENTS = ("start", "turn", "peak", "finish")


def compute(blocks: Iterator[Block], params: KinematicsParams, info: VideoInfo) -> Iterator[Result]:
    """Compute the kinematics of strokes, each from a block of its own.

    Parameters
    ----------
    blocks : iterator of Block
        Each holds all frames of one stroke: ``descriptor.joints`` (n, 14, 3), x, y, score, and as
        far as it is read ``flow.flow`` (n or n - 1, H, W, 2).
    params : KinematicsParams
    info : VideoInfo

    Yields
    ------
    Result
        See the declared outputs: rows of ``frame`` are the stroke's frames, of ``sample`` the stroke.
    """
    for block in blocks:
        rows = np.asarray(block.data[JOINTS_READ], np.float64)[:, 1:]
        given = rows[..., :2], rows[..., 2], float(info.fps), params
        flow = block.data.get(FLOW) if params.motion == "flow" else None
        whole = smoothed(*given)
        if flow is not None:
            whole = smoothed(*given, carried(whole, flow))
        own = block.start - block.first, block.stop - block.first
        course, moving = whole.part(*own), hands(*given, flow).part(*own)
        yield Result({**_frames(course, block.start), **_stroke(course, moving, params, block.start)})


def _frames(course: Course, first: int) -> dict[str, Array]:
    out: dict[str, Array] = {
        "frame": np.arange(first, first + len(course), dtype=np.int32),
        "joints": course.joints.astype(np.float32),
        "confidence": course.confidence.astype(np.float32),
    }
    return out | {name: values.astype(np.float32) for name, values in series(course).items()}


def _stroke(course: Course, moving: Course, params: KinematicsParams, first: int) -> dict[str, Array]:
    told = described(course, params, moving)
    moments = [getattr(told.phases, name) for name in PHASE_MOMENTS]
    out: dict[str, Array] = {
        "hand": np.array([HANDS.index(told.hand)], np.uint8),
        "moments": np.array([[m + first if m >= 0 else -1 for m in moments]], np.int32),
        "moments_certainty": told.certainty[None].astype(np.float32),
    }
    return out | {name: np.array([value], np.float32) for name, value in told.measures.items()}


def padding(last: Arrays, times: int) -> Result:
    """Refuse to continue a stroke behind its last frame: nobody saw it."""
    raise ValueError("a stroke is described by its own frames alone")


def attributes(params: KinematicsParams, info: VideoInfo) -> dict[str, Any]:
    """Names of the rows and columns, and the filter."""
    window = f"{params.drift_window:g} s"
    wrists = f"; with flow, wrists carried by it and corrected over {window}"
    return {
        "phases_from": f"wrists, by their elbows where hardly seen, corrected over {window}",
        "joint_names": [*JOINTS],
        "hand_names": [*HANDS],
        "moment_names": [*PHASE_MOMENTS],
        "filter": f"robust local parabolas over {params.half_window:g} s to each side"
        + (wrists if params.motion == "flow" else ""),
    }


STAGE = Stage(
    name="kinematics",
    version=3,
    title="angles, speeds and phases of annotated strokes",
    params=KinematicsParams,
    inputs=(JOINTS_READ, FLOW),
    optional={FLOW: "flow"},
    # with `dis`, too coarse for a hand, moments are worse than without: docs/kinematics.md
    accepts={FLOW: lambda params: params.method == "irls"},
    reads=lambda params: (JOINTS_READ, FLOW) if params.motion == "flow" else (JOINTS_READ,),
    outputs=(
        ArraySpec("frame", "int32", ("frame",), description="frame number in the video"),
        ArraySpec(
            "joints", "float32", ("frame", "joint", "xy"), "px",
            description="smoothed; NaN where nobody saw the joint", unknown=True,
        ),
        ArraySpec("confidence", "float32", ("frame", "joint"), description="score; 0: bridged or unknown"),
        *(
            ArraySpec(name, "float32", ("frame",), unit, description=meaning(name), unknown=True)
            for name, unit in UNITS.items()
        ),
        ArraySpec("hand", "uint8", ("sample",), description="playing hand: 0 unknown, 1 left, 2 right"),
        ArraySpec(
            "moments", "int32", ("sample", "moment"),
            description="frames in the video: backswing begins, turn, wrist fastest, follow-through ends; "
            "-1: unknown",
        ),
        ArraySpec(
            "moments_certainty", "float32", ("sample", "moment"),
            description="how surely each is found, 0 ... 1: the wrist is seen there, and the swing is fast",
        ),
        *(
            ArraySpec(name, "float32", ("sample",), unit, description=text, unknown=True)
            for name, (unit, text) in MEASURES.items()
        ),
    ),
    compute=compute,
    halo=(CONTEXT, CONTEXT),
    sampling=Sampling(lambda begin, end, params, n: Span(begin, end, 0), padding, whole=True),
    modality="pose",
    applies=lambda setting: False,  # on request: `ttprep strokes`, `ttprep run --stage kinematics`
    attrs=attributes,
)  # fmt: skip
