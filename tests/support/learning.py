"""Short trainings on random inputs: the losses of each step, and in evaluation mode."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tttrain.models import InputShape, build, specs
from tttrain.models.outputs import by_classifier
from tttrain.training.config import RunConfig
from tttrain.training.loss import sum_of_losses
from tttrain.training.optimizer import make_optimizer, take_step

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
