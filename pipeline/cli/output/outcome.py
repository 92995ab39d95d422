"""What a run did: ``ttprep run`` and ``ttprep demo``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.console import Console

from pipeline.cli.output.status import LEGEND, status_rows
from pipeline.cli.output.table import Column, Grid, columns_of
from pipeline.execution.jobs import JobResult
from pipeline.planning.survey import Overview
from pipeline.run import Result
from pipeline.terminal import say

_LEGEND = {
    **LEGEND,
    "kept": "was there already, and valid",
    "skipped": "needs a result that failed",
}


def result_json(result: Result) -> dict[str, Any]:
    """What a run did, as JSON values."""
    return {
        "exit_code": result.code,
        "outcomes": [{k: v for k, v in asdict(o).items() if k != "attrs"} for o in result.jobs],
        "problems": [*result.overview.problems, *result.overview.lost],
        "notes": result.overview.notes,
        "status": status_rows(result.overview),
    }


def print_result(result: Result, stdout: Console, *, verbose: bool = False) -> None:
    """Print a summary by stage, the videos that need attention, what failed and why, and what it cost.

    Parameters
    ----------
    result : Result
    stdout : Console
    verbose : bool
        Also the videos of which everything went well.
    """
    outcomes = result.jobs
    if outcomes:
        _by_stage(result.overview, outcomes, stdout)
        _by_video(result.overview, outcomes, stdout, verbose=verbose)
    failed = [o for o in outcomes if o.state == "failed"]
    problems = [*result.overview.problems, *result.overview.lost]
    for line in dict.fromkeys([*problems, *(o.reason for o in failed)]):
        say(stdout, f"failed: {line}")
    if not outcomes and not failed and not problems:
        n = len(result.overview.results)
        say(stdout, f"nothing to do: all {n} results are there and valid")
        return
    done = [o for o in outcomes if o.state == "done"]
    core = sum(o.core_s for o in done)
    skipped = sum(o.state == "skipped" for o in outcomes)
    text = f"{len(done)} made, {len(failed) + len(problems)} failed, {skipped} skipped"
    say(stdout, f"{text}; {core:.1f} core-seconds")


def _by_stage(overview: Overview, outcomes: Iterable[JobResult], stdout: Console) -> None:
    """One row a stage: how many results were made, kept, lost, and what that cost."""
    by_stage: dict[str, list[JobResult]] = defaultdict(list)
    for outcome in outcomes:
        by_stage[outcome.stage].append(outcome)
    grid = Grid(
        Column("stage"),
        *columns_of(["made", "kept", "failed", "skipped", "frames", "core-seconds"], "number"),
        legend={"kept": _LEGEND["kept"]},
    )
    for stage in [n for n in overview.names if n in by_stage]:
        made = by_stage[stage]
        counts = {s: sum(o.state == s for o in made) for s in ("done", "failed", "skipped")}
        planned = sum(p.node.stage.name == stage for p in overview.results)
        kept = max(planned - len(made), 0)
        done = [o for o in made if o.state == "done"]
        figures = (sum(o.rows for o in done), f"{sum(o.core_s for o in done):.1f}")
        grid.add(stage, counts["done"], kept, counts["failed"], counts["skipped"], *figures)
    grid.print(stdout)


def _by_video(overview: Overview, outcomes: Iterable[JobResult], stdout: Console, *, verbose: bool) -> None:
    """One row a video, in the order of the request; only those that need attention unless ``verbose``."""
    by_video: dict[tuple[str, str], dict[str, JobResult]] = defaultdict(dict)
    for outcome in outcomes:
        by_video[outcome.video, outcome.view][outcome.stage] = outcome
    stages = [n for n in overview.names if any(n in made for made in by_video.values())]
    grid = Grid(Column("video", "path"), *columns_of(stages, "state"), legend=_LEGEND)
    for source in overview.sources:
        made = by_video[source.sha256, ""] | by_video[source.sha256, source.view]
        if not made or not (verbose or any(o.state != "done" for o in made.values())):
            continue
        planned = {p.node.stage.name for p in overview.plans.get(source.view_id, ())}
        states = [made[s].state if s in made else "kept" if s in planned else "–" for s in stages]
        grid.add(source.name, *states)
    grid.print(stdout)
