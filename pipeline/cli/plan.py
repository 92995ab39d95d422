"""``ttprep plan``: say what a run would compute, and why."""

from __future__ import annotations

from typing import Any

import click

from pipeline import errors
from pipeline.cli.options import JSON, existing_store, make_request, options, stderr
from pipeline.terminal import echo, echo_json


@click.command()
@options()
@JSON
def plan(as_json: bool, **common: Any) -> int:
    """Say what `run` would compute, and why, one reason per line.

    Exits with 0 if there is nothing to do and with 4 if there is. Changes nothing.
    """
    from pipeline.cli.tables import plan_json, print_plan
    from pipeline.planning.survey import survey

    request = make_request(**common)
    overview = survey(request, existing_store(request.store_root), stderr())
    todo = any(p.state != "done" for plan in overview.plans.values() for p in plan)
    if as_json:
        echo_json(plan_json(overview))
    else:
        count = print_plan(overview)
        for problem in overview.problems:
            echo(f"cannot be used: {problem}")
        for note in overview.notes:
            echo(f"note: {note}", err=True)
        if todo and overview.unavailable:
            echo(f"note: {overview.unavailable}", err=True)
        echo(f"{count} to do" if count else "nothing to do", err=True)
    if todo:
        return errors.WORK_TO_DO
    return errors.SOME_FAILED if overview.problems else errors.OK
