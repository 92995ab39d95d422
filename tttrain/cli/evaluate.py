"""``tttrain evaluate``: classify samples."""

from __future__ import annotations

from pathlib import Path

import click

from tttrain import errors
from tttrain.cli import options as shared
from tttrain.cli.output import echo, echo_json, number, percent, precision_recall_f, say, stderr
from tttrain.cli.progress import Bar
from tttrain.cli.table import print_table


@click.command()
@click.argument("runs", type=shared.PATH, nargs=-1, required=True, metavar="RUN...")
@shared.DATASET
@click.option(
    "--split", default="test", show_default=True, help="Classify the samples of this split; all: of every."
)
@click.option(
    "--step", type=shared.COUNT, default=10, show_default=True,
    help="Slide the window by this many frames.",
)  # fmt: skip
@shared.BATCH
@shared.OUTPUT
@shared.WORKERS
@shared.DEVICE
@shared.THREADS
@shared.JSON
def evaluate(
    runs: tuple[Path, ...], dataset: Path | None, split: str, step: int, batch: int, output: Path | None,
    workers: int, device: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Classify the samples of a split by the centre window, and by vote and average over sliding windows.

    Several RUNs decide together: their class scores are added (late fusion).
    """
    from tttrain.evaluation.evaluate import evaluate as evaluate_networks
    from tttrain.evaluation.trained_network import load_network
    from tttrain.training.device import choose_device

    where = output or runs[0] / f"evaluate-{split}"
    chosen = choose_device(device)
    networks = [load_network(run, dataset, chosen) for run in runs]
    with Bar(stderr(), f"{split} samples") as bar:
        report = evaluate_networks(
            networks, split, where, step=step, batch=batch, workers=workers, tell=bar.update
        )
    for note in report["notes"]:
        say(stderr(), f"note: {note}")
    if as_json:
        echo_json(report)
        return errors.OK
    heads = ("decision", "accuracy", "macro P / R / F", "without negative", "negative P / R / F")
    rows = []
    for name, found in report["decisions"].items():
        rows.append((
            name, percent(found["accuracy"]), precision_recall_f(found["macro"]),
            percent(found["accuracy_without_negative"]), precision_recall_f(found["negative"]),
        ))  # fmt: skip
    print_table(heads, rows)
    agreed = report["temporal_consistency"]
    if agreed["clips"]:
        found = {**agreed["classes"], "all": agreed["overall"]}
        print_table(("class", "temporal consistency"), [(n, number(index)) for n, index in found.items()])
    states = "; ".join(n.state() for n in networks)
    echo(
        f"{report['samples']} samples, {report['windows']} windows; {states}; the most frequent class alone: "
        f"{report['majority']:.1%}",
        where,
    )
    return errors.OK
