"""``tttrain compare``: the table of models and sampling methods, with its progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tttrain import errors
from tttrain.cli.commands import echo_json, make_config, percent, stdout
from tttrain.cli.progress import Bar, describe
from tttrain.errors import USAGE, TrainError
from tttrain.evaluation.compare import Job, Row, compare, parse_methods, parse_rows
from tttrain.training.device import choose_device, join_world
from tttrain.training.train import Runtime


class _Overall:
    """Tells one bar over all epochs of all trainings."""

    def __init__(self, bar: Bar, done: int, total: int, name: str) -> None:
        self._bar, self._done, self._total, self._name = bar, done, total, name
        self._epochs = 0

    def begin(self, done: int, epochs: int) -> None:
        """The run starts, ``done`` epochs of it are there already."""
        self._epochs = epochs
        self._bar.line(f"{self._name}: epoch {done} of {epochs}")
        self._bar.update(self._done + done, self._total, self._name)

    def step(self, epoch: int, done: int, steps: int) -> None:
        """A step of an epoch is done."""
        self._bar.update(self._done + epoch + done / steps, self._total, self._name)

    def end_of_epoch(self, history: list[dict[str, Any]]) -> None:
        """An epoch is done and recorded."""
        note = f"{self._name}, {describe(history)}"
        self._bar.update(self._done + len(history), self._total, note)
        if not self._bar.console.is_terminal or len(history) == self._epochs:
            last = len(history) == self._epochs
            self._bar.line(f"{note}, epoch {len(history)} of {self._epochs}", always=last)


def run_compare(
    dataset: Path, folder: Path, names: str, methods: str, repeats: int, split: str, given: dict[str, Any],
    runtime: dict[str, Any], device_name: str | None, *, allow_absent: bool, as_json: bool, err: Console,
) -> int:  # fmt: skip
    """``tttrain compare``."""
    device = choose_device(device_name)
    if join_world(device).size > 1:
        raise TrainError("compare trains in one process; start it without torchrun", USAGE)
    rows, chosen = parse_rows(names, given["options"]), parse_methods(methods)
    first = int(given.get("seed", 0))
    jobs = [
        _job(folder, row, method, first + i, given, device)
        for row in rows
        for method in chosen
        for i in range(repeats)
    ]
    total = sum(job.config.epochs for job in jobs)
    with Bar(err, "epochs") as bar:

        def listen(number: int, job: Job) -> _Overall:
            done = sum(j.config.epochs for j in jobs[:number])
            return _Overall(bar, done, total, f"{number + 1} of {len(jobs)}: {job.folder.name}")

        table = compare(
            dataset, folder, jobs, split, device, Runtime(**runtime), allow_absent=allow_absent, listen=listen
        )
    if as_json:
        echo_json(table)
        return errors.OK
    shown = Table("model", *(name.replace("method-", "sampling ") for name in chosen))
    for row in rows:
        shown.add_row(row.name, *(percent(p["accuracy"]) for p in table["places"] if p["model"] == row.name))
    stdout().print(shown)
    click.echo(
        f"accuracy on {table['samples']} samples of {split}; the most frequent class alone: "
        f"{table['majority']:.1%}\n{folder / 'table.md'}\n{folder / 'table.png'}"
    )
    return errors.OK


def _job(folder: Path, row: Row, method: str, seed: int, given: dict[str, Any], device: Any) -> Job:
    settings = {**given, "model": row.model, "options": row.options, "sampling": method, "seed": seed}
    name = f"{row.name.replace(':', '-').replace('=', '-')}-{method}" + (f"-seed-{seed}" if seed else "")
    return Job(row.name, method, folder / name, make_config(settings, device))
