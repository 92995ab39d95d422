"""CNN and LSTM, and either alone [LSTM §3, Table 1].

Each frame goes through three times convolution (3×3, stride 1, SAME), ReLU and 2×2 max-pooling. The maps,
one vector per frame, are "after scale adjustment" the inputs X_t of an LSTM:

    C̃_t = tanh(W_xc X_t + U_hc h_{t−1} + b_c)                       (5)
    i_t = σ(W_xi X_t + U_hi h_{t−1} + W_ci ⊙ C_{t−1} + b_i)         (6)
    f_t = σ(W_xf X_t + U_hf h_{t−1} + W_cf ⊙ C_{t−1} + b_f)         (7)
    o_t = σ(W_xo X_t + U_ho h_{t−1} + W_co ⊙ C_t + b_o)             (8)
    C_t = f_t ⊙ C_{t−1} + i_t ⊙ C̃_t                                 (9)
    h_t = o_t ⊙ tanh(C_t)                                           (10)

with peepholes, as printed; the paper does not say what kind of weights they have, and here it is one per
unit, as in the literature. The mean of h_t over time goes to two fully connected layers with a ReLU between
them, and a softmax.

The paper does not say how the scale is adjusted. Here each value of the vector is normalised to mean 0 and
deviation 1 over the frames of a batch (batch normalisation without parameters): where all frames show the
same hall and table, this is what leaves the player to the LSTM. The initial weights, which are not printed,
keep the signal's strength from layer to layer; the forget gate's bias starts at 1.

The poolings' stride is printed as 0; here it is 2. Not printed, and options here: filters (32, 64, 128),
units of the LSTM (256) and of the first fully connected layer (128). The CNN alone averages the frames'
vectors over time; the LSTM alone takes the pixels of each frame as X_t.
"""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tttrain.errors import TrainError
from tttrain.models.spec import CHANNELS, Inputs, InputShape, ModelSpec, Options


class _HeadOptions(Options):
    """Options of the three models."""

    units: int = Field(128, ge=1, le=65_536, description="of the first fully connected layer")
    dropout: float = Field(0.0, ge=0, lt=1, description="before each fully connected layer")


class CnnOptions(_HeadOptions):
    """Options of the CNN."""

    filters: int = Field(
        32, ge=1, le=4096, description="of the first convolution; the next have 2 and 4 times as many"
    )


class LstmOptions(_HeadOptions):
    """Options of the LSTM."""

    hidden: int = Field(256, ge=1, le=65_536, description="units of the LSTM")


class CnnLstmOptions(CnnOptions, LstmOptions):
    """Options of both together."""


class FrameCnn(nn.Module):
    """Three convolutions and poolings of single frames.

    Parameters
    ----------
    shape : InputShape
    filters : int
        Of the first.

    Attributes
    ----------
    out : int
        Values per frame.

    Raises
    ------
    TrainError
        The input is too small for three poolings.
    """

    def __init__(self, shape: InputShape, filters: int) -> None:
        super().__init__()
        width, height = (side // 8 for side in shape.size)
        if min(width, height) < 1:
            raise TrainError(
                f"an input of {shape.size[0]}x{shape.size[1]} is gone after three poolings; every side must "
                "be 8 or more (--size)"
            )
        layers: list[nn.Module] = []
        n = CHANNELS["rgb"]
        for out in (filters, 2 * filters, 4 * filters):
            layers += [nn.Conv2d(n, out, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
            nn.init.kaiming_normal_(layers[-3].weight, nonlinearity="relu")  # type: ignore[arg-type]
            n = out
        self.layers = nn.Sequential(*layers)
        self.out = n * width * height

    def forward(self, rgb: Tensor) -> Tensor:
        """(N, 3, T, H, W) → (N, T, out)."""
        batch, length = rgb.shape[0], rgb.shape[2]
        x: Tensor = self.layers(rgb.transpose(1, 2).flatten(0, 1))
        return x.reshape(batch, length, self.out)


class Scale(nn.Module):
    """Normalises each value of the frames' vectors to mean 0 and deviation 1.

    Parameters
    ----------
    n : int
        Values per frame.
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(n, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, n) → the same shape."""
        out: Tensor = self.norm(x.flatten(0, 1)).view(x.shape)
        return out


class PeepholeLstm(nn.Module):
    """Equations 5 to 10, from C_0 = h_0 = 0.

    Parameters
    ----------
    n, hidden : int
        Values in and out.

    Attributes
    ----------
    w, u, b : (4·hidden, n), (4·hidden, hidden), (4·hidden,)
        Of C̃, i, f, o.
    peep : (3, hidden)
        W_ci, W_cf, W_co.
    """

    def __init__(self, n: int, hidden: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.empty(4 * hidden, n))
        self.u = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.b = nn.Parameter(torch.zeros(4 * hidden))
        self.peep = nn.Parameter(torch.zeros(3, hidden))
        for k in range(4):
            rows = slice(k * hidden, (k + 1) * hidden)
            nn.init.xavier_uniform_(self.w[rows])
            nn.init.orthogonal_(self.u[rows])
        nn.init.ones_(self.b[2 * hidden : 3 * hidden])  # at first the cell forgets little

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, n) → h_1 … h_T, (N, T, hidden)."""
        given = functional.linear(x, self.w, self.b)
        h = cell = torch.zeros_like(given[:, 0, : self.u.shape[1]])
        states = []
        for now in given.unbind(1):
            new, i, f, o = (now + functional.linear(h, self.u)).chunk(4, dim=1)
            i = torch.sigmoid(i + self.peep[0] * cell)
            f = torch.sigmoid(f + self.peep[1] * cell)
            cell = f * cell + i * torch.tanh(new)
            h = torch.sigmoid(o + self.peep[2] * cell) * torch.tanh(cell)
            states.append(h)
        return torch.stack(states, dim=1)


class _Head(nn.Module):
    """Mean over time, two fully connected layers."""

    def __init__(self, n: int, classes: int, options: _HeadOptions) -> None:
        super().__init__()
        self.dropout = nn.Dropout(options.dropout)
        self.first = nn.Linear(n, options.units)
        self.second = nn.Linear(options.units, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, n) → logits (N, classes)."""
        hidden = functional.relu(self.first(self.dropout(x.mean(dim=1))))
        out: Tensor = self.second(self.dropout(hidden))
        return out


class CnnLstm(nn.Module):
    """CNN for each frame, LSTM along time.

    Parameters
    ----------
    shape : InputShape
    classes : int
    options : CnnLstmOptions
    """

    def __init__(self, shape: InputShape, classes: int, options: CnnLstmOptions) -> None:
        super().__init__()
        self.cnn = FrameCnn(shape, options.filters)
        self.scale = Scale(self.cnn.out)
        self.lstm = PeepholeLstm(self.cnn.out, options.hidden)
        self.head = _Head(options.hidden, classes, options)

    def forward(self, inputs: Inputs) -> Tensor:
        """``rgb`` (N, 3, T, H, W) → logits (N, classes)."""
        out: Tensor = self.head(self.lstm(self.scale(self.cnn(inputs["rgb"]))))
        return out


class Cnn(nn.Module):
    """CNN for each frame.

    Parameters
    ----------
    shape : InputShape
    classes : int
    options : CnnOptions
    """

    def __init__(self, shape: InputShape, classes: int, options: CnnOptions) -> None:
        super().__init__()
        self.cnn = FrameCnn(shape, options.filters)
        self.scale = Scale(self.cnn.out)
        self.head = _Head(self.cnn.out, classes, options)

    def forward(self, inputs: Inputs) -> Tensor:
        """``rgb`` (N, 3, T, H, W) → logits (N, classes)."""
        out: Tensor = self.head(self.scale(self.cnn(inputs["rgb"])))
        return out


class Lstm(nn.Module):
    """LSTM on the pixels.

    Parameters
    ----------
    shape : InputShape
    classes : int
    options : LstmOptions
    """

    def __init__(self, shape: InputShape, classes: int, options: LstmOptions) -> None:
        super().__init__()
        values = CHANNELS["rgb"] * math.prod(shape.size)
        self.scale = Scale(values)
        self.lstm = PeepholeLstm(values, options.hidden)
        self.head = _Head(options.hidden, classes, options)

    def forward(self, inputs: Inputs) -> Tensor:
        """``rgb`` (N, 3, T, H, W) → logits (N, classes)."""
        out: Tensor = self.head(self.lstm(self.scale(inputs["rgb"].transpose(1, 2).flatten(2))))
        return out


#: of training, [LSTM] §4.1; it prints neither rate nor batch size, and mentions neither L2 nor augmentation
#: nor normalisation
_SETTINGS = {
    "optimizer": "adam", "schedule": "constant", "lr": 1e-3, "weight_decay": 0.0, "batch": 16, "epochs": 50,
    "augment": False, "pixels": "standard",
}  # fmt: skip

MODELS = (
    ModelSpec(
        "cnn-lstm", "CNN for each frame, LSTM along time", "[LSTM] §3", ("rgb",), CnnLstmOptions, CnnLstm,
        _SETTINGS,
    ),
    ModelSpec(
        "cnn", "CNN for each frame, mean over time", "[LSTM] Table 1", ("rgb",), CnnOptions, Cnn, _SETTINGS
    ),
    ModelSpec(
        "lstm", "LSTM on the frames' pixels", "[LSTM] Table 1", ("rgb",), LstmOptions, Lstm, _SETTINGS
    ),
)  # fmt: skip
