"""Trainings, and the command ``tttrain`` as a user calls it, in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from click.testing import CliRunner, Result

from tttrain.cli.main import main
from tttrain.data.dataset_file import read_info
from tttrain.training import train
from tttrain.training.config import RunConfig
from tttrain.training.device import World
from tttrain.training.run_folder import make_record, open_run

CPU = torch.device("cpu")
History = list[dict[str, Any]]


def call(*args: object, code: int = 0) -> Result:
    """Run ``tttrain`` and expect an exit code; −1: any."""
    wide = {"COLUMNS": "200"}  # pytest-xdist sets 80, at which headings are folded
    result = CliRunner().invoke(main, [str(a) for a in args], env=wide)
    assert code in (result.exit_code, -1), result.output
    return result


class Quiet:
    """Follows a training and, if told to, stops it in the middle of an epoch.

    Parameters
    ----------
    stop_at : (int, int), optional
        Epoch and step.
    stop : callable, optional
        Ends the training.
    """

    def __init__(
        self, stop_at: tuple[int, int] | None = None, stop: Callable[[], None] | None = None
    ) -> None:
        self.stop_at, self.stop = stop_at, stop
        self.began: int | None = None
        self.kept: tuple[int, int, str] | None = None

    def begin(self, done: int, epochs: int) -> None:
        self.began = done

    def keep(self, done: int, needed: int, place: str) -> None:
        self.kept = (done, needed, place)

    def step(self, epoch: int, done: int, steps: int) -> None:
        if self.stop_at == (epoch, done):
            assert self.stop is not None
            self.stop()

    def end_of_epoch(self, history: History) -> None:
        pass


def run(
    path: Path,
    folder: Path,
    config: RunConfig,
    *,
    runtime: train.Runtime | None = None,
    listener: Quiet | None = None,
    force: bool = False,
    world: World | None = None,
) -> tuple[train.Trainer, History]:
    """Train on the CPU in one thread, or continue a run."""
    torch.set_num_threads(1)
    info = read_info(path, config.taxonomy)
    record = open_run(folder, make_record(config, info), force=force)
    trainer = train.Trainer(record, info, folder, CPU, runtime or train.Runtime(), world or World())
    return trainer, trainer.run(listener or Quiet())


def curve(history: History) -> History:
    """Drop the times from a history: the rest must be the same in every run."""
    return [{k: v for k, v in r.items() if k not in ("seconds", "waiting")} for r in history]
