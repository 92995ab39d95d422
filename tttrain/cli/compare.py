"""``tttrain compare``: the table of models and sampling methods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tttrain import errors
from tttrain.cli import options as shared
from tttrain.cli.output import echo, echo_json, percent, stderr
from tttrain.cli.progress import Bar, reading, summary
from tttrain.cli.table import print_table
from tttrain.errors import USAGE, TrainError

if TYPE_CHECKING:
    import torch

    from tttrain.evaluation.compare import Row, Training


class Overall:
    """Follows all epochs of all trainings with one bar."""

    def __init__(self, bar: Bar, done: int, total: int, name: str) -> None:
        self._bar, self._done, self._total, self._name = bar, done, total, name
        self._epochs = 0

    def begin(self, done: int, epochs: int) -> None:
        """Note that a training starts, of which ``done`` epochs are there already."""
        self._epochs = epochs
        self._bar.line(f"{self._name}: epoch {done} of {epochs}")
        self._bar.update(self._done + done, self._total, self._name)

    def keep(self, done: int, needed: int, place: str) -> None:
        """Note how much of what is kept has been read."""
        self._bar.update(self._done, self._total, f"{self._name}, {reading(done, needed, place)}")

    def step(self, epoch: int, done: int, steps: int) -> None:
        """Note that a step of an epoch is done."""
        self._bar.update(self._done + epoch + done / steps, self._total, self._name)

    def end_of_epoch(self, history: list[dict[str, Any]]) -> None:
        """Note that an epoch is done and recorded."""
        note = f"{self._name}, {summary(history)}"
        self._bar.update(self._done + len(history), self._total, note)
        if not self._bar.console.is_terminal or len(history) == self._epochs:
            last = len(history) == self._epochs
            self._bar.line(f"{note}, epoch {len(history)} of {self._epochs}", always=last)


@click.command()
@click.argument("dataset", type=shared.PATH)
@click.argument("folder", type=shared.PATH, metavar="OUTDIR")
@click.option(
    "--models", "names", default="1d-convgru,2d-convgru", show_default=True, metavar="NAME,...",
    help="Rows of the table; NAME:fusion=flat sets an option of the model for its row.",
)  # fmt: skip
@click.option(
    "--sampling", "methods", default="1,2,5", show_default=True, metavar="N,...",
    help="Columns of the table: sampling methods 1 to 7.",
)  # fmt: skip
@click.option(
    "--repeats", type=click.IntRange(1, 1000), default=1, show_default=True,
    help="Train this many times per cell, with seeds counted up from --seed, and average.",
)  # fmt: skip
@click.option("--split", default="test", show_default=True, help="Test on this split.")
@click.option(
    "--initial", type=shared.PATH,
    help="Start every training from the weights in this state_dict of torchvision's AlexNet.",
)  # fmt: skip
@shared.settings
@shared.WORKERS
@shared.DEVICE
@shared.THREADS
@shared.JSON
def compare(
    dataset: Path, folder: Path, names: str, methods: str, repeats: int, split: str, initial: Path | None,
    options: tuple[str, ...], allow_absent: bool, compiled: bool, save_every: int, workers: int,
    device: str | None, as_json: bool, **given: Any,
) -> int:  # fmt: skip
    """Train each model with each sampling method on DATASET, test them, and write the table.

    OUTDIR gets a run folder for each training, and table.json, table.md and table.png. Run the same
    command again to continue where it stopped.
    """
    from tttrain.evaluation.compare import compare as compare_models
    from tttrain.evaluation.compare import parse_rows, parse_sampling
    from tttrain.models.initial_weights import file_sha256
    from tttrain.training.device import choose_device, join_world
    from tttrain.training.train import Runtime

    settings = {**shared.stated(given), "options": shared.parse_options(options)}
    chosen = choose_device(device)
    if join_world(chosen).size > 1:
        raise TrainError("compare trains in one process; start it without torchrun", USAGE)
    if initial is not None:
        settings["initial"] = file_sha256(initial)
    rows, columns = parse_rows(names, settings["options"]), parse_sampling(methods)
    first = int(settings.get("seed", 0))
    trainings = [
        _training(folder, row, method, first + i, settings, chosen)
        for row in rows
        for method in columns
        for i in range(repeats)
    ]
    total = sum(training.config.epochs for training in trainings)
    runtime = Runtime(workers=workers, compile=compiled, save_every=save_every, initial=initial)
    with Bar(stderr(), "epochs") as bar:

        def listen(number: int, training: Training) -> Overall:
            done = sum(t.config.epochs for t in trainings[:number])
            return Overall(bar, done, total, f"{number + 1} of {len(trainings)}: {training.folder.name}")

        table = compare_models(
            dataset, folder, trainings, split, chosen, runtime, allow_absent=allow_absent, listen=listen,
            note=lambda text: bar.line(f"note: {text}", always=True),
        )  # fmt: skip
    if as_json:
        echo_json(table)
        return errors.OK
    shares = [
        (row.name, *(percent(p["accuracy"]) for p in table["places"] if p["model"] == row.name))
        for row in rows
    ]
    print_table(("model", *(name.replace("method-", "sampling ") for name in columns)), shares)
    echo(
        f"accuracy on {table['samples']} samples of {split}; the most frequent class alone: "
        f"{table['majority']:.1%}",
        folder / "table.md",
        folder / "table.png",
    )
    return errors.OK


def _training(
    folder: Path, row: Row, method: str, seed: int, given: dict[str, Any], device: torch.device
) -> Training:
    from tttrain.evaluation.compare import Training

    settings = {**given, "model": row.model, "options": row.options, "sampling": method, "seed": seed}
    name = f"{row.name.replace(':', '-').replace('=', '-')}-{method}" + (f"-seed-{seed}" if seed else "")
    return Training(row.name, method, folder / name, shared.make_config(settings, device))
