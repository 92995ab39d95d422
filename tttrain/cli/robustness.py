"""``tttrain robustness``: test on disturbed trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tttrain import errors
from tttrain.cli import options as shared
from tttrain.cli.output import echo, echo_json, say, stderr
from tttrain.cli.progress import Bar
from tttrain.cli.table import print_table
from tttrain.evaluation.disturbances import DISTURBANCES


@click.command()
@click.argument("runs", type=shared.PATH, nargs=-1, required=True, metavar="RUN...")
@shared.DATASET
@click.option(
    "--split", default="test", show_default=True, help="Disturb the trials of this split; all: of every."
)
@click.option(
    "--only", multiple=True, type=click.Choice(list(DISTURBANCES)),
    help="Try only this disturbance; may be repeated.",
)  # fmt: skip
@click.option(
    "--repeat", type=click.IntRange(1, 1000), default=3, show_default=True,
    help="Draw each disturbance this many times.",
)  # fmt: skip
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Seed of the disturbances.",
)
@shared.BATCH
@shared.OUTPUT
@shared.DEVICE
@shared.THREADS
@shared.JSON
def robustness(
    runs: tuple[Path, ...], dataset: Path | None, split: str, only: tuple[str, ...], repeat: int, seed: int,
    batch: int, output: Path | None, device: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Disturb trials as cameras and people do, and measure how much accuracy is left.

    The frame rate is off, frames are missing, or the person stands off the centre; each RUN is one curve.
    Works with runs that were trained with a sampling method of the ConvGRU paper.
    """
    from tttrain.evaluation.robustness import FIGURE, TABLE, ComparedRun, names_of
    from tttrain.evaluation.robustness import robustness as measure
    from tttrain.evaluation.trained_network import load_network
    from tttrain.evaluation.trials import TrialScorer
    from tttrain.training.device import choose_device

    where, err = output or runs[0] / f"robustness-{split}", stderr()
    names = [name for name in DISTURBANCES if name in only or not only]
    chosen = choose_device(device)
    compared = [
        ComparedRun(name, run, TrialScorer(load_network(run, dataset, chosen), batch=batch))
        for name, run in zip(names_of(runs), runs, strict=True)
    ]
    with Bar(err, f"{split} trials") as bar:

        def tell(done: int, total: int, name: str) -> None:
            bar.update(done, total, name)
            if not err.is_terminal:
                bar.line(f"{done} of {total}: {name}")

        report = measure(compared, split, where, names=names, repeat=repeat, seed=seed, tell=tell)
    if as_json:
        echo_json(report)
    else:
        for name in names:
            echo("", f"{DISTURBANCES[name].title}: {DISTURBANCES[name].axis}")
            print_table(("run", "none", *map(str, DISTURBANCES[name].strengths)), _rows(report, name))
        echo(
            f"{report['trials']} trials, mean of {report['repeat']}; the most frequent class alone: "
            f"{report['majority']:.1%}",
            where / TABLE,
            where / FIGURE,
        )
    for note in report["notes"]:
        say(err, f"note: {note}")
    return errors.OK


def _rows(report: dict[str, Any], name: str) -> list[tuple[str, ...]]:
    rows = []
    for run, found in report["runs"].items():
        shares = [found["accuracy"], *(p["accuracy"] for p in found["disturbances"][name])]
        rows.append((run, *(f"{share:.1%}" for share in shares)))
    return rows
