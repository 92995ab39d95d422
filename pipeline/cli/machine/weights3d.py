"""``ttprep weights pose3d``: fetch, copy or check BlazePose's networks."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.machine.files import tell_files
from pipeline.cli.options import JSON, PATH


@click.command("pose3d")
@click.option(
    "--from",
    "source",
    type=PATH,
    metavar="PATH",
    help="Take them from their archive, or from a folder; nothing is downloaded.",
)
@click.option("--check", is_flag=True, help="Only say what is there; exits with 1 if something is missing.")
@JSON
def pose3d(source: Path | None, check: bool, as_json: bool) -> int:
    """Fetch the networks of the stage pose3d.

    BlazePose's detector and landmark networks go into the user's cache: four files out of one archive. It and
    each of them must have the pinned sha256. --from takes them from the archive or a folder that was copied
    from a machine with a network; --check -v lists the files and their checksums.
    """
    from stages.pose3d.pins import ARCHIVE, PINS
    from stages.pose3d.weights import cache_folder, fill_cache, pinned

    if check and source is not None:
        raise click.UsageError("--check changes nothing, --from copies: give one of them")
    folder = cache_folder()
    if not check and (source is not None or any(pinned(name) != "there" for name in PINS)):
        fill_cache(source)
    files = [{"name": name, "sha256": sha, "state": pinned(name)} for name, (_, sha) in sorted(PINS.items())]
    hint = f"they are published in {ARCHIVE}; `ttprep weights pose3d` fetches them"
    return tell_files(files, folder, ARCHIVE, hint, as_json=as_json)
