"""What a run would do, and why: ``ttprep plan``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from pipeline.cli.output.table import Column, Grid
from pipeline.planning.estimate import StageCost, duration
from pipeline.planning.staleness import Planned, Reason
from pipeline.planning.survey import Overview
from pipeline.terminal import readable, say

#: kinds of reasons whose text differs from video to video: counted together
_SINGLE = {"failed": "failed before", "damaged": "damaged", "samples": "other samples"}


def to_do(overview: Overview) -> list[Planned]:
    """Return all results that are to be made."""
    return [p for p in overview.results if p.state != "done"]


def _planned_json(planned: Planned) -> dict[str, Any]:
    """One line of a plan as JSON values."""
    return {
        "video": planned.node.video,
        "sha256": planned.node.source.sha256,
        "stage": planned.node.stage.name,
        "state": planned.state,
        "key": planned.node.key,
        "reasons": [{**asdict(r), "text": str(r)} for r in planned.reasons],
    }


def plan_json(overview: Overview, costs: Sequence[StageCost], cores: int) -> dict[str, Any]:
    """A plan as JSON values."""
    lines = [_planned_json(p) for p in overview.results]
    return {
        "to_do": [line for line in lines if line["state"] != "done"],
        "done": sum(line["state"] == "done" for line in lines),
        "problems": [*overview.problems, *overview.lost],
        "pose_weights": (pose.unavailable if (pose := overview.derived.get("pose")) else "") or "available",
        "notes": overview.notes,
        "summary": [
            {"stage": stage, "state": state, "why": why, "results": len(found)}
            for (stage, state, why), found in _groups(overview).items()
        ],
        "estimate": {
            "stages": [asdict(c) for c in costs],
            "core_s": sum(c.core_s for c in costs if c.core_s is not None),
            "bytes": sum(c.size for c in costs if c.size is not None),
            "peak_mb": max((c.peak_mb for c in costs if c.peak_mb is not None), default=None),
            "unknown": [c.stage for c in costs if c.core_s is None],
            "cores": cores,
        },
    }


def _why(reasons: Sequence[Reason]) -> str:
    return "; ".join(dict.fromkeys(_SINGLE.get(r.kind) or str(r) for r in reasons))


def _groups(overview: Overview) -> dict[tuple[str, str, str], list[Planned]]:
    """Stage, state and reason → results; stages in order."""
    found: dict[tuple[str, str, str], list[Planned]] = {}
    todo = to_do(overview)
    for name in overview.names:
        for planned in todo:
            if planned.node.stage.name == name:
                found.setdefault((name, planned.state, _why(planned.reasons)), []).append(planned)
    return found


def print_plan(
    overview: Overview, costs: Sequence[StageCost], cores: int, stdout: Console, *, verbose: bool
) -> None:
    """Print what is to be made, by stage and reason, and what it costs; with ``verbose`` every result."""
    todo = to_do(overview)
    if not todo:
        return
    if verbose:
        name = max(len(readable(p.node.video)) for p in todo)
        stage = max(len(p.node.stage.name) for p in todo)
        for planned in todo:
            for reason in planned.reasons:
                head = f"{readable(planned.node.video):<{name}}  {planned.node.stage.name:<{stage}}"
                say(stdout, f"{head}  {planned.state:<7}  {reason}")
    else:
        grid = Grid(
            Column("stage"), Column("videos", "number"), Column("state", "state"), Column("why", "prose")
        )
        for (stage_name, state, why), found in _groups(overview).items():
            grid.add(stage_name, len(found), state, why)
        grid.print(stdout)
    for line in cost_lines(costs, cores):
        say(stdout, line)


def amount(size: float) -> str:
    """Write a number of bytes.

    >>> amount(1_500_000), amount(2.5e9)
    ('1.5 MB', '2.5 GB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def cost_lines(costs: Sequence[StageCost], cores: int) -> list[str]:
    """Say what a plan costs in time, disk and memory; ``unknown`` where nothing tells."""
    unknown = [c.stage for c in costs if c.core_s is None]
    core = sum(c.core_s for c in costs if c.core_s is not None)
    size = sum(c.size for c in costs if c.size is not None)
    if not costs:
        return []
    if len(unknown) == len(costs):
        return ["expected time and disk: unknown; nothing of the kind has been made in this store yet"]
    more = f", and what is unknown yet: {', '.join(unknown)}" if unknown else ""
    time = duration(core / cores)
    work = f"{core / 3600:.2g} core-hours" if core >= 360 else f"{core:.2g} core-seconds"
    peaks = [c.peak_mb for c in costs if c.peak_mb is not None]
    memory = f", up to {amount(max(peaks) * 1e6)} of memory a process" if peaks else ""
    return [f"expected: {work}, about {time} on {cores} cores; {amount(size)} of disk{memory}{more}"]
