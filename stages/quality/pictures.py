"""Measures of pictures: light, blur, movement of the camera, repeated frames."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.base import Array

#: 8-bit levels up to which a border of the picture is a bar of black, as padding and letter boxes are
BAR_LEVEL = 24
#: 8-bit levels up to which a pixel is black, and from which on it is burnt out
BLACK_LEVEL, CLIPPED_LEVEL = 24, 250
#: the picture must fill so much of the frame, else its bars are no bars: it is black
LEAST_PICTURE = 0.05
#: width of the filter that blurs a picture once more, px [BLUR]
BLUR_WIDTH = 9
#: mean step between neighbours below which a picture has nothing that could be sharp, levels
FLAT = 0.1
#: side of the cells in which two pictures are compared, px
CELL = 10
#: places of the background that are followed: at most one in each cell of this grid
GRID_COLUMNS, GRID_ROWS = 12, 7
#: least eigenvalue of the gradients' covariance at such a place
LEAST_CORNER = 1e-4
#: fewer places tell nothing
LEAST_PLACES = 8
#: a camera moves more than a third of the places: a third is still behind the largest player
STILL_SHARE = 0.35
#: px by which a place of the background may miss the common movement
MISSES = 0.7
#: so many of the places must move alike, or they are no background
LEAST_ALIKE = 0.3

Grey = NDArray[np.uint8]


def grey(rgb: Array) -> Grey:
    """Return the luma of a picture (H, W, 3) uint8 as (H, W) uint8."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def without_bars(picture: Grey) -> Grey:
    """Return the picture without black bars at its borders; all of it where it is black altogether."""
    columns = np.flatnonzero(picture.max(axis=0) > BAR_LEVEL)
    rows = np.flatnonzero(picture.max(axis=1) > BAR_LEVEL)
    if not len(rows) or not len(columns):
        return picture
    inner = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inner if inner.size >= LEAST_PICTURE * picture.size else picture


def light(picture: Grey) -> tuple[float, float, float]:
    """Return mean level, share of black and share of burnt-out pixels of a picture without bars."""
    counts = np.bincount(picture.ravel(), minlength=256)
    n = counts.sum()
    mean = float(counts @ np.arange(256)) / n
    return mean, float(counts[: BLACK_LEVEL + 1].sum() / n), float(counts[CLIPPED_LEVEL:].sum() / n)


def blur(picture: Grey) -> float:
    """Measure how blurred a picture is, whatever it shows: 0 sharp, 1 blurred [BLUR].

    A sharp picture loses steps between neighbours when it is blurred once more, a blurred one does not.
    NaN for a picture that is flat.
    """
    values = picture.astype(np.float32)
    worst = 0.0
    for axis in (0, 1):
        size = (1, BLUR_WIDTH) if axis == 0 else (BLUR_WIDTH, 1)
        steps = np.abs(np.diff(values, axis=axis))
        again = np.abs(np.diff(cv2.blur(values, size), axis=axis))
        total = float(steps.sum(dtype=np.float64))
        if not steps.size or total < FLAT * steps.size:
            return float("nan")
        lost = float(np.maximum(steps - again, 0).sum(dtype=np.float64))
        worst = max(worst, 1 - lost / total)
    return worst


def camera_step(before: Grey, after: Grey) -> float:
    """Measure how far the background moves from one picture to a later one, px; NaN where nothing tells.

    The most distinct place in each cell of a grid is followed (Lucas and Kanade, with pyramids). The largest
    set of places that move alike (shifted, turned, zoomed) is background: players move each part for itself;
    and where a third of all places is at rest, so is the camera.
    """
    height, width = before.shape
    strength = np.asarray(cv2.cornerMinEigenVal(before, 3), np.float32)
    h, w = height // GRID_ROWS, width // GRID_COLUMNS
    if min(h, w) < 4:
        return float("nan")
    grid = strength[: h * GRID_ROWS, : w * GRID_COLUMNS].reshape(GRID_ROWS, h, GRID_COLUMNS, w)
    cells = grid.transpose(0, 2, 1, 3).reshape(GRID_ROWS * GRID_COLUMNS, h * w)
    best = cells.argmax(axis=1)
    known = cells[np.arange(len(cells)), best] >= LEAST_CORNER
    row, column = np.divmod(np.arange(len(cells)), GRID_COLUMNS)
    places = np.stack([column * w + best % w, row * h + best // w], axis=1)[known].astype(np.float32)
    if len(places) < LEAST_PLACES:
        return float("nan")
    enough = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
    options: Any = {"winSize": (13, 13), "maxLevel": 3, "criteria": enough}
    start: Any = places[:, None]
    moved, status, _ = cv2.calcOpticalFlowPyrLK(before, after, start, start.copy(), **options)
    found = np.asarray(status).ravel() == 1
    there, places = np.asarray(moved, np.float32)[found, 0], places[found]
    if len(places) < LEAST_PLACES:
        return float("nan")
    fit: Any = {"method": cv2.RANSAC, "ransacReprojThreshold": MISSES, "maxIters": 500}
    common, alike = cv2.estimateAffinePartial2D(places, there, **fit)
    belongs = np.asarray(alike).ravel() == 1
    if common is None or belongs.mean() < LEAST_ALIKE:
        return float("nan")
    at = places[belongs].astype(np.float64)
    matrix = np.asarray(common, np.float64)
    alike_step = np.linalg.norm(at @ matrix[:, :2].T + matrix[:, 2] - at, axis=1).mean()
    return float(min(alike_step, np.quantile(np.linalg.norm(there - places, axis=1), STILL_SHARE)))


def difference(before: Array, after: Array) -> float:
    """Return the mean difference of two pictures (H, W, 3) uint8 where they differ most, levels.

    The mean over a picture would tell of the encoder, which may skip most of a frame while a ball flies by.
    """
    height, width = before.shape[:2]
    cells = max(1, width // CELL), max(1, height // CELL)
    return float(cv2.resize(cv2.absdiff(before, after), cells, interpolation=cv2.INTER_AREA).max())
