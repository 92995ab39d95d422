"""``ttprep annotations``: read annotation files and report what the cleaning leaves of them."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import JSON, PATH, existing_store, make_request, options, stderr, stdout, verbose
from pipeline.terminal import echo_json, say


@click.command("annotations")
@click.argument("paths", nargs=-1, type=PATH, metavar="[PATH]...")
@click.option(
    "--videos",
    multiple=True,
    type=PATH,
    help="Videos, folders of videos, or a CSV with the columns video, frames and fps; default: those of "
    "the manifest, else all of the store.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="Also write the report to STEM.json and a picture of it to STEM.png.",
    metavar="STEM",
)
@options(paths=False)
@JSON
def annotations_report(
    paths: tuple[Path, ...],
    videos: tuple[Path, ...],
    output: Path | None,
    store_root: Path | None,
    manifest: Path | None,
    as_json: bool,
) -> int:
    """Report what the cleaning of annotations leaves.

    Counts are given for each rule, by class and by annotator, and every fault is listed. PATH names files
    and folders of annotations; by default those of the manifest are read.
    """
    from pipeline.cli.output.annotation_report import print_report, write_report
    from pipeline.planning.annotation_report import report

    request = make_request(store_root, manifest)
    store = existing_store(request.store_root)
    console = stderr()
    result = report(
        request.manifest, store, paths, videos, lambda name: say(console, f"counting frames of {name}")
    )
    if output is not None:
        for path in write_report(result, output):
            say(console, f"written: {path}")
    if as_json:
        echo_json(result.to_json())
    else:
        print_report(result, stdout(), verbose=verbose())
    return result.code
