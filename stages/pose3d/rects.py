"""Turned squares of a picture: how BlazePose frames somebody, and what the networks are shown of it.

The published graphs of MediaPipe (``pose_detection_to_roi``, ``pose_landmark_by_roi_cpu``; Bazarevsky et al.
2020, arXiv:2006.10204, §2) are followed step by step, so that the networks see what they were trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: side of the square over the diameter of the circle around the body
ROOM = 1.25


@dataclass(frozen=True)
class Rect:
    """A rectangle that may be turned.

    Attributes
    ----------
    x, y : float
        Its centre, px.
    width, height : float
        px.
    rotation : float
        rad, clockwise in the picture; 0: upright.
    """

    x: float
    y: float
    width: float
    height: float
    rotation: float = 0.0

    def corners(self) -> Array:
        """Return bottom left, top left, top right, bottom right: (4, 2) float32, px."""
        across, down = self._axes()
        middle = np.array([self.x, self.y])
        corners = [middle - across + down, middle - across - down, middle + across - down]
        return np.array([*corners, middle + across + down], np.float32)

    def to_picture(self, points: Array) -> Array:
        """Map points of the rectangle, (..., 2) in shares of its sides, to px of the picture."""
        across, down = self._axes()
        shares = 2.0 * np.asarray(points, np.float64) - 1.0
        return np.asarray([self.x, self.y] + shares[..., :1] * across + shares[..., 1:2] * down)

    def _axes(self) -> tuple[Array, Array]:
        """Half of the rectangle's width and of its height, as vectors of the picture."""
        c, s = np.cos(self.rotation), np.sin(self.rotation)
        return self.width / 2 * np.array([c, s]), self.height / 2 * np.array([-s, c])


def around(hips: Array, end: Array) -> Rect:
    """Return the square around a body, turned so that the body stands in it.

    Parameters
    ----------
    hips : (2,) float
        The middle of the hips, px: the middle of the circle around the body.
    end : (2,) float
        The point of that circle at the head's side, px.

    Returns
    -------
    Rect
    """
    dx, dy = (float(v) for v in np.asarray(end, np.float64) - hips)
    side = ROOM * 2.0 * float(np.hypot(dx, dy))
    turn = np.pi / 2 - np.arctan2(-dy, dx)
    turn -= 2 * np.pi * np.floor((turn + np.pi) / (2 * np.pi))
    return Rect(float(hips[0]), float(hips[1]), side, side, float(turn))


def squared(width: float, height: float) -> Rect:
    """Return the smallest square with the middle of a picture that holds all of it (letterbox)."""
    side = float(max(width, height))
    return Rect(width / 2, height / 2, side, side)


def cut(rgb: Array, rect: Rect, side: int, *, black: bool) -> Array:
    """Cut a rectangle out of a picture.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    rect : Rect
    side : int
        Of the result, px.
    black : bool
        Whether what lies outside the picture is black; else the picture's border goes on.

    Returns
    -------
    (side, side, 3) uint8
    """
    target = np.array([[0, side], [0, 0], [side, 0], [side, side]], np.float32)
    back = np.linalg.inv(cv2.getPerspectiveTransform(rect.corners(), target))
    # steps of 1/32 px, as MediaPipe's OpenCV takes them: later versions of warpPerspective round elsewhere,
    # and the detector's scores then differ in the third digit
    row, column = np.mgrid[:side, :side]
    at = np.rint(np.stack([column, row, np.ones_like(row)], -1) @ back[:2].T * 32) / 32
    x, y = (np.ascontiguousarray(at[..., i], np.float32) for i in (0, 1))
    fixed, table = cv2.convertMaps(x, y, cv2.CV_16SC2)
    border = cv2.BORDER_CONSTANT if black else cv2.BORDER_REPLICATE
    return np.asarray(cv2.remap(rgb, fixed, table, cv2.INTER_LINEAR, borderMode=border))
