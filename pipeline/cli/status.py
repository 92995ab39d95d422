"""``ttprep status``: show the state of every result."""

from __future__ import annotations

from typing import Any

import click

from pipeline import errors
from pipeline.cli.options import JSON, make_request, note, options, stderr, stdout, verbose
from pipeline.terminal import echo, echo_json

#: of :data:`pipeline.planning.staleness.State`, which takes long to import
STATES = ("done", "stale", "missing", "failed", "damaged")
#: videos with a row each; of more there is a summary, where nobody asks for their rows
MOST_ROWS = 50


@click.command()
@options()
@click.option(
    "--poses",
    is_flag=True,
    help="Also summarise the poses of each video: share of frames with a pose, scores, jitter.",
)
@click.option(
    "--state",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="Show only videos with a result in this state; may be given several times.",
)
@click.option(
    "--match", default="", metavar="PATTERN", help="Show only videos whose name matches, as '*2026*final*'."
)
@click.option("--all", "every", is_flag=True, help=f"A row for each video, of more than {MOST_ROWS} too.")
@JSON
def status(
    as_json: bool, poses: bool, states: tuple[str, ...], match: str, every: bool, **common: Any
) -> int:
    """Show the state of every result.

    A table of videos and stages says what is done, stale, failed, damaged or missing; lines below name the
    videos and samples that are flagged, as by a moving camera (docs/quality.md). Of many videos the table
    counts the results of each stage.
    """
    from pipeline.cli.output.status import (
        flags_json,
        frame_rates,
        pose_summaries,
        print_flags,
        print_poses,
        print_status,
        status_rows,
        status_videos,
        unavailable,
    )
    from pipeline.cli.output.summary import print_summary, selected
    from pipeline.planning.quality.judging import judge
    from pipeline.planning.survey import survey
    from store import Store

    request = make_request(**common)
    store = Store.open(request.store_root)
    overview = survey(request, store, stderr())
    judged = judge(overview.plans, store, request.manifest.quality, overview.samples.by_view)
    overview, judged = selected(overview, judged, frozenset(states), match)
    rates = frame_rates(overview, store)
    found = pose_summaries(overview, store) if poses else {}
    if as_json:
        rows = {
            "status": status_rows(overview),
            "rates": rates,
            "videos": status_videos(overview, store, rates),
            "flags": flags_json(overview, judged),
            "unavailable": unavailable(overview),
        }
        echo_json({**rows, "problems": overview.problems, **({"poses": found} if poses else {})})
    else:
        if (states or match) and not overview.plans:
            echo("no video matches; `ttprep status` shows what there is")
        elif every or states or match or len(overview.plans) <= MOST_ROWS:
            print_status(overview, stdout(), rates)
        else:
            print_summary(overview, stdout(), rates)
        print_flags(judged, stdout(), verbose=verbose())
        print_poses(found, stdout())
        for problem in overview.problems:
            echo(f"cannot be used: {problem}")
        for text in overview.remarks:
            note(text)
    return errors.SOME_FAILED if overview.problems else errors.OK
