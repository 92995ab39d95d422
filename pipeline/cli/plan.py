"""``ttprep plan``: say what a run would compute, and why."""

from __future__ import annotations

from typing import Any

import click

from pipeline import errors
from pipeline.cli.options import JSON, existing_store, make_request, note, options, stderr, stdout, verbose
from pipeline.terminal import echo, echo_json


@click.command()
@options()
@JSON
def plan(as_json: bool, **common: Any) -> int:
    """Say what `run` would compute, and why.

    Results are counted by stage and reason, with the time and disk that they are expected to take;
    --verbose lists every result. Exits with 0 if there is nothing to do and with 4 if there is. Changes
    nothing.
    """
    from pipeline.cli.output.planned import plan_json, print_plan, to_do
    from pipeline.cli.output.status import unavailable
    from pipeline.execution.cluster import cores
    from pipeline.planning.estimate import stage_costs, window_note
    from pipeline.planning.survey import survey

    request = make_request(**common)
    store = existing_store(request.store_root)
    overview = survey(request, store, stderr())
    if window := window_note(request.manifest, overview):
        overview.remarks.append(window)
    if store is not None and request.manifest.dataset:
        from pipeline.dataset.split_table import redraw_note

        overview.remarks += redraw_note(store, request.manifest)
    costs = stage_costs(overview, store)
    count = len(to_do(overview))
    if as_json:
        echo_json(plan_json(overview, costs, cores()))
    else:
        print_plan(overview, costs, cores(), stdout(), verbose=verbose())
        for problem in (*overview.problems, *overview.lost):
            echo(f"cannot be used: {problem}")
        for text in overview.notes:
            note(text)
        for stage, why in unavailable(overview).items():
            note(f"{stage}, and what needs it, cannot be made: {why}")
        echo(f"{count} to do" if count else "nothing to do", err=True)
    if count:
        return errors.WORK_TO_DO
    return errors.SOME_FAILED if overview.problems or overview.lost else errors.OK
