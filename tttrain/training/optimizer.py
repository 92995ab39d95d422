"""The optimiser, and setting its learning rate and momentum."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from tttrain.training.config import RunConfig
from tttrain.training.lr_schedule import Move


def make_optimizer(config: RunConfig, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Make the optimiser of a run: Adam, or SGD with Nesterov momentum."""
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=config.lr, weight_decay=config.weight_decay)
    return torch.optim.SGD(
        parameters,
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.momentum > 0,
    )


def take_step(optimizer: torch.optim.Optimizer, clip: float) -> None:
    """Change the parameters by their gradients, shortened to the length ``clip`` if longer; 0: never.

    All gradients together are one vector, so that its direction stays.
    """
    if clip:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        # not checked for NaN here, which would make a GPU wait: the epoch's loss shows it
        torch.nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()


def set_rates(optimizer: torch.optim.Optimizer, move: Move) -> None:
    """Set learning rate and momentum as the schedule decided."""
    for group in optimizer.param_groups:
        group["lr"] = move.lr
        if "momentum" in group:  # Adam has none
            group["momentum"], group["nesterov"] = move.momentum, move.momentum > 0
