"""``ttprep weights``: fetch, copy or check PoseNet's weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import errors
from pipeline.cli.machine.weights3d import pose3d
from pipeline.cli.options import JSON, PATH, note, verbose, with_loudness
from pipeline.terminal import echo, echo_json

if TYPE_CHECKING:
    from stages.pose.architecture import Model


@click.group("weights", invoke_without_command=True)
@click.option(
    "--model",
    type=click.Choice(["0.50", "0.75", "1.0"]),
    default="0.75",
    show_default=True,
    help="Width of the MobileNet; checksums are pinned for 0.75 alone.",
)
@click.option(
    "--from", "source", type=PATH, metavar="FOLDER", help="Copy them from this folder; nothing is downloaded."
)
@click.option("--check", is_flag=True, help="Only say what is there; exits with 1 if something is missing.")
@JSON
@click.pass_context
def weights(context: click.Context, model: Model, source: Path | None, check: bool, as_json: bool) -> int:
    """Fetch the weights of the pose network.

    They go into the user's cache, each file with the pinned sha256. --from takes them from a folder, such as
    one that was copied from a machine with a network; --check -v lists the files and their checksums.
    """
    if context.invoked_subcommand is not None:
        return errors.OK
    from stages.pose.pins import FOLDERS
    from stages.pose.weights import STORAGE, cache_folder, fill_cache, pinned_files

    if check and source is not None:
        raise click.UsageError("--check changes nothing, --from copies: give one of them")
    folder = cache_folder() / FOLDERS[model]
    if not check:
        fill_cache(model, source)
    files = pinned_files(model)
    lacking = [f for f in files if f.state != "there"]
    if as_json:
        echo_json(
            {
                "model": model,
                "folder": str(folder),
                "source": f"{STORAGE}{FOLDERS[model]}/",
                "complete": not lacking,
                "files": [asdict(f) for f in files],
            }
        )
    else:
        if verbose():
            for file in files:
                echo(f"{file.sha256}  {file.name}  {file.state}")
        echo(f"{folder}: {len(files) - len(lacking)} of {len(files)} files are there")
        if lacking:
            note(f"they are published in {STORAGE}{FOLDERS[model]}/; `ttprep weights` fetches them")
    return errors.FAILED if lacking else errors.OK


weights.add_command(with_loudness(pose3d))
