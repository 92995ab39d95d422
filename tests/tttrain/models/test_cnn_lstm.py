"""CNN, LSTM and both: the equations, shapes and sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch

from tttrain.data.dataset_file import Array
from tttrain.errors import TrainError
from tttrain.models import InputShape, build
from tttrain.models.cnn_lstm import PeepholeLstm

torch.set_num_threads(1)
SMALL = InputShape((16, 24), 5)
NAMES = ("cnn-lstm", "cnn", "lstm")


def sigmoid(v: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-v)))


def by_the_equations(lstm: PeepholeLstm, x: Array) -> Array:
    """Equations 5 to 10 for one sequence, in float64."""
    w, u, b, peep = (getattr(lstm, k).detach().double().numpy() for k in ("w", "u", "b", "peep"))
    n = u.shape[1]
    (w_c, w_i, w_f, w_o), (u_c, u_i, u_f, u_o) = np.split(w, 4), np.split(u, 4)
    b_c, b_i, b_f, b_o = np.split(b, 4)
    h, c = np.zeros(n), np.zeros(n)
    out = []
    for x_t in x:
        new = np.tanh(w_c @ x_t + u_c @ h + b_c)
        i = sigmoid(w_i @ x_t + u_i @ h + peep[0] * c + b_i)
        f = sigmoid(w_f @ x_t + u_f @ h + peep[1] * c + b_f)
        c = f * c + i * new
        o = sigmoid(w_o @ x_t + u_o @ h + peep[2] * c + b_o)
        h = o * np.tanh(c)
        out.append(h)
    return np.array(out)


def test_the_lstm_is_that_of_the_equations() -> None:
    torch.manual_seed(0)
    lstm = PeepholeLstm(7, 5)
    for p in lstm.parameters():
        torch.nn.init.normal_(p, std=0.7)
    x = torch.randn(3, 8, 7)
    with torch.no_grad():
        found = lstm(x).numpy()
    for i in range(3):
        np.testing.assert_allclose(found[i], by_the_equations(lstm, x[i].double().numpy()), atol=1e-5)


def test_without_peepholes_it_is_torchs_lstm() -> None:
    torch.manual_seed(1)
    ours = PeepholeLstm(6, 4)
    theirs: Any = torch.nn.LSTM(6, 4, batch_first=True)
    with torch.no_grad():
        ours.peep.zero_()
        order = [1, 2, 0, 3]  # theirs are i, f, C̃, o
        for mine, name in ((ours.w, "weight_ih_l0"), (ours.u, "weight_hh_l0"), (ours.b, "bias_ih_l0")):
            getattr(theirs, name).copy_(torch.cat([mine.chunk(4)[k] for k in order]))
        theirs.bias_hh_l0.zero_()
        x = torch.randn(2, 9, 6)
        assert torch.allclose(ours(x), theirs(x)[0], atol=1e-6)


def conv(n: int, out: int) -> int:
    return 9 * n * out + out


def lstm(n: int, hidden: int) -> int:
    return 4 * hidden * (n + hidden + 1) + 3 * hidden


def head(n: int, classes: int) -> int:
    return n * 128 + 128 + 128 * classes + classes


def test_sizes_at_the_full_crop() -> None:
    # 120 px are 15 after three poolings
    convolutions = conv(3, 32) + conv(32, 64) + conv(64, 128)
    values = 128 * 15 * 15
    expected = {
        "cnn-lstm": convolutions + lstm(values, 256) + head(256, 21),
        "cnn": convolutions + head(values, 21),
        "lstm": lstm(3 * 120 * 120, 256) + head(256, 21),
    }
    shape = InputShape((120, 120), 100)
    for name, parameters in expected.items():
        with torch.device("meta"):
            model = build(name, shape, 21)
            assert model({"rgb": torch.empty(2, 3, *shape.volume)}).shape == (2, 21)
        assert sum(p.numel() for p in model.parameters()) == parameters, name


@pytest.mark.parametrize("name", NAMES)
def test_they_learn_something_of_every_weight(name: str) -> None:
    torch.manual_seed(2)
    options = (
        {"units": 8} | ({"filters": 4} if name != "lstm" else {}) | ({"hidden": 6} if name != "cnn" else {})
    )
    model = build(name, SMALL, 4, options)
    out = model({"rgb": torch.rand(3, 3, *SMALL.volume)})
    assert out.shape == (3, 4)
    torch.nn.functional.cross_entropy(out, torch.tensor([0, 1, 3])).backward()  # type: ignore[no-untyped-call]
    for parameter, p in model.named_parameters():
        assert p.grad is not None, parameter
        assert p.grad.abs().sum() > 0, parameter


def test_only_the_lstm_sees_the_order_of_frames() -> None:
    torch.manual_seed(3)
    x = torch.rand(2, 3, *SMALL.volume)
    with torch.no_grad():
        for name in NAMES:
            model = build(name, SMALL, 4, {"units": 8}).eval()
            same = torch.allclose(model({"rgb": x}), model({"rgb": x.flip(2)}), atol=1e-6)
            assert same == (name == "cnn"), name


def test_an_input_that_is_too_small_is_named() -> None:
    with pytest.raises(TrainError, match="8 or more"):
        build("cnn-lstm", InputShape((7, 24), 5), 4)
