"""The frames stage: decode, scale, count."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from stages.base import VIDEO, Array, ArraySpec, Block, Params, Result, Stage, StageError, VideoInfo
from stages.frames.decode import decode
from stages.frames.folder import GIVEN, place_joints
from stages.frames.report import Report
from stages.frames.rotation_and_fit import Fit, Geometry, colour_of, geometry, to_rgb


class FramesParams(Params):
    """Parameters of the frames stage [3S §3.1]."""

    width: int = Field(320, ge=16, le=4096, description="stored width, px")
    height: int = Field(180, ge=16, le=4096, description="stored height, px")
    fit: Fit = Field("pad", description="another aspect ratio is padded, cropped or stretched")
    fps: float | None = Field(None, gt=0, le=100_000, description="frame rate, if the file's tag is wrong")
    damaged: Literal["fail", "keep"] = Field("fail", description="keep = store what a damaged file gives")


def _frame_rate(nominal: Fraction, times: list[float]) -> tuple[Fraction, str]:
    """The rate to work with and where it comes from.

    Containers that keep milliseconds (phones, browsers, screen recorders) claim rates such as 1000/s,
    interlaced streams their field rate: where the claim is more than a tenth off what most pairs of
    consecutive timestamps say, the mean rate of the timestamps is taken.
    """
    steps = np.diff(np.array(times))
    if len(steps) and np.isfinite(steps).all() and (steps > 0).all():
        median, mean = 1 / float(np.median(steps)), len(steps) / float(steps.sum())
        if not nominal or abs(float(nominal) / median - 1) > 0.1:
            return Fraction(mean).limit_denominator(1001), "timestamps"
    return nominal, "container"


def _deviation(times: list[float], origin: float, fps: Fraction) -> float:
    """Return how far frames are shown from their number divided by the rate at most, s; -1 without times."""
    shown = np.sort(np.array(times)) - origin
    return float(np.abs(shown - np.arange(len(shown)) / float(fps)).max()) if np.isfinite(shown).all() else -1


def compute(blocks: Iterator[Block], params: FramesParams, info: VideoInfo) -> Iterator[Result]:
    """Decode a video file or a folder of pictures.

    Parameters
    ----------
    blocks : iterator of Block
        One block that carries the source; ``stop - start`` is the number of frames to hand out at a
        time. Joint positions of the source's own are placed by
        :func:`stages.frames.folder.place_joints`.
    params : FramesParams
    info : VideoInfo
        Unused: nothing is known yet.

    Yields
    ------
    Result
        ``rgb`` (n, H, W, 3) uint8, ``time`` (n,) float64 seconds; with given joints also the arrays of
        :data:`~stages.frames.folder.GIVEN`; the last one brings the attributes.

    Raises
    ------
    StageError
        No video, no frame, or damage (with ``damaged="keep"`` only recorded).
    """
    block = next(blocks)
    path, given, batch = block.file().path, block.file().joints, block.stop - block.start
    folder = os.path.isdir(path)
    # pictures of a folder carry their number for a time
    unit = (1 / params.fps if params.fps else np.nan) if folder else 1.0
    report = Report()
    pictures: list[Array] = []
    poses: list[dict[str, Array]] = []
    times: list[float] = []
    every_time: list[float] = []
    attrs: dict[str, Any] = {}
    plan = colour = None
    size = (0, 0, "")
    last = -np.inf
    disordered = 0
    for frame in decode(path, report):
        if plan is None or colour is None or size != (frame.width, frame.height, frame.format.name):
            if plan is not None:
                report.fault(f"picture size or format changes at frame {report.frames - 1}")
            size = (frame.width, frame.height, frame.format.name)
            try:
                colour = colour_of(frame)
            except StageError as e:
                raise StageError(f"{path}: {e.reason}", e.remedy) from None
            rotation = int(frame.rotation)
            plan = geometry(
                size[:2], (params.width, params.height), rotation, report.pixel_aspect, params.fit
            )
            attrs = {
                "source_width": frame.width,
                "source_height": frame.height,
                "rotation": rotation,
                "colour": colour.name,
                "fit": plan.fit,
                "picture_x_y_w_h": list(plan.place),
            }
        pictures.append(to_rgb(frame, plan, colour))
        if given is not None:
            poses.append(_joints(given, frame.pts, size[:2], plan, report, path))
        time = float(frame.pts * frame.time_base) * unit if frame.pts is not None else np.nan
        disordered += not time > last
        last = time
        times.append(time)
        every_time.append(time)
        if len(pictures) == batch:
            yield Result({"rgb": np.stack(pictures), "time": np.array(times), **_joined(poses)})
            pictures, times, poses = [], [], []
    if report.frames == 0:
        why = f" ({report.faults[0]})" if folder else ""
        raise StageError(f"{path}: no frame could be decoded{why}", "the file is damaged: copy it again")
    if report.faults and params.damaged == "fail":
        raise StageError(
            f"{path}: damaged, {report.frames} frames decoded ({report.faults[0]})",
            f"{'put its pictures right' if folder else 'copy it again from the camera'}, or set "
            "stages.frames.damaged: keep to use what is there",
        )
    fps, origin = _frame_rate(report.fps, every_time)
    if params.fps:
        fps, origin = Fraction(params.fps).limit_denominator(1001), "manifest"
    if not fps:
        raise StageError(f"{path}: states no frame rate", "set fps for this video in the manifest")
    attrs |= {
        "fps": float(fps),
        "fps_num": fps.numerator,
        "fps_den": fps.denominator,
        "fps_from": origin,
        "codec": report.codec,
        "pixel_format": report.pixel_format,
        "frames_claimed": report.claimed,
        "frames_hidden_by_edit_list": report.discarded,
        "frames_interlaced": report.interlaced,
        "timestamps_not_increasing": disordered,
        "time_origin": report.origin,
        "time_deviation": _deviation(every_time, report.origin, fps),
        "faults": report.faults,
    }
    if given is not None and plan is not None and not poses:
        poses = [place_joints(np.asarray(given[:0], np.float64), size[:2], plan)]
    rows = (len(pictures), params.height, params.width, 3)
    arrays = {
        "rgb": np.stack(pictures) if pictures else np.zeros(rows, np.uint8),
        "time": np.array(times, np.float64),
        **_joined(poses),
    }
    yield Result(arrays, attrs)


def _joints(
    given: Array, number: int, size: tuple[int, int], plan: Geometry, report: Report, path: Path
) -> dict[str, Array]:
    """One picture's given joints in the stored frame."""
    if len(given) != report.claimed:
        why = f" ({report.faults[0]})" if report.faults else ""
        raise StageError(
            f"{path}: {report.claimed} pictures{why}, but joints of {len(given)} frames",
            "give one row a picture",
        )
    return place_joints(np.asarray(given[number : number + 1], np.float64), size, plan)


def _joined(parts: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.concatenate([p[name] for p in parts]) for name in (parts[0] if parts else ())}


def _bind(params: FramesParams, fps: float | None) -> FramesParams:
    return params.model_copy(update={"fps": fps}) if fps else params


STAGE = Stage(
    name="frames",
    version=2,
    title="decode and scale to RGB frames",
    params=FramesParams,
    inputs=(VIDEO,),
    outputs=(
        ArraySpec("rgb", "uint8", ("frame", "y", "x", "channel"), kind="image", description="RGB, 0-255"),
        ArraySpec("time", "float64", ("frame",), units="s", description="presentation time in the source"),
        *GIVEN,
    ),
    compute=compute,
    bind=_bind,
)
