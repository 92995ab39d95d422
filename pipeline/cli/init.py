"""``ttprep init``: write a manifest with every default."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline import errors
from pipeline.cli.options import PATH, next_step, quoted
from pipeline.errors import UserError
from pipeline.terminal import echo


@click.command()
@click.argument("path", type=PATH, default=Path("data_manifest.yaml"))
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init(path: Path, force: bool) -> int:
    """Write a manifest with every default.

    Each setting has a comment. PATH is ./data_manifest.yaml by default.
    """
    from pipeline.inputs.manifest import DEFAULT_NAME
    from pipeline.inputs.manifest_template import template
    from store.atomic import write_bytes

    if path.exists() and not force:
        raise UserError(f"{path}: exists; give another name, or --force to replace it")
    write_bytes(path, template().encode())
    echo(str(path))
    flag = "" if path.name == DEFAULT_NAME and path.parent == Path() else f" --manifest {quoted(path)}"
    next_step(f"name your videos (and annotations) in it, then `ttprep plan{flag}` and `ttprep run{flag}`")
    return errors.OK
