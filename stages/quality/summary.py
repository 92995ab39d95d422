"""The measures of a video, or of a stretch of it, in a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.base import Arrays

#: where nothing was measured
UNKNOWN = -1.0
#: arrays that hold :data:`UNKNOWN` where nothing was measured
MEASURED = (
    "brightness", "black", "clipped", "blur", "camera", "moving", "moving_in_person", "moving_in_people",
    "moving_outside", "person_moves", "difference", "roi_distance", "in_crop", "roi_speed",
)  # fmt: skip
#: a frame repeats the one before where the two differ by less than this part of what neighbours differ by
ALIKE = 0.1
#: s before and after a frame in which the picture must have changed
NEAR_SECONDS = 0.05
#: the camera moves in a step whose background moves farther, parts of the frame's width
CAMERA_STEP = 0.5 / 320
#: a picture of which less moves is still, share of the picture
STILL = 0.004
#: a person of whose pixels less moves rests
RESTS = 0.08
#: the crop shows a person of whose joints it shows this share
SHOWN = 0.5

Floats = NDArray[np.float64]


def repeated(difference: NDArray[np.floating], fps: float) -> NDArray[np.bool_]:
    """Tell which frames repeat the one before, also where encoding has made the two differ a little.

    Where a recording's rate was raised by repeating frames, some frames differ far less from the one before
    than a frame shortly before them and one shortly after do. In a picture at rest all differ little, and
    where something comes to rest no frame shortly after it differs.

    Parameters
    ----------
    difference : (n,)
        Of each frame from the one before, see :func:`stages.quality.pictures.difference`; negative for the
        first.
    fps : float
    """
    reach = max(2, round(NEAR_SECONDS * fps))
    values = np.maximum(np.asarray(difference, np.float64), 0)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(values, reach), 2 * reach + 1)
    usual = np.minimum(around[:, :reach].max(axis=1), around[:, reach + 1 :].max(axis=1))
    return np.asarray((difference >= 0) & (values < ALIKE * usual))


def summarise(rows: Arrays, fps: float, width: int) -> dict[str, float]:
    """Summarise the measures of a video or of a stretch of it.

    Parameters
    ----------
    rows : mapping
        Of the stage's outputs, those that are there, and ``repeated`` (n,) where it is known; all of them of
        the same frames.
    fps : float
    width : int
        Of the frame, px.

    Returns
    -------
    dict
        What is known: ``seconds``; medians over measured pictures of ``brightness``, ``black``, ``clipped``,
        ``blur``, ``camera`` (px a step) and ``moving``; ``camera_moves``, the share of steps in which the
        camera moves, ``still``, the share of pictures in which nothing does; ``repeated``, share of frames;
        ``found`` and ``several``, shares of frames with people; of the frames with a person: ``shown``, the
        share in which the crop shows it, ``in_crop``, mean share of its joints, ``roi_distance``, median in
        px; ``person_moves``, the median share of its pixels that move, ``rests``, the share of all movement
        while it rests; ``changes`` of the person a second; ``of_person``, ``of_people``, ``outside``: shares
        of all moving pixels; ``roi_speed``, 95th percentile in frame widths a second; ``roi_border``,
        share of frames.
    """
    n = len(rows["roi_speed"])
    told: dict[str, float] = {"seconds": n / fps}

    def put(name: str, values: Floats, of: Any = np.median) -> None:
        known = values[values >= 0]
        if len(known):
            told[name] = float(of(known))

    for name in ("brightness", "black", "clipped", "blur", "camera", "moving"):
        put(name, rows[name].astype(np.float64))
    put("camera_moves", _where(rows["camera"], lambda v: v > CAMERA_STEP * width), np.mean)
    put("still", _where(rows["moving"], lambda v: v < STILL), np.mean)
    again = rows["repeated"] if "repeated" in rows else repeated(rows["difference"], fps)
    put("repeated", again.astype(np.float64), np.mean)
    put("roi_speed", rows["roi_speed"].astype(np.float64) / width, lambda v: np.percentile(v, 95))
    put("roi_border", rows["roi_border"].astype(np.float64), np.mean)
    if "people" in rows:
        people = rows["people"]
        put("found", (people > 0).astype(np.float64), np.mean)
        put("several", (people > 1).astype(np.float64), np.mean)
        put("shown", _where(rows["in_crop"], lambda v: v >= SHOWN), np.mean)
        put("in_crop", rows["in_crop"].astype(np.float64), np.mean)
        put("roi_distance", rows["roi_distance"].astype(np.float64))
        put("person_moves", rows["person_moves"].astype(np.float64))
        rests = _where(rows["person_moves"], lambda v: v < RESTS)
        _put_weighted(told, "rests", rests, rows["moving"])
        if n:
            told["changes"] = float(rows["person_changed"].sum()) * fps / n
    for name, array in (
        ("of_person", "moving_in_person"),
        ("of_people", "moving_in_people"),
        ("outside", "moving_outside"),
    ):
        if array in rows:
            _put_weighted(told, name, rows[array].astype(np.float64), rows["moving"])
    return {name: round(value, 5) for name, value in told.items()}


def _put_weighted(told: dict[str, float], name: str, values: Floats, moving: NDArray[Any]) -> None:
    """Put the mean of what is known, each frame as often as pixels move in it."""
    known = (values >= 0) & (moving > 0)
    if known.any():
        weight = moving[known].astype(np.float64)
        told[name] = float((values[known] * weight).sum() / weight.sum())


def _where(values: NDArray[Any], test: Any) -> Floats:
    """Return 1 where a measure passes a test, 0 where it does not, :data:`UNKNOWN` where there is none."""
    return np.where(values >= 0, test(values), UNKNOWN).astype(np.float64)
