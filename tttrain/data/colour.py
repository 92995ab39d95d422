"""Change brightness, contrast, saturation and hue of whole batches on the device.

The factors were drawn by :func:`tttrain.data.augmentation.draw_colour`.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: weights of red, green and blue in the lightness, ITU-R BT.601
LIGHTNESS = (0.299, 0.587, 0.114)


def change_colour(rgb: Tensor, colour: Tensor) -> Tensor:
    """Change brightness, contrast, saturation and hue, each within 0…1.

    Parameters
    ----------
    rgb : (N, 3, T, H, W) float32
        0…1.
    colour : (N, 4) float32
        See :func:`tttrain.data.augmentation.draw_colour`. Contrast changes about each frame's mean
        lightness, saturation about each pixel's.

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
