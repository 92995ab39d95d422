"""Figures and curves of one video: what the time lines show and what videos are compared by."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.pictures.draw import Picture
from pipeline.report.content.results import Results
from stages.base import Array
from store import FeatureReader

#: frames read at a time
BLOCK = 200
#: columns of a curve; a longer video has least and largest values of each
COLUMNS = 1500
#: width of the picture in lists, px
THUMB = 160
#: part of a frame's time that frames may be off even steps and count as even: a seek aims at its middle
EVEN = 0.2
#: moments at which videos are compared picture by picture, and the side of these pictures, px
MOMENTS, SIDE = 8, 16

#: stored steps per grey level of these pictures
LOOK_STEPS = 256

Tell = Callable[[int], None]
Floats = NDArray[np.float64]


def measure(results: Results, crop: tuple[int, int], tell: Tell) -> dict[str, Any]:
    """Measure one video.

    Parameters
    ----------
    results : Results
        Its frames are there. Stages that turn out to be unreadable are dropped.
    crop : (int, int)
        Width and height of the ROI's crop, px.
    tell : callable
        Called with numbers of frames done.

    Returns
    -------
    dict
        JSON values: ``n``, ``fps``, ``place`` of the picture in the frame, ``start`` (s), ``times``
        (s after the first frame; None of an even rate), ``figures`` by name (see
        :mod:`pipeline.report.sections.odd`),
        ``curves`` by name, ``thumb`` (JPEG, base64), ``look``.
    """
    info = results.info
    if info is None:
        return {}
    times = results.try_reading("frames", lambda r: np.asarray(r.read("time"), np.float64))
    light = results.try_reading("frames", lambda r: _light(r, results, tell))
    if times is None or light is None:
        return {}
    figures: dict[str, float] = {
        "frames": info.n_frames,
        "fps": float(info.fps),
        "seconds": _lasts(times, info),
    }
    curves: dict[str, Any] = {"brightness": _curve(light["brightness"])}
    figures["brightness"] = _mean(light["brightness"])
    figures["brightness_jump"] = float(np.abs(np.diff(light["brightness"])).max(initial=0))
    figures["repeated"] = float(light["repeated"].mean()) if info.n_frames > 1 else 0.0
    filled = results.try_reading("foreground", _filled)
    if filled is not None:
        figures |= {"mask": _mean(filled), "mask_empty": float((filled == 0).mean())}
        figures["mask_full"] = float((filled > 0.5).mean())
        curves["mask"] = _curve(filled * 100)
    clipped = results.try_reading("flow", lambda r: r.read("clipped") > 0)
    if clipped is not None and len(clipped):
        figures["flow_clipped"] = float(clipped.mean())
    largest = results.try_reading("statistics", lambda r: r.read("flow_max").max(axis=1, initial=0.0))
    if largest is not None and len(largest):
        curves["flow"] = _curve(largest)
        figures["flow_median"] = float(np.median(largest))
    centre = results.try_reading("roi", lambda r: np.asarray(r.read("centre"), np.float64))
    if centre is not None:
        curves |= {"roi_x": _curve(centre[:, 0]), "roi_y": _curve(centre[:, 1])}
        figures |= _track(centre, crop, (info.width, info.height))
    joints = results.try_reading(
        "descriptor", lambda r: (r.read("joints"), r.read("found"), r.read("n_poses"))
    )
    if joints is not None:
        found = joints[1] > 0
        figures["no_pose"] = float(1 - found.mean())
        figures["several_poses"] = float((joints[2] > 1).mean())
        score = np.where(found, joints[0][:, 0, 2], np.nan)
        figures["pose_score"] = float(np.nanmedian(score)) if found.any() else 0.0
        curves["pose"] = _curve(np.nan_to_num(score))
    off = np.abs(times - times[0] - np.arange(len(times)) / float(info.fps)).max(initial=0)
    even = bool(off * float(info.fps) < EVEN)
    return {
        "n": info.n_frames, "fps": float(info.fps), "place": list(picture_place(results)),
        "start": round(float(times[0]), 6),
        "times": None if even else [round(float(t - times[0]), 5) for t in times],
        "figures": {k: round(v, 6) for k, v in figures.items()},
        "curves": curves, "thumb": light["thumb"], "look": light["look"],
    }  # fmt: skip


def picture_place(results: Results) -> tuple[int, int, int, int]:
    """Return where the picture lies in the stored frame: x, y, width, height, px; padding is left out."""
    info = results.info
    assert info is not None
    place = results.receipts["frames"].attrs.get("picture_x_y_w_h")
    try:
        x, y, w, h = (round(float(v)) for v in place or ())
    except (TypeError, ValueError):
        return 0, 0, info.width, info.height
    x, y = min(max(x, 0), info.width - 1), min(max(y, 0), info.height - 1)
    return x, y, max(1, min(w, info.width - x)), max(1, min(h, info.height - y))


def _lasts(times: Floats, info: Any) -> float:
    return float(times[-1] - times[0] + 1 / float(info.fps)) if len(times) else 0.0


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else 0.0


def _light(reader: FeatureReader, results: Results, tell: Tell) -> dict[str, Any]:
    """Read all frames once: brightness, frames that repeat the one before, and small pictures."""
    x, y, w, h = picture_place(results)
    n = len(reader.dataset("rgb"))
    brightness, repeated = np.zeros(n), np.zeros(max(n - 1, 0), bool)
    moments = {int(t): i for i, t in enumerate(np.linspace(0, n - 1, MOMENTS))}
    look = np.zeros((MOMENTS, SIDE, SIDE))
    thumb, last = "", None
    for at in range(0, n, BLOCK):
        rows = reader.read("rgb", at, min(at + BLOCK, n))[:, y : y + h, x : x + w]
        coarse = rows[:, ::4, ::4]
        brightness[at : at + len(rows)] = coarse.mean(axis=(1, 2, 3))
        chain = coarse if last is None else np.concatenate([last, coarse])
        same = (chain[1:] == chain[:-1]).all(axis=(1, 2, 3))
        first = at if last is None else at - 1
        repeated[first : first + len(same)] = same
        last = coarse[-1:]
        for t, i in moments.items():
            if at <= t < at + len(rows):
                look[i:] = cv2.resize(rows[t - at], (SIDE, SIDE), interpolation=cv2.INTER_AREA).mean(axis=2)
                if not thumb and i >= MOMENTS // 2:
                    thumb = jpeg(rows[t - at], THUMB)
        tell(len(rows))
    return {
        "brightness": brightness,
        "repeated": repeated,
        "thumb": thumb or jpeg(rows[-1], THUMB),
        "look": base64.b64encode(np.rint(look * LOOK_STEPS).astype("<u2").tobytes()).decode(),
    }


def jpeg(picture: Picture, width: int) -> str:
    """Return a picture (RGB) no wider than ``width`` px as JPEG in base64."""
    if picture.shape[1] > width:
        size = width, max(1, round(picture.shape[0] * width / picture.shape[1]))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    done, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 72]
    )
    if not done:
        raise RuntimeError("OpenCV cannot encode JPEG; install a build of it with JPEG support")
    return base64.b64encode(data.tobytes()).decode()


def _filled(reader: FeatureReader) -> Floats:
    """Return the share of foreground in each frame, (n,) in [0, 1]."""
    n = len(reader.dataset("mask"))
    parts = [reader.read("mask", at, min(at + BLOCK, n)) for at in range(0, n, BLOCK)]
    return np.concatenate([np.zeros(0), *((p > 0).mean(axis=(1, 2)) for p in parts)])


def _track(centre: Floats, crop: tuple[int, int], size: tuple[int, int]) -> dict[str, float]:
    """Tell how often the ROI's crop touches the border of the frame, and how far its centre jumps."""
    at_border = np.zeros(len(centre), bool)
    for axis, (c, extent) in enumerate(zip(crop, size, strict=True)):
        if c < extent:  # a crop as large as the frame touches it always
            at_border |= (centre[:, axis] <= c / 2 + 0.5) | (centre[:, axis] >= extent - c / 2 - 0.5)
    jumps = np.linalg.norm(np.diff(centre, axis=0), axis=1)
    return {"roi_border": float(at_border.mean()), "roi_jump": float(jumps.max(initial=0) / size[0])}


def _curve(values: Array) -> dict[str, Any]:
    """Return a curve of at most :data:`COLUMNS` columns, least and largest value of each.

    ``step`` is the number of frames of a column; with 1 there is only ``high``.
    """
    values = np.asarray(values, np.float64)
    step = -(-len(values) // COLUMNS) if len(values) else 1
    if step == 1:
        return {"step": 1, "high": _short(values)}
    edges = range(0, len(values), step)
    parts = [values[a:b] for a, b in itertools.pairwise([*edges, len(values)])]
    return {
        "step": step,
        "low": _short(np.array([p.min() for p in parts])),
        "high": _short(np.array([p.max() for p in parts])),
    }


def _short(values: Floats) -> list[float]:
    return [round(float(v), 3) for v in values]
