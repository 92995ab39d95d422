"""The interface between the run and whatever carries out its jobs.

An executor takes jobs with the jobs they depend on and hands back results as they come. It knows nothing of
plans: what to submit next is decided by :mod:`pipeline.execution.execute`, for every executor alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pipeline.execution.feature_files import Progress
from pipeline.execution.jobs import Job, JobResult


@dataclass(frozen=True, eq=False)
class Handle:
    """A submitted job; stands for its result where another job depends on it.

    Attributes
    ----------
    job : Job
    upstream : tuple of Handle
        The jobs that it depends on.
    """

    job: Job
    upstream: tuple[Handle, ...] = field(default=(), repr=False)


class Executor(ABC):
    """Carries out jobs in the order that their dependencies allow; use it as a context manager.

    :meth:`start` comes first, then :meth:`submit` and :meth:`completed`. Leaving the context ends the
    executor; leaving it by an exception cancels what is still to be done.
    """

    @abstractmethod
    def start(self, environment: Mapping[str, str], progress: Progress) -> None:
        """Get ready for jobs.

        Parameters
        ----------
        environment : mapping of str to str
            Variables that the jobs need.
        progress : callable
            Told the stage and the rows just made, possibly by another thread.

        Raises
        ------
        UserError
            There is nothing to run jobs on.
        """

    @abstractmethod
    def submit(self, job: Job, upstream: Sequence[Handle] = ()) -> Handle:
        """Accept a job that runs once the jobs in ``upstream`` have ended.

        Where one of them is not done, the job is skipped. A job may depend on one that ended long ago.
        """

    @abstractmethod
    def completed(self) -> Iterator[tuple[Handle, JobResult]]:
        """Yield each job with its result as it ends, never before the jobs it depends on.

        Jobs submitted between two results are yielded too; ends when there are none left.

        Raises
        ------
        UserError
            The jobs that are left will never end.
        """

    @abstractmethod
    def cancel(self) -> None:
        """Forget the jobs that have not ended: none is yielded any more. Finished files stay."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything that :meth:`start` took hold of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                self.cancel()
        finally:
            self.close()
