"""Augmentation of the ConvGRU paper [GRU §IV-B]: a random crop and a random change of colour.

Of the central square of 240 px one of 235 px is taken at random and shown at the network's size: a
shift and a zoom of 240/235, which :mod:`tttrain.data.augment` carries out. Brightness, contrast and
saturation
are changed by factors from 1 ± 0.5, the hue by up to ± 0.1 turns, in this order (the paper names none).
Both are drawn once for all frames of a sample: drawn frame by frame, as a literal reading ("for each image")
would have it, the crop would shake and the light flicker from one frame of a movement to the next.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: side of the random crop in that of the square it is taken from
CROPPED = 235 / 240
#: brightness, contrast, saturation: factor 1 ± v; hue: ± v turns
RANGES = (0.5, 0.5, 0.5, 0.1)
#: weights of red, green and blue in the lightness, ITU-R BT.601
LIGHTNESS = (0.299, 0.587, 0.114)


def draw_crop(rng: np.random.Generator, crop: tuple[int, int]) -> NDArray[np.float32]:
    """Draw the random crop as a transform; see :func:`tttrain.data.augment.draw`.

    Parameters
    ----------
    rng : numpy.random.Generator
    crop : (int, int)
        (width, height) of what it is taken from, px. Its own sides are rounded to whole pixels.

    Returns
    -------
    (5,) float32
        angle 0, zoom, shift x and y in px, flip 1.
    """
    outer = np.array(crop)
    inner = np.rint(outer * CROPPED)
    corner = rng.integers(0, (outer - inner + 1).astype(int))
    zoom = float(np.min(outer / inner))
    shift = -zoom * (corner + inner / 2 - outer / 2)
    return np.array([0, zoom, *shift, 1], np.float32)


def draw_colour(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw factors of brightness, contrast and saturation, and the turn of the hue; (4,) float32."""
    spread = np.array(RANGES)
    return (np.array([1, 1, 1, 0]) + rng.uniform(-spread, spread)).astype(np.float32)


def change_colour(rgb: Tensor, colour: Tensor) -> Tensor:
    """Change brightness, contrast, saturation and hue, each within 0…1.

    Parameters
    ----------
    rgb : (N, 3, T, H, W) float32
        0…1.
    colour : (N, 4) float32
        See :func:`draw_colour`. Contrast is about each frame's mean lightness, saturation about
        each pixel's.

    Returns
    -------
    (N, 3, T, H, W) float32
    """
    brightness, contrast, saturation, hue = (v.view(-1, 1, 1, 1, 1) for v in colour.unbind(dim=1))
    out = (rgb * brightness).clamp(0, 1)
    mean = _lightness(out).mean(dim=(-2, -1), keepdim=True)
    out = torch.lerp(mean, out, contrast).clamp(0, 1)
    out = torch.lerp(_lightness(out), out, saturation).clamp(0, 1)
    return _turn_hue(out, hue)


def _lightness(rgb: Tensor) -> Tensor:
    red, green, blue = rgb.unbind(dim=1)
    return (LIGHTNESS[0] * red + LIGHTNESS[1] * green + LIGHTNESS[2] * blue)[:, None]


def _turn_hue(rgb: Tensor, turns: Tensor) -> Tensor:
    """Add to the hue of HSV, keeping saturation and value."""
    high, low = rgb.amax(dim=1, keepdim=True), rgb.amin(dim=1, keepdim=True)
    span = high - low
    red, green, blue = (channel[:, None] for channel in rgb.unbind(dim=1))
    safe = torch.where(span > 0, span, 1)
    sector = torch.where(
        high == red, (green - blue) / safe,
        torch.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )  # fmt: skip
    sector = sector + 6 * turns
    # a channel is what is left of the value where its hue is far: the usual formula without branches
    offset = torch.tensor([5.0, 3.0, 1.0], device=rgb.device).view(1, 3, 1, 1, 1)
    k = (offset + sector) % 6
    return high - span * torch.minimum(k, 4 - k).clamp(0, 1)
