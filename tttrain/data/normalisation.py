"""Normalisation of what a network reads: RGB, flow, pose."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

#: mean and deviation of ImageNet's red, green and blue, in 0…1
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def normalise_rgb(rgb: Tensor, pixels: str) -> Tensor:
    """Normalise RGB as ``--pixels`` says.

    Parameters
    ----------
    rgb : (N, 3, T, H, W) float32
        In 0…1.
    pixels : {"unit", "standard", "imagenet"}
        As it is; each frame less its mean, divided by its deviation; less ImageNet's means, divided by
        its deviations.

    Returns
    -------
    (N, 3, T, H, W) float32
    """
    if pixels == "imagenet":
        mean, deviation = _imagenet(rgb.device)
        standard: Tensor = (rgb - mean) / deviation
        return standard
    if pixels == "standard":
        deviation, mean = torch.std_mean(rgb, dim=(1, 3, 4), correction=0, keepdim=True)
        # as TensorFlow does: a uniform frame must not be divided by zero
        least = (rgb.shape[1] * rgb.shape[3] * rgb.shape[4]) ** -0.5
        return (rgb - mean) / deviation.clamp(min=least)
    return rgb


@cache  # one copy per device: a new one in every batch would make a GPU wait
def _imagenet(device: torch.device) -> Tensor:
    return torch.tensor(IMAGENET, device=device).view(2, 3, 1, 1, 1)


def normalise_flow(flow: Tensor, unit: Tensor) -> Tensor:
    """Divide flow by its divisor and clip it to ±1 [3S eq. 3].

    Parameters
    ----------
    flow : (N, T, H, W, 2) float32
        Stored values: dx, dy.
    unit : (2,) float32
        Pixels per stored value over the divisor in pixels, along x and y.

    Returns
    -------
    (N, T, H, W, 2) float32
    """
    return (flow * unit).clamp(-1, 1)


def normalise_pose(pose: Tensor, frame: Tensor) -> Tensor:
    """Express joints as shares of the frame.

    Parameters
    ----------
    pose : (N, T, J, 3) float32
        x, y in px of the frame, score.
    frame : (3,) float32
        Width, height, 1.

    Returns
    -------
    (N, 3·J, T) float32
        Contiguous.
    """
    return (pose / frame).flatten(2).transpose(1, 2).contiguous()
