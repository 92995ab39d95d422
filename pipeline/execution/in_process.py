"""Running jobs in this very process: where the work is less than what starting workers costs.

The files are the same as a cluster's, byte for byte; only where the jobs run differs.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack

from pipeline.execution.cluster import single_threaded
from pipeline.execution.executor import Executor, Handle
from pipeline.execution.feature_files import Progress
from pipeline.execution.jobs import Job, JobResult, run_job
from pipeline.planning.staleness import Planned

#: frames cut anew up to which no cluster is started: about a second's work, as much as the start itself
SMALL_FRAMES = 1000


def is_small(plans: Iterable[list[Planned]]) -> bool:
    """Return whether all there is to do is to cut a few samples: the case of one more annotation file."""
    frames = 0
    for planned in (p for plan in plans for p in plan if p.state != "done"):
        if not planned.node.stage.sampling:
            return False
        had = planned.previous.parts.get("samples", ()) if planned.previous else ()
        new = set(planned.node.samples) - {(begin, end) for begin, end in had}
        frames += sum(end - begin for begin, end in new)
    return frames <= SMALL_FRAMES


class InProcess(Executor):
    """Runs one job after the other, each when the next result is asked for."""

    def __init__(self) -> None:
        self._waiting: deque[Handle] = deque()
        self._results: dict[Handle, JobResult] = {}
        self._progress: Progress = lambda stage, rows: None
        self._stack = ExitStack()

    def start(self, environment: Mapping[str, str], progress: Progress) -> None:
        """Set the variables until :meth:`close`, and hold libraries to one thread as on a worker."""
        self._progress = progress
        before = {name: os.environ.get(name) for name in environment}
        self._stack.callback(_restore, before)
        os.environ.update(environment)
        self._stack.enter_context(single_threaded())

    def submit(self, job: Job, upstream: Sequence[Handle] = ()) -> Handle:
        """Queue a job behind those that it depends on."""
        handle = Handle(job, tuple(upstream))
        self._waiting.append(handle)
        return handle

    def completed(self) -> Iterator[tuple[Handle, JobResult]]:
        """Run and yield job by job, in the order in which they were submitted."""
        while self._waiting:
            handle = self._waiting.popleft()
            result = run_job(
                handle.job, *(self._results[u] for u in handle.upstream), progress=self._progress
            )
            self._results[handle] = result
            yield handle, result

    def cancel(self) -> None:
        """Drop the queue."""
        self._waiting.clear()

    def close(self) -> None:
        """Restore the variables and the libraries' threads."""
        self._stack.close()


def _restore(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
