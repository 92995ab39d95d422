"""The states of many videos in few lines, and the choice of some of them: ``ttprep status``."""

from __future__ import annotations

import fnmatch
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from rich.console import Console

from pipeline.cli.output.status import print_remarks
from pipeline.cli.output.table import Column, Grid
from pipeline.discovery import nfc
from pipeline.planning.quality.judging import Judged
from pipeline.planning.staleness import State
from pipeline.planning.survey import Overview
from pipeline.terminal import say


def selected(
    overview: Overview, judged: Judged, states: frozenset[str], pattern: str
) -> tuple[Overview, Judged]:
    """Return what is to be shown: videos with a result in one of the states and with a matching name.

    Parameters
    ----------
    overview : Overview
    judged : Judged
    states : frozenset of str
        Empty: any.
    pattern : str
        With the wildcards of a shell, for the whole name; upper and lower case are the same. Empty: any.
    """
    if not states and not pattern:
        return overview, judged
    wanted = nfc(pattern).casefold()
    plans = {
        view: plan
        for view, plan in overview.plans.items()
        if (not states or any(p.state in states for p in plan))
        and (not wanted or (plan and fnmatch.fnmatchcase(nfc(plan[0].node.source.name).casefold(), wanted)))
    }
    sources = [s for s in overview.sources if s.view_id in plans]
    return replace(overview, plans=plans, sources=sources), replace(
        judged,
        videos={view: flags for view, flags in judged.videos.items() if view in plans},
        samples={key: flags for key, flags in judged.samples.items() if key[0] in plans},
        measured=judged.measured & plans.keys(),
    )


def print_summary(overview: Overview, stdout: Console, rates: Mapping[str, Mapping[str, Any]]) -> None:
    """Print a row for each stage, with the number of videos in each state, and what is behind failures."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    frames = 0
    for plan in overview.plans.values():
        for planned in plan:
            counts[planned.node.stage.name][planned.state] += 1
        receipt = plan[0].receipt
        frames += int(receipt.shapes["rgb"][0]) if receipt else 0
    states = [s for s in get_args(State) if any(c[s] for c in counts.values())]
    grid = Grid(Column("stage"), *(Column(s, "number") for s in states))
    for stage in overview.names:
        grid.add(stage, *(str(counts[stage][s] or "") for s in states))
    grid.print(stdout)
    say(stdout, f"{len(overview.plans)} videos, {frames} counted frames")
    print_remarks(overview, stdout, rates)
    others = [s for s in states if s != "done"]
    option, rows = (f"--state {others[0]}", f"those that are {others[0]}") if others else ("--all", "each")
    say(stdout, f"`ttprep status {option}` has a row for {rows}")
