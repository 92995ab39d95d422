"""The state of every result: ``ttprep status``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from pipeline.annotations.parsing.focus import name_of
from pipeline.cli.output.table import Column, Grid, columns_of
from pipeline.planning.derived_parameters import lacking
from pipeline.planning.frame_times import VARIABLE, rate_of
from pipeline.planning.quality.judging import Judged, count_flags, counted
from pipeline.planning.survey import Overview
from pipeline.terminal import say
from stages.pose import summarise
from store import Store

#: flags of videos that are told one by one
MOST_FLAGS = 20
#: failures that are told one by one
MOST_FAILURES = 20
#: what the marks in a table of states mean
LEGEND = {"–": "not among the stages of this video", "?": "known once the frames are counted"}


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


def status_videos(
    overview: Overview, store: Store, rates: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return a record a video, as JSON values: name, path, id, length, and its results with their files."""
    found = []
    for plan in overview.plans.values():
        source, receipt = plan[0].node.source, plan[0].receipt
        rate = rates.get(source.name, {})
        found.append(
            {
                "name": source.name,
                "player": source.player,
                "focus": name_of(source.focus) if source.focus else None,
                "path": str(source.path.absolute()),
                "also": [str(p) for p in source.also],
                "id": source.sha256[:16],
                "sha256": source.sha256,
                "folder": str(store.folder(source.sha256).absolute()),
                "frames": receipt.shapes["rgb"][0] if receipt else None,
                "fps": rate.get("fps"),
                "rate": rate.get("rate"),
                "results": {
                    p.node.stage.name: {
                        "state": p.state,
                        "key": p.node.key,
                        "path": str(store.path(p.node.slot).absolute()) if p.state == "done" else None,
                        "bytes": p.receipt.size if p.receipt else None,
                        "reasons": [str(r) for r in p.reasons],
                    }
                    for p in plan
                },
            }
        )
    return found


def unavailable(overview: Overview) -> dict[str, str]:
    """Stage → why it and what reads from it cannot be made now, where that matters."""
    wanted = {p.node.stage.name for plan in overview.plans.values() for p in lacking(plan, overview.derived)}
    return {n: d.unavailable for n, d in overview.derived.items() if d.unavailable and n in wanted}


def print_status(overview: Overview, stdout: Console, rates: Mapping[str, Mapping[str, Any]]) -> None:
    """The table video × stage, and what is behind each failure."""
    stages = list(overview.names)
    grid = Grid(
        Column("video", "path"), *columns_of(stages, "state"), Column("length"), Column("rate"), legend=LEGEND
    )
    for plan in overview.plans.values():
        states = {p.node.stage.name: p.state for p in plan}
        receipt = plan[0].receipt
        length = f"{receipt.shapes['rgb'][0]} frames" if receipt else "?"
        fps = f"{receipt.attrs['fps']:.5g}/s" if receipt else "?"
        if rates.get(plan[0].node.source.name, {}).get("rate") == VARIABLE:
            fps = f"{fps} variable"
        grid.add(plan[0].node.source.name, *(states.get(s, "–") for s in stages), length, fps)
    grid.print(stdout)
    print_remarks(overview, stdout, rates)


def print_remarks(overview: Overview, stdout: Console, rates: Mapping[str, Mapping[str, Any]]) -> None:
    """Print what is behind failures, what cannot be made, uneven rates, and how many results there are."""
    behind = [
        f"{p.node.stage.name}: {p.reasons[0].detail}"
        for p in overview.results
        if p.state in ("failed", "damaged")
    ]
    for line in behind[:MOST_FAILURES]:
        say(stdout, line)
    if len(behind) > MOST_FAILURES:
        say(stdout, f"… and {len(behind) - MOST_FAILURES} more; `ttprep status --json` has them all")
    for stage, why in unavailable(overview).items():
        say(stdout, f"{stage} cannot be made: {why}")
    uneven = [name for name, rate in rates.items() if rate["rate"] == VARIABLE]
    if uneven:
        some = ", ".join(uneven[:3]) + (", …" if len(uneven) > 3 else "")
        say(
            stdout,
            f"variable frame rate: {some}; seconds of annotations go by the times of the frames, but T frames"
            " of such a video span different times",
        )
    counts = Counter(p.state for p in overview.results)
    say(stdout, ", ".join(f"{n} {state}" for state, n in counts.items()) or "nothing")


def flags_json(overview: Overview, judged: Judged) -> dict[str, Any]:
    """Return the flags of videos and samples as JSON values; videos that are not measured are not named."""
    spans = {
        (video, s.id): {"id": s.id, "video": judged.names[video], "begin": s.begin, "end": s.end}
        for video, samples in overview.samples.by_view.items()
        for s in samples
        if video in judged.names
    }
    return {
        "videos": {
            judged.names[v]: [flag.to_json() for flag in judged.videos.get(v, ())] for v in judged.measured
        },
        "samples": [
            {**spans[key], "flags": [flag.to_json() for flag in flags]}
            for key, flags in judged.samples.items()
        ],
    }


def print_flags(judged: Judged, stdout: Console, *, verbose: bool) -> None:
    """A line for each flag of a video, and one for all samples."""
    lines = [f"{judged.names[v]}: {flag}" for v, flags in judged.videos.items() for flag in flags]
    for line in lines if verbose else lines[:MOST_FLAGS]:
        say(stdout, f"flag: {line}")
    if len(lines) > MOST_FLAGS and not verbose:
        counts = counted(count_flags(judged.videos.values()))
        say(stdout, f"flag: … and {len(lines) - MOST_FLAGS} more, with `--verbose`; in all {counts}")
    if judged.samples:
        say(
            stdout,
            f"flag: {len(judged.samples)} samples ({counted(judged.counts())}); "
            "`ttprep export --without-flagged` leaves them out",
        )


def pose_summaries(overview: Overview, store: Store) -> dict[str, dict[str, Any]]:
    """Video → :func:`stages.pose.summarise`, for videos whose descriptor is there; NaN becomes None."""
    out: dict[str, dict[str, Any]] = {}
    for plan in overview.plans.values():
        done = {p.node.stage.name: p.node for p in plan if p.state == "done"}
        if "descriptor" in done and plan[0].receipt is not None:
            with store.reader(done["descriptor"].slot) as reader:
                fps, read = float(plan[0].receipt.attrs["fps"]), reader.read
                summary = summarise(read("joints"), read("found"), read("n_poses"), fps)
            out[plan[0].node.source.name] = _without_nan(summary)
    return out


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def print_poses(found: Mapping[str, Mapping[str, Any]], stdout: Console) -> None:
    """A line a video: how often somebody was found, how sure, how steady."""
    grid = Grid(
        Column("video", "path"),
        *columns_of(
            ["frames with a pose", "with several", "pose score 5/50/95 %", "jitter px", "jump px"], "number"
        ),
        legend={"–": "no pose to measure it by"},
    )
    for video, s in found.items():
        scores = "/".join("–" if v is None else f"{v:.2f}" for v in s["pose_score"].values())
        cells = ["–" if s[k] is None else f"{s[k]:.1f}" for k in ("jitter_px", "jump_px")]
        grid.add(video, f"{s['found']:.1%}", f"{s['several']:.1%}", scores, *cells)
    grid.print(stdout)
