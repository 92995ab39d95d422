"""Where the crop lies in its stored window, and cutting it out.

The one rule for the corner (docs/dataset-format.md): along each axis, the first pixel of a crop of ``size``
pixels about a ROI centre is ``floor(roi − size/2 + 1/2)`` in float64, so halves go up. It is kept inside the
frame and, relative to the stored window, inside that.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def crop_corner(
    roi: NDArray[np.floating], window: NDArray[np.integer], size: tuple[int, int], crop: tuple[int, int]
) -> NDArray[np.int64]:
    """Return the first pixels of the crops inside their windows, as the format prescribes.

    Parameters
    ----------
    roi : (n, 2) float
        ROI centres, px of the frame.
    window : (n, 2) int
        First pixels of the windows, px of the frame. Windows lie inside the frame, so that a crop kept
        inside its window is inside the frame as well.
    size, crop : (int, int)
        (width, height) of window and crop, px.

    Returns
    -------
    (n, 2) int64
        x, y in px of the window.
    """
    half, room = np.asarray(crop) / 2, np.asarray(size) - np.asarray(crop)
    corner = np.floor(np.asarray(roi, np.float64) - half + 0.5).astype(np.int64) - window
    return np.clip(corner, 0, np.maximum(room, 0))


def cut(frames: Tensor, corner: Tensor, crop: tuple[int, int]) -> Tensor:
    """Cut out crops whose place differs from frame to frame.

    Parameters
    ----------
    frames : (N, T, h, w, C)
        Windows.
    corner : (N, T, 2) int
        First pixels of the crops, x, y in px of the window.
    crop : (int, int)
        (width, height), px.

    Returns
    -------
    (N, T, H, W, C)
        ``frames`` themselves where they are no larger than the crop.
    """
    n, t = frames.shape[:2]
    if frames.shape[2:4] == (crop[1], crop[0]):
        return frames
    device = frames.device
    x = corner[..., 0, None].long() + torch.arange(crop[0], device=device)
    y = corner[..., 1, None].long() + torch.arange(crop[1], device=device)
    batch = torch.arange(n, device=device)[:, None, None, None]
    time = torch.arange(t, device=device)[None, :, None, None]
    return frames[batch, time, y[..., :, None], x[..., None, :]]
