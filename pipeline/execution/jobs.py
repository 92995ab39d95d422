"""What runs on a worker: each job makes one file.

A job opens its inputs, hands the stage its blocks and publishes what comes back. It never raises for
what a user's data can cause: the :class:`JobResult` says what happened, and the other jobs go on. Jobs are
repeatable: the same job gives the same bytes, and a job whose result is there does nothing.
"""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import interruption
from pipeline.execution.cuboid_files import make_samples
from pipeline.execution.feature_files import Progress, join, make, make_part, peak_memory_mb
from pipeline.planning.graph import Node
from stages.base import VIDEO, StageError
from store import DamagedError, ForeignError, NoStoreError, Store, StoreError
from store.names import valid_text

#: what to do where memory runs out: on this machine, and on a cluster, whose workers ttprep does not start
MORE_MEMORY = (
    "give each worker more: fewer of them with --workers, or on a cluster that --scheduler names, "
    "`dask worker` with fewer --nworkers and a larger --memory-limit; then run again"
)
#: what a store is said to have done that somebody removed, or that lies on a disk that is gone
VANISHED = "the store vanished during the run; run again"


@dataclass(frozen=True)
class Job:
    """A node to make, or a range of one.

    Attributes
    ----------
    root : Path
        The store.
    node : Node
    rows : (int, int) or None
        Only this range, as a part file.
    join : bool
        Assemble the parts.
    """

    root: Path
    node: Node
    rows: tuple[int, int] | None = None
    join: bool = False

    @property
    def label(self) -> str:
        """For logs and Dask's dashboard."""
        where = f"[{self.rows[0]}:{self.rows[1]}]" if self.rows else " (join)" if self.join else ""
        return f"{self.node.stage.name}{where} of {self.node.video}"


@dataclass(frozen=True)
class JobResult:
    """What became of a job.

    Attributes
    ----------
    label, video, stage : str
    state : str
        ``done``, ``failed`` or ``skipped`` (an input failed).
    reason : str
        One line for the user: what, why, remedy.
    rows : int
        Frames or pairs made.
    core_s, wall_s : float
    peak_mb : float
        Peak resident memory of the worker so far.
    attrs : dict
        Of the finished file (frames, fps, faults).
    view : str
        Which view of the video it is of; empty where all of them share it.
    damaged : str
        Key of the input that was found damaged, or of the node itself where a part of it was; else empty.
    """

    label: str
    video: str
    stage: str
    state: str
    reason: str = ""
    rows: int = 0
    core_s: float = 0.0
    wall_s: float = 0.0
    peak_mb: float = 0.0
    attrs: dict[str, Any] | None = None
    damaged: str = ""
    view: str = ""


def run_job(job: Job, *upstream: JobResult, progress: Progress = lambda stage, rows: None) -> JobResult:
    """Do a job and return what became of it.

    Parameters
    ----------
    job : Job
    *upstream : JobResult
        Of the jobs that it depends on: where one is not done, this one is skipped.
    progress : callable
        Told the stage and the number of rows just made.
    """
    bad = [u for u in upstream if u.state != "done"]
    if bad:
        return skipped(job, bad[0])
    name, video, view = job.node.stage.name, job.node.source.sha256, view_of(job.node)
    wall, core = time.perf_counter(), time.process_time()
    try:
        store = Store.open(job.root)
        attrs: dict[str, Any] = {}
        if job.node.stage.sampling:
            rows = make_samples(store, job.node, progress)
        elif job.rows:
            rows = make_part(store, job.node, job.rows, progress)
        elif job.join:
            rows = join(store, job.node)
        else:
            rows, attrs = make(store, job.node, progress)
    except Exception as e:
        cut = interruption(e)
        if cut is not None:  # a library's own error for it would be noted as a failure of this video
            raise cut from None
        if _done_meanwhile(job):
            return JobResult(job.label, video, name, "done", view=view)
        reason = explain(e, job)
        note_failure(job, reason)
        return failed(job, reason, damaged_node(e, job))
    wall, core = time.perf_counter() - wall, time.process_time() - core
    peak = peak_memory_mb()
    return JobResult(job.label, video, name, "done", "", rows, core, wall, peak, attrs, view=view)


def view_of(node: Node) -> str:
    """Return which view of its video a result is of; empty where all of them share it."""
    return node.source.view if node.focused else ""


def unseen(job: Job) -> tuple[Path, str] | None:
    """Return what a job reads besides the store and does not see on this machine, and why.

    A worker on another machine may lack the folder of the videos.
    """
    source = job.node.source
    paths = [source.path, *([source.joints] if source.joints else [])]
    for path in paths if VIDEO in job.node.arrays else ():
        try:
            path.stat()
        except OSError as error:
            return path, error.strerror or str(error)
    return None


def _done_meanwhile(job: Job) -> bool:
    # another run on the same store may finish a file first, and takes its parts away with it
    try:
        return Store.open(job.root).receipt(job.node.slot) is not None
    except (StoreError, OSError):
        return False


def failed(job: Job, reason: str, damaged: str = "") -> JobResult:
    """Return the result of a job that failed for this reason."""
    node = job.node
    name, view = node.stage.name, view_of(node)
    return JobResult(job.label, node.source.sha256, name, "failed", reason, damaged=damaged, view=view)


def damaged_node(error: Exception, job: Job) -> str:
    """Return the key of what must be made anew before a job can be tried again, empty where nothing helps."""
    if not isinstance(error, DamagedError) or error.path is None:
        return ""
    store = Store(job.root)
    if error.path.parent == store.part_path(job.node.slot, (0, 0)).parent:
        return job.node.key
    ahead = list(job.node.inputs.values())
    while ahead:
        node = ahead.pop()
        if error.path in (store.path(node.slot), store.beside(node.slot, ".json")):
            return node.key
        ahead += node.inputs.values()
    return ""


def skipped(job: Job, input_: JobResult) -> JobResult:
    """Return the result of a job that cannot run because of what became of an input of it."""
    reason = input_.reason if input_.state == "skipped" else f"{input_.stage} failed"
    name, view = job.node.stage.name, view_of(job.node)
    return JobResult(job.label, job.node.source.sha256, name, "skipped", reason, view=view)


def note_failure(job: Job, reason: str) -> None:
    """Write down in the store why a job failed; planning says so until it is made."""
    try:
        Store.open(job.root).set_failure(job.node.slot, valid_text(reason))
    except (StoreError, OSError):
        return  # the result carries the reason all the same


def is_lost(root: Path) -> bool:
    """Tell whether a store that a run began with is no longer there."""
    try:
        Store.open(root)
    except NoStoreError:
        return True
    except (StoreError, OSError):
        return False
    return False


def explain(error: Exception, job: Job) -> str:
    """Return one line for an error: what, why, remedy."""
    if isinstance(error, StageError):
        text = str(error)
        return text if job.node.source.video in text else f"{job.node.video}: {text}"
    what = f"{job.node.video}: {job.node.stage.name}"
    if isinstance(error, StoreError | OSError) and is_lost(job.root):
        return f"{what}: {job.root}: {VANISHED}"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"{what}: the disk of {job.root} is full; free some space and run again"
    if isinstance(error, ForeignError):
        return f"{what}: {error}"
    if isinstance(error, StoreError):
        return f"{what}: {error}; run again to make it anew"
    if isinstance(error, OSError):
        return f"{what}: {error.strerror or error} ({error.filename or job.root}); mend that and run again"
    if isinstance(error, MemoryError):
        return f"{what}: out of memory; {MORE_MEMORY}"
    return f"{what}: unexpected {type(error).__name__}: {error}; please report it"
