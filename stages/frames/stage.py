"""The frames stage: decode, scale, count."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from stages.base import VIDEO, Array, ArraySpec, Block, Params, Result, Stage, StageError, VideoInfo
from stages.frames.decode import decode
from stages.frames.folder import GIVEN, place_joints
from stages.frames.orientation import Orientation, orientation_of
from stages.frames.report import Report
from stages.frames.rotation_and_fit import Colour, Fit, Geometry, colour_of, geometry, to_rgb
from stages.frames.times import MOST_FPS, RATE_TOLERANCE, nearest, rate_of


class FramesParams(Params):
    """Parameters of the frames stage [3S §3.1]."""

    width: int = Field(320, ge=16, le=4096, description="stored width, px")
    height: int = Field(180, ge=16, le=4096, description="stored height, px")
    fit: Fit = Field("pad", description="another aspect ratio is padded, cropped or stretched")
    fps: float | None = Field(None, gt=0, le=100_000, description="frame rate, if the file's tag is wrong")
    damaged: Literal["fail", "keep"] = Field("fail", description="keep = store what a damaged file gives")
    rate: Literal["native", "constant"] | Annotated[float, Field(gt=0, le=MOST_FPS)] = Field(
        "native",
        description="constant = a variable rate is made even: the picture nearest in time; a number = even "
        "steps at that many frames a second, whatever the source's rate",
    )


#: H.273 transfer characteristics of pictures that are brighter than what is stored of them can say
_HDR = {16: "pq", 18: "hlg"}


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
        :data:`~stages.frames.folder.GIVEN`, and with a number for ``rate`` ``picture`` (n,) int32; the last
        one brings the attributes.

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
    asked = params.rate != "native" and (not folder or params.rate != "constant")
    uses = _uses(path, params, unit) if asked else None
    numbered = not isinstance(params.rate, str)
    report = Report()
    pictures: list[Array] = []
    poses: list[dict[str, Array]] = []
    times: list[float] = []
    numbers: list[int] = []
    every_time: list[float] = []
    attrs: dict[str, Any] = {}
    view: View | None = None
    rows = 0
    for frame in decode(path, report):
        if view is None or not view.fits(frame):
            view = _view(frame, params, report, path, view)
            attrs = view.attrs
        time = float(frame.pts * frame.time_base) * unit
        every_time.append(time)
        use = uses.of(len(every_time) - 1) if uses else 1
        if not use:
            continue
        rgb = to_rgb(frame, view.plan, view.colour)
        for _ in range(use):
            pictures.append(rgb)
            if given is not None:
                poses.append(_joints(given, frame.pts, view.size, view.plan, report, path))
            times.append(uses.time(rows) if uses else time)
            numbers.append(len(every_time) - 1)
            rows += 1
            if len(pictures) == batch:
                shown = {"picture": np.array(numbers, np.int32)} if numbered else {}
                yield Result({"rgb": np.stack(pictures), "time": np.array(times), **shown, **_joined(poses)})
                pictures, times, numbers, poses = [], [], [], []
    if report.frames == 0:
        why = f" ({report.faults[0]})" if folder else ""
        raise StageError(f"{path}: no frame could be decoded{why}", "the file is damaged: copy it again")
    if report.faults and params.damaged == "fail":
        raise StageError(
            f"{path}: damaged, {report.frames} frames decoded ({report.faults[0]})",
            f"{'put its pictures right' if folder else 'copy it again from the camera'}, or set "
            "stages.frames.damaged: keep to use what is there",
        )
    attrs |= _rate_attrs(path, params, report, every_time, uses)
    attrs |= {
        "codec": report.codec,
        "pixel_format": report.pixel_format,
        "stream": report.stream,
        "streams": report.streams,
        "frames_claimed": report.claimed,
        "frames_hidden_by_edit_list": report.discarded,
        "frames_interlaced": report.interlaced,
        "timestamps_not_increasing": report.disordered,
        "faults": report.faults,
        "notes": report.notes,
    }
    if given is not None and view is not None and not poses:
        poses = [place_joints(np.asarray(given[:0], np.float64), view.size, view.plan)]
    shape = (len(pictures), params.height, params.width, 3)
    arrays = {
        "rgb": np.stack(pictures) if pictures else np.zeros(shape, np.uint8),
        "time": np.array(times, np.float64),
        **({"picture": np.array(numbers, np.int32)} if numbered else {}),
        **_joined(poses),
    }
    yield Result(arrays, attrs)


@dataclass(frozen=True)
class View:
    """How pictures of one size, format and orientation are stored."""

    path: Path
    size: tuple[int, int]
    form: str
    orientation: Orientation
    colour: Colour
    plan: Geometry
    attrs: dict[str, Any]

    def fits(self, frame: Any) -> bool:
        """Whether the next picture is stored in the same way."""
        return (
            self.size == (frame.width, frame.height)
            and self.form == frame.format.name
            and self.orientation == orientation_of(frame)
            and self.colour == _colour(frame, self.path)
        )


def _colour(frame: Any, path: Path) -> Colour:
    try:
        return colour_of(frame)
    except StageError as e:
        raise StageError(f"{path}: {e.reason}", e.remedy) from None


def _view(frame: Any, params: FramesParams, report: Report, path: Path, before: View | None) -> View:
    colour = _colour(frame, path)
    size, form, turn = (frame.width, frame.height), frame.format.name, orientation_of(frame)
    if before is not None and (before.size, before.form) != (size, form):
        report.fault(f"picture size or format changes at frame {report.frames - 1}")
    elif before is not None:
        report.note(f"orientation or colour tags change at frame {report.frames - 1}")
    if turn.note:
        report.note(turn.note)
    target = (params.width, params.height)
    plan = geometry(size, target, turn.rotation, report.pixel_aspect, params.fit, turn.mirrored, report.crop)
    hdr = _HDR.get(int(getattr(frame, "color_trc", 0)), "")
    if hdr:
        report.note(f"HDR ({hdr.upper()}) is stored without tone mapping: its pictures look flat")
    attrs = {
        "source_width": frame.width,
        "source_height": frame.height,
        "source_crop_left_top_right_bottom": list(report.crop),
        "pixel_aspect": str(report.pixel_aspect),
        "rotation": turn.rotation,
        "mirrored": turn.mirrored,
        "colour": colour.name,
        "hdr": hdr or "none",
        "fit": plan.fit,
        "picture_x_y_w_h": list(plan.place),
    }
    return View(path, size, form, turn, colour, plan, attrs)


@dataclass(frozen=True)
class Uses:
    """How often each decoded picture is stored at even steps."""

    counts: Array
    start: float
    fps: Fraction

    def of(self, picture: int) -> int:
        """Rows that show a picture."""
        return int(self.counts[picture]) if picture < len(self.counts) else 0

    def time(self, row: int) -> float:
        """Time of a row, s."""
        return self.start + float(row / self.fps)


def _uses(path: Path, params: FramesParams, unit: float) -> Uses | None:
    """Decode once for the times alone; None where they are even as they are, and no other rate is asked for.

    Parameters
    ----------
    path : Path
    params : FramesParams
    unit : float
        Seconds that a time of the source counts.
    """
    report = Report()
    times = [float(frame.pts * frame.time_base) * unit for frame in decode(path, report)]
    if isinstance(params.rate, float):
        if not times or not np.isfinite(times).all():
            return None
        if params.fps:  # the file's times are as wrong as its rate
            times = [i / params.fps for i in range(len(times))]
        fps = Fraction(params.rate).limit_denominator(1001)
        steps = np.diff(times)
        last = times[-1] - times[0] + (float(np.median(steps)) if len(steps) else 0.0)  # until it is over
        most = max(1, math.ceil(last * fps - 1e-6))
    else:
        rate = rate_of(report.fps, report.time_base, times)
        fps = _stated(params) or rate.fps
        if not rate.variable or not fps:
            return None
        most = None
    return Uses(np.bincount(nearest(times, fps)[:most], minlength=len(times)), times[0], fps)


def _stated(params: FramesParams) -> Fraction:
    return Fraction(params.fps).limit_denominator(1001) if params.fps else Fraction(0)


def _deviation(times: list[float], fps: Fraction) -> float:
    """Return how far frames are shown from their number divided by the rate at most, s; -1 without times."""
    shown = np.array(times)
    return float(np.abs(shown - np.arange(len(shown)) / float(fps)).max()) if np.isfinite(shown).all() else -1


def _rate_attrs(
    path: Path, params: FramesParams, report: Report, times: list[float], uses: Uses | None
) -> dict[str, Any]:
    rate = rate_of(report.fps, report.time_base, times)
    stated = _stated(params)
    fps, origin = (stated, "manifest") if stated else (rate.fps, rate.origin)
    if not fps:
        raise StageError(f"{path}: states no frame rate", "set fps for this video in the manifest")
    own = fps
    if uses and not isinstance(params.rate, str):
        fps, origin = uses.fps, "rate"
    late = times[0] - report.start
    if late * fps >= 1:
        report.note(f"its first picture is shown {late:.3f} s after the file's start")
    if origin == "rate":
        report.note(f"{float(own):g} frames/s were resampled to {float(fps):g}/s")
    elif rate.variable:
        done = (
            f"resampled to {float(fps):g}/s"
            if uses
            else "map seconds by time, or set stages.frames.rate: constant"
        )
        report.note(f"variable frame rate: {done}")
    return {
        "fps": float(fps),
        "fps_num": fps.numerator,
        "fps_den": fps.denominator,
        "fps_from": origin,
        "rate": "variable" if rate.variable and not uses else "constant",
        "rate_tolerance": RATE_TOLERANCE,
        "rate_of_source": "variable" if rate.variable else "constant",
        **({"fps_of_source": float(own)} if fps != own or origin == "rate" else {}),
        "frames_decoded": report.frames,
        "time_deviation": abs(uses.start) if uses else _deviation(times, fps),
        **({"file_start": report.start, "first_picture": late} if np.isfinite(late) else {}),
    }


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
    version=3,
    title="decode and scale to RGB frames",
    params=FramesParams,
    inputs=(VIDEO,),
    outputs=(
        ArraySpec("rgb", "uint8", ("frame", "y", "x", "channel"), kind="image", description="RGB, 0-255"),
        ArraySpec("time", "float64", ("frame",), units="s", description="time in the source, ascending"),
        ArraySpec(
            "picture",
            "int32",
            ("frame",),
            description="number of the source's picture, where rate is a number",
        ),
        *GIVEN,
    ),
    compute=compute,
    bind=_bind,
)
