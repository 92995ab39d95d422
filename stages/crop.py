"""Cut windows that follow the ROI; shared by the stages that make cuboids and by the dataset's picture.

One rule places every window and crop, and docs/dataset-format.md states it for readers of the file. Along
each axis the corner in the frame is ``floor(roi − size/2 + 1/2)`` in float64, so halves go up, clipped to
[0, frame − size]. Within a stored window it is that minus the window's corner, clipped to
[0, window − size].
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stages.base import Array, Block


def augmentation_reach(
    crop: int, rotation_deg: float, translation: float, zoom: float, across: int | None = None
) -> int:
    """Return how wide a region an augmented crop can touch [3S §2.6].

    A crop, shifted by up to ``translation`` of its sides, magnified by 1 ± ``zoom`` and rotated by up to
    ``rotation_deg`` about the ROI, reaches ((w/2 + shift_x)·cos + (h/2 + shift_y)·sin)/(1 − zoom) to each
    side, at the angle within that limit where this is largest.

    Parameters
    ----------
    crop : int
        The crop's side along the axis in question, px.
    rotation_deg : float
        Up to 90.
    translation : float
        Share of the crop's sides.
    zoom : float
        Below 1.
    across : int, optional
        The crop's other side, px; default: the same length.

    Returns
    -------
    int
        px, an even number.
    """
    along, aside = (side * (0.5 + translation) for side in (crop, crop if across is None else across))
    angle = min(math.radians(rotation_deg), math.atan2(aside, along))
    # the round-off of cos and sin must not cost two pixels where the sum is a whole number
    return 2 * math.ceil((along * math.cos(angle) + aside * math.sin(angle)) / (1 - zoom) - 1e-9)


def window_origin(
    centre: NDArray[np.floating], window: tuple[int, int], frame: tuple[int, int]
) -> NDArray[np.int16]:
    """Return the top-left corners of windows (or crops) centred on the ROI and kept inside the image.

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
        # np.rint takes halves to the even number: windows of different sizes would drift apart
        corner = np.floor(np.asarray(centre, np.float64)[:, axis] - window[axis] / 2 + 0.5)
        out[:, axis] = np.clip(corner, 0, frame[axis] - window[axis])
    return out


def crop_origin(
    centre: NDArray[np.floating],
    stored: NDArray[np.integer],
    crop: tuple[int, int],
    window: tuple[int, int],
    frame: tuple[int, int],
) -> NDArray[np.int16]:
    """Return the top-left corners of crops around the ROI within the windows that hold them.

    Parameters
    ----------
    centre : (n, 2) float
        ROI, x, y in px of the frame.
    stored : (n, 2) int
        x, y of each window's first pixel in the frame.
    crop, window, frame : (int, int)
        (width, height), px; the crop is not larger than the window, nor the window than the frame.

    Returns
    -------
    (n, 2) int16
        x, y of the crop's first pixel in its window.
    """
    inside = window_origin(centre, crop, frame).astype(np.int64) - stored
    return np.clip(inside, 0, np.subtract(window, crop)).astype(np.int16)


def cut(frames: Array, origin: NDArray[np.int16], window: tuple[int, int]) -> Array:
    """Cut one window out of each frame.

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


def cut_modalities(block: Block, origin: NDArray[np.int16], window: tuple[int, int]) -> dict[str, Array]:
    """Cut the windows of a block out of the modalities that it carries.

    Parameters
    ----------
    block : Block
        With ``frames.rgb`` (n, H, W, 3), ``flow.flow`` (n or n − 1, H, W, 2), both or neither.
    origin : (n, 2) int16
        x, y of each window's first pixel.
    window : (int, int)
        (width, height), px.

    Returns
    -------
    dict
        ``rgb`` (n, h, w, 3) uint8 and ``flow`` (n, h, w, 2) int16, each where its input is there. The flow
        of a video's last frame, which has no pair, is zero.
    """
    out: dict[str, Array] = {}
    if "frames.rgb" in block.data:
        out["rgb"] = cut(block.rows("frames.rgb"), origin, window)
    if "flow.flow" in block.data:
        flow = block.rows("flow.flow")
        out["flow"] = np.zeros((len(origin), window[1], window[0], 2), np.int16)
        out["flow"][: len(flow)] = cut(flow, origin[: len(flow)], window)
    return out
