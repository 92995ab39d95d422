"""The papers' six networks at full size, with their settings: the first steps are sound."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch

from tests.support.learning import check, train
from tttrain.models import InputShape
from tttrain.training.presets import PRESETS, with_preset

torch.set_num_threads(1)

FULL = {"convgru": InputShape((224, 224), 20)}


@pytest.mark.parametrize("preset", PRESETS)
def test_full_size(preset: str) -> None:
    """Two steps of one sample of the papers' six networks, with their settings (I3D: one step)."""
    settings = with_preset({"preset": preset, "options": {}})
    name, options = settings.pop("model"), settings.pop("options")
    shape = FULL.get(preset, InputShape((120, 120), 100))
    steps = 1 if preset == "i3d" else 2  # it alone takes as long as the other five
    check(train(name, options, shape, steps, (steps,), **{**settings, "batch": 1}))
