"""Running jobs on Dask: one future per job, dependencies as Dask sees them."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.execution.cluster import TOPIC, connect, performance_report, remote_job
from pipeline.execution.executor import Executor, Handle
from pipeline.execution.feature_files import Progress
from pipeline.execution.jobs import Job, JobResult, failed, note_failure, skipped
from pipeline.execution.stall_watch import Watch
from pipeline.execution.workers import Workers
from pipeline.planning.request import Where


class OnDask(Executor):
    """Runs jobs on the workers of a cluster, and notices when that stops working.

    Parameters
    ----------
    where : Where
    root : Path
        The store: every worker must see it.
    report : Path or None
        File for Dask's performance report.
    videos : sequence of Path
        Some of those that jobs read; every worker must see them.
    tell : callable
        Told, in a line, what becomes of workers on other machines.
    """

    def __init__(
        self,
        where: Where,
        root: Path,
        report: Path | None = None,
        videos: Sequence[Path] = (),
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._where, self._root, self._report = where, root, report
        self._videos, self._tell = videos, tell
        self._stack = contextlib.ExitStack()
        self._futures: dict[Handle, Any] = {}
        self._handles: dict[str, Handle] = {}
        self._times: Counter[str] = Counter()
        self._results: dict[Handle, JobResult] = {}
        self._client: Any = None
        self._workers: Workers | None = None
        self._away = socket.gethostname() if where.elsewhere else None

    @property
    def _more_memory(self) -> str:
        """What to do where memory runs out; nothing that the command line refuses."""
        if not self._where.elsewhere:
            return "use fewer --workers and run again"
        if self._where.system:
            return "raise `memory` in the manifest's section cluster, or lower its `cores`, and run again"
        return (
            "start the workers of the cluster with more memory each (`dask worker` with a larger "
            "--memory-limit and fewer --nworkers on a machine), and run again"
        )

    def start(self, environment: Mapping[str, str], progress: Progress) -> None:
        """Connect to the cluster, or start one on this machine.

        Raises
        ------
        UserError
            No scheduler at the address, no worker, or a worker that lacks ttprep or the store.
        """
        from distributed import as_completed

        connection = self._stack.enter_context(
            connect(self._where, self._root, environment, self._videos, self._tell)
        )
        self._client, self._workers = connection.client, connection.workers
        if self._report is not None:
            self._stack.enter_context(self._client.as_current())
            self._stack.enter_context(performance_report(self._report))
        self._watch = Watch(self._client, self._more_memory, self._workers)
        self._waiting: Any = as_completed(loop=self._client.loop, with_results=True, raise_errors=False)

        def heard(event: tuple[float, dict[str, Any]]) -> None:
            self._watch.heard()
            progress(event[1]["stage"], event[1]["rows"])

        self._client.subscribe_topic(TOPIC, heard)
        self._stack.callback(self._unsubscribe)

    def submit(self, job: Job, upstream: Sequence[Handle] = ()) -> Handle:
        """Hand a job to the scheduler."""
        handle = Handle(job, tuple(upstream))
        tag = f"{job.node.stage.name}-{job.node.key[:16]}{job.rows or ''}{'-join' if job.join else ''}"
        self._times[tag] += 1  # the scheduler would answer the same key with the same result
        key = f"ttprep-{tag}" + (f"-again{self._times[tag]}" if self._times[tag] > 1 else "")
        # a result that is here goes along as it is: the scheduler need not remember it
        given = [self._results.get(u) or self._futures[u] for u in upstream]
        future = self._client.submit(
            remote_job, job, *given, away=self._away,
            topic=self._workers.topic if self._workers else "", key=key, pure=False,
        )  # fmt: skip
        self._futures[handle], self._handles[future.key] = future, handle
        self._waiting.add(future)
        return handle

    def completed(self) -> Iterator[tuple[Handle, JobResult]]:
        """Yield results as they come in.

        Raises
        ------
        UserError
            The scheduler does not answer, or has given no worker anything to do though jobs are left.
        """
        early: dict[Handle, tuple[str, Any]] = {}
        for future, result in self._watch.finished(self._waiting):
            early[self._handles.pop(future.key)] = future.status, result
            # a job that Dask gave up together with its input may be reported before it
            while ready := [h for h in early if all(u in self._results for u in h.upstream)]:
                for handle in ready:
                    self._results[handle] = self._result(handle, *early.pop(handle))
                    del self._futures[handle]
                    yield handle, self._results[handle]

    def _result(self, handle: Handle, status: str, result: Any) -> JobResult:
        if isinstance(result, JobResult):
            return result
        job = handle.job
        bad = [r for u in handle.upstream if (r := self._results[u]).state != "done"]
        if bad:
            return skipped(job, bad[0])
        given_up = self._workers.given_up.get(self._futures[handle].key) if self._workers else None
        error = result[1] if status == "error" else None  # type, exception, traceback
        text = f"{type(error).__name__}: {error}" if error else status
        if type(error).__name__ == "KilledWorker":
            text = f"its worker died again and again (out of memory?); {self._more_memory}"
        reason = f"{job.node.video}: {job.node.stage.name}: {given_up or text}"
        note_failure(job, reason)
        return failed(job, reason)

    def cancel(self) -> None:
        """Take the jobs back from the scheduler."""
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._waiting.clear()
                self._client.cancel(list(self._futures.values()), force=True)

    def close(self) -> None:
        """Disconnect; end the cluster that was started."""
        self._stack.close()

    def _unsubscribe(self) -> None:
        with contextlib.suppress(Exception):
            self._client.unsubscribe_topic(TOPIC)
