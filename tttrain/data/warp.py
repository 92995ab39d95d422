"""Warp whole batches on the device: rotation, zoom, shift and flip of pixels, motion vectors and joints.

What is applied here was drawn by :mod:`tttrain.data.augmentation`.

Conventions. Positions are pixel centres, x right, y down. With q = p − (centre of the crop) a point
of the scene moves to ``u = zoom · R(angle) · F · q + shift`` in the image that the network sees,
where ``F = diag(flip, 1)``, flip = −1 mirrors left and right, and ``R(angle) = [[cos, −sin], [sin, cos]]``
(a positive angle turns x towards y: clockwise on the screen). Motion vectors and joints follow the
same map. No pixel is ever invented: where the turned crop would leave the stored window, its centre
is moved back inside, frame by frame, just as the ROI itself is kept inside the image [3S eq. 1]; where the
crop is larger than the window, the zoom grows until it fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tttrain.data.view import View, reduced_origin


@dataclass(frozen=True)
class Warp:
    """The maps of a batch; all stay inside their windows.

    Attributes
    ----------
    forward, inverse : (N, 2, 2) float32
        From the scene to the image, zoom·R·F, and back.
    crop_centre : (N, T, 2) float32
        Centre of the untransformed crop, px of the window.
    centre : (N, T, 2) float32
        Point of the window that comes to lie in the middle of the image.
    """

    forward: Tensor
    inverse: Tensor
    crop_centre: Tensor
    centre: Tensor


def make_warp(transform: Tensor, corner: Tensor, view: View, window: tuple[int, int]) -> Warp:
    """Turn the transforms of a batch into maps.

    Parameters
    ----------
    transform : (N, 5) float32
        See :func:`tttrain.data.augmentation.draw_transform`.
    corner : (N, T, 2)
        First pixel of the crop in its window, px.
    view : View
    window : (int, int)
        (width, height) of the stored window before any reduction, px.
    """
    angle, zoom, shift, flip = transform[:, 0], transform[:, 1], transform[:, 2:4], transform[:, 4]
    cos, sin = torch.cos(angle), torch.sin(angle)
    # F·R(−angle), the inverse but for the zoom
    turn = torch.stack([flip * cos, flip * sin, -sin, cos], dim=-1).view(-1, 2, 2)
    crop = torch.tensor(view.crop, dtype=torch.float32, device=transform.device)
    size = torch.tensor(view.size, dtype=torch.float32, device=transform.device)
    low, high = (torch.tensor(v, device=transform.device) for v in _reachable(window, view.reduce))
    # outermost points that are read, from the centre
    reach = (turn.abs() @ ((crop - crop / size) / 2)[:, None])[..., 0] / zoom[:, None]
    grow = (2 * reach / (high - low).clamp(min=1e-6)).amax(dim=1).clamp(min=1)
    zoom, reach = zoom * grow, reach / grow[:, None]
    inverse = turn / zoom[:, None, None]
    crop_centre = corner.to(torch.float32) + (crop - 1) / 2
    centre = crop_centre - (inverse @ shift[:, :, None])[:, None, :, 0]
    centre = torch.minimum(torch.maximum(centre, (low + reach)[:, None]), (high - reach)[:, None])
    forward = turn.transpose(1, 2) * zoom[:, None, None]
    return Warp(forward, inverse, crop_centre, centre)


def _reachable(window: tuple[int, int], k: int) -> tuple[list[float], list[float]]:
    """Return the centres of the first and the last (reduced) pixel along x and y, px of the window."""
    low = [reduced_origin(side, k) + (k - 1) / 2 for side in window]
    high = [lo + (side // k - 1) * k for lo, side in zip(low, window, strict=True)]
    return low, high


def sample(frames: Tensor, warp: Warp, view: View, window: tuple[int, int]) -> Tensor:
    """Sample the warped crops, bilinearly.

    Parameters
    ----------
    frames : (N, T, C, h, w) float32
        Windows, reduced by ``view.reduce``.
    warp : Warp
    view : View
    window : (int, int)
        (width, height) of the windows before the reduction, px.

    Returns
    -------
    (N, T, C, H, W) float32
        At the view's size.
    """
    n, t, channels, h, w = frames.shape
    width, height = view.size
    device = frames.device
    x = (torch.arange(width, device=device) + 0.5) * (view.crop[0] / width) - view.crop[0] / 2
    y = (torch.arange(height, device=device) + 0.5) * (view.crop[1] / height) - view.crop[1] / 2
    base = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).view(-1, 2)
    k = view.reduce
    first = torch.tensor([reduced_origin(side, k) for side in window], device=device)
    covered = torch.tensor([w * k, h * k], dtype=torch.float32, device=device)
    turned = (base @ warp.inverse.transpose(1, 2)).view(n, 1, height, width, 2)
    at = turned + (warp.centre - first + 0.5)[:, :, None, None]
    grid = (at * (2 / covered) - 1).view(n * t, height, width, 2)
    out = functional.grid_sample(
        frames.reshape(n * t, channels, h, w), grid, "bilinear", padding_mode="border", align_corners=False
    )
    return out.view(n, t, channels, height, width)


def turn_vectors(flow: Tensor, warp: Warp) -> Tensor:
    """Rotate, scale and mirror motion vectors with the image.

    Parameters
    ----------
    flow : (N, T, 2, H, W) float32
        dx, dy; any unit.

    Returns
    -------
    (N, T, 2, H, W) float32
    """
    return torch.einsum("nij,ntjhw->ntihw", warp.forward, flow)


def move_joints(pose: Tensor, warp: Warp, window: Tensor, mirrored: Tensor, flip: Tensor) -> Tensor:
    """Move joints with the image, in pixels of the frame.

    A joint keeps its place in the crop: it is seen over the same pixel as before. Left and right
    joints change places in a mirrored image.

    Parameters
    ----------
    pose : (N, T, J, 3) float32
        x, y in px of the frame, score.
    warp : Warp
    window : (N, T, 2)
        First pixels of the windows, px of the frame.
    mirrored : (J,) int64
        Row of the joint on the other side; see :func:`mirrored_rows`.
    flip : (N,) float32
        −1 where the image is mirrored.

    Returns
    -------
    (N, T, J, 3) float32
    """
    origin = window.to(torch.float32)
    relative = pose[..., :2] - (warp.centre + origin)[:, :, None]
    moved = relative @ warp.forward.transpose(1, 2)[:, None]
    out = torch.cat([moved + (warp.crop_centre + origin)[:, :, None], pose[..., 2:]], dim=-1)
    return torch.where((flip < 0)[:, None, None, None], out[:, :, mirrored], out)


def mirrored_rows(joints: Sequence[str]) -> NDArray[np.int64]:
    """Return for each joint the row of its counterpart on the other side of the body, or its own row."""
    names = [name.casefold() for name in joints]
    swap = {"left": "right", "right": "left"}
    out = np.arange(len(names))
    for i, name in enumerate(names):
        for here, there in swap.items():
            other = name.replace(here, there)
            if here in name and other in names:
                out[i] = names.index(other)
    return out
