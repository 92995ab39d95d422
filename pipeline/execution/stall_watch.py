"""Noticing a cluster that has stopped: a run must end in some way, and never wait for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pipeline.errors import UserError
from pipeline.execution.workers import Workers

#: s without any news, neither a result nor a row, after which the scheduler is asked what it does
PATIENCE = 120.0
#: s that its answer may take
ANSWER = 30.0
_POLL = 0.05


class Watch:
    """Hands out finished futures, and asks the scheduler what it does if nothing is heard for long.

    Parameters
    ----------
    client : distributed.Client
    more_memory : str
        What to do where the memory of the workers is full.
    workers : Workers, optional
        Those on other machines.
    """

    def __init__(self, client: Any, more_memory: str, workers: Workers | None = None) -> None:
        self._client, self._more_memory, self._workers = client, more_memory, workers
        self._last = time.monotonic()

    def heard(self) -> None:
        """Take note of news: a job made rows."""
        self._last = time.monotonic()

    def finished(self, waiting: Any) -> Iterator[Any]:
        """Yield what a ``distributed.as_completed`` gives, as it comes; more may be added meanwhile.

        It must fetch the results too (``with_results``): asking a future for its result later would wait
        without limit for a scheduler that hangs, or for a worker that died with the result.

        Raises
        ------
        UserError
            The scheduler does not answer, or has given no worker anything to do though jobs are left.
        """
        while not waiting.is_empty():
            if self._workers is not None:
                self._workers.look(self._more_memory)
            if waiting.has_ready():
                self.heard()
                yield next(waiting)
            elif time.monotonic() - self._last > PATIENCE:
                self._ask(waiting)
            else:
                time.sleep(_POLL)

    def _ask(self, waiting: Any) -> None:
        try:
            at_work = self._client.sync(self._client.scheduler.processing, callback_timeout=ANSWER)
        except (OSError, TimeoutError, RuntimeError) as e:
            reason = f"the Dask scheduler does not answer ({type(e).__name__})"
            raise UserError(f"{reason}; what was finished is kept, run again to go on") from e
        if any(at_work.values()):
            self.heard()  # a long job; the next look is as far away
        elif self._workers is not None and self._workers.queued():
            self.heard()
        elif not waiting.has_ready():
            if self._all_paused():
                raise UserError(
                    f"no worker has had anything to do for {PATIENCE:.0f} s though {waiting.count()} jobs are"
                    f" left: the memory of each is nearly full, so that Dask paused it; {self._more_memory}"
                )
            raise UserError(
                f"no worker has had anything to do for {PATIENCE:.0f} s though {waiting.count()} jobs are "
                "left: the Dask scheduler lost sight of them, or has no workers any more; what was finished "
                "is kept, run again to go on"
            )

    def _all_paused(self) -> bool:
        """Tell whether there are workers, and none of them takes work since its memory is nearly full."""
        try:
            told = self._client.sync(self._client.scheduler.identity, callback_timeout=ANSWER)
        except (OSError, TimeoutError, RuntimeError):
            return False
        return bool(told["workers"]) and all(w["status"] == "paused" for w in told["workers"].values())
