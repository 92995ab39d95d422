"""Layers in the form that a GPU computes fastest; on the CPU they are torch's own.

Tensor cores take channels by eights. With 2, 3, 30 or 60 of them cuDNN pads every operand in each call, or
falls back to kernels without tensor cores: on an H200 two thirds of a step of the three-stream network
(docs/training.md). Here tensors keep their padding, zeros, from one layer to the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

#: channels that tensor cores take at once, in 16 bit
_EIGHT = 8


def _padded(n: int) -> int:
    return -(-n // _EIGHT) * _EIGHT


def padded_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with channels padded to eights.

    Parameters
    ----------
    x : (N, C, T, H, W)
        With the C channels of ``weight``, or more that are zero.
    weight : (O, C, 3, 3, 3)
    bias : (O,), optional

    Returns
    -------
    (N, O rounded up to eights, T, H, W)
        The channels beyond O are zero.
    """
    out, given = weight.shape[:2]
    wide_in, wide_out = _padded(given), _padded(out)
    x = _reduced(x)
    if x.shape[1] < wide_in:
        x = functional.pad(x, (0, 0, 0, 0, 0, 0, 0, wide_in - x.shape[1]))
    weight = functional.pad(weight, (0, 0, 0, 0, 0, 0, 0, wide_in - given, 0, wide_out - out))
    weight = weight.contiguous(memory_format=torch.channels_last_3d)
    if bias is not None:
        bias = functional.pad(bias, (0, wide_out - out))
    return functional.conv3d(x, weight, bias, padding=1)


def stacked_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve few channels: three frames are stacked as channels, and convolved in two dimensions.

    For pixels with two or three channels, cuDNN's gradients of three-dimensional weights take ten times as
    long as the rest of the layer.

    Parameters
    ----------
    x : (N, C, T, H, W)
    weight : (O, C, 3, 3, 3)
    bias : (O,), optional

    Returns
    -------
    (N, O rounded up to eights, T, H, W), channels last
        The channels beyond O are zero.
    """
    out, c = weight.shape[:2]
    n, _, t, h, w = x.shape
    wide_in, wide_out = _padded(3 * c), _padded(out)
    frames = functional.pad(_reduced(x).permute(0, 2, 3, 4, 1), (0, 0, 0, 0, 0, 0, 1, 1))
    beside = frames.new_zeros(1).expand(n, t, h, w, wide_in - 3 * c)
    stack = torch.cat([*(frames[:, k : k + t] for k in range(3)), beside], dim=4)
    flat = weight.permute(0, 2, 1, 3, 4).reshape(out, 3 * c, 3, 3)
    flat = functional.pad(flat, (0, 0, 0, 0, 0, wide_in - 3 * c, 0, wide_out - out))
    if bias is not None:
        bias = functional.pad(bias, (0, wide_out - out))
    pictures = stack.view(n * t, h, w, wide_in).permute(0, 3, 1, 2)
    y = functional.conv2d(pictures, flat.contiguous(memory_format=torch.channels_last), bias, padding=1)
    y = y.permute(0, 2, 3, 1).reshape(n, t, h, w, wide_out)
    return y.permute(0, 4, 1, 2, 3)


def _reduced(x: Tensor) -> Tensor:
    """Convert to the type that a convolution will compute in, before padding: half the bytes."""
    if x.is_cuda and torch.is_autocast_enabled("cuda"):
        return x.to(torch.get_autocast_dtype("cuda"))
    return x


class PaddedConv3d(nn.Conv3d):
    """A convolution of width 3 whose output, on a GPU, has channels padded to eights."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W), C perhaps padded → (N, O, T, H, W), on a GPU O padded."""
        if not x.is_cuda:
            return super().forward(x)
        if 3 * self.in_channels <= 2 * _EIGHT:
            return stacked_conv(x, self.weight, self.bias)
        return padded_conv(x, self.weight, self.bias)


def _weights(n: int, m: int, like: Tensor) -> Tensor:
    """(m, n): what each of n places gives to each of m, ends on ends."""
    place = torch.arange(m, dtype=torch.float64, device=like.device) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    return (1 - (place[:, None] - torch.arange(n, device=like.device)).abs()).clamp_(min=0).to(like.dtype)


def enlarge(x: Tensor, size: Sequence[int]) -> Tensor:
    """Interpolate linearly along every axis, ends on ends; axis by axis as a product of matrices.

    Torch's own trilinear interpolation computes in float32 on a GPU, and adds its gradients one by one.

    Parameters
    ----------
    x : (N, C, T, H, W)
    size : sequence of int
        T, H, W that are wanted.

    Returns
    -------
    (N, C, *size), channels last
    """
    t, h, w = size
    y = x.permute(0, 2, 3, 4, 1)
    n, t0, h0, w0, c = y.shape
    y = torch.matmul(_weights(w0, w, y), y)
    y = torch.matmul(_weights(h0, h, y), y.reshape(n, t0, h0, w * c))
    y = torch.matmul(_weights(t0, t, y), y.reshape(n, t0, h * w * c))
    return y.view(n, t, h, w, c).permute(0, 4, 1, 2, 3)
