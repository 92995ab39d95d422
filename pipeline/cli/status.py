"""``ttprep status``: show the state of every result."""

from __future__ import annotations

from typing import Any

import click

from pipeline import errors
from pipeline.cli.options import JSON, make_request, note, options, stderr, stdout, verbose
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

    A table of videos and stages says what is done, stale, failed, damaged or missing; lines below name the
    videos and samples that are flagged, as by a moving camera (docs/quality.md).
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
    from pipeline.planning.quality.judging import judge
    from pipeline.planning.survey import survey
    from store import Store

    request = make_request(**common)
    store = Store.open(request.store_root)
    overview = survey(request, store, stderr())
    rates = frame_rates(overview, store)
    judged = judge(overview.plans, store, request.manifest.quality, overview.samples.by_view)
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
        print_status(overview, stdout(), rates)
        print_flags(judged, stdout(), verbose=verbose())
        print_poses(found, stdout())
        for problem in overview.problems:
            echo(f"cannot be used: {problem}")
        for text in overview.remarks:
            note(text)
    return errors.SOME_FAILED if overview.problems else errors.OK
