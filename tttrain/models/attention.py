"""The 3D attention block and its residual block [ATT §III-B, C], in three or (for pose) one dimension.

[ATT] prints eq. 1–6; the number of blocks, the width N/4 rounded up and the absence of biases follow
from its Table I, which they meet exactly.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tttrain.models.gpu_layers import enlarge

_CONV: dict[int, type[nn.Conv1d] | type[nn.Conv3d]] = {1: nn.Conv1d, 3: nn.Conv3d}
_NORM: dict[int, type[nn.BatchNorm1d] | type[nn.BatchNorm3d]] = {1: nn.BatchNorm1d, 3: nn.BatchNorm3d}
_POOL: dict[int, type[nn.MaxPool1d] | type[nn.MaxPool3d]] = {1: nn.MaxPool1d, 3: nn.MaxPool3d}
_LINEAR = {1: "linear", 3: "trilinear"}


def _f_conv(n: int, out: int, size: int, dims: int) -> nn.Sequential:
    """``f_conv(x) = conv(ReLU(BN(x)))`` [ATT eq. 4]."""
    return nn.Sequential(
        _NORM[dims](n), nn.ReLU(inplace=True), _CONV[dims](n, out, size, padding=size // 2, bias=False)
    )


class ResidualBlock(nn.Module):
    """``res(x) = f_conv3(f_conv2(f_conv1(x))) + x`` [ATT eq. 7]: 1, 3, 1 wide, N/4, N/4, N filters.

    The last convolution starts at zero, the block as the identity (as in S. Zagoruyko's and in P. Goyal's
    ResNets): seven of them lie one behind the other in an attention block, and with torch's usual weights
    each would add to the signal, which comes out of three blocks an order of magnitude too strong
    (docs/training.md, "Why they learn").

    Parameters
    ----------
    n : int
        Channels in and out.
    dims : {1, 3}
    """

    def __init__(self, n: int, dims: int = 3) -> None:
        super().__init__()
        narrow = -(-n // 4)
        last = _f_conv(narrow, n, 1, dims)
        nn.init.zeros_(last[-1].weight)  # type: ignore[arg-type]
        self.layers = nn.Sequential(_f_conv(n, narrow, 1, dims), _f_conv(narrow, narrow, 3, dims), last)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, …) → the same shape."""
        out: Tensor = self.layers(x) + x
        return out


class AttentionBlock(nn.Module):
    """Trunk ⊙ (1 + soft mask), between residual blocks [ATT §III-B, eq. 1–6].

    The mask goes down through three poolings, keeping two of the levels for later, and comes up
    again by trilinear interpolation; two ``f_conv`` and a sigmoid bring it between 0 and 1.

    Parameters
    ----------
    n : int
        Channels in and out.
    dims : {1, 3}

    Attributes
    ----------
    mask : torch.nn.Sequential
        Its output is the soft mask (N, C, …); hook it to look at the attention.
    """

    def __init__(self, n: int, dims: int = 3) -> None:
        super().__init__()

        def res() -> ResidualBlock:
            return ResidualBlock(n, dims)

        self.first = res()
        self.trunk = nn.Sequential(res(), res())
        self.down = nn.ModuleList(nn.Sequential(_POOL[dims](3, stride=2, padding=1), res()) for _ in range(3))
        self.skip = nn.ModuleList([res(), res()])
        self.up = nn.ModuleList([res(), res(), res()])
        self.mask = nn.Sequential(_f_conv(n, n, 1, dims), _f_conv(n, n, 1, dims), nn.Sigmoid())
        self.last = res()
        self._mode = _LINEAR[dims]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, …) → the same shape."""
        x = self.first(x)
        x1 = self.down[0](x)
        x2 = self.down[1](x1)
        x3 = self.down[2](x2)
        y = self._enlarge(self.up[0](x3), x2) + self.skip[1](x2)
        y = self._enlarge(self.up[1](y), x1) + self.skip[0](x1)
        y = self._enlarge(self.up[2](y), x)
        out: Tensor = self.last(self.trunk(x) * (1 + self.mask(y)))
        return out

    def _enlarge(self, x: Tensor, like: Tensor) -> Tensor:
        if x.is_cuda and x.dim() == 5:
            return enlarge(x, like.shape[2:])
        return functional.interpolate(x, size=like.shape[2:], mode=self._mode, align_corners=True)
