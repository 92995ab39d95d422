"""Dask: a LocalCluster on this machine, or a cluster that is already there.

One thread a task, everywhere: OpenCV, OpenMP and BLAS are held to one, so that a worker costs one core
and a scheduler's accounting is true.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import FAILED, UserError

TOPIC = "ttprep-progress"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Where:
    """Where to compute.

    Attributes
    ----------
    workers : int or None
        Processes of a LocalCluster; None: one a core.
    scheduler : str or None
        Address of a running Dask scheduler.
    """

    workers: int | None = None
    scheduler: str | None = None


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare_worker(environment: Mapping[str, str]) -> None:
    """Hold this process to one thread a library, and give it the settings of the run."""
    import cv2
    from threadpoolctl import threadpool_limits

    os.environ.update(environment)
    cv2.setNumThreads(1)
    threadpool_limits(1)


@contextlib.contextmanager
def connect(where: Where, root: Path, environment: Mapping[str, str]) -> Iterator[Any]:
    """A Dask client whose workers are ready for jobs.

    Parameters
    ----------
    where : Where
    root : Path
        The store: every worker must see it.
    environment : mapping
        Variables for the workers (where PoseNet's weights lie).

    Yields
    ------
    distributed.Client

    Raises
    ------
    UserError
        No scheduler at the address, no worker, or a worker that lacks ttprep or the store.
    """
    import dask
    from distributed import Client, LocalCluster
    from distributed.diagnostics.plugin import WorkerPlugin

    class Prepare(WorkerPlugin):
        """Sets up each worker, those that join later too."""

        name = "ttprep"

        def __init__(self, environment: Mapping[str, str]) -> None:
            self.environment = dict(environment)

        def setup(self, worker: Any) -> None:
            prepare_worker(self.environment)

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    single = dict.fromkeys(_THREADS, "1")
    with contextlib.ExitStack() as stack:
        if where.scheduler:
            try:
                client = stack.enter_context(Client(where.scheduler, timeout=10))
            except (OSError, ValueError, TimeoutError) as e:
                raise UserError(
                    f"no Dask scheduler answers at {where.scheduler} ({type(e).__name__}); "
                    "start one with `dask scheduler`, or leave --scheduler out",
                    FAILED,
                ) from None
        else:
            stack.enter_context(
                dask.config.set(
                    {"distributed.nanny.pre-spawn-environ": single, "logging.distributed": "critical"}
                )
            )
            with _uninterrupted():
                cluster = LocalCluster(
                    n_workers=where.workers or cores(),
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address="127.0.0.1:0",
                    memory_limit=0,
                    silence_logs=logging.CRITICAL,
                )
            stack.enter_context(cluster)
            client = stack.enter_context(Client(cluster))
        _check_workers(client, where, root)
        client.register_plugin(Prepare({**environment, "PYTHONWARNINGS": "ignore"}))
        yield client


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes started meanwhile ignore ^C for good (an ignored signal stays so across exec).

    A terminal sends ^C to the whole group: the workers must not die under our hands but be closed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Session:
    """A connection made when it is first needed and kept for the run; use as a context manager.

    Parameters
    ----------
    where : Where
    root : Path
        The store.
    environment : mapping
        Variables for the workers.
    report : Path or None
        Where Dask's performance report goes.
    """

    def __init__(
        self, where: Where, root: Path, environment: Mapping[str, str], report: Path | None = None
    ) -> None:
        self._where, self._root, self._environment, self._report = where, root, environment, report
        self._stack = contextlib.ExitStack()
        self._client: Any = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def client(self) -> Any:
        """The Dask client."""
        if self._client is None:
            self._client = self._stack.enter_context(connect(self._where, self._root, self._environment))
            if self._report is not None:
                self._stack.enter_context(_performance_report(self._report))
        return self._client


def _performance_report(path: Path) -> Any:
    from distributed import performance_report

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as e:
        raise UserError(f"{path}: the report cannot be written ({e.strerror}); give another --report") from e
    return performance_report(filename=str(path))


def _check_workers(client: Any, where: Where, root: Path) -> None:
    deadline = time.monotonic() + 30
    while not client.scheduler_info()["workers"]:
        if time.monotonic() > deadline:
            raise UserError(
                f"the scheduler at {where.scheduler} has no workers; start some with `dask worker`"
            )
        time.sleep(0.2)
    for worker, answer in client.run(_look, str(root), on_error="return").items():
        if isinstance(answer, BaseException):
            raise UserError(f"worker {worker} cannot run ttprep ({answer}); install this ttprep there too")
        if not answer:
            raise UserError(
                f"worker {worker} does not see the store {root}; use a folder that all machines share"
            )


def _look(root: str) -> bool:
    from store import NoStoreError, Store

    try:
        Store.open(Path(root))
    except NoStoreError:
        return False
    return True


def remote_job(job: Any, *upstream: Any) -> Any:
    """:func:`pipeline.execution.jobs.run_job` on a worker, progress sent through the scheduler."""
    from distributed import get_worker

    from pipeline.execution.jobs import run_job

    worker = get_worker()

    def tell(stage: str, rows: int) -> None:
        worker.log_event(TOPIC, {"stage": stage, "rows": rows})

    return run_job(job, *upstream, progress=tell)
