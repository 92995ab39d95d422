"""Every network trains at its published learning rate: no spike, no NaN, and something is learnt.

Real networks on real steps (:func:`tttrain.training.optimizer.take_step`); only the input is small. What a
full-size input adds, the length of the flattened features, is in ``test_full_size``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch
from torch import Tensor

from tttrain.models import InputShape, build, specs
from tttrain.models.attention import ResidualBlock
from tttrain.models.blocks import BilinearFusion
from tttrain.models.outputs import by_classifier
from tttrain.training.config import RunConfig
from tttrain.training.loss import sum_of_losses
from tttrain.training.optimizer import make_optimizer, take_step
from tttrain.training.presets import PRESETS, with_preset

torch.set_num_threads(1)

CLASSES = 21
LN = math.log(CLASSES)
#: rates that a paper prints and that are not the model's default here
RATES = {"siamese": {"lr": 0.001}}


@dataclass
class Curve:
    """Losses of a training: of each step, and in evaluation mode."""

    steps: list[float]
    evaluation: list[float]


def inputs(name: str, shape: InputShape, n: int, generator: torch.Generator) -> dict[str, Tensor]:
    def rand(*sides: int) -> Tensor:
        return torch.rand(n, *sides, generator=generator)

    rgb = rand(3, *shape.volume)
    if specs()[name].settings.get("pixels") == "standard":
        rgb = (rgb - 0.5) * math.sqrt(12)
    every = {
        "rgb": rgb,
        "flow": rand(2, *shape.volume) * 2 - 1,
        "pose": rand(3 * shape.joints, shape.length),
    }
    return {k: every[k] for k in specs()[name].inputs}


def mean_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over samples and classifiers: a two-stream network has a loss for each of its two."""
    return sum_of_losses(logits, labels) / by_classifier(logits)[..., 0].numel()


def train(
    name: str,
    options: dict[str, Any],
    shape: InputShape,
    steps: int,
    evaluate: tuple[int, ...] = (1, 2, 5, 20, 200),
    **settings: Any,
) -> Curve:
    """Train on fresh random pictures and labels in each step; the same few for evaluation after some."""
    given = {**RATES.get(name, {}), **settings}
    batch = given.setdefault("batch", 5)
    config = RunConfig(model=name, options=options, **given)
    torch.manual_seed(0)
    model = build(name, shape, CLASSES, options)
    optimizer = make_optimizer(config, model.parameters())
    generator = torch.Generator().manual_seed(1)

    def draw() -> tuple[dict[str, Tensor], Tensor]:
        return inputs(name, shape, batch, generator), torch.randint(CLASSES, (batch,), generator=generator)

    kept, curve = draw(), Curve([], [])
    for step in range(steps):
        x, labels = draw()
        model.train()
        loss = mean_loss(model(x), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        take_step(optimizer, config.clip)
        curve.steps.append(loss.item())
        if step + 1 in evaluate:
            model.eval()
            with torch.no_grad():
                curve.evaluation.append(mean_loss(model(kept[0]), kept[1]).item())
        assert loss.isfinite(), (name, options, curve.steps)
    return curve


def first_loss(name: str, options: dict[str, Any], shape: InputShape, seed: int) -> float:
    """Return the loss of a new network, averaged over all labels."""
    torch.manual_seed(seed)
    model = build(name, shape, CLASSES, options)
    with torch.no_grad():
        logits = by_classifier(model(inputs(name, shape, 5, torch.Generator().manual_seed(seed))))
    return (logits.logsumexp(-1) - logits.mean(-1)).mean().item()


def check(curve: Curve) -> None:
    assert abs(curve.steps[0] - LN) < 0.1 * LN
    assert max(curve.steps) < 2 * LN, curve.steps
    assert max(curve.evaluation) < 2 * LN, curve.evaluation


def _variants() -> Iterator[Any]:
    for name, spec in specs().items():
        fields = spec.options.model_fields
        if "pose_attention" in fields:
            for n in range(4):
                yield pytest.param(name, {"attention": n, "pose_attention": n}, id=f"{name}-{n}")
        elif "attention" in fields:
            for n in range(4):
                yield pytest.param(name, {"attention": n}, id=f"{name}-{n}")
        elif "stride" in fields:  # AlexNet's first stride wants larger pictures
            yield pytest.param(name, {"stride": 1, "width": 0.125}, id=name)
        else:
            yield pytest.param(name, {}, id=name)


#: enough for AlexNet's poolings at stride 1 and for the levels of an attention block
SMALL = InputShape((16, 16), 8)


@pytest.mark.parametrize(("name", "options"), list(_variants()))
def test_two_hundred_steps_without_a_spike(name: str, options: dict[str, Any]) -> None:
    check(train(name, options, SMALL, 200))


@pytest.mark.parametrize("name", ["twin", "three-stream"])
def test_without_the_remedies_they_end_in_no_number(name: str) -> None:
    # what this file would miss if its inputs were too small to show it
    torch.manual_seed(0)
    model = build(name, SMALL, CLASSES, {"attention": 3})
    for module in model.modules():
        if isinstance(module, ResidualBlock):
            last: Any = module.layers[-1]
            last[2].reset_parameters()
        elif isinstance(module, BilinearFusion):
            module.bilinear.reset_parameters()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.5, nesterov=True)
    generator, worst = torch.Generator().manual_seed(1), 0.0
    for _ in range(10):
        labels = torch.randint(CLASSES, (5,), generator=generator)
        loss = mean_loss(model(inputs(name, SMALL, 5, generator)), labels)
        worst = max(worst, loss.nan_to_num(math.inf).item())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert worst > 1e6


@pytest.mark.parametrize(("name", "options"), list(_variants()))
def test_first_losses_are_those_of_guessing(name: str, options: dict[str, Any]) -> None:
    for seed in range(2):
        assert abs(first_loss(name, options, SMALL, seed) - LN) < 0.1 * LN


FULL = {"convgru": InputShape((224, 224), 20)}


@pytest.mark.parametrize("preset", PRESETS)
def test_full_size(preset: str) -> None:
    """Two steps of the papers' six networks, with their settings but two samples per step."""
    settings = with_preset({"preset": preset, "options": {}})
    name, options = settings.pop("model"), settings.pop("options")
    shape = FULL.get(preset, InputShape((120, 120), 100))
    check(train(name, options, shape, 2, (2,), **{**settings, "batch": 2}))
