"""Running a plan in this very process: where the work is less than what starting workers costs.

The files are the same as a cluster's, byte for byte; only where the jobs run differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from pipeline.execution.feature_files import is_split, part_ranges, video_info
from pipeline.execution.jobs import Job, Outcome, run_job
from pipeline.planning.plan import Planned
from store import Store

#: frames cut anew up to which no cluster is started: about a second's work, as the start itself
SMALL_FRAMES = 1000

Listener = Callable[[str, int, Outcome | None], None]


def is_small(plans: Iterable[list[Planned]]) -> bool:
    """Whether all there is to do is to cut a few samples: the case of one more annotation file."""
    frames = 0
    for planned in (p for plan in plans for p in plan if p.state != "done"):
        if not planned.node.stage.sampling:
            return False
        had = planned.previous.parts.get("samples", ()) if planned.previous else ()
        new = set(planned.node.samples) - {(begin, end) for begin, end in had}
        frames += sum(end - begin for begin, end in new)
    return frames <= SMALL_FRAMES


def execute_here(plans: Iterable[list[Planned]], store: Store, listen: Listener) -> list[Outcome]:
    """Make everything that is not done, one job after the other.

    Parameters
    ----------
    plans : iterable of list of Planned
        One list a video, inputs first.
    store : Store
    listen : callable
        Told of progress, as by :func:`pipeline.execution.on_dask.execute`.

    Returns
    -------
    list of Outcome
        One for each result that was to be made.
    """
    outcomes: list[Outcome] = []
    for plan in plans:
        made: dict[str, Outcome] = {}
        for planned in plan:
            if planned.state == "done":
                continue
            node = planned.node
            upstream = [made[name] for name in node.inputs if name in made]
            outcome = _make(planned, store, upstream, listen)
            made[node.stage.name] = outcome
            outcomes.append(outcome)
            listen(node.stage.name, 0, outcome)
    return outcomes


def _make(planned: Planned, store: Store, upstream: list[Outcome], listen: Listener) -> Outcome:
    node = planned.node

    def progress(stage: str, rows: int) -> None:
        listen(stage, rows, None)

    frames = node.inputs.get("frames")
    receipt = store.receipt(frames.slot) if frames else None
    if receipt is None or not is_split(node, video_info(receipt)):
        return run_job(Job(store.root, node), *upstream, progress=progress)
    ranges = part_ranges(node, video_info(receipt))
    parts = [run_job(Job(store.root, node, rows), *upstream, progress=progress) for rows in ranges]
    whole = run_job(Job(store.root, node, join=True), *parts)
    bad = next((p for p in parts if p.state != "done"), None)
    if bad is not None:
        return replace(whole, state=bad.state, reason=bad.reason)
    return replace(whole, core_s=whole.core_s + sum(p.core_s for p in parts))
