"""The networks of the ConvGRU paper: equations, both ways, fusions, Table I at full size, first weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch
from torch import Tensor

from tttrain.data.dataset_file import Array
from tttrain.errors import TrainError
from tttrain.models import InputShape, build
from tttrain.models.alexnet import Frames, GruOptions, map_side
from tttrain.models.blocks import count_parameters
from tttrain.models.convgru import BiConvGru, ConvGru, each, last
from tttrain.models.initial_weights import file_sha256, load_initial

torch.set_num_threads(1)
SMALL = InputShape((64, 64), 4)
NARROW = {"width": 0.05, "dropout": 0.0}
RECURRENT = ("gru-alexnet", "1d-convgru", "2d-convgru", "2d-2-convgru")


def sigmoid(v: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-v)))


def convolved(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Cross-correlation with zero padding, one output pixel at a time; (C, H, W) → (D, H, W)."""
    out_channels, _, d, _ = weight.shape
    padded = np.pad(x, ((0, 0), (d // 2, d // 2), (d // 2, d // 2)))
    out = np.zeros((out_channels, *x.shape[1:]))
    for k in range(out_channels):
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                out[k, i, j] = (weight[k] * padded[:, i : i + d, j : j + d]).sum()
    return out if bias is None else out + bias[:, None, None]


def by_the_equations(layer: ConvGru, frames: Array) -> Array:
    """Equations 1 to 4, frame by frame, in float64."""
    part = {k: v.detach().double().numpy() for k, v in layer.state_dict().items()}
    n = layer.out
    w_zx, w_rx, w_ox = (part["input.weight"][i * n : (i + 1) * n] for i in range(3))
    b_z, b_r, b_o = (part["input.bias"][i * n : (i + 1) * n] for i in range(3))
    w_zh, w_rh = part["gates.weight"][:n], part["gates.weight"][n:]
    w_oh = part["state.weight"]
    h = np.zeros((n, *frames.shape[2:]))
    states = []
    for x in frames:
        z = sigmoid(convolved(x, w_zx, b_z) + convolved(h, w_zh))
        r = sigmoid(convolved(x, w_rx, b_r) + convolved(h, w_rh))
        o = np.tanh(convolved(x, w_ox, b_o) + convolved(r * h, w_oh))
        h = z * h + (1 - z) * o
        states.append(h)
    return np.array(states)


@pytest.mark.parametrize(("n", "out", "size"), [(3, 5, 3), (4, 4, 1), (2, 3, 5)])
def test_the_cell_is_that_of_the_equations(n: int, out: int, size: int) -> None:
    torch.manual_seed(1)
    layer = ConvGru(n, out, size)
    for p in layer.parameters():
        torch.nn.init.normal_(p, std=0.5)  # far from where everything is linear
    x = torch.randn(2, 6, n, 5, 4)
    with torch.no_grad():
        found = layer(x).numpy()
    for i in range(2):
        np.testing.assert_allclose(found[i], by_the_equations(layer, x[i].double().numpy()), atol=1e-5)


def test_weights_of_the_cell_are_as_large_as_printed() -> None:
    layer = ConvGru(384, 256)
    assert layer.input.weight.shape == (3 * 256, 384, 3, 3)
    assert layer.gates.weight.shape == (2 * 256, 256, 1, 1)
    assert layer.state.weight.shape == (256, 256, 1, 1)
    # w_x: d × d, w_h: 1 × 1, b: one a channel; three of each
    assert sum(p.numel() for p in layer.parameters()) == 3 * (9 * 384 * 256 + 256 * 256 + 256)


def test_the_way_back_is_the_way_ahead_on_the_reversed_sequence() -> None:
    torch.manual_seed(2)
    both = BiConvGru(3, 4)
    x = torch.randn(2, 5, 3, 6, 6)
    with torch.no_grad():
        ahead, back = both(x)
        alone = ConvGru(3, 4)
        alone.load_state_dict(both.back.state_dict())
        reversed_ = alone(torch.flip(x, [1]))
        assert torch.equal(back, torch.flip(reversed_, [1]))
        assert torch.equal(ahead, both.ahead(x))
        both.back.load_state_dict(both.ahead.state_dict())
        ahead, back = both(x)
        mirrored_ahead, mirrored_back = both(torch.flip(x, [1]))
    assert torch.allclose(back, torch.flip(mirrored_ahead, [1]))
    assert torch.allclose(ahead, torch.flip(mirrored_back, [1]))
    assert torch.equal(each((ahead, back)), (ahead + back) / 2)
    # (ĥ_1 + h_T) / 2: both have seen the whole sequence
    assert torch.equal(last((ahead, back)), (back[:, 0] + ahead[:, -1]) / 2)
    assert torch.equal(last(ahead), ahead[:, -1])


def conv(n: int, out: int, d: int) -> int:
    return d * d * n * out + out


def gru(n: int, out: int, d: int) -> int:
    return 3 * (d * d * n * out + out * out + out)


def dense(n: int, out: int) -> int:
    return n * out + out


# layers 1, 3 and 5 are common; 224 px become 13×13 places
COMMON = conv(3, 96, 11) + conv(96, 256, 5) + conv(256, 384, 3)
FC = dense(256 * 13 * 13, 4096) + dense(4096, 4096) + dense(4096, 9)
TABLE_1 = {
    "1d-convgru": (COMMON + conv(384, 384, 3) + gru(384, 256, 3), FC),
    "2d-convgru": (COMMON + conv(384, 384, 3) + 2 * gru(384, 256, 3), FC),
    "2d-2-convgru": (COMMON + 2 * gru(384, 384, 3) + 2 * gru(384, 256, 3), FC),
    "gru-alexnet": (
        COMMON + conv(384, 384, 3) + conv(384, 256, 3) + gru(256 * 13 * 13, 1024, 1) + gru(1024, 1024, 1),
        dense(1024, 9),
    ),
}


@pytest.mark.parametrize("name", TABLE_1)
def test_table_1_at_full_size(name: str) -> None:
    shape = InputShape((224, 224), 20)
    with torch.device("meta"):
        model: Any = build(name, shape, 9)
        frames = model.frames(torch.empty(2, 3, *shape.volume))
        logits = model({"rgb": torch.empty(2, 3, *shape.volume)})
    assert logits.shape == (2, 9)
    channels = {"gru-alexnet": 256, "2d-2-convgru": 384}.get(name, 384)
    assert frames.shape == (2, 20, channels, 13, 13)
    without, fc = TABLE_1[name]
    assert count_parameters(model) == (without + fc, without)


def test_numbers_of_the_common_layers_are_those_worked_out_by_hand() -> None:
    assert COMMON == 34_944 + 614_656 + 885_120
    assert TABLE_1["2d-convgru"][0] == COMMON + 1_327_488 + 2 * 2_851_584 == 8_565_376
    assert FC == 177_213_440 + 16_781_312 + 36_873


def test_layers_and_sides_of_single_frames() -> None:
    with torch.device("meta"):
        frames = Frames(GruOptions(), 5)
        x = torch.empty(1, 3, 224, 224)
        sides = []
        for layer in frames.children():
            x = layer(x)
            sides.append((x.shape[1], x.shape[2]))
    assert sides == [(96, 27), (256, 13), (384, 13), (384, 13), (256, 13)]
    assert map_side(224) == 13
    slopes = {m.negative_slope for m in frames.modules() if isinstance(m, torch.nn.LeakyReLU)}
    assert slopes == {0.1}
    norms = [m for m in frames.modules() if isinstance(m, torch.nn.LocalResponseNorm)]
    assert len(norms) == 2


def test_local_response_normalisation_is_alexnets() -> None:
    norm = next(
        m for m in Frames(GruOptions(width=0.05), 3).modules() if isinstance(m, torch.nn.LocalResponseNorm)
    )
    x = torch.rand(1, 9, 2, 2) * 50
    padded = np.pad(x.numpy() ** 2, ((0, 0), (2, 2), (0, 0), (0, 0)))
    sums = sum(padded[:, i : i + 9] for i in range(5))
    np.testing.assert_allclose(norm(x).numpy(), x.numpy() / (2 + 1e-4 * sums) ** 0.75, rtol=1e-5)


@pytest.mark.parametrize("name", RECURRENT)
def test_a_narrow_network_has_a_share_of_everything_and_learns(name: str) -> None:
    torch.manual_seed(3)
    model = build(name, SMALL, 9, NARROW)
    x = {"rgb": torch.rand(3, 3, *SMALL.volume)}
    out = model(x)
    assert out.shape == (3, 9)
    torch.nn.functional.cross_entropy(out, torch.tensor([0, 4, 8])).backward()  # type: ignore[no-untyped-call]
    for parameter, p in model.named_parameters():
        assert p.grad is not None, parameter
        assert torch.isfinite(p.grad).all(), parameter
        assert p.grad.abs().sum() > 0, parameter


def test_fusions_are_what_the_paper_says() -> None:
    torch.manual_seed(4)
    x = {"rgb": torch.rand(2, 3, *SMALL.volume)}
    models: dict[str, Any] = {
        f: build("2d-convgru", SMALL, 5, {**NARROW, "fusion": f}).eval()
        for f in ("last_flat", "mean_flat", "flat", "last_avg")
    }
    first = models["last_flat"]
    for name in ("mean_flat", "flat"):
        models[name].load_state_dict(first.state_dict())
    with torch.no_grad():
        states = first.recurrent[-1](first.frames(x["rgb"]))
        mean, end = (states[0] + states[1]) / 2, (states[0][:, -1] + states[1][:, 0]) / 2

        def head(model: Any, v: Tensor) -> Tensor:
            out: Tensor = model.fc10(model.fc9(v))
            return out

        assert torch.allclose(first(x), first.output(head(first, end.flatten(1))))
        model = models["mean_flat"]
        assert torch.allclose(model(x), model.output(head(model, mean.mean(1).flatten(1))), atol=1e-6)
        model = models["flat"]
        frames = torch.stack([head(model, mean[:, t].flatten(1)) for t in range(4)]).mean(0)
        assert torch.allclose(model(x), model.output(frames), atol=1e-6)
        model = models["last_avg"]
        assert model.fc9[0].in_features == states[0].shape[2]
        states = model.recurrent[-1](model.frames(x["rgb"]))
        end = (states[0][:, -1] + states[1][:, 0]) / 2
        assert torch.allclose(model(x), model.output(head(model, end.mean((2, 3)))), atol=1e-6)


def test_dropout_is_the_share_that_is_dropped() -> None:
    model = build("2d-convgru", SMALL, 5, {"width": 0.05})
    assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {0.8}


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [((24, 64), {}, "every side must be 31 or more"), ((16, 16), {"stride": 2}, "gone after")],
)
def test_an_input_that_is_too_small_is_named(
    size: tuple[int, int], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrainError, match=message):
        build("2d-convgru", InputShape(size, 4), 9, options)


def alexnet_state(widths: tuple[int, ...] = (64, 192, 384, 256, 256), fc: int = 64) -> dict[str, Tensor]:
    """A state_dict as torchvision's AlexNet has it, with fewer units where it matters not."""
    torch.manual_seed(5)
    state: dict[str, Tensor] = {}
    n = 3
    for place, out, d in zip((0, 3, 6, 8, 10), widths, (11, 5, 3, 3, 3), strict=True):
        state[f"features.{place}.weight"], state[f"features.{place}.bias"] = (
            torch.randn(out, n, d, d),
            torch.randn(out),
        )
        n = out
    state["classifier.4.weight"], state["classifier.4.bias"] = torch.randn(fc, fc), torch.randn(fc)
    return state


def test_layers_that_fit_are_taken_from_a_file(tmp_path: Path) -> None:
    torch.save(alexnet_state(), tmp_path / "alexnet.pth")
    model = build("1d-convgru", SMALL, 9, {"features": "torchvision", "stride": 2})
    fresh = {k: v.clone() for k, v in model.state_dict().items()}
    found = load_initial(model, tmp_path / "alexnet.pth")
    assert found.loaded == tuple(f"frames.conv{i}.0" for i in (1, 2, 3, 4))
    assert found.left == {
        "fc9.0": "no classifier.1.weight in the file",
        "fc10.0": "classifier.4.weight is 64×64, not 4096×4096",
    }
    assert "conv1" in found.text()
    state = alexnet_state()
    for ours, theirs in (("frames.conv1.0", "features.0"), ("frames.conv4.0", "features.8")):
        assert torch.equal(model.state_dict()[f"{ours}.weight"], state[f"{theirs}.weight"])
        assert torch.equal(model.state_dict()[f"{ours}.bias"], state[f"{theirs}.bias"])
    assert torch.equal(model.state_dict()["recurrent.0.input.weight"], fresh["recurrent.0.input.weight"])


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    torch.save(alexnet_state(), tmp_path / "a.pth")
    model = build("2d-convgru", SMALL, 9, {"width": 0.05})
    with pytest.raises(TrainError, match=r"no layer fits.*features\.0\.weight is 64×3×11×11, not 5×3×11×11"):
        load_initial(model, tmp_path / "a.pth")
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(TrainError, match="not a file of weights"):
        load_initial(model, tmp_path / "text.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(TrainError, match="holds no state_dict"):
        load_initial(model, tmp_path / "list.pth")
    with pytest.raises(TrainError, match="only the AlexNet models"):
        load_initial(build("cnn", SMALL, 9), tmp_path / "a.pth")
    with pytest.raises(TrainError, match="cannot be read"):
        file_sha256(tmp_path / "gone.pth")
    bad = alexnet_state()
    bad["features.0.bias"][3] = float("nan")
    torch.save({"state_dict": bad}, tmp_path / "nan.pth")
    found = load_initial(build("1d-convgru", SMALL, 9, {"features": "torchvision"}), tmp_path / "nan.pth")
    assert found.left["frames.conv1.0"] == "features.0.bias has values that are not numbers"


def test_full_size_goes_forward_and_back() -> None:
    # 2D-ConvGRU at 224×224; two frames: the weights alone take 0.8 GB, and as much for their gradients
    torch.manual_seed(6)
    model: Any = build("2d-convgru", InputShape((224, 224), 2), 9)
    loss = torch.nn.functional.cross_entropy(model({"rgb": torch.rand(1, 3, 2, 224, 224)}), torch.tensor([3]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert 1 < loss.item() < 4
    assert model.frames.conv1[0].weight.grad.abs().sum() > 0
    assert model.fc9[0].weight.grad.shape == (4096, 256 * 13 * 13)
