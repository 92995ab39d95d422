"""``ttprep view``: open the report in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline import errors
from pipeline.cli.options import PATH, make_request, options, stderr
from pipeline.errors import UserError
from pipeline.terminal import echo


@click.command()
@click.argument("video", required=False, type=PATH, metavar="[VIDEO]")
@click.option("--no-open", is_flag=True, help="Print the address and open no browser.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; default: any free one."
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FOLDER",
    help="Folder of the report; default: beside the store, STORE-report, as `report` has it.",
)
@click.option("--detections", type=PATH, metavar="FILE", help="Show what `tttrain detect` found.")
@click.option("--dataset", type=PATH, metavar="DATASET.h5", help="Dataset to show; default: the manifest's.")
@click.option("--pose-weights", type=PATH, help="Folder of PoseNet weights, if `run` was given one.")
@options(paths=False)
def view(
    video: Path | None,
    no_open: bool,
    port: int,
    output: Path | None,
    detections: Path | None,
    dataset: Path | None,
    pose_weights: Path | None,
    **common: Any,
) -> int:
    """Open the report of the store in a browser.

    What is missing of it is built first; of VIDEO, a whole film. Pages are served on 127.0.0.1, on a free
    port and at an address that nobody can guess; nothing leaves the machine. ^C ends it.
    """
    import webbrowser

    from pipeline.report.request import write_report
    from pipeline.report.server import Server

    request = make_request(**common, pose_weights=pose_weights)
    built = write_report(request, stderr(), output, detections=detections, dataset=dataset, whole_film=video)
    for problem in built.problems:
        echo(f"cannot be used: {problem}", err=True)
    page = built.whole.page if built.whole is not None else "index.html"
    try:
        server = Server(built.folder, port)
    except OSError as e:
        raise UserError(f"port {port}: cannot be used ({e.strerror}); give another --port") from e
    with server:
        address = server.address(page)
        echo(address)
        echo("serving to this machine alone; ^C ends it", err=True)
        if not no_open:
            webbrowser.open(address)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            return errors.OK
    return errors.OK
