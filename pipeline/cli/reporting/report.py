"""``ttprep report``: write a folder of pages that any browser opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import JSON, PATH, make_request, options, stderr
from pipeline.terminal import echo, echo_json

#: longest film that is made unasked, frames; the same as pipeline.report.build.FILM_FRAMES
FILM_FRAMES = 3000


@click.command()
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FOLDER",
    help="Folder to write: new, empty, or a report. Default: beside the store, STORE-report.",
)
@click.option(
    "--detections",
    type=PATH,
    metavar="FILE",
    help="Show what `tttrain detect` found: its report.json, or the folder of it.",
)
@click.option("--dataset", type=PATH, metavar="DATASET.h5", help="Dataset to show; default: the manifest's.")
@click.option(
    "--film-frames",
    type=click.IntRange(0),
    default=FILM_FRAMES,
    show_default=True,
    help="Longest film of a video, in frames; 0 makes none and keeps those that are there.",
)
@options()
@JSON
def report(
    output: Path | None,
    detections: Path | None,
    dataset: Path | None,
    film_frames: int,
    as_json: bool,
    **common: Any,
) -> int:
    """Write a report that any browser opens from the disk.

    index.html shows the state and cost of every result, what failed and what helps, what looks odd, the
    annotations and the dataset. Each video has a page with its film, layers to switch, and time lines. No
    server and no network is needed, and nothing leaves the machine. Films that are up to date are kept.
    """
    from pipeline.report.request import write_report

    request = make_request(**common)
    built = write_report(
        request, stderr(), output, detections=detections, dataset=dataset, film_frames=film_frames
    )
    if as_json:
        echo_json(built.to_json())
    else:
        for problem in built.problems:
            echo(f"cannot be used: {problem}", err=True)
        for video in built.videos:
            for what, why in video.problems.items():
                echo(f"damaged: {video.name}: {what}: {why}", err=True)
        for line in built.lost:
            echo(f"note: detections of {line}", err=True)
        echo(str(built.index))
    return built.code
