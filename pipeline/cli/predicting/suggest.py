"""``ttprep suggest``: rank unlabelled stretches by what a label there would teach."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import errors
from pipeline.cli.options import (
    JSON,
    PATH,
    WEIGHTS,
    WORKERS,
    make_request,
    next_step,
    options,
    stderr,
    stdout,
)
from pipeline.cli.predicting.running import BATCH, DEVICE
from pipeline.terminal import echo_json, say

if TYPE_CHECKING:
    from pipeline.predicting.suggesting import Suggested

#: as pipeline.predicting.suggesting has them, which is imported only when the command runs
_FORMATS = ("csv", "json", "label-studio", "cvat", "elan")
_DEFAULT = ("csv", "label-studio", "cvat", "elan")


@click.command()
@click.argument("network", type=PATH, metavar="RUN")
@click.argument("videos", nargs=-1, required=True, type=PATH, metavar="VIDEO...")
@options(paths=False)
@click.option(
    "-n", "--number", "count", type=click.IntRange(1), default=20, show_default=True, help="Suggest so many."
)
@click.option(
    "--seconds", type=click.FloatRange(0.1, 600),
    help="Length of a stretch. [default: what the network sees at once]",
)  # fmt: skip
@click.option(
    "--doubt", type=click.FloatRange(0, 1), default=0.5, show_default=True,
    help="Share of them that are chosen for the network's doubt; the others for looking new.",
)  # fmt: skip
@click.option(
    "--format", "formats", type=click.Choice(_FORMATS), multiple=True, default=_DEFAULT,
    help=f"Of the task files; may be repeated. [default: {', '.join(_DEFAULT)}]",
)  # fmt: skip
@click.option(
    "-o", "--output", type=PATH, metavar="FOLDER", help="Folder for the task files; default: RUN/suggest."
)
@click.option(
    "--predictions", type=PATH, metavar="FOLDER",
    help="Where `ttprep predict` wrote, or shall write, its predictions; default: RUN/predict.",
)  # fmt: skip
@click.option("--step", type=click.IntRange(1), help="As for `predict`. [default: as there, else 1]")
@BATCH
@DEVICE
@WORKERS
@WEIGHTS
@JSON
def suggest(
    network: Path, videos: tuple[Path, ...], store_root: Path | None, manifest: Path | None, count: int,
    seconds: float | None, doubt: float, formats: tuple[str, ...], output: Path | None,
    predictions: Path | None, step: int | None, batch: int, device: str | None, workers: int | None,
    pose_weights: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Say which stretches of videos to label next, for the network that `tttrain fit` trained in RUN.

    In turns, a stretch is chosen that looks unlike all that is labelled, in the training set of RUN and in
    the annotations of the manifest, and one in which the network doubts. No two overlap; none has a label.
    They are written as tasks for annotation tools, with the strokes that the network predicts in them.
    """
    from pipeline.planning.request import Where
    from pipeline.predicting.suggesting import Wanted
    from pipeline.predicting.suggesting import suggest as find

    request = make_request(store_root, manifest, videos, (), pose_weights, where=Where(workers))
    wanted = Wanted(
        network, output or network / "suggest", predictions or network / "predict", count, seconds, doubt,
        tuple(dict.fromkeys(formats)), device, batch, step,
    )  # fmt: skip
    done = find(request, wanted, stderr())
    if as_json:
        echo_json(done.to_json())
    else:
        _print(done)
    return done.code


def _print(done: Suggested) -> None:
    out, err = stdout(), stderr()
    for one in done.suggestions:
        who = f"{one.player}: " if one.player else ""
        where = f"{one.video} {one.begin_seconds:.2f}-{one.end_seconds:.2f} s"
        say(out, f"{where} (frames {one.begin}-{one.end}): {who}{one.reason}")
    for note in dict.fromkeys(done.notes):
        say(err, f"note: {note}")
    for path in done.files:
        say(out, str(path))
    if done.suggestions and done.code == errors.OK:
        next_step("label these stretches, list the corrected files under annotations, and train again")
