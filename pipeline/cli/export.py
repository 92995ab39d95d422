"""``ttprep export``: write the samples as one dataset file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import JSON, PATH, make_request, next_step, note, options, quoted, stderr
from pipeline.terminal import echo, echo_json

if TYPE_CHECKING:
    from pipeline.dataset.pixels.pieces import Shards


@click.command()
@click.argument("dataset", type=PATH, metavar="DATASET.h5")
@click.option(
    "--compact/--fast",
    default=None,
    help="Compress the file to a tenth, or make it as fast to read as memory; default: as in the manifest.",
)
@click.option(
    "--shards/--one-file",
    default=None,
    help="Keep the pixels in files of their own, of which a change rewrites one (docs/dataset-format.md), or "
    "write one file; default: as in the manifest.",
)
@click.option(
    "--without-flagged/--with-flagged",
    default=None,
    help="Leave out samples with a flag (docs/quality.md), or keep them; default: as in the manifest.",
)
@options()
@JSON
def export(
    dataset: Path,
    compact: bool | None,
    shards: bool | None,
    without_flagged: bool | None,
    as_json: bool,
    **common: Any,
) -> int:
    """Write a dataset file to train on.

    It holds the samples of the videos PATH, by default those of the manifest. A dataset card, a picture,
    a table of the samples and a Croissant description are written beside DATASET.h5. A file that is up to
    date is left alone; any other is replaced in one step once the new one is complete.
    """
    from pipeline.dataset.command import export_request

    request = make_request(**common)
    form: Shards = None if shards is False else request.manifest.shards
    if shards and form is None:
        form = "auto"
    done, overview = export_request(
        request, dataset, stderr(), compact=compact, shards=form, without_flagged=without_flagged
    )
    for problem in overview.problems:
        echo(f"cannot be used: {problem}", err=True)
    for text in overview.notes:
        note(text)
    for text in done.empty_splits(request.manifest.splits):
        note(text)
    if as_json:
        echo_json(done.to_json())
        return done.code
    echo(str(done))
    for name in done.left_out:
        echo(f"left out: {name} (failed; see `ttprep status`)")
    command = f"tttrain fit {quoted(dataset)} RUN --model NAME"
    next_step(f"`{command}` trains a network (`tttrain models` lists them)")
    return done.code
