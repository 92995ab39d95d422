"""``tttrain fit``: train a network."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from tttrain import errors
from tttrain.cli import options as shared
from tttrain.cli.output import echo, echo_json, percent, say, stderr
from tttrain.cli.progress import TrainingBar

if TYPE_CHECKING:
    from tttrain.data.cache import Cache

#: the curves are drawn at most this often during training
DRAW_S = 30.0


class _Recorder(TrainingBar):
    """Shows the progress, draws the curves, and writes for TensorBoard where it is installed."""

    def __init__(self, console: Console, folder: Path, title: str) -> None:
        super().__init__(console)
        self._folder, self._title = folder, title
        self._drawn = time.monotonic()
        self._board = _tensorboard(folder)

    def begin(self, done: int, epochs: int) -> None:
        super().begin(done, epochs)
        if self._board is not None:
            self._board = _tensorboard(self._folder, purge=done + 1)

    def end_of_epoch(self, history: list[dict[str, Any]]) -> None:
        super().end_of_epoch(history)
        last = history[-1]
        if self._board is not None:
            names = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy", "lr")
            for name in (n for n in names if last[n] is not None):
                self._board.add_scalar(name, last[name], last["epoch"])
        if len(history) >= self._epochs or time.monotonic() - self._drawn > DRAW_S:
            self._draw(history)

    def _draw(self, history: list[dict[str, Any]]) -> None:
        from tttrain.evaluation import plots
        from tttrain.training.run_folder import CURVES

        plots.curves(history, self._folder / CURVES, self._title)
        self._drawn = time.monotonic()


def _tensorboard(folder: Path, purge: int | None = None) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=purge)


class _Silent:
    """Takes the place of the recorder in all processes but the first."""

    def begin(self, done: int, epochs: int) -> None:
        """Do nothing."""

    def keep(self, done: int, needed: int, place: str) -> None:
        """Do nothing."""

    def step(self, epoch: int, done: int, steps: int) -> None:
        """Do nothing."""

    def end_of_epoch(self, history: list[dict[str, Any]]) -> None:
        """Do nothing."""


@click.command()
@click.argument("dataset", type=shared.PATH)
@click.argument("run", type=shared.PATH)
@click.option(
    "--model", metavar="NAME", help="Train this network; `tttrain models` lists them. [default: the preset's]"
)
@click.option(
    "--preset",
    metavar="NAME",
    help="Take the model and all settings that are not given from a published experiment: siamese, "
    "attention-twin, three-stream, i3d, convgru or cnn-lstm.",
)
@shared.settings
@shared.SAMPLING
@click.option(
    "--initial", type=shared.PATH, help="Start from the weights in this state_dict of torchvision's AlexNet."
)
@click.option("--force", is_flag=True, help="Start over, even if RUN holds a run.")
@shared.WORKERS
@shared.CACHE
@shared.CACHE_LIMIT
@shared.DEVICE
@shared.THREADS
@shared.JSON
def fit(
    dataset: Path, run: Path, options: tuple[str, ...], initial: Path | None, allow_absent: bool, force: bool,
    compiled: bool, save_every: int, workers: int, cache: Cache, cache_limit: float | None,
    device: str | None, as_json: bool, **given: Any,
) -> int:  # fmt: skip
    """Train a network on DATASET; write settings, curves and weights to the folder RUN.

    --preset brings all settings of a paper's experiment. The models of the ConvGRU and CNN-LSTM papers bring
    their papers' settings along without it (`tttrain models`); the defaults below apply to all others. Run
    the same command again to continue where it stopped, or with more --epochs to train on. Start it with
    torchrun to train on several GPUs.
    """
    import torch
    import torch.distributed as dist

    from tttrain.data.dataset_file import read_info
    from tttrain.evaluation.metrics import majority_share
    from tttrain.models.initial_weights import file_sha256, load_initial
    from tttrain.training.device import choose_device, join_world
    from tttrain.training.preflight import check_classes
    from tttrain.training.run_folder import (
        as_begun,
        check_modalities,
        make_model,
        make_record,
        open_run,
        view_of,
    )
    from tttrain.training.train import Runtime, Trainer

    err = stderr()
    settings = {**shared.stated(given), "options": shared.parse_options(options)}
    chosen = choose_device(device)
    if initial is not None:
        settings["initial"] = file_sha256(initial)
    config = shared.make_config(settings, chosen)
    info = read_info(dataset, config.taxonomy)
    check_modalities(info, config.model)
    notes = check_classes(info, config, allow_absent=allow_absent)
    world = join_world(chosen)
    record = make_record(config, info)
    if not force:
        record = as_begun(run, record)
    with torch.device("meta"):  # what cannot be built is reported before anything is written
        model = make_model(record, view_of(record, info))
        if initial is not None:
            load_initial(model, initial)
    if world.main:
        for note in notes:
            say(err, f"note: {note}")
        open_run(run, record, force=force)
    world.wait()
    limit = None if cache_limit is None else int(cache_limit * 2**30)
    runtime = Runtime(workers, compiled, save_every, initial, cache, limit)
    trainer = Trainer(record, info, run, chosen, runtime, world)
    if world.main and trainer.initial is not None:
        say(err, f"note: {trainer.initial.text()}")
    if not world.main:
        trainer.run(_Silent())
        dist.destroy_process_group()
        return errors.OK
    with _Recorder(err, run, f"{config.model} on {dataset.name}") as recorder:
        history = trainer.run(recorder)
    if world.size > 1:
        dist.destroy_process_group()
    best = [r for r in history if r["improved"]][-1]
    frames = config.sampling == "frames"
    usual = majority_share(info, config.validation_split, frames=frames) if config.validates else None
    if as_json:
        echo_json({"run": str(run), "device": str(chosen), "precision": config.precision,
                    "initial": vars(trainer.initial) if trainer.initial else None,
                    "epochs": len(history), "best": best, "last": history[-1],
                    "majority": usual})  # fmt: skip
    else:
        echo(
            f"{len(history)} epochs; best state: epoch {best['epoch']}, validation accuracy "
            f"{percent(best['validation_accuracy'])} (the most frequent class alone: {percent(usual)})",
            run,
        )
    return errors.OK
