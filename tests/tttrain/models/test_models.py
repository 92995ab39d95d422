"""The networks: sizes against the papers' tables, shapes, fusions and attention against their equations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch
from torch import Tensor, nn
from torch.nn import functional

from tttrain.errors import TrainError
from tttrain.models import InputShape, build, specs
from tttrain.models.attention import AttentionBlock, ResidualBlock
from tttrain.models.blocks import BilinearFusion, Branch, count_parameters
from tttrain.models.outputs import probabilities
from tttrain.training.loss import sum_of_losses

torch.set_num_threads(1)
SMALL = InputShape((16, 24), 8)


def _inputs(n: int, shape: InputShape = SMALL, seed: int = 0) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {
        "rgb": torch.rand(n, 3, *shape.volume, generator=g),
        "flow": torch.rand(n, 2, *shape.volume, generator=g) * 2 - 1,
        "pose": torch.rand(n, 3 * shape.joints, shape.length, generator=g),
    }


@pytest.mark.parametrize(
    ("name", "attention", "expected"),
    [
        ("rgb-stcnn", 0, 180_800),
        ("rgb-stcnn", 3, 498_420),
        ("flow-stcnn", 0, 179_990),
        ("flow-stcnn", 3, 497_610),
        ("twin", 0, 360_790),
        ("twin", 3, 996_030),
    ],
)
def test_parameters_without_fc_equal_table_1_of_the_attention_paper(
    name: str, attention: int, expected: int
) -> None:
    with torch.device("meta"):
        model = build(name, InputShape(), 21, {"attention": attention})
    everything, without = count_parameters(model)
    assert without == expected
    fc = sum(
        p.numel() for m in model.modules() if isinstance(m, nn.Linear | nn.Bilinear) for p in m.parameters()
    )
    assert everything - without == fc > 100e6


@pytest.mark.parametrize(("n", "expected"), [(30, 29_520), (60, 104_100), (80, 184_000)])
def test_parameters_of_one_attention_block(n: int, expected: int) -> None:
    assert sum(p.numel() for p in AttentionBlock(n).parameters()) == expected


def test_i3d_is_as_large_as_published() -> None:
    # 12.29 M for an RGB stream without its classifier; the papers say "around 25 M" for both
    with torch.device("meta"):
        one = build("i3d-rgb", InputShape(), 400)
        both = build("i3d", InputShape(), 21)
    assert count_parameters(one)[1] == 12_287_264
    assert 24e6 < count_parameters(both)[0] < 26e6


def test_branch_at_full_size_has_the_papers_shapes() -> None:
    with torch.device("meta"):
        branch = Branch(3, (100, 120, 120))
        assert branch.features(torch.empty(2, 3, 100, 120, 120)).shape == (2, 80, 12, 15, 15)
        assert branch.fc.in_features == 80 * 12 * 15 * 15
        assert branch.fc.out_features == 500


@pytest.mark.parametrize(
    ("side", "size", "stride"), [(8, 3, 1), (8, 7, 2), (9, 7, 2), (8, 3, 2), (9, 2, 2), (5, 1, 1)]
)
def test_i3d_pads_as_tensorflow_does(side: int, size: int, stride: int) -> None:
    from tttrain.models.i3d import _Pool, _Unit

    torch.manual_seed(6)
    x = torch.rand(1, 2, side, side, side)
    out = -(-side // stride)
    total = max((out - 1) * stride + size - side, 0)
    padded = functional.pad(x, (total // 2, total - total // 2) * 3)
    unit = _Unit(2, 3, size, stride).eval()
    plain = functional.relu(unit.norm(functional.conv3d(padded, unit.conv.weight, stride=stride)))
    torch.testing.assert_close(unit(x), plain)
    assert plain.shape[2:] == (out, out, out)
    pool = _Pool((size,) * 3, (stride,) * 3)
    torch.testing.assert_close(pool(x), functional.max_pool3d(padded, size, stride))


def _variants() -> Iterator[tuple[str, dict[str, Any]]]:
    for spec in specs().values():
        fields = spec.options.model_fields
        # AlexNet's usual first stride and width want larger pictures, and seconds
        yield spec.name, {"stride": 1, "width": 0.05} if "stride" in fields else {}
        if "attention" in fields:
            yield spec.name, {name: 3 for name in fields if name.endswith("attention")}
            yield spec.name, {"residual": 3}
    yield "twin", {"fusion": "fc"}
    yield "three-stream", {"attention": 3}
    yield "i3d-rgb", {"first_pool": True}


@pytest.mark.parametrize(("name", "options"), list(_variants()))
def test_forward_and_backward_of_every_model(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    spec = specs()[name]
    model = build(name, SMALL, 5, options)
    # only what the model says it reads may be given
    inputs = {k: v for k, v in _inputs(3).items() if k in spec.inputs}
    logits = model(inputs)
    assert probabilities(logits).shape == (3, 5)
    torch.testing.assert_close(probabilities(logits).sum(dim=1), torch.ones(3))
    sum_of_losses(logits, torch.tensor([0, 1, 4])).backward()  # type: ignore[no-untyped-call]
    without = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not without


@pytest.mark.parametrize(("name", "branches"), [("rgb-stcnn", 1), ("flow-stcnn", 1), ("twin", 2)])
def test_residual_blocks_follow_the_poolings_from_the_first_on(name: str, branches: int) -> None:
    # [ATT] III-A.3; by hand: BN, 1x1x1 and 3x3x3 convolutions at a quarter of the width, rounded up
    def size(n: int) -> int:
        q = math.ceil(n / 4)
        return (2 * n + n * q) + (2 * q + q * q * 27) + (2 * q + q * n)

    sizes = [size(n) for n in (30, 60, 80)]
    assert sizes == [2_300, 8_055, 14_240]
    with torch.device("meta"):
        plain, *grown = (
            count_parameters(build(name, InputShape(), 21, {"residual": k}))[1] for k in range(4)
        )
    assert [n - plain for n in grown] == [branches * sum(sizes[:k]) for k in (1, 2, 3)]


@pytest.mark.parametrize("blocks", range(4))
def test_a_branch_with_residual_blocks_is_its_layers_one_by_one(blocks: int) -> None:
    torch.manual_seed(1)
    branch: Any = Branch(2, (8, 16, 16), residual=blocks).eval()
    convolutions = [m for m in branch.features if isinstance(m, nn.Conv3d)]
    residual = [m for m in branch.modules() if isinstance(m, ResidualBlock)]
    assert not any(isinstance(m, AttentionBlock) for m in branch.modules())
    for block in residual:  # whatever they start from: as after some training
        for weights in block.parameters():
            nn.init.uniform_(weights, 0.1, 0.5)
    x = y = torch.randn(1, 2, 8, 16, 16)
    for i, layer in enumerate(convolutions):
        y = functional.max_pool3d(
            functional.relu(functional.conv3d(y, layer.weight, layer.bias, padding=1)), 2
        )
        if i < blocks:
            y = residual[i](y)
    assert len(residual) == blocks
    torch.testing.assert_close(branch(x), functional.relu(branch.fc(y.flatten(1))))


def test_options_may_be_texts_as_a_command_line_gives_them() -> None:
    model = build("twin", SMALL, 4, {"attention": "2", "fusion": "fc"})
    assert sum(isinstance(m, AttentionBlock) for m in model.modules()) == 4


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("twinn", {}, "did you mean twin?"),
        ("zzz", {}, "rgb-stcnn"),
        ("twin", {"attention": 4}, "attention"),
        ("twin", {"atention": 1}, "there are: attention, fusion"),
        (
            "twin",
            {"attention": 1, "residual": 2},
            "model twin, residual blocks stand in the place of attention",
        ),
    ],
)
def test_wrong_names_and_options_are_explained(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainError, match=words):
        build(name, SMALL, 4, options)


def test_an_input_that_poolings_use_up_is_refused() -> None:
    with pytest.raises(TrainError, match="16×24×7 is gone after three poolings"):
        build("rgb-stcnn", InputShape((16, 24), 7), 4)


def test_bilinear_fusion_is_the_equation() -> None:
    torch.manual_seed(1)
    fuse = BilinearFusion(4, features=6)
    a, b = torch.rand(3, 6), torch.rand(3, 6)
    expected = torch.einsum("ni,cij,nj->nc", a, fuse.bilinear.weight, b) + fuse.bilinear.bias
    torch.testing.assert_close(fuse(a, b), expected)


def test_bilinear_fusion_keeps_float32_under_autocast() -> None:
    fuse = BilinearFusion(4, features=6)
    with torch.autocast("cpu", torch.bfloat16):
        out = fuse(torch.rand(3, 6, dtype=torch.bfloat16), torch.rand(3, 6, dtype=torch.bfloat16))
    assert out.dtype == torch.float32


def test_three_stream_sums_the_pairs() -> None:
    torch.manual_seed(2)
    model: Any = build("three-stream", SMALL, 4).eval()
    x = _inputs(2)
    rgb, flow, pose = model.rgb(x["rgb"]), model.flow(x["flow"]), model.pose(x["pose"])
    pairs = ((model.rgb_flow, rgb, flow), (model.rgb_pose, rgb, pose), (model.flow_pose, flow, pose))
    torch.testing.assert_close(model(x), sum(layer(a, b) for layer, a, b in pairs))


def _trained(module: nn.Module) -> nn.Module:
    """Give the residual blocks last convolutions other than the zeros that they start with."""
    for block in module.modules():
        if isinstance(block, ResidualBlock):
            last: Any = block.layers[-1]
            nn.init.normal_(last[2].weight, std=0.3)
    return module


def test_residual_blocks_start_as_the_identity_and_leave_it() -> None:
    torch.manual_seed(7)
    block: Any = ResidualBlock(8)
    x = torch.randn(2, 8, 4, 5, 6)
    assert torch.equal(block(x), x)
    block(x).square().sum().backward()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter -= 0.01 * parameter.grad
    assert not torch.allclose(block(x), x, atol=0.1)


def test_residual_block_is_the_equation() -> None:
    torch.manual_seed(3)
    block: Any = _trained(ResidualBlock(30)).eval()
    x = torch.randn(2, 30, 4, 5, 6)
    y = x
    for layer in block.layers:
        norm, _, conv = layer
        assert conv.bias is None
        y = functional.conv3d(functional.relu(norm(y)), conv.weight, padding=conv.padding)
    assert [m[2].out_channels for m in block.layers] == [8, 8, 30]
    torch.testing.assert_close(block(x), x + y)


def test_attention_block_is_the_equations() -> None:
    torch.manual_seed(4)
    block: Any = _trained(AttentionBlock(8)).eval()
    x = torch.randn(1, 8, 9, 10, 11)

    def smaller(z: Tensor) -> Tensor:
        return functional.max_pool3d(z, 3, 2, 1)

    def larger(z: Tensor, like: Tensor) -> Tensor:
        return functional.interpolate(z, like.shape[2:], mode="trilinear", align_corners=True)

    start = block.first(x)
    x1 = block.down[0][1](smaller(start))
    x2 = block.down[1][1](smaller(x1))
    x3 = block.down[2][1](smaller(x2))
    assert x3.shape[2:] == (2, 2, 2)
    y1 = larger(block.up[0](x3), x2) + block.skip[1](x2)
    y2 = larger(block.up[1](y1), x1) + block.skip[0](x1)
    y3 = larger(block.up[2](y2), start)
    mask = block.mask(y3)
    assert 0 < mask.min() < mask.max() < 1
    expected = block.last(block.trunk[1](block.trunk[0](start)) * (1 + mask))
    torch.testing.assert_close(block(x), expected)
    assert sum(isinstance(m, ResidualBlock) for m in block.modules()) == 12


def test_late_fusion_trains_each_classifier_as_if_alone() -> None:
    torch.manual_seed(5)
    both: Any = build("late-fusion", SMALL, 4)
    labels, x = torch.tensor([1, 3]), _inputs(2)
    sum_of_losses(both(x), labels).backward()  # type: ignore[no-untyped-call]
    together = {n: p.grad.clone() for n, p in both.models[0].named_parameters()}
    both.zero_grad()
    alone = both.models[0](x)
    sum_of_losses(alone, labels).backward()  # type: ignore[no-untyped-call]
    for name, parameter in both.models[0].named_parameters():
        torch.testing.assert_close(together[name], parameter.grad)
    # and its decision is that of the added scores
    scores = [functional.softmax(m(x), dim=1) for m in both.models]
    torch.testing.assert_close(probabilities(both(x)), sum(scores) / 2)


def test_early_fusion_sees_both_modalities() -> None:
    model: Any = build("early-fusion", SMALL, 4).eval()
    x = _inputs(1)
    before = model(x)
    assert model.branch.features[0].in_channels == 5
    for name in ("rgb", "flow"):
        assert not torch.equal(before, model({**x, name: torch.zeros_like(x[name])}))
