"""``ttprep status``: show the state of every result."""

from __future__ import annotations

from typing import Any

import click

from pipeline import errors
from pipeline.cli.options import JSON, make_request, options, stderr, stdout
from pipeline.terminal import echo, echo_json


@click.command()
@options()
@click.option(
    "--poses",
    is_flag=True,
    help="Also summarise the poses of each video: share of frames with a pose, scores, jitter.",
)
@JSON
def status(as_json: bool, poses: bool, **common: Any) -> int:
    """Show the state of every result.

    A table of videos and stages says what is done, stale, failed, damaged or missing.
    """
    from pipeline.cli.tables import (
        frame_rates,
        pose_summaries,
        print_poses,
        print_status,
        status_rows,
    )
    from pipeline.planning.survey import survey
    from store import Store

    request = make_request(**common)
    store = Store.open(request.store_root)
    overview = survey(request, store, stderr())
    rates = frame_rates(overview, store)
    found = pose_summaries(overview, store) if poses else {}
    if as_json:
        more = {"poses": found} if poses else {}
        rows = {"status": status_rows(overview), "rates": rates}
        echo_json({**rows, "problems": overview.problems, **more})
    else:
        print_status(overview, stdout(), rates)
        print_poses(found, stdout())
        for problem in overview.problems:
            echo(f"cannot be used: {problem}")
        for note in overview.remarks:
            echo(f"note: {note}", err=True)
    return errors.SOME_FAILED if overview.problems else errors.OK
