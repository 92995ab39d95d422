"""Convolutional gated recurrent unit, forward and bi-directional [GRU §III-A, eq. 1–8].

    z_t = σ(w_zx ∗ x_t + w_zh ∗ h_{t−1} + b_z)                (1)
    r_t = σ(w_rx ∗ x_t + w_rh ∗ h_{t−1} + b_r)                (2)
    o_t = tanh(w_ox ∗ x_t + w_oh ∗ (r_t ⊙ h_{t−1}) + b_o)     (3)
    h_t = z_t ⊙ h_{t−1} + (1 − z_t) ⊙ o_t                     (4)

The paper prints equation 4 (and 8) as ``z_t ⊙ x_t + (1 − z_t) ⊙ o_t``. That cannot be computed where the
input has other channels than the state (384 and 256 in its 1D-ConvGRU), and without h_{t−1} nothing would be
carried from frame to frame except through o_t. The GRU it follows has the state there, and so has this one.
The weights w_x are d×d, w_h are 1×1, as printed. A bias is one number per channel, the same at every place of
the printed n×n map. h_0 = 0; the backward direction starts at the last frame with ĥ_{T+1} = 0 and has its own
weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: sequences of maps are (batch, frame, channel, y, x) here
_TIME = 1


class ConvGru(nn.Module):
    """A ConvGRU that runs forward in time.

    Parameters
    ----------
    n, out : int
        Channels in and out.
    size : int
        d, side of the kernels on the input; padding keeps the map's size.
    """

    def __init__(self, n: int, out: int, size: int = 3) -> None:
        super().__init__()
        self.out = out
        #: w_zx, w_rx, w_ox and the biases
        self.input = nn.Conv2d(n, 3 * out, size, padding=size // 2)
        #: w_zh, w_rh
        self.gates = nn.Conv2d(out, 2 * out, 1, bias=False)
        #: w_oh
        self.state = nn.Conv2d(out, out, 1, bias=False)
        nn.init.xavier_uniform_(self.input.weight)
        nn.init.zeros_(self.input.bias)  # type: ignore[arg-type]
        for layer in (self.gates, self.state):
            for part in layer.weight.unflatten(0, (-1, out)):  # type: ignore[no-untyped-call]
                nn.init.orthogonal_(part)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, n, H, W) → h_1 … h_T, (N, T, out, H, W)."""
        batch, length = x.shape[:2]
        # the input's part does not depend on the state: one convolution for all frames
        given = self.input(x.flatten(0, 1)).unflatten(0, (batch, length))
        h = torch.zeros_like(given[:, 0, : self.out])
        states = []
        for now in given.unbind(_TIME):
            for_gates, for_state = now.split((2 * self.out, self.out), dim=1)
            z, r = torch.sigmoid(for_gates + self.gates(h)).chunk(2, dim=1)
            o = torch.tanh(for_state + self.state(r * h))
            h = z * h + (1 - z) * o
            states.append(h)
        return torch.stack(states, dim=_TIME)


class BiConvGru(nn.Module):
    """Two ConvGRUs side by side, one of them backward in time [GRU eq. 5–8].

    Parameters
    ----------
    n, out, size : int
        As for :class:`ConvGru`.
    """

    def __init__(self, n: int, out: int, size: int = 3) -> None:
        super().__init__()
        self.ahead = ConvGru(n, out, size)
        self.back = ConvGru(n, out, size)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, n, H, W) → h_1 … h_T and ĥ_1 … ĥ_T, (N, T, out, H, W) each."""
        return self.ahead(x), self.back(x.flip(_TIME)).flip(_TIME)


def each(states: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """Return the output of each frame: h_t, or (ĥ_t + h_t)/2 of both directions; (N, T, C, H, W)."""
    return states if isinstance(states, Tensor) else (states[0] + states[1]) / 2


def last(states: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """Return the output of the whole sequence: h_T, or (ĥ_1 + h_T)/2 of both directions; (N, C, H, W)."""
    if isinstance(states, Tensor):
        return states[:, -1]
    return (states[0][:, -1] + states[1][:, 0]) / 2
