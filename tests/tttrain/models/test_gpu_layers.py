"""What a GPU computes in another way has the same result; the forms themselves are tried on the CPU."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tttrain.models import InputShape, build
from tttrain.models.gpu_layers import enlarge, padded_conv, stacked_conv
from tttrain.training.step_graph import WARM_UP, StepGraph

sides = st.integers(1, 6)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) - 0.5


@settings(deadline=None, max_examples=30)
@given(
    n=st.integers(1, 2), channels=st.integers(1, 9), out=st.integers(1, 9), beyond=st.integers(0, 3),
    volume=st.tuples(sides, sides, sides), biased=st.booleans(),
)  # fmt: skip
def test_padded_convolutions_are_convolutions(
    n: int, channels: int, out: int, beyond: int, volume: tuple[int, int, int], biased: bool
) -> None:
    x = _random(n, channels, *volume).requires_grad_()
    weight = _random(out, channels, 3, 3, 3, seed=1).requires_grad_()
    bias = _random(out, seed=2).requires_grad_() if biased else None
    expected = functional.conv3d(x, weight, bias, padding=1)
    grads = _random(*expected.shape, seed=3)
    leaves = [x, weight, *([bias] if bias is not None else [])]
    wanted = torch.autograd.grad(expected, leaves, grads)
    wide = functional.pad(x, (0, 0, 0, 0, 0, 0, 0, min(beyond, -channels % 8)))  # padded by the layer before
    for got in (padded_conv(wide, weight, bias), stacked_conv(x, weight, bias)):
        assert got.shape[1] % 8 == 0
        assert not got[:, out:].any()
        torch.testing.assert_close(got[:, :out], expected)
        for a, b in zip(torch.autograd.grad(got[:, :out], leaves, grads), wanted, strict=True):
            torch.testing.assert_close(a, b)


@settings(deadline=None, max_examples=30)
@given(channels=st.integers(1, 3), small=st.tuples(sides, sides, sides), large=st.tuples(sides, sides, sides))
def test_enlarging_is_trilinear_interpolation(
    channels: int, small: tuple[int, int, int], large: tuple[int, int, int]
) -> None:
    x = _random(2, channels, *small).requires_grad_()
    expected = functional.interpolate(x, size=large, mode="trilinear", align_corners=True)
    got = enlarge(x, large)
    torch.testing.assert_close(got, expected)
    grads = _random(*expected.shape, seed=1)
    wanted, found = (torch.autograd.grad(y, x, grads)[0] for y in (expected, got))
    torch.testing.assert_close(found, wanted)


@needs_gpu
@pytest.mark.parametrize("attention", [0, 1, 3])
def test_a_gpu_computes_what_the_cpu_does(attention: int) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    shape = InputShape(size=(24, 24), length=16)
    torch.manual_seed(0)
    network = build("twin", shape, 4, {"attention": attention}).eval()
    inputs = {"rgb": torch.rand(2, 3, 16, 24, 24), "flow": torch.rand(2, 2, 16, 24, 24)}
    results = []
    for device in ("cpu", "cuda"):
        network.to(device).zero_grad(set_to_none=True)
        logits = network({k: v.to(device) for k, v in inputs.items()})
        logits.square().sum().backward()
        grads = [p.grad for p in network.parameters() if p.grad is not None]
        results.append([values.detach().cpu().clone() for values in (logits, *grads)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@needs_gpu
def test_a_graph_adds_the_gradients_that_steps_add() -> None:
    torch.manual_seed(0)
    weight = torch.rand(3, 4, device="cuda", requires_grad=True)

    def step(inputs: dict[str, Tensor], labels: Tensor, size: int) -> Tensor:
        logits = inputs["x"] @ weight.T
        loss = functional.cross_entropy(logits, labels, reduction="sum")
        (loss / size).backward()  # type: ignore[no-untyped-call]
        return torch.stack([loss.detach(), (logits.argmax(1) == labels).sum()]).double()

    graph = StepGraph(step)
    for number in range(WARM_UP + 4):
        n = 2 if number == WARM_UP + 2 else 5  # another shape between
        x, labels = torch.rand(n, 4, device="cuda"), torch.randint(3, (n,), device="cuda")
        got, grads = [], []
        for take in (graph, step):
            if weight.grad is not None:
                weight.grad.zero_()
            got.append(take({"x": x}, labels, 10) + take({"x": 2 * x}, labels, 10))
            assert weight.grad is not None
            grads.append(weight.grad.clone())
        torch.testing.assert_close(got[0], got[1])
        torch.testing.assert_close(grads[0], grads[1])
