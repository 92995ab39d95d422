"""What the index says of the run: states, failures, cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from pipeline.planning.frame_times import VARIABLE
from pipeline.planning.staleness import Planned
from pipeline.report.content.gathering import Video
from pipeline.terminal import readable

_SHORT = {"done": "✓"}


def state_of(planned: Planned, video: Video) -> tuple[str, str]:
    """Return the state of a result, and why; what turned out to be unreadable just now is damaged."""
    stage = planned.node.stage.name
    if stage in video.problems and planned.state == "done":
        return "damaged", video.problems[stage]
    return planned.state, "; ".join(readable(r) for r in planned.reasons)


def video_row(video: Video, stages: Sequence[str], odd: int) -> dict[str, Any]:
    """Return one row of the table of videos."""
    by_stage = {p.node.stage.name: state_of(p, video) for p in video.plan}
    cells = []
    for stage in stages:
        state, why = by_stage.get(stage, ("none", ""))
        text = "–" if state == "none" else _SHORT.get(state, state)
        cells.append({"state": state, "text": text, "why": why})
    receipt = video.receipts.get("frames")
    attrs = receipt.attrs if receipt is not None else {}
    bad = any(c["state"] in ("failed", "damaged") for c in cells)
    figures = video.note.get("figures", {})
    fps = attrs.get("fps")
    return {
        "id": video.id, "name": readable(video.name), "page": video.page, "cells": cells, "odd": odd,
        "attention": bad or odd > 0, "thumb": video.note.get("thumb", ""),
        "frames": receipt.shapes["rgb"][0] if receipt is not None else 0,
        "fps": f"{float(fps):.4g}" if isinstance(fps, int | float) else "",
        "variable": attrs.get("rate") == VARIABLE, "seconds": figures.get("seconds", 0),
    }  # fmt: skip


def failures(videos: Sequence[Video]) -> list[dict[str, str]]:
    """Return what failed or is damaged, and what helps."""
    out = []
    for video in videos:
        for planned in video.plan:
            state, why = state_of(planned, video)
            if state in ("failed", "damaged"):
                reasons = [r for r in planned.reasons if r.kind in ("failed", "damaged")]
                detail = readable(reasons[0].detail) if reasons else why
                out.append(_failure(video, planned.node.stage.name, state, detail))
        known = {p.node.stage.name for p in video.plan if state_of(p, video)[0] == "damaged"}
        out += [
            _failure(video, what, "damaged", readable(why))
            for what, why in video.problems.items()
            if what not in known
        ]
    return out


def _failure(video: Video, stage: str, state: str, why: str) -> dict[str, str]:
    return {"name": readable(video.name), "page": video.page, "stage": stage, "state": state, "why": why}


def costs(videos: Sequence[Video], stages: Sequence[str]) -> list[dict[str, Any]]:
    """Return what each stage cost, from the receipts of the results that are shown."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    peaks: dict[str, float] = defaultdict(float)
    for video in videos:
        frames = video.receipts["frames"].shapes["rgb"][0] if "frames" in video.receipts else 0
        for stage, receipt in video.receipts.items():
            run = receipt.run
            sums[stage].update(results=1, bytes=receipt.size, frames=frames)
            sums[stage]["milliseconds"] += round(1000 * float(run.get("core_s", 0)))
            peaks[stage] = max(peaks[stage], float(run.get("peak_mb", 0)))
    total = sum(s["milliseconds"] for s in sums.values()) or 1
    ordered = [s for s in stages if s in sums] + [s for s in sums if s not in stages]
    return [
        {
            "stage": stage, "results": (s := sums[stage])["results"], "core_s": s["milliseconds"] / 1000,
            "per_1000": s["milliseconds"] / max(s["frames"], 1), "share": s["milliseconds"] / total,
            "peak_mb": peaks[stage], "bytes": s["bytes"], "per_frame": s["bytes"] / max(s["frames"], 1),
        }
        for stage in ordered
    ]  # fmt: skip


def totals(videos: Sequence[Video], cost: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the sums of the head line."""
    states = Counter(state_of(p, v)[0] for v in videos for p in v.plan)
    receipts = [v.receipts["frames"] for v in videos if "frames" in v.receipts]
    return {
        "frames": sum(r.shapes["rgb"][0] for r in receipts),
        "seconds": sum(v.note.get("figures", {}).get("seconds", 0) for v in videos),
        "states": ", ".join(f"{n} results {state}" for state, n in states.items()) or "nothing planned",
        "core_s": sum(c["core_s"] for c in cost),
        "bytes": sum(c["bytes"] for c in cost),
    }
