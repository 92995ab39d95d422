"""Dask: a LocalCluster on this machine, or a cluster that is already there.

Whoever may talk to a Dask cluster has its workers run any code. One that is started here is therefore reached
only by TLS with a certificate that exists for this run alone, in the memory of its processes.

Every job has one thread: OpenCV, OpenMP and BLAS are held to one, so that a worker costs one core and a
scheduler's accounting is true.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import signal
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from types import FrameType
from typing import Any

from pipeline.errors import FAILED, USAGE, UserError
from pipeline.execution.batch_jobs import Jobs, dask_settings
from pipeline.execution.jobs import VANISHED
from pipeline.execution.worker_check import expected, prepare_worker
from pipeline.execution.workers import Workers
from pipeline.planning.request import Where
from pipeline.provenance import provenance
from store.atomic import write_bytes

#: how long a scheduler may take until it has a worker, s
WORKERS_WITHIN_S = 30.0
TOPIC = "ttprep-progress"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """Hold this process to one thread per library for a while."""
    import cv2
    from threadpoolctl import threadpool_limits

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        cv2.setNumThreads(before)


@dataclass(frozen=True)
class Connection:
    """A cluster that is ready for jobs.

    Attributes
    ----------
    client : distributed.Client
    workers : Workers or None
        Those on other machines.
    """

    client: Any
    workers: Workers | None = None


@contextlib.contextmanager
def connect(
    where: Where,
    root: Path,
    environment: Mapping[str, str],
    videos: Sequence[Path] = (),
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[Connection]:
    """Connect to a cluster, or start one, and get its workers ready for jobs.

    Parameters
    ----------
    where : Where
    root : Path
        The store: every worker must see it.
    environment : mapping
        Variables for the workers (where PoseNet's weights lie).
    videos : sequence of Path
        Which they must see.
    tell : callable
        Told, in a line, what becomes of workers on other machines.

    Yields
    ------
    Connection

    Raises
    ------
    UserError
        No scheduler at the address, no worker, or none that can compute what this process would.
    """
    import dask

    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as stack:
        if not where.elsewhere:
            yield Connection(stack.enter_context(_on_this_machine(where, root, environment)))
            return
        jobs = None
        if where.system:
            jobs = Jobs(where.system, where.cluster, tell)
            stack.enter_context(dask.config.set(dask_settings()))
            stack.callback(jobs.close)
            from distributed import Client

            client = stack.enter_context(Client(jobs.start(), set_as_default=False))
        else:
            client = stack.enter_context(_named(where))
            _wait_for_workers(client, where)
        variables = {**environment, "PYTHONWARNINGS": "ignore"}
        workers = Workers(client, expected(root, environment, videos), variables, tell, jobs)
        stack.callback(workers.close)
        workers.start()
        yield Connection(client, workers)


@contextlib.contextmanager
def _named(where: Where) -> Iterator[Any]:
    """Connect to the scheduler that the user names."""
    from distributed import Client

    security = security_of(where)
    try:
        client = Client(where.scheduler, timeout=10, set_as_default=False, security=security)
    except (OSError, ValueError, TimeoutError) as e:
        raise UserError(
            f"no Dask scheduler answers at {where.scheduler} ({type(e).__name__}); "
            "start one with `dask scheduler`, or leave --scheduler out",
            FAILED,
        ) from None
    with client:
        yield client


@contextlib.contextmanager
def _on_this_machine(where: Where, root: Path, environment: Mapping[str, str]) -> Iterator[Any]:
    """Start processes that serve this run alone."""
    import dask
    from distributed import Client, LocalCluster, Security
    from distributed.diagnostics.plugin import WorkerPlugin

    class Prepare(WorkerPlugin):
        """Sets up each worker."""

        name = "ttprep"

        def __init__(self, environment: Mapping[str, str]) -> None:
            self.environment, self.client = dict(environment), provenance()

        def setup(self, worker: Any) -> None:
            prepare_worker(self.environment, self.client)

    single = dict.fromkeys(_THREADS, "1")
    with contextlib.ExitStack() as stack:
        stack.enter_context(
            dask.config.set(
                {
                    "distributed.nanny.pre-spawn-environ": single,
                    "logging.distributed": "critical",
                    "temporary-directory": stack.enter_context(private_folder()),
                    # its pages of HTTP are open to everyone on the machine: there are none
                    "distributed.scheduler.http.routes": [],
                    "distributed.worker.http.routes": [],
                }
            )
        )
        with _uninterrupted():
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=where.workers or cores(),
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    security=Security.temporary(),
                    dashboard_address="127.0.0.1:0",
                    scheduler_kwargs={"dashboard": False},
                    memory_limit=0,
                    silence_logs=logging.CRITICAL,
                )
            )
        # what else the process computes with Dask stays where it was
        client = stack.enter_context(Client(cluster, set_as_default=False))
        _wait_for_workers(client, where)
        for answer in client.run(_look, str(root), on_error="return").values():
            if answer is not True:
                raise UserError(f"{root}: {VANISHED}")
        client.register_plugin(Prepare({**environment, "PYTHONWARNINGS": "ignore"}))
        yield client


def security_of(where: Where) -> Any:
    """Return the certificates for a scheduler; None where it has none, and what Dask is configured to counts.

    Raises
    ------
    UserError
        A file is missing, is not what it should be, or others may read the key.
    """
    from distributed import Security

    address, tls = where.scheduler or "", where.tls
    if tls is None:
        if address.startswith("tls://") and not Security().get_tls_config_for_role("client")["ca_file"]:
            raise UserError(
                f"{address} asks for certificates; give --tls-ca, --tls-cert and --tls-key, or `tls` in the "
                "manifest's section cluster",
                USAGE,
            )
        return None
    if not address.startswith("tls://"):
        raise UserError(f"{address} takes no certificates; write tls:// for its protocol", USAGE)
    for path in (tls.ca, tls.cert, tls.key):
        try:
            with path.open("rb") as file:
                file.read(1)
        except OSError as e:
            raise UserError(f"{path}: cannot be read ({e.strerror}); check the path", USAGE) from None
    if tls.key.stat().st_mode & 0o077:
        raise UserError(
            f"{tls.key}: others may read this private key; run `chmod 600 {shlex.quote(str(tls.key))}`", USAGE
        )
    security = Security(
        tls_ca_file=str(tls.ca),
        tls_client_cert=str(tls.cert),
        tls_client_key=str(tls.key),
        require_encryption=True,
    )
    try:
        security.get_connection_args("client")
    except (OSError, ValueError) as e:  # ssl.SSLError among them
        raise UserError(
            f"{tls.ca}, {tls.cert}, {tls.key}: are no certificates with their key ({e}); name PEM files",
            USAGE,
        ) from None
    return security


@contextlib.contextmanager
def private_folder() -> Iterator[str]:
    """Make a scratch folder that no other user can enter.

    Dask's own lies among the system's temporary files under a name that everyone knows, and belongs to
    whoever came first.

    Yields
    ------
    str
    """
    own = Path(tempfile.gettempdir()) / f"ttprep-{os.getuid()}"
    with contextlib.suppress(OSError):
        own.mkdir(mode=0o700)
    found = own.lstat() if os.path.lexists(own) else None
    if found and stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        yield str(own)
        return
    with tempfile.TemporaryDirectory(prefix="ttprep-", ignore_cleanup_errors=True) as path:
        yield path


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold ^C back until the end of the block; threads and processes started in it never hear it.

    A terminal sends ^C to the whole group: the workers must not die under our hands but be closed. A signal
    that is blocked stays so in whatever is started.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    resource_tracker.ensure_running()  # its start would unblock the signal
    heard: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda _, frame: heard.append(frame))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, before)
        if heard:
            before(signal.SIGINT, heard[0])


@contextlib.contextmanager
def performance_report(path: Path) -> Iterator[None]:
    """Write Dask's performance report at the end of the block: one file that needs no network.

    Raises
    ------
    UserError
        The file cannot be written.
    """
    from distributed import performance_report as report

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):  # as Dask will, at the end
            pass
    except OSError as e:
        raise UserError(f"{path}: the report cannot be written ({e.strerror}); give another --report") from e
    try:
        with report(filename=str(path), mode="inline"):
            yield
    finally:
        _cut_off(path)


#: what a page may load: what stands in it, and nothing from elsewhere
_CLOSED = (
    b'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data: blob:;'
    b" font-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'\">"
)


def _cut_off(path: Path) -> None:
    """Take out of a page what a browser would fetch: Dask's template names an icon on its own site."""
    with contextlib.suppress(OSError):
        head, script, rest = path.read_bytes().partition(b"<script")
        if head.startswith(b"<!DOCTYPE") and script:
            head = re.sub(rb"<link [^>]*>", b"", head).replace(b"<head>", b"<head>" + _CLOSED, 1)
            write_bytes(path, head + script + rest)


def _wait_for_workers(client: Any, where: Where) -> None:
    deadline = time.monotonic() + WORKERS_WITHIN_S
    while not client.scheduler_info()["workers"]:
        if time.monotonic() > deadline:
            raise UserError(
                f"the scheduler at {where.scheduler} has no workers; start some with `dask worker`"
            )
        time.sleep(0.2)


def _look(root: str) -> bool:
    from store import NoStoreError, Store

    try:
        Store.open(Path(root))
    except NoStoreError:
        return False
    return True


def remote_job(job: Any, *upstream: Any, away: str | None = None, topic: str = "") -> Any:
    """Run :func:`pipeline.execution.jobs.run_job` on a worker; progress goes through the scheduler.

    Parameters
    ----------
    job : Job
    *upstream : JobResult
    away : str or None
        Host of the run where the worker may be on another machine: a video that is not here is there.
    topic : str
        Where it is told that the job begins; empty: nowhere.
    """
    from distributed import get_worker

    from pipeline.execution.jobs import failed, note_failure, run_job, unseen

    worker = get_worker()
    if topic:
        key = worker.get_current_task()
        worker.log_event(topic, {"begun": key, "worker": worker.address, "host": socket.gethostname()})
    lacking = unseen(job)
    if away is not None and lacking is not None and all(u.state == "done" for u in upstream):
        path, why = lacking
        reason = (
            f"{job.node.video}: the worker {worker.address} on {socket.gethostname()} does not see "
            f"{path} ({why}), which {away} saw; use a folder that all machines share under one path, or stop "
            "that worker, and run again"
        )
        note_failure(job, reason)
        return failed(job, reason)

    def tell(stage: str, rows: int) -> None:
        worker.log_event(TOPIC, {"stage": stage, "rows": rows})

    return run_job(job, *upstream, progress=tell)
