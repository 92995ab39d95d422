"""``tttrain crossvalidate``: accuracies over folds of whole groups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tttrain import errors
from tttrain.cli import options as shared
from tttrain.cli.compare import Overall
from tttrain.cli.output import echo, echo_json, number, percent, stderr
from tttrain.cli.progress import Bar
from tttrain.cli.table import print_table
from tttrain.errors import USAGE, TrainError

if TYPE_CHECKING:
    from tttrain.data.dataset_file import DatasetInfo
    from tttrain.evaluation.compare import Training
    from tttrain.evaluation.folds.crossvalidate import Fold


@click.command()
@click.argument("dataset", type=shared.PATH)
@click.argument("folder", type=shared.PATH, metavar="OUTDIR")
@click.option(
    "--models", "names", default="", metavar="NAME,...",
    help="Rows of the table; NAME:fusion=flat sets an option of the model for its row. Without it, the "
    "baselines alone.",
)  # fmt: skip
@click.option(
    "--by", type=click.Choice(["group", "video"]), default="group", show_default=True,
    help="Keep the samples of a group of videos together, as the manifest names it, or those of a video.",
)  # fmt: skip
@click.option(
    "--folds", "count", type=click.IntRange(0, 1000), default=5, show_default=True,
    help="Number of folds, even in their classes; 0: one for every group.",
)  # fmt: skip
@click.option(
    "--test-group", "tested", multiple=True, metavar="NAME",
    help="Test on this group and train on all others, in a single fold; may be repeated.",
)  # fmt: skip
@shared.settings
@shared.SAMPLING
@shared.WORKERS
@shared.DEVICE
@shared.THREADS
@shared.JSON
def crossvalidate(
    dataset: Path, folder: Path, names: str, by: str, count: int, tested: tuple[str, ...],
    options: tuple[str, ...], allow_absent: bool, compiled: bool, save_every: int, workers: int,
    device: str | None, as_json: bool, **given: Any,
) -> int:  # fmt: skip
    """Train each model once per fold of DATASET and test it on groups that it never saw.

    OUTDIR gets a run folder for each training, report.json and table.md: accuracies, their mean and deviation
    over folds, confusion matrices, and two baselines: the most frequent class, and the joints alone. The next
    fold is the validation split; `--validation none --schedule constant` trains on that, too. Run the same
    command again to continue where it stopped.
    """
    from tttrain.data.dataset_file import read_info
    from tttrain.evaluation.compare import parse_rows
    from tttrain.evaluation.folds.crossvalidate import crossvalidate as run_folds
    from tttrain.evaluation.folds.crossvalidate import plan
    from tttrain.training.device import choose_device, join_world
    from tttrain.training.train import Runtime

    if {"train_split", "validation_split"} & {k for k, v in given.items() if v not in (None, "none")}:
        raise TrainError(
            "folds take the place of splits; leave --train out, and --validation unless none", USAGE
        )
    if given["sampling"] == "frames":
        raise TrainError("--sampling frames: folds are of samples; take another sampling, or fit", USAGE)
    settings = {**shared.stated(given), "options": shared.parse_options(options)}
    chosen = choose_device(device)
    if join_world(chosen).size > 1:
        raise TrainError("crossvalidate trains in one process; start it without torchrun", USAGE)
    rows = parse_rows(names, settings["options"]) if names else []
    configs = {
        row.name: shared.make_config({**settings, "model": row.model, "options": row.options}, chosen)
        for row in rows
    }
    info = read_info(dataset, settings.get("taxonomy"))
    folds = _folds(info, by, count, tested, settings.get("validation_split", "validation"))
    trainings = plan(folder, rows, folds, configs)
    runtime = Runtime(workers=workers, compile=compiled, save_every=save_every)
    total = sum(training.config.epochs for training, _ in trainings)
    with Bar(stderr(), "epochs") as bar:

        def listen(number: int, training: Training) -> Overall:
            done = sum(t.config.epochs for t, _ in trainings[:number])
            name = f"{number + 1} of {len(trainings)}: {training.row}, {training.method}"
            return Overall(bar, done, total, name)

        report = run_folds(
            folder, trainings, folds, chosen, runtime, allow_absent=allow_absent, listen=listen
        )
    if as_json:
        echo_json(report)
        return errors.OK
    heads = ("model", "mean", "deviation", "over all samples", "macro F", "by fold")
    lines = []
    for row in (*report["models"], *report["baselines"]):
        each = " ".join(percent(a) for a in row["accuracies"])
        figures = (percent(row["mean"]), percent(row["deviation"]), percent(row["pooled"]))
        lines.append((row["name"], *figures, number(row["macro_f"]), each))
    print_table(heads, lines)
    echo(f"{report['samples']} samples in {len(folds)} folds\n{folder / 'table.md'}")
    return errors.OK


def _folds(info: DatasetInfo, by: Any, count: int, tested: tuple[str, ...], validation: str) -> list[Fold]:
    from tttrain.evaluation.folds.crossvalidate import Fold
    from tttrain.evaluation.folds.dealing import as_fold, deal, folds_of, groups_of

    groups = groups_of(info, by)
    if not tested:
        dealt = deal(info.samples.label, groups, count)
        infos = folds_of(info, groups, dealt, validation=validation)
        return [Fold(tuple(names), one) for names, one in zip(dealt, infos, strict=True)]
    known = set(groups[info.samples.label >= 0].tolist())
    for name in tested:
        if name not in known:
            raise TrainError(f"--test-group: no {by} {name!r}; there are: {', '.join(sorted(known))}", USAGE)
    if known <= set(tested):
        raise TrainError("--test-group names every group; leave one out, to train on", USAGE)
    if validation != "none":
        raise TrainError(
            "with --test-group nothing is left to validate on; give --validation none --schedule constant",
            USAGE,
        )
    return [Fold(tested, as_fold(info, groups, tested))]
