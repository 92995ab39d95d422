"""Results on stdout: tables for people, JSON for scripts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.execution.jobs import JobResult
from pipeline.planning.frame_times import VARIABLE, rate_of
from pipeline.planning.staleness import Planned
from pipeline.planning.survey import Overview
from pipeline.run import Result
from pipeline.terminal import cell, echo, readable, say
from stages.pose import summarise
from store import Store

#: state → how it is shown
_STYLES = {
    "done": "green",
    "stale": "yellow",
    "missing": "dim",
    "failed": "red",
    "damaged": "red",
    "skipped": "yellow",
    "kept": "dim",
    "–": "dim",
}


def _mark(state: str) -> Text:
    return Text(state, style=_STYLES[state])


def planned_json(planned: Planned) -> dict[str, Any]:
    """One line of a plan as JSON values."""
    return {
        "video": planned.node.source.name,
        "sha256": planned.node.source.sha256,
        "stage": planned.node.stage.name,
        "state": planned.state,
        "key": planned.node.key,
        "reasons": [{**asdict(r), "text": str(r)} for r in planned.reasons],
    }


def plan_json(overview: Overview) -> dict[str, Any]:
    """A plan as JSON values."""
    lines = [planned_json(p) for plan in overview.plans.values() for p in plan]
    return {
        "to_do": [line for line in lines if line["state"] != "done"],
        "done": sum(line["state"] == "done" for line in lines),
        "problems": overview.problems,
        "pose_weights": overview.unavailable or "available",
        "notes": overview.notes,
    }


def print_plan(overview: Overview) -> int:
    """One reason a line; returns how many results are to be made."""
    todo = [p for plan in overview.plans.values() for p in plan if p.state != "done"]
    if todo:
        name = max(len(readable(p.node.source.name)) for p in todo)
        stage = max(len(p.node.stage.name) for p in todo)
        for planned in todo:
            for reason in planned.reasons:
                head = f"{readable(planned.node.source.name):<{name}}  {planned.node.stage.name:<{stage}}"
                echo(f"{head}  {planned.state:<7}  {reason}")
    return len(todo)


def status_rows(overview: Overview) -> dict[str, dict[str, str]]:
    """Video → stage → state."""
    return {
        plan[0].node.source.name: {p.node.stage.name: p.state for p in plan}
        for plan in overview.plans.values()
        if plan
    }


def frame_rates(overview: Overview, store: Store) -> dict[str, dict[str, Any]]:
    """Video → frame rate in 1/s, and whether it is ``constant`` or ``variable``; of counted videos."""
    receipts = {p[0].node.source: p[0].receipt for p in overview.plans.values() if p and p[0].receipt}
    return {
        source.name: {"fps": receipt.attrs["fps"], "rate": rate_of(receipt, source.sha256, store)}
        for source, receipt in receipts.items()
        if receipt is not None
    }


def print_status(overview: Overview, stdout: Console, rates: Mapping[str, Mapping[str, Any]]) -> None:
    """The table video × stage, and what is behind each failure."""
    stages = list(overview.names)
    table = Table("video", *stages, "frames", "fps")
    for plan in overview.plans.values():
        states = {p.node.stage.name: p.state for p in plan}
        receipt = plan[0].receipt
        frames = str(receipt.shapes["rgb"][0]) if receipt else "?"
        fps = f"{receipt.attrs['fps']:g}" if receipt else "?"
        rate = Text(fps)
        if rates.get(plan[0].node.source.name, {}).get("rate") == VARIABLE:
            rate.append(" variable", "yellow")
        marks = [_mark(states.get(s, "–")) for s in stages]
        table.add_row(cell(plan[0].node.source.name), *marks, frames, rate)
    stdout.print(table)
    for plan in overview.plans.values():
        for planned in plan:
            if planned.state in ("failed", "damaged"):
                say(stdout, f"{planned.node.stage.name}: {planned.reasons[0].detail}")
    uneven = [name for name, rate in rates.items() if rate["rate"] == VARIABLE]
    if uneven:
        some = ", ".join(uneven[:3]) + (", …" if len(uneven) > 3 else "")
        say(
            stdout,
            f"variable frame rate: {some}; seconds of annotations go by the times of the frames, but T frames"
            " of such a video span different times",
        )
    counts = Counter(p.state for plan in overview.plans.values() for p in plan)
    say(stdout, ", ".join(f"{n} {state}" for state, n in counts.items()) or "nothing")


def pose_summaries(overview: Overview, store: Store) -> dict[str, dict[str, Any]]:
    """Video → :func:`stages.pose.summarise`, for videos whose descriptor is there; NaN becomes None."""
    out: dict[str, dict[str, Any]] = {}
    for plan in overview.plans.values():
        done = {p.node.stage.name: p.node for p in plan if p.state == "done"}
        if "descriptor" in done and plan[0].receipt is not None:
            with store.reader(done["descriptor"].slot) as reader:
                fps = float(plan[0].receipt.attrs["fps"])
                summary = summarise(reader.read("joints"), reader.read("n_poses"), fps)
            out[plan[0].node.source.name] = _without_nan(summary)
    return out


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def print_poses(found: Mapping[str, Mapping[str, Any]], stdout: Console) -> None:
    """A line a video: how often somebody was found, how sure, how steady."""
    if not found:
        return
    table = Table(
        "video", "frames with a pose", "with several", "pose score 5/50/95 %", "jitter px", "jump px"
    )
    for video, s in found.items():
        scores = "/".join("–" if v is None else f"{v:.2f}" for v in s["pose_score"].values())
        cells = ["–" if s[k] is None else f"{s[k]:.1f}" for k in ("jitter_px", "jump_px")]
        table.add_row(cell(video), f"{s['found']:.1%}", f"{s['several']:.1%}", scores, *cells)
    stdout.print(table)


def result_json(result: Result) -> dict[str, Any]:
    """What a run did, as JSON values."""
    return {
        "exit_code": result.code,
        "outcomes": [{k: v for k, v in asdict(o).items() if k != "attrs"} for o in result.jobs],
        "problems": [*result.overview.problems, *result.overview.lost],
        "notes": result.overview.notes,
        "status": status_rows(result.overview),
    }


def print_result(result: Result, stdout: Console) -> None:
    """Outcomes by video and stage, what failed and why, what it cost."""
    outcomes = result.jobs
    if outcomes:
        _outcome_table(result.overview, outcomes, stdout)
    failed = [o for o in outcomes if o.state == "failed"]
    problems = [*result.overview.problems, *result.overview.lost]
    for line in dict.fromkeys([*problems, *(o.reason for o in failed)]):
        say(stdout, f"failed: {line}")
    if not outcomes and not failed and not problems:
        n = sum(len(plan) for plan in result.overview.plans.values())
        say(stdout, f"nothing to do: all {n} results are there and valid")
        return
    done = [o for o in outcomes if o.state == "done"]
    core = sum(o.core_s for o in done)
    skipped = sum(o.state == "skipped" for o in outcomes)
    text = f"{len(done)} made, {len(failed) + len(problems)} failed, {skipped} skipped"
    say(stdout, f"{text}; {core:.1f} core-seconds")


def _outcome_table(overview: Overview, outcomes: Iterable[JobResult], stdout: Console) -> None:
    names = {s.sha256: s.name for s in overview.sources}
    by_video: dict[str, dict[str, JobResult]] = defaultdict(dict)
    for outcome in outcomes:
        by_video[outcome.video][outcome.stage] = outcome
    stages = [n for n in overview.names if any(n in stages for stages in by_video.values())]
    table = Table("video", *stages)
    for video, made in by_video.items():
        planned = {p.node.stage.name for p in overview.plans.get(video, ())}
        cells = []
        for stage in stages:
            if stage in made:
                cells.append(_mark(made[stage].state))
            else:
                cells.append(_mark("kept" if stage in planned else "–"))
        table.add_row(cell(names.get(video, video[:16])), *cells)
    stdout.print(table)
