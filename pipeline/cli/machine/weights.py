"""``ttprep weights``: fetch, find or verify PoseNet's weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import errors
from pipeline.cli.machine.files import tell_files
from pipeline.cli.machine.weights3d import pose3d
from pipeline.cli.options import JSON, PATH, with_loudness
from pipeline.terminal import echo

if TYPE_CHECKING:
    from stages.pose.architecture import Model

_MODEL = click.option(
    "--model",
    type=click.Choice(["0.50", "0.75", "1.0"]),
    default="0.75",
    show_default=True,
    help="Width of the MobileNet; checksums are pinned for 0.75 alone.",
)
_FROM = click.option(
    "--from", "source", type=PATH, metavar="FOLDER", help="Copy them from this folder; nothing is downloaded."
)


@click.group("weights", invoke_without_command=True)
@_MODEL
@_FROM
@click.option("--check", is_flag=True, help="Only say what is there; exits with 1 if something is missing.")
@JSON
@click.pass_context
def weights(context: click.Context, model: Model, source: Path | None, check: bool, as_json: bool) -> int:
    """Fetch the weights of the pose network.

    They go into the user's cache, each file with the pinned sha256. --from takes them from a folder, such as
    one that was copied from a machine with a network; --check -v lists the files and their checksums. The
    commands below do the same for any folder, such as one that the nodes of a cluster share.
    """
    if context.invoked_subcommand is not None:
        return errors.OK
    if check and source is not None:
        raise click.UsageError("--check changes nothing, --from copies: give one of them")
    if check:
        return _report(model, None, as_json=as_json)
    return _fetch(model, source, None, as_json=as_json)


@click.command("fetch")
@_MODEL
@_FROM
@click.option("--to", "folder", type=PATH, metavar="FOLDER", help="Where to; default: the user's cache.")
@JSON
def fetch(model: Model, source: Path | None, folder: Path | None, as_json: bool) -> int:
    """Fetch the weights, into the cache or a folder.

    Run it where there is a network, with a folder that the nodes see, and name that folder with
    --pose-weights or in the manifest.
    """
    return _fetch(model, source, folder, as_json=as_json)


@click.command("path")
@_MODEL
@click.option(
    "--pose-weights", "folder", type=PATH, metavar="FOLDER", help="As of `ttprep run`; nothing else is tried."
)
def path(model: Model, folder: Path | None) -> int:
    """Print the folder of the weights that a run would use; nothing is downloaded."""
    from stages.pose.weights import resolve_weights

    echo(str(resolve_weights(folder, model, download=False).path))
    return errors.OK


@click.command("verify")
@_MODEL
@JSON
@click.argument("folder", type=PATH, required=False, metavar="[FOLDER]")
def verify(model: Model, folder: Path | None, as_json: bool) -> int:
    """Compare every file of the cache, or of FOLDER, with the published checksums.

    Exits with 1 where one is missing or differs; -v lists all.
    """
    return _report(model, folder, as_json=as_json)


for _command in (fetch, path, verify, pose3d):
    weights.add_command(with_loudness(_command))


def _fetch(model: Model, source: Path | None, folder: Path | None, *, as_json: bool) -> int:
    from stages.pose.weights import fill_cache

    fill_cache(model, source, folder=folder)
    return _report(model, folder, as_json=as_json)


def _report(model: Model, folder: Path | None, *, as_json: bool) -> int:
    """Say which files of a checkpoint a folder has; None: the cache."""
    from stages.pose.pins import FOLDERS
    from stages.pose.weights import STORAGE, cache_folder, pinned_files

    folder = folder or cache_folder() / FOLDERS[model]
    if not (folder / "manifest.json").is_file() and (folder / FOLDERS[model]).is_dir():
        folder = folder / FOLDERS[model]  # as posenet-python keeps them
    files = [asdict(f) for f in pinned_files(model, folder)]
    source = f"{STORAGE}{FOLDERS[model]}/"
    hint = f"they are published in {source}; `ttprep weights` fetches them"
    return tell_files(files, folder, source, hint, as_json=as_json, model=model)
