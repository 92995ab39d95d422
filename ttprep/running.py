"""Run the pipeline, or say what a run would do, with objects in the place of printed tables."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any

from pipeline.execution.jobs import JobResult
from pipeline.execution.progress import RunProgress
from pipeline.planning.staleness import Planned
from pipeline.planning.survey import Overview
from ttprep.outcomes import Job, Plan, RunResult, Step
from ttprep.requests import ManifestLike, PathLike, request_of, silent, speaking

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Progress:
    """How far a run has come with one stage.

    Attributes
    ----------
    stage : str
    results, of_results : int
        Made or failed, and to be made, as far as is known.
    frames, of_frames : int
        Likewise; ``of_frames`` grows while videos are decoded.
    failed : str
        What failed just now, in a line; empty where nothing did.
    """

    stage: str
    results: int
    of_results: int
    frames: int
    of_frames: int
    failed: str = ""


class _Watched(RunProgress):
    """Tells a callback what the bars would show.

    What the callback raises ends the run, but never inside a job, whose failure it would look like.
    """

    def __init__(
        self, console: Console, costs: Mapping[str, float], callback: Callable[[Progress], object]
    ) -> None:
        super().__init__(console, costs)
        self._callback = callback
        self.error: Exception | None = None

    def expect(self, stage: str, files: int = 0, rows: int = 0) -> None:
        super().expect(stage, files, rows)
        self._tell(stage)
        self._give_up()

    def advance(self, stage: str, rows: int) -> None:
        super().advance(stage, rows)
        self._tell(stage)

    def ended(self, result: JobResult) -> None:
        super().ended(result)
        self._tell(result.stage, result.reason if result.state == "failed" else "")
        self._give_up()

    def _tell(self, stage: str, failed: str = "") -> None:
        if self.error is not None:
            return
        with self._lock:
            count = self._count(stage)
            now = Progress(stage, count.done, count.files, count.rows, count.expected, failed)
        try:
            self._callback(now)
        except Exception as e:
            self.error = e

    def _give_up(self) -> None:
        if self.error is not None:
            raise self.error


def run(
    paths: PathLike | Iterable[PathLike] = (),
    *,
    stages: str | Iterable[str] = (),
    store: PathLike | None = None,
    manifest: ManifestLike = None,
    pose_weights: PathLike | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> RunResult:
    """Compute what is missing or stale, as ``ttprep run`` does, and print nothing.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        Videos and folders of videos; none: those of the manifest.
    stages : str or iterable of str
        Only these and what they need; none: all that the manifest switches on.
    store : path-like, optional
        Folder of the store, which is made where there is none; default: the manifest's.
    manifest : path-like or mapping, optional
        A ``data_manifest.yaml``, or its keys and values. Default: that of the working folder where there is
        one, else the defaults.
    pose_weights : path-like, optional
        Folder of PoseNet weights; takes precedence over the manifest's.
    workers : int, optional
        Processes on this machine; 0: none, this process computes. Default: one per core.
    scheduler : str, optional
        Address of a Dask scheduler to use instead.
    progress : callable, optional
        Called with a :class:`Progress` whenever there is some, possibly in another thread. What it raises
        ends the run and comes out here; finished results stay.

    Returns
    -------
    RunResult
        What failed stands in it and is not raised: look at ``ok``.

    Raises
    ------
    BadRequest
        Nothing could be done at all: no video, an unknown stage, a bad manifest.
    InUse
        ``ttprep gc`` is at work on the store.
    KeyboardInterrupt
        Passed on. Workers have ended, locks are gone, finished results stay: run again to go on.

    Examples
    --------
    >>> result = ttprep.run(["videos/match2.mp4"], stages=["flow"], store="new-store", workers=0)
    >>> result
    <ttprep run: 3 made, 0 failed>
    >>> result.ok, result.store["match2.mp4"].flow.shape
    (True, (29, 90, 160, 2))
    >>> result.table[["video", "stage", "state", "rows"]]
                   video       stage state  rows
    0  videos/match2.mp4      frames  done    30
    1  videos/match2.mp4  foreground  done    30
    2  videos/match2.mp4        flow  done    29
    """
    request = request_of(paths, stages, store, manifest, pose_weights, workers=workers, scheduler=scheduler)
    from pipeline.run import run as run_pipeline

    made: list[_Watched] = []

    def watched(console: Console, costs: Mapping[str, float]) -> RunProgress:
        if progress is None:
            return RunProgress(console, costs)
        made.append(_Watched(console, costs, progress))
        return made[-1]

    try:
        with speaking(), _main_left_alone():
            result = run_pipeline(request, silent(), progress=watched)
    except Exception:
        own = next((w.error for w in made if w.error is not None), None)
        if own is not None:
            raise own from None
        raise
    if (own := next((w.error for w in made if w.error is not None), None)) is not None:
        raise own
    sources = result.overview.sources
    names = {(s.sha256, s.view): s.name for s in sources} | {(s.sha256, ""): s.video for s in sources}
    jobs = tuple(_job(j, names) for j in result.jobs)
    return RunResult(jobs, _plan(result.overview), request.store_root, result.dataset, int(result.code))


def _job(job: JobResult, names: Mapping[tuple[str, str], str]) -> Job:
    known = (job.video, job.view) in names
    return Job(
        names.get((job.video, job.view), job.label),
        job.video[:16] if known else "",
        job.stage,
        job.state,
        job.reason,
        job.rows,
        job.core_s,
        job.wall_s,
        job.peak_mb,
    )


@contextlib.contextmanager
def _main_left_alone() -> Iterator[None]:
    """Keep processes that are started meanwhile from importing the user's main module.

    ``multiprocessing`` imports it in each new process, for functions that are defined there; ours are not. A
    script without ``if __name__ == "__main__"`` would start its run again in every worker.
    """
    main: Any = sys.modules.get("__main__")
    if main is None:
        yield
        return
    before = getattr(main, "__spec__", None)
    main.__spec__ = ModuleSpec("ttprep.__main__", None)  # names that end so are not imported
    try:
        yield
    finally:
        main.__spec__ = before


def plan(
    paths: PathLike | Iterable[PathLike] = (),
    *,
    stages: str | Iterable[str] = (),
    store: PathLike | None = None,
    manifest: ManifestLike = None,
    pose_weights: PathLike | None = None,
) -> Plan:
    """Say what :func:`run` would compute, and why; computes nothing.

    Videos are hashed, and a store that is there notes their hashes, so that this is done once.

    Parameters
    ----------
    paths, stages, store, manifest, pose_weights
        As of :func:`run`.

    Returns
    -------
    Plan

    Raises
    ------
    BadRequest
        There is no video, no such stage, or the manifest cannot be used.

    Examples
    --------
    >>> plan = ttprep.plan("videos/")
    >>> plan, bool(plan)
    (<ttprep plan: 0 to do, 19 done>, False)
    >>> other = {"stages": {"frames": {"width": 160, "height": 90}, "flow": {"method": "tvl1"}}}
    >>> plan = ttprep.plan("videos/", stages="flow", manifest=other)
    >>> plan.to_do[0].reasons
    (Reason(kind='parameter', name='flow.method', old='dis', new='tvl1', detail=''),)
    >>> print(plan.to_do[0].reasons[0])
    flow.method: dis → tvl1
    """
    from pipeline.planning.survey import survey
    from store import Store as FeatureStore

    request = request_of(paths, stages, store, manifest, pose_weights)
    with speaking():
        root = request.store_root
        return _plan(survey(request, FeatureStore.open(root) if root.exists() else None, silent()))


def _plan(overview: Overview) -> Plan:
    steps = tuple(_step(p) for p in overview.results)
    to_do = any(s.state != "done" for s in steps)
    return Plan(
        steps,
        (*overview.problems, *overview.lost),
        tuple(overview.notes),
        overview.unavailable if to_do else "",
    )


def _step(planned: Planned) -> Step:
    node = planned.node
    video, name = node.source.sha256[:16], node.video
    return Step(name, video, node.stage.name, planned.state, planned.reasons, node.key)
