"""Colours and outlines: the tools with which player, ball and hall are drawn.

Pictures are drawn in Y'CbCr (BT.709, limited range, 4:4:4) rather than RGB: what is drawn is what is encoded,
and no whole frame is ever converted.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rgb = tuple[float, float, float]
Colour = tuple[float, float, float]

#: fractional bits of the coordinates handed to OpenCV
SHIFT = 4

_KR, _KB = 0.2126, 0.0722  # BT.709
#: R'G'B' in 0…255 → Y'CbCr in 16…235, 16…240
YCC = np.array(
    [
        [_KR, 1 - _KR - _KB, _KB],
        [-0.5 * _KR / (1 - _KB), -0.5 * (1 - _KR - _KB) / (1 - _KB), 0.5],
        [0.5, -0.5 * (1 - _KR - _KB) / (1 - _KR), -0.5 * _KB / (1 - _KR)],
    ]
) * (np.array([219.0, 224.0, 224.0])[:, None] / 255)
YCC_OFFSET = np.array([16.0, 128.0, 128.0])


def ycc(rgb: Rgb, shade: float = 1.0) -> Colour:
    """Convert a colour to what OpenCV is given.

    Parameters
    ----------
    rgb : (float, float, float)
        R, G, B in 0…255.
    shade : float
        Brightness factor; over 1 it also pales, as a lit surface does.

    Returns
    -------
    (float, float, float)
        Y', Cb, Cr in limited range.
    """
    c = np.asarray(rgb, float) * min(shade, 1.0)
    if shade > 1:
        c += (255 - c) * (shade - 1)
    y, u, v = YCC @ np.clip(c, 0, 255) + YCC_OFFSET
    return float(y), float(u), float(v)


def to_ycc(rgb: Array) -> Array:
    """Convert an RGB picture (h, w, 3) in 0…255 to Y'CbCr 4:4:4, uint8."""
    out = rgb.reshape(-1, 3).astype(np.float32) @ YCC.T.astype(np.float32) + YCC_OFFSET.astype(np.float32)
    return np.asarray(np.clip(np.rint(out), 0, 255).astype(np.uint8).reshape(rgb.shape))


def fixed(xy: Array) -> Array:
    """Convert pixel coordinates to the fixed-point integers that OpenCV's drawing takes; int32."""
    return np.asarray(np.rint(xy * (1 << SHIFT)).astype(np.int32))


def fill(canvas: Array, outline: Array, colour: Colour) -> None:
    """Fill a convex outline (k, 2) given by :func:`fixed`, anti-aliased."""
    cv2.fillConvexPoly(canvas, outline, colour, cv2.LINE_AA, SHIFT)


def fill_any(canvas: Array, outline: Array, colour: Colour) -> None:
    """Fill an outline (k, 2) given by :func:`fixed` that may be concave, anti-aliased."""
    cv2.fillPoly(canvas, [outline], colour, cv2.LINE_AA, SHIFT)


def capsule(a: Array, b: Array, ra: Array, rb: Array, corners: int = 7) -> Array:
    """Outline tapered limbs: the hulls of two circles.

    Parameters
    ----------
    a, b : array (..., 2)
        Centres in px.
    ra, rb : array (...)
        Radii in px.
    corners : int
        Number of points on each round end.

    Returns
    -------
    array (..., 2·corners, 2), float64
    """
    d = b - a
    length = np.hypot(d[..., 0], d[..., 1])
    theta = np.arctan2(d[..., 1], d[..., 0])
    # beyond ±1 one circle holds the other: the hull is the larger one
    beta = np.arccos(np.clip((ra - rb) / np.maximum(length, 1e-6), -1, 1))
    u = np.linspace(0, 1, corners)
    end = theta[..., None] - beta[..., None] + 2 * beta[..., None] * u
    start = theta[..., None] + beta[..., None] + 2 * (np.pi - beta[..., None]) * u

    def arc(centre: Array, radius: Array, angle: Array) -> Array:
        ring = np.stack([np.cos(angle), np.sin(angle)], -1)
        return np.asarray(centre[..., None, :] + radius[..., None, None] * ring)

    return np.concatenate([arc(b, rb, end), arc(a, ra, start)], axis=-2)


def ellipse(centre: Array, x_axis: Array, y_axis: Array, corners: int = 16) -> Array:
    """Outline ellipses.

    Parameters
    ----------
    centre, x_axis, y_axis : array (..., 2)
        Centre and the two half axes in px.
    corners : int
        Number of points.

    Returns
    -------
    array (..., corners, 2), float64
    """
    t = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    ring = np.cos(t)[:, None] * x_axis[..., None, :] + np.sin(t)[:, None] * y_axis[..., None, :]
    return np.asarray(centre[..., None, :] + ring)
