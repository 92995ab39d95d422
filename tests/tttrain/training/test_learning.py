"""Every network trains at its published learning rate: no spike, no NaN, and something is learnt.

Real networks on real steps (:func:`tttrain.training.optimizer.take_step`); only the input is small. What a
full-size input adds, the length of the flattened features, is in ``test_full_size.py``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch

from tests.support.learning import CLASSES, LN, check, first_loss, inputs, mean_loss, train
from tttrain.models import InputShape, build, specs
from tttrain.models.attention import ResidualBlock
from tttrain.models.blocks import BilinearFusion

torch.set_num_threads(1)


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


#: steps with three attention blocks, and with fewer or of I3D: what spikes does so in the first ten. 200 of
#: all take minutes; ``TTPREP_STEPS=200`` asks for them
STEPS, FEWER = (int(os.environ.get("TTPREP_STEPS", n)) for n in (60, 20))


@pytest.mark.parametrize(("name", "options"), list(_variants()))
def test_many_steps_without_a_spike(name: str, options: dict[str, Any]) -> None:
    fewer = options.get("attention", 3) < 3 or name.startswith("i3d")
    check(train(name, options, SMALL, FEWER if fewer else STEPS))


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
