"""Workers as jobs of a batch system (Slurm and others), by dask-jobqueue.

The scheduler runs in the calling process, on the machine where jobs are submitted. It and its workers talk by
TLS with a certificate that exists for this run alone; the jobs find it in files that only this user can read,
and their scripts hold no more than the names of these. Nothing is served by HTTP, and nothing is spilled to a
disk from which it would be unpickled.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import FAILED, USAGE, UserError
from pipeline.inputs.cluster import Cluster, System, time_text

_CLASSES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "htcondor": "HTCondorCluster",
    "oar": "OARCluster",
}
#: s that jobs may have ended without a worker before that is an error
_GRACE_S = 5.0
#: workers that may die under a job; which job is the reason is counted from its begins
_FAILURES = 50
#: settings of Dask on the nodes, as variables
_NODE = {
    "DASK_DISTRIBUTED__WORKER__HTTP__ROUTES": "[]",
    "DASK_DISTRIBUTED__NANNY__HTTP__ROUTES": "[]",
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "False",
    "PYTHONWARNINGS": "ignore",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}


def dask_settings() -> dict[str, Any]:
    """Return what Dask must be set to in this process while such jobs run."""
    return {
        "distributed.scheduler.allowed-failures": _FAILURES,
        "distributed.scheduler.http.routes": [],
        "distributed.deploy.lost-worker-timeout": "2s",
        "logging.distributed": "critical",
    }


def lifetime(walltime: int) -> tuple[int, int]:
    """Return after how long workers end by themselves, and by how much that differs between them, in s.

    >>> lifetime(60), lifetime(3600)
    ((40, 5), (3330, 30))
    """
    margin = min(max(walltime // 12, 15), 240)
    stagger = min(max(walltime // 120, 5), 60)
    return walltime - margin - stagger if walltime > 60 else walltime - 20, stagger


class Jobs:
    """The jobs of one run.

    Parameters
    ----------
    system : str
        Batch system.
    section : Cluster
        What it is asked for; ``logs`` is absolute.
    tell : callable
        Told, in a line, where jobs print, and that jobs wait.

    Raises
    ------
    UserError
        dask-jobqueue or the system's commands are not there, or the folder of logs cannot be used.
    """

    def __init__(self, system: System, section: Cluster, tell: Callable[[str], None]) -> None:
        self._system, self._section, self._tell = system, section, tell
        self._failures: list[str] = []
        self._ended_since: float | None = None
        self._waiting_told = False
        self._kind = _kind(system)
        self.folder = _log_folder(section.logs.absolute())
        self.cluster: Any = None

    def start(self) -> Any:
        """Start the scheduler, and let the system have as many jobs as the work needs.

        Returns
        -------
        dask_jobqueue.JobQueueCluster
        """
        from distributed import Security

        section, failures = self._section, self._failures

        class Job(self._kind.job_cls):  # type: ignore[misc, name-defined]
            """Notes why the system refuses a job, which would else be tried for ever."""

            async def start(self) -> None:
                try:
                    await super().start()
                except Exception as e:
                    failures.append(_refusal(e))
                    raise

        self.cluster = self._kind(
            job_cls=Job,
            name=f"ttprep-{secrets.token_hex(3)}",
            security=Security.temporary(),
            shared_temp_directory=str(self.folder),
            scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            silence_logs="critical",
            **job_options(self._system, section, self.folder),
        )
        self._tell(
            f"{self._system}: up to {section.maximum} jobs of {section.cores} cores and "
            f"{section.job_bytes / 1e9:.1f} GB each; what they print is in {self.folder}"
        )
        self.cluster.adapt(
            minimum_jobs=section.minimum,
            maximum_jobs=section.maximum,
            interval="1s",
            wait_count=20,
            target_duration="10s",
            worker_key=job_of if section.cores > 1 else None,
        )
        return self.cluster

    @property
    def most_refused(self) -> int:
        """How many workers may be refused before none can be hoped for."""
        return min(3, self._section.maximum) * self._section.cores

    def check(self, any_yet: bool) -> None:
        """Look whether the system takes the jobs, and whether they become workers.

        Parameters
        ----------
        any_yet : bool
            Whether there was a worker.

        Raises
        ------
        UserError
            It refuses them, or they ended before they became workers.
        """
        if self._failures:
            raise UserError(
                f"{self._system} refuses a job: {self._failures[0]}; "
                "correct the manifest's section cluster (queue, account, walltime, memory, job_extra)",
                FAILED,
            )
        if any_yet or self.cluster.scheduler.workers:
            self._ended_since = None
            return
        ended = sorted(self.folder.glob(".ended-*"))
        if not ended or len(ended) < len(self.cluster.workers):
            return
        self._ended_since = self._ended_since or time.monotonic()
        if time.monotonic() - self._ended_since > _GRACE_S:
            host, _, code = ended[-1].read_text().strip().rpartition(" ")
            raise UserError(
                f"the jobs end before they can compute (exit code {code} on {host}: {self._last_words()}); "
                f"look into {self.folder}, and correct `setup` or `python` in the manifest's section cluster",
                FAILED,
            )

    def queued(self) -> bool:
        """Tell whether jobs wait for their turn, and say so once."""
        waits = not self.cluster.scheduler.workers
        if waits and not self._waiting_told:
            self._waiting_told = True
            self._tell(f"{self._system}: {len(self.cluster.workers)} jobs wait for their turn")
        return waits

    def close(self) -> None:
        """End the jobs and the scheduler, and remove the certificate."""
        if self.cluster is None:
            return
        with contextlib.suppress(Exception):
            self.cluster.close(timeout=30)
        for part in ("ca_file", "cert", "key"):
            file = getattr(self.cluster, f"_job_{part}", None)
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
        for mark in self.folder.glob(".ended-*"):
            with contextlib.suppress(OSError):
                mark.unlink()

    def _last_words(self) -> str:
        texts = [p for p in self.folder.iterdir() if p.is_file() and not p.name.startswith(".")]
        for path in sorted(texts, key=lambda p: p.stat().st_mtime, reverse=True):
            lines = path.read_text(errors="replace").split("\n")
            if words := [line.strip() for line in lines if line.strip()]:
                return words[-1][:200]
        return "it printed nothing"


def job_of(worker: Any) -> str:
    """Return the job that a worker belongs to: its workers end together."""
    return str(worker.name).rpartition("-")[0]


def job_options(system: System, section: Cluster, folder: Path) -> dict[str, Any]:
    """Return the arguments of a cluster of dask-jobqueue.

    Parameters
    ----------
    system : str
    section : Cluster
    folder : Path
        Of this run: for logs, and for marks of jobs that have ended.
    """
    end, stagger = lifetime(section.seconds)
    extra = list(section.job_extra)
    options: dict[str, Any] = {
        "cores": section.cores,
        "processes": section.cores,
        "memory": f"{section.job_bytes}B",
        "job_name": "ttprep",
        "log_directory": str(folder),
        "python": shlex.quote(section.python or sys.executable),
        "local_directory": '"$TTPREP_SCRATCH"',
        "job_script_prologue": [*section.setup, *_prologue(folder)],
        "worker_extra_args": [
            "--no-dashboard", "--dashboard-address", "127.0.0.1:0",
            "--lifetime", f"{end}s", "--lifetime-stagger", f"{stagger}s",
        ],
    }  # fmt: skip
    if section.interface:
        options["interface"] = section.interface
    if system != "htcondor":
        options["walltime"] = time_text(section.seconds)
        if section.queue:
            options["queue"] = section.queue
    if section.account and system != "htcondor":
        options["account" if system in ("slurm", "pbs") else "project"] = section.account
    if system == "lsf":
        options["walltime"] = options["walltime"].rpartition(":")[0]
    elif system == "sge":
        extra = ["-S /bin/bash", *extra]
    elif system == "oar":
        extra = [f"-O {folder}/%jobid%.out", f"-E {folder}/%jobid%.err", *extra]
        options["memory_per_core_property_name"] = "not_applicable"
    elif system == "htcondor":
        options["disk"] = "1GB"
        account = {"accounting_group": section.account} if section.account else {}
        options["job_extra_directives"] = account | dict(_named(line) for line in extra)
        return options
    options["job_extra_directives"] = extra
    return options


def _named(line: str) -> tuple[str, str]:
    name, equals, value = line.partition("=")
    if not equals:
        raise UserError(f"cluster.job_extra: {line!r}; write name = value for htcondor", USAGE)
    return name.strip(), value.strip()


def _prologue(folder: Path) -> list[str]:
    """Return lines for any shell of the Bourne family; HTCondor would expand a ``$(…)``."""
    return [
        *(f"export {name}={shlex.quote(value)}" for name, value in _NODE.items()),
        'TTPREP_SCRATCH=`mktemp -d "${TMPDIR:-/tmp}/ttprep-XXXXXX"` || exit 1',
        f"TTPREP_MARK={shlex.quote(str(folder))}/.ended-`uname -n`-$$",
        'trap \'code=$?; rm -rf "$TTPREP_SCRATCH"; echo "`uname -n` $code" > "$TTPREP_MARK"\' EXIT',
    ]


def _kind(system: System) -> Any:
    try:
        import dask_jobqueue
    except ImportError as e:
        raise UserError(
            f'--cluster needs dask-jobqueue ({e}); install it: `pip install "ttprep[cluster]"`', FAILED
        ) from None
    kind = getattr(dask_jobqueue, _CLASSES[system])
    command = shlex.split(kind.job_cls.submit_command)[0]
    if shutil.which(command) is None:
        raise UserError(
            f"{system}: there is no command {command} here; run it on a machine where jobs are submitted",
            FAILED,
        )
    return kind


def _log_folder(logs: Path) -> Path:
    """Make a folder for the logs of one run, which nobody else can enter."""
    if re.search(r"[^\w./+,:@=%-]", str(logs)):
        raise UserError(
            f"{str(logs)!r}: jobs print to no folder with blanks or quotes in its path; "
            "name another as `logs` in the manifest's section cluster",
            USAGE,
        )
    folder = logs / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    try:
        logs.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    except OSError as e:
        raise UserError(
            f"{folder}: cannot be made ({e.strerror}); "
            "name another as `logs` in the manifest's section cluster",
            FAILED,
        ) from e
    return folder


def _refusal(error: Exception) -> str:
    """Return what a system's command says, in one line."""
    _, _, printed = str(error).partition("stderr:\n")
    lines = [line.strip() for line in (printed or str(error)).split("\n") if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
