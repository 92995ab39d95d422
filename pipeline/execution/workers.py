"""Workers on other machines: each is looked at before it gets a job, and watched while it has some."""

from __future__ import annotations

import contextlib
import pickle
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.errors import FAILED, UserError
from pipeline.execution.batch_jobs import Jobs
from pipeline.execution.worker_check import Expected

#: s between two looks at the workers
LOOK_S = 5.0
#: s that a worker may be paused for full memory while it does nothing
PAUSED_S = 20.0
#: how often a job may begin: each time but the last its worker died or was ended
BEGINS = 5
#: s that the scheduler may take to answer
_ANSWER = 5.0
#: s that it may take at the end of a run
_CLOSE = 5.0


class Workers:
    """What is known of the workers that run the jobs.

    Parameters
    ----------
    client : distributed.Client
    here : Expected
        What each must have in common with this process.
    environment : mapping of str to str
        Variables for them.
    tell : callable
        Told, in a line, of a worker that is refused or sent home while others go on.
    jobs : Jobs or None
        Of a batch system, which bring new workers.
    """

    def __init__(
        self,
        client: Any,
        here: Expected,
        environment: Mapping[str, str],
        tell: Callable[[str], None],
        jobs: Jobs | None = None,
    ) -> None:
        self._client, self._here, self._environment = client, here, dict(environment)
        self._tell, self._jobs = tell, jobs
        #: events of this run alone, on a scheduler that may know others
        self.topic = f"ttprep-workers-{secrets.token_hex(4)}"
        self._refused: dict[str, str] = {}
        self._told = 0
        self._accepted: set[str] = set()
        self._gone: set[str] = set()
        self._begun: Counter[str] = Counter()
        self._paused: dict[str, float] = {}
        self._looked = time.monotonic()
        self._places: dict[str, str] = {}  # where a job began last
        #: job that was taken back from the scheduler → why
        self.given_up: dict[str, str] = {}

    def start(self) -> None:
        """Look at the workers that are there, and have later ones look at themselves as they come.

        Raises
        ------
        UserError
            None of those that are there can work.
        """
        self._client.subscribe_topic(self.topic, self._heard)
        self._client.register_plugin(
            _plugin(self._here, self._environment, self.topic, self._client.id), name="ttprep"
        )
        # until each has told what it is fit for, and those that are not have gone
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline and self._there() - self._accepted:
            time.sleep(0.05)
        for event in self._client.get_events(self.topic):  # a quick answer may overtake the subscription
            self._heard(event)
        self.check()

    def close(self) -> None:
        """Stop listening, and let workers that come later do other work."""
        with contextlib.suppress(Exception):
            self._client.unsubscribe_topic(self.topic)
            self._client.sync(  # with a limit: a scheduler may hang
                self._client._unregister_worker_plugin, name="ttprep", nanny=False, callback_timeout=_CLOSE
            )

    def queued(self) -> bool:
        """Tell whether there are no workers since the batch system has not begun the jobs."""
        return self._jobs is not None and self._jobs.queued()

    def check(self) -> None:
        """Tell of workers that were refused.

        Raises
        ------
        UserError
            They were refused, and none is left.
        """
        lines = list(self._refused.values())
        most = self._jobs.most_refused if self._jobs else 1
        if len(lines) >= most and not self._accepted - self._gone:
            shown = "\n".join(dict.fromkeys(lines))
            raise UserError(f"no worker can compute:\n{shown}", FAILED)
        for line in lines[self._told :]:
            self._tell(line)
        self._told = len(lines)

    def look(self, more_memory: str) -> None:
        """Look after the workers, and after jobs that they cannot end.

        Those whose memory is full though they do nothing are sent home: Dask would never give them a job.

        Parameters
        ----------
        more_memory : str
            What to do about it.

        Raises
        ------
        UserError
            None is left that can compute, or the batch system brings none.
        """
        if self._jobs is not None:
            self._jobs.check(bool(self._accepted))
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        self._give_up(more_memory)
        try:
            told = self._client.sync(self._client.scheduler.identity, n_workers=-1, callback_timeout=_ANSWER)
        except (OSError, TimeoutError, RuntimeError):
            return  # the watch over the results notices a scheduler that hangs
        self._gone = self._accepted - told["workers"].keys()
        stuck = {a: w for a, w in told["workers"].items() if w["status"] == "paused" and not _executes(w)}
        self._paused = {a: self._paused.get(a, self._looked) for a in stuck}
        for address, since in self._paused.items():
            if self._looked - since >= PAUSED_S and address not in self._refused:
                worker = stuck[address]
                limit = worker["memory_limit"] / 1e6
                self._refused[address] = (
                    f"worker {address} on {_host(worker)}: its memory ({limit:.0f} MB) is full though it "
                    f"does nothing; {more_memory}"
                )
                self._accepted.discard(address)
                with contextlib.suppress(Exception):
                    self._client.retire_workers([address], close_workers=True, remove=True)
        self.check()

    def _give_up(self, more_memory: str) -> None:
        """Take back the jobs that begin again and again: each time their worker ends before they do."""
        from distributed import Future

        for key in [k for k, times in self._begun.items() if times > BEGINS and k not in self.given_up]:
            longer = "give jobs a longer `walltime`, or " if self._jobs else ""
            self.given_up[key] = (
                f"began {self._begun[key]} times, and each time its worker ended before it, last "
                f"{self._places[key]}; {longer}{more_memory}"
            )
            with contextlib.suppress(Exception):
                self._client.cancel([Future(key, self._client)], force=True)

    def _there(self) -> set[str]:
        return set(self._client.sync(self._client.scheduler.identity, n_workers=-1)["workers"])

    def _heard(self, event: tuple[float, dict[str, Any]]) -> None:
        told = event[1]
        if "begun" in told:
            self._begun[told["begun"]] += 1
            self._places[told["begun"]] = f"{told['worker']} on {told['host']}"
        elif told["refusal"]:
            self._refused[told["worker"]] = f"worker {told['worker']} on {told['host']} {told['refusal']}"
        else:
            self._accepted.add(told["worker"])


def _executes(worker: Mapping[str, Any]) -> bool:
    return bool(worker.get("metrics", {}).get("task_counts", {}).get("executing"))


def _host(worker: Mapping[str, Any]) -> str:
    return str(worker.get("host", "?"))


def _plugin(here: Expected, environment: Mapping[str, str], topic: str, client: str) -> Any:
    """Return a plugin that Dask sends to each worker, those that join later too.

    It travels by value and imports ttprep there, so that a worker without ttprep can say so.
    """
    from distributed.diagnostics.plugin import WorkerPlugin

    class Prepare(WorkerPlugin):
        """Looks at a worker before it gets a job, and sets it up."""

        name = "ttprep"
        idempotent = False

        def __init__(self, expected: bytes, environment: dict[str, str], topic: str, client: str) -> None:
            self.expected, self.environment, self.topic = expected, environment, topic
            self.client = client

        async def is_awaited(self, worker: Any) -> bool:
            """Tell whether the run goes on: one that was killed leaves its plugin with the scheduler."""
            from distributed.protocol.pickle import dumps

            client = self.client
            told = await worker.scheduler.run_function(
                function=dumps(lambda dask_scheduler: client in dask_scheduler.clients),
                args=dumps(()),
                kwargs=dumps({}),
                wait=True,
            )
            return told.get("result") is not False

        async def setup(self, worker: Any) -> None:
            import asyncio
            import pickle
            import socket

            from distributed.core import Status

            try:
                from pipeline.execution.worker_check import prepare_worker, refusal

                expected = pickle.loads(self.expected)
                prepare_worker(self.environment, expected.provenance)
                limit, threads = worker.memory_manager.memory_limit, worker.state.nthreads
                why = await asyncio.to_thread(refusal, expected, limit, threads)
            except Exception as e:
                why = f"cannot run ttprep ({type(e).__name__}: {e}); install this ttprep there too"
            told = {"worker": worker.address, "host": socket.gethostname(), "refusal": why}
            await worker.scheduler.log_event(topic=self.topic, msg=told)
            if not why or not await self.is_awaited(worker):
                return
            # no job begins from now on; what the scheduler has planned for this worker it gives to others
            worker.status = Status.closing_gracefully

            async def leave() -> None:
                await worker.scheduler.unregister(
                    address=worker.address, expected=True, close=False, stimulus_id="ttprep-refused"
                )
                await worker.close(nanny=True, reason="ttprep-refused")

            worker.loop.call_later(0.5, leave)  # once this answer is on its way

    return Prepare(pickle.dumps(here), dict(environment), topic, client)
