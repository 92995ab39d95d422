"""Running a plan on Dask: one future a file, dependencies as Dask sees them.

The number of frames of a video is known only once it is decoded, so a video's later jobs are
submitted when its frames are there. What fails is reported and costs what depends on it, nothing else.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from pipeline.execution.cluster import TOPIC, Session, remote_job
from pipeline.execution.feature_files import is_split, part_ranges, video_info
from pipeline.execution.jobs import Job, Outcome
from pipeline.execution.watch import Watch
from pipeline.planning.graph import Node
from pipeline.planning.plan import Planned
from store import Store

#: called with the stage and rows made; with rows = 0 and an outcome when a job ends
Listener = Callable[[str, int, Outcome | None], None]


def execute(
    plans: Iterable[list[Planned]], store: Store, session: Session, listen: Listener
) -> list[Outcome]:
    """Make everything that is not done.

    Parameters
    ----------
    plans : iterable of list of Planned
        One list a video, inputs first.
    store : Store
    session : Session
        Connects only if there is work.
    listen : callable
        Told of progress.

    Returns
    -------
    list of Outcome
        One for each result that was to be made (parts are folded into their whole).

    Raises
    ------
    KeyboardInterrupt
        Passed on once the jobs are cancelled; finished files stay.
    """
    work = [plan for plan in plans if any(p.state != "done" for p in plan)]
    if not work:
        return []
    client = session.client
    run = _Run(client, store, listen)
    client.subscribe_topic(TOPIC, lambda event: run.progress(event[1]["stage"], event[1]["rows"]))
    try:
        for plan in work:
            run.start(plan)
        return run.finish()
    except BaseException:
        run.cancel()
        raise
    finally:
        with contextlib.suppress(Exception):
            client.unsubscribe_topic(TOPIC)


class _Run:
    """The futures of one run."""

    def __init__(self, client: Any, store: Store, listen: Listener) -> None:
        from distributed import as_completed

        self.client, self.store, self.listen = client, store, listen
        self.watch = Watch(client)
        self.waiting: Any = as_completed(with_results=True, raise_errors=False)
        self.jobs: dict[str, tuple[Job, list[Planned] | None]] = {}
        self.futures: list[Any] = []
        self.outcomes: list[Outcome] = []
        self.parts: dict[str, list[Outcome]] = defaultdict(list)

    def progress(self, stage: str, rows: int) -> None:
        """A job made rows."""
        self.watch.heard()
        self.listen(stage, rows, None)

    def submit(self, job: Job, upstream: Iterable[Any], then: list[Planned] | None = None) -> Any:
        tag = f"{job.node.stage.name}-{job.node.key[:16]}{job.rows or ''}{'-join' if job.join else ''}"
        future = self.client.submit(remote_job, job, *upstream, key=f"ttprep-{tag}", pure=False)
        self.jobs[future.key] = (job, then)
        self.futures.append(future)
        self.waiting.add(future)
        return future

    def start(self, plan: list[Planned]) -> None:
        """Submit a video: its frames first where they are not there, everything else otherwise."""
        frames = next(p for p in plan if p.node.stage.name == "frames")
        if frames.state == "done":
            self.submit_rest(plan)
        else:
            self.submit(Job(self.store.root, frames.node), (), plan)

    def submit_rest(self, plan: list[Planned]) -> None:
        frames = next(p.node for p in plan if p.node.stage.name == "frames")
        receipt = self.store.receipt(frames.slot)
        if receipt is None:
            self.outcomes.append(_gone(frames))
            return
        info = video_info(receipt)
        made: dict[str, Any] = {}
        for planned in plan:
            node = planned.node
            if planned.state == "done" or node is frames:
                continue
            upstream = [made[name] for name in node.inputs if name in made]
            if is_split(node, info):
                jobs = [Job(self.store.root, node, rows) for rows in part_ranges(node, info)]
                parts = [self.submit(job, upstream) for job in jobs]
                made[node.stage.name] = self.submit(Job(self.store.root, node, join=True), parts)
            else:
                made[node.stage.name] = self.submit(Job(self.store.root, node), upstream)

    def finish(self) -> list[Outcome]:
        """Wait for everything, submitting what becomes possible."""
        for future, result in self.watch.finished(self.waiting):
            job, plan = self.jobs[future.key]
            outcome = self._outcome(future.status, result, job)
            if job.rows:
                self.parts[job.node.key].append(outcome)
                continue
            outcome = _fold(outcome, self.parts.pop(job.node.key, []))
            self.outcomes.append(outcome)
            self.listen(job.node.stage.name, 0, outcome)
            if plan is not None:
                if outcome.state == "done":
                    self.submit_rest(plan)
                else:
                    self._skip(plan, outcome)
        return self.outcomes

    def _outcome(self, status: str, result: Any, job: Job) -> Outcome:
        name, video = job.node.stage.name, job.node.source.sha256
        if isinstance(result, Outcome):
            return result
        error = result[1] if status == "error" else None  # type, exception, traceback
        text = f"{type(error).__name__}: {error}" if error else status
        if type(error).__name__ == "KilledWorker":
            text = "its worker died again and again (out of memory?); use fewer --workers and run again"
        reason = f"{job.node.source.name}: {name}: {text}"
        self.store.set_failure(job.node.slot, reason)
        return Outcome(job.label, video, name, "failed", reason)

    def _skip(self, plan: list[Planned], why: Outcome) -> None:
        for planned in plan:
            if planned.state != "done" and planned.node.stage.name != "frames":
                node = planned.node
                skipped = Outcome(
                    Job(self.store.root, node).label, why.video, node.stage.name, "skipped", "frames failed"
                )
                self.outcomes.append(skipped)
                self.listen(node.stage.name, 0, skipped)

    def cancel(self) -> None:
        with contextlib.suppress(Exception):
            self.client.cancel(self.futures, force=True)


def _fold(whole: Outcome, parts: list[Outcome]) -> Outcome:
    failed = [p for p in parts if p.state == "failed"]
    if failed:  # the assembly was skipped because of them: say what happened, once
        return Outcome(whole.label, whole.video, whole.stage, "failed", failed[0].reason)
    core = whole.core_s + sum(p.core_s for p in parts)
    return replace(whole, core_s=core, peak_mb=max([whole.peak_mb, *(p.peak_mb for p in parts)]))


def _gone(node: Node) -> Outcome:
    reason = f"{node.source.name}: frames: vanished from the store during the run; run again"
    return Outcome(f"frames of {node.source.name}", node.source.sha256, "frames", "failed", reason)
