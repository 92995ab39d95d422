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


#: joints of the trunk, which give the body's middle and size
TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


def body_units(pose: Tensor, trunk: Tensor) -> Tensor:
    """Express joints relative to the body: free of its place in the picture and its distance.

    Not the papers' practice, which is :func:`normalise_pose`. The middle of the trunk's four joints and their
    mean distance from it are averaged over the frames of a sample in which all four were found.

    Parameters
    ----------
    pose : (N, T, J, 3) float32
        x, y in px, score; a joint that was not found has score 0.
    trunk : (4,) int64
        Rows of the trunk's joints.

    Returns
    -------
    (N, T, J, 3) float32
        x, y in units of half the body's size, score. A joint that was not found lies in the middle.
    """
    places, score = pose[..., :2], pose[..., 2:]
    body = places[:, :, trunk]
    whole = (score[:, :, trunk] > 0).all(dim=2, keepdim=True).to(pose.dtype)  # (N, T, 1, 1)
    count = whole.sum(dim=1, keepdim=True).clamp(min=1)
    centre = body.mean(dim=2, keepdim=True)
    middle = (centre * whole).sum(dim=1, keepdim=True) / count
    spread = (body - centre).norm(dim=3, keepdim=True).mean(dim=2, keepdim=True)
    size = (spread * whole).sum(dim=1, keepdim=True) / count
    # half: a raised hand is some four sizes away, and the networks are made for inputs of about 1
    relative = (places - middle) / (2 * size).clamp(min=1) * (score > 0)
    return torch.cat([relative * (size > 0), score], dim=3)


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
