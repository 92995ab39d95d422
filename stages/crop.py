"""Cutting windows that follow the ROI; shared by the stages that make cuboids."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stages.base import Array


def augmentation_reach(crop: int, rotation_deg: float, translation: float, zoom: float) -> int:
    """Side of the square that an augmented crop can touch, px [3S §2.6].

    A crop of side ``crop``, shifted by up to ``translation``·crop, magnified by 1 ± ``zoom`` and rotated
    by up to ``rotation_deg`` about the ROI, reaches (crop/2 + shift)/(1 − zoom)·(cos + sin) to each side.
    """
    angle = math.radians(rotation_deg)
    reach = (crop / 2 + translation * crop) / (1 - zoom) * (math.cos(angle) + math.sin(angle))
    return 2 * math.ceil(reach)


def window_origin(
    centre: NDArray[np.floating], window: tuple[int, int], frame: tuple[int, int]
) -> NDArray[np.int16]:
    """Top-left corners of windows centred on the ROI and kept inside the image.

    Parameters
    ----------
    centre : (n, 2) float
        x, y in px.
    window, frame : (int, int)
        (width, height), px; the window is not larger than the frame.

    Returns
    -------
    (n, 2) int16
        x, y of the first pixel.
    """
    out = np.empty((len(centre), 2), np.int16)
    for axis in range(2):
        corner = np.rint(np.asarray(centre, np.float64)[:, axis] - window[axis] / 2)
        out[:, axis] = np.clip(corner, 0, frame[axis] - window[axis])
    return out


def cut(frames: Array, origin: NDArray[np.int16], window: tuple[int, int]) -> Array:
    """Windows of a moving position.

    Parameters
    ----------
    frames : (n, H, W, C)
    origin : (n, 2) int16
        x, y of each window's first pixel.
    window : (int, int)
        (width, height), px.

    Returns
    -------
    (n, height, width, C)
        dtype of ``frames``; no pixel is interpolated.
    """
    width, height = window
    out = np.empty((len(frames), height, width, *frames.shape[3:]), frames.dtype)
    for frame, (x, y), target in zip(frames, origin, out, strict=True):
        target[:] = frame[y : y + height, x : x + width]
    return out
