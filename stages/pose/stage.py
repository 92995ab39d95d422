"""The detections stage: all people of every frame, found on the frame alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from stages.base import (
    VIDEO,
    Array,
    ArraySpec,
    Block,
    Derived,
    Params,
    Result,
    Stage,
    StageError,
    VideoInfo,
)
from stages.frames.decode import decode
from stages.frames.orientation import orientation_of
from stages.frames.report import Report
from stages.frames.rotation_and_fit import Fit, colour_of, geometry, to_rgb
from stages.frames.times import Follower
from stages.pose.architecture import Model, OutputStride, largest_stride
from stages.pose.detector import PoseNet, net_size
from stages.pose.pins import PUBLISHED
from stages.pose.skeleton import KEYPOINTS
from stages.pose.weights import ENVIRONMENT, Weights, resolve_weights

#: Poses that a frame has room for.
MAX_POSES = 10


class PoseParams(Params):
    """Parameters of the detections.

    Attributes
    ----------
    model : {"0.50", "0.75", "1.0"}
        Width of the MobileNet.
    stride : {8, 16, 32}
        Output stride in net pixels; 32 only with model 1.0.
    scale : float
        Net input over frame size: 1.6 makes 513×289 of 320×180.
    max_poses : int
        At most 10.
    score_threshold : float
        Least score of the keypoint that a pose grows from.
    nms_radius : float
        Distance in net pixels below which two equal parts are one.
    min_pose_score : float
        Poses below it are dropped.
    source : {"frames", "original"}
        What goes to the network: the stored frames, or the source's own pictures, which hold more
        detail (and must be decoded once more, in order).
    weights_sha256 : str
        Digest of the weights (`Weights.sha256`). The pipeline fills it in, so that other weights make
        another result; where it is given, no other weights are accepted.
    """

    model: Model = "0.75"
    stride: OutputStride = 16
    scale: float = Field(1.6, gt=0)
    max_poses: int = Field(10, ge=1, le=MAX_POSES)
    score_threshold: float = Field(0.5, ge=0, le=1)
    nms_radius: float = Field(20.0, ge=0)
    min_pose_score: float = Field(0.25, ge=0, le=1)
    source: Literal["frames", "original"] = "frames"
    weights_sha256: str = Field("", pattern="^([0-9a-f]{64})?$")

    @model_validator(mode="after")
    def _stride_exists(self) -> PoseParams:
        largest = largest_stride(self.model)
        if self.stride > largest:
            raise ValueError(f"model {self.model!r} has strides up to {largest}; choose 8 or {largest}")
        return self


def compute(blocks: Iterator[Block], params: PoseParams, info: VideoInfo) -> Iterator[Result]:
    """Detect the people of every frame; a frame's result depends on that frame alone.

    Parameters
    ----------
    blocks : iterator of Block
        With ``frames.rgb``, (n, H, W, 3) uint8, or with the source file, in order from frame 0.
    params : PoseParams
    info : VideoInfo
        Size and fit of the stored frames, for ``source="original"``.

    Yields
    ------
    Result
        ``n_poses`` (n,) uint8, ``pose_scores`` (n, 10), ``keypoint_scores`` (n, 10, 17) and
        ``keypoints`` (n, 10, 17, 2) float32, (x, y) in px of the frame; 0 from pose `n_poses` on.

    Raises
    ------
    StageError
        If there are no weights, or not those of `weights_sha256`. Never downloads.
    """
    weights = resolve_weights(None, params.model, download=False)
    if params.weights_sha256 not in ("", weights.sha256):
        raise StageError(
            f"the PoseNet weights in {weights.path} are not those that this run was planned with",
            f"restore them or run again; {ENVIRONMENT} says which folder is read",
        )
    net = _network(weights, params)
    originals: Follower[Array] | None = None
    for block in blocks:
        n = block.stop - block.start
        frames: Iterable[Array]
        if params.source == "frames":
            frames, size = block.rows("frames.rgb"), None
        else:
            path = block.file().path
            originals = originals or Follower(_originals(path, params, info))
            # pictures of a folder have numbers for times
            times = range(block.start, block.stop) if os.path.isdir(path) else block.rows("frames.time")
            frames, size = originals.at(times), (info.width, info.height)
        out = Result(
            {
                "n_poses": np.zeros(n, np.uint8),
                "pose_scores": np.zeros((n, MAX_POSES), np.float32),
                "keypoint_scores": np.zeros((n, MAX_POSES, len(KEYPOINTS)), np.float32),
                "keypoints": np.zeros((n, MAX_POSES, len(KEYPOINTS), 2), np.float32),
            }
        )
        for i, frame in enumerate(frames):
            poses = net.detect(frame, size)
            found = len(poses)
            out["n_poses"][i] = found
            out["pose_scores"][i, :found] = poses.scores
            out["keypoint_scores"][i, :found] = poses.keypoint_scores
            out["keypoints"][i, :found] = poses.keypoints
        yield out


def _originals(path: Path, params: PoseParams, info: VideoInfo) -> Iterator[tuple[float, Array]]:
    """Times and pictures of the source, fitted as the stored frames are but at the size of the net input."""
    target = net_size(info.width, info.height, params.scale, params.stride)
    fit: Fit = "crop" if info.fit == "crop" else "pad" if info.fit == "pad" else "stretch"
    report = Report()
    for frame in decode(path, report):
        turn = orientation_of(frame)
        plan = geometry(
            (frame.width, frame.height),
            target,
            turn.rotation,
            report.pixel_aspect,
            fit,
            turn.mirrored,
            report.crop,
        )
        yield float(frame.pts * frame.time_base), to_rgb(frame, plan, colour_of(frame))


@lru_cache(maxsize=2)
def _network(weights: Weights, params: PoseParams) -> PoseNet:
    """One loaded network a process, for all blocks and videos that it is given."""
    return PoseNet.load(
        weights,
        params.scale,
        params.stride,
        max_poses=params.max_poses,
        score_threshold=params.score_threshold,
        nms_radius=params.nms_radius,
        min_pose_score=params.min_pose_score,
    )


def attributes(params: PoseParams, info: VideoInfo) -> dict[str, Any]:
    """What the reader of the file should know: names, order, where the weights came from."""
    return {
        "keypoint_names": list(KEYPOINTS),
        "coordinates": "x, y in pixels of the stored frame",
        "pose_order": "by the score of the keypoint that the pose grew from",
        "weights": "as published" if params.weights_sha256 == PUBLISHED.get(params.model) else "own",
    }


def derive(params: PoseParams, folder: Path | None, download: bool) -> Derived[PoseParams]:
    """Find the weights and write their digest into the parameters.

    Where there are none, the key is known all the same for the published weights, so that a plan can name
    what would be made with them.

    Parameters
    ----------
    params : PoseParams
    folder : Path or None
        A checkpoint named by the user; None: see :func:`stages.pose.weights.resolve_weights`.
    download : bool
    """
    try:
        weights = resolve_weights(folder, params.model, download=download)
    except StageError as e:
        pinned = PUBLISHED.get(params.model, "") if folder is None else ""
        return Derived(_with_digest(params, pinned), unavailable=str(e))
    environment = {ENVIRONMENT: str(Path(weights.path).resolve())}
    return Derived(_with_digest(params, weights.sha256), environment)


def _with_digest(params: PoseParams, digest: str) -> PoseParams:
    return params.model_copy(update={"weights_sha256": digest}) if digest else params


STAGE = Stage(
    name="pose",
    version=1,
    title="people in every frame (PoseNet)",
    params=PoseParams,
    inputs=("frames.rgb", "frames.time", VIDEO),
    reads=lambda params: ("frames.rgb",) if params.source == "frames" else ("frames.time", VIDEO),
    outputs=(
        ArraySpec("n_poses", "uint8", ("frame",), description="people found in the frame, at most 10"),
        ArraySpec("pose_scores", "float32", ("frame", "pose"), description="score of each pose, else 0"),
        ArraySpec(
            "keypoint_scores",
            "float32",
            ("frame", "pose", "keypoint"),
            description="score of each of the 17 keypoints, else 0",
        ),
        ArraySpec(
            "keypoints",
            "float32",
            ("frame", "pose", "keypoint", "xy"),
            units="px",
            description="x and y of each keypoint in the stored frame, else 0",
        ),
    ),
    compute=compute,
    splittable=True,
    modality="pose",
    replaced_by_joints=True,
    derive=derive,
    hidden=("weights_sha256",),
    attrs=attributes,
)
