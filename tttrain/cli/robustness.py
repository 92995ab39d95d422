"""``tttrain robustness``: loads the runs, shows the tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tttrain import errors
from tttrain.cli.progress import Bar
from tttrain.evaluation.evaluate import load_network
from tttrain.evaluation.perturb import DISTURBANCES
from tttrain.evaluation.robustness import PICTURE, TABLE, Contestant, names_of, robustness
from tttrain.evaluation.trials import TrialScorer
from tttrain.training.device import choose_device


def run_robustness(
    runs: Sequence[Path], dataset: Path | None, split: str, where: Path, batch: int, given: dict[str, Any],
    device_name: str | None, *, as_json: bool, err: Console, out: Console,
) -> int:  # fmt: skip
    """Run the command; returns the exit code.

    Parameters
    ----------
    runs : sequence of Path
        Run folders, a curve each.
    dataset : Path or None
        None: that of each run.
    split : str
    where : Path
        Folder for the results.
    batch : int
        Test samples that a network is shown at once.
    given : dict
        ``names``, ``repeat``, ``seed`` of :func:`tttrain.evaluation.robustness.robustness`.
    device_name : str or None
    as_json : bool
    err, out : Console

    Raises
    ------
    TrainError
        See :func:`tttrain.evaluation.robustness.robustness`; a run without sampling method, or none at all.
    """
    device = choose_device(device_name)
    contestants = [
        Contestant(name, run, TrialScorer(load_network(run, dataset, device), batch=batch))
        for name, run in zip(names_of(runs), runs, strict=True)
    ]
    with Bar(err, f"{split} trials") as bar:

        def tell(done: int, total: int, name: str) -> None:
            bar.update(done, total, name)
            if not err.is_terminal:
                bar.line(f"{done} of {total}: {name}")

        report = robustness(contestants, split, where, tell=tell, **given)
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for name in given["names"]:
            out.print(f"\n{DISTURBANCES[name].title}: {DISTURBANCES[name].axis}")
            out.print(_table(report, name))
        click.echo(
            f"{report['trials']} trials, mean of {report['repeat']}; the most frequent class alone: "
            f"{report['majority']:.1%}\n{where / TABLE}\n{where / PICTURE}"
        )
    for note in report["notes"]:
        err.print(f"note: {note}", markup=False, soft_wrap=True)
    return errors.OK


def _table(report: dict[str, Any], name: str) -> Table:
    table = Table("run", "none", *map(str, DISTURBANCES[name].strengths))
    for run, found in report["runs"].items():
        shares = [found["accuracy"], *(p["accuracy"] for p in found["disturbances"][name])]
        table.add_row(run, *(f"{share:.1%}" for share in shares))
    return table
