"""The main job: find videos, plan, execute, account."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console

from pipeline.errors import FAILED, OK, SOME_FAILED, UserError
from pipeline.execution.execute import Plans, execute
from pipeline.execution.executor import Executor
from pipeline.execution.in_process import InProcess, is_small
from pipeline.execution.jobs import VANISHED, JobResult, is_lost
from pipeline.execution.on_dask import OnDask
from pipeline.execution.progress import RunProgress
from pipeline.inputs.trials import no_video
from pipeline.planning.derived_parameters import derive, lacking
from pipeline.planning.estimate import row_costs
from pipeline.planning.graph import wanted_stages
from pipeline.planning.request import Request
from pipeline.planning.survey import Overview, plan_again, survey
from pipeline.terminal import say
from stages.base import VIDEO
from store import DamagedError, Store, StoreError
from store.gc import leftovers, part_folders, spent_parts

#: console, and core-seconds per row of a stage, as far as known → what is told of a run's course
MakeProgress = Callable[[Console, Mapping[str, float]], RunProgress]


@dataclass(frozen=True)
class Result:
    """What a run did.

    Attributes
    ----------
    overview : Overview
        Planned against the store as it is after the run.
    jobs : list of JobResult
        One for each result that was to be made.
    code : int
        Exit code.
    dataset : str
        What became of the dataset file; empty where there was none to write.
    """

    overview: Overview
    jobs: list[JobResult]
    code: int
    dataset: str = ""


def run(
    request: Request,
    console: Console,
    executor: Executor | None = None,
    progress: MakeProgress = RunProgress,
) -> Result:
    """Make everything that is asked for and not there yet.

    Parameters
    ----------
    request : Request
    console : Console
        stderr, for progress and messages.
    executor : Executor, optional
        What carries out the jobs, not started yet. Default: as the request says where to compute, and
        this process where there is little to do.
    progress : callable
        Makes what is told of the run's course, from the console and the stages' core-seconds per row.

    Raises
    ------
    UserError, StoreError
        Nothing could be done at all.
    KeyboardInterrupt
        Passed on; finished files stay.
    """
    wanted_stages(request.manifest, request.stages)
    if not (request.paths or request.manifest.videos or request.manifest.sources):
        raise no_video(request.manifest)  # before a store is made that nobody needs
    store = Store.create(request.store_root)
    try:
        return _run(request, store, console, executor, progress)
    except FileNotFoundError as e:
        if is_lost(store.root):
            raise UserError(f"{store.root}: {VANISHED}") from e
        raise


def _run(
    request: Request, store: Store, console: Console, executor: Executor | None, progress: MakeProgress
) -> Result:
    with store.lock("run"):
        _sweep(store)
        overview = survey(request, store, console)
        if any(lacking(plan, overview.derived) for plan in overview.plans.values()):
            # only now is it known that a download is worth trying
            overview.derived = derive(request.manifest, overview.names, request.pose_weights, download=True)
        for problem in overview.problems:
            say(console, problem, "failed", "red")
        jobs = _execute(request, store, overview, console, executor, progress) if overview.to_do() else []
        if jobs:
            _sweep(store)  # what workers left that died on the way
        try:
            dataset = _dataset(request, store, overview, jobs)
        except DamagedError:  # marked, so it is made anew
            plan_again(request, store, overview)
            jobs += _execute(request, store, overview, console, None, progress)
            _sweep(store)
            dataset = _dataset(request, store, overview, jobs, last=True)
    failed = bool(overview.problems or overview.lost) or any(j.state != "done" for j in jobs)
    done = any(j.state == "done" for j in jobs) or any(
        p.state == "done" for plan in overview.plans.values() for p in plan
    )
    code = OK if not failed else SOME_FAILED if done or overview.sources or overview.problems else FAILED
    return Result(overview, jobs, code, dataset)


def _execute(
    request: Request,
    store: Store,
    overview: Overview,
    console: Console,
    executor: Executor | None,
    make_progress: MakeProgress,
) -> list[JobResult]:
    """Carry out the plan, and bring it up to date."""
    if executor is None:
        here = request.where.workers == 0 or is_small(overview.plans.values())
        executor = InProcess() if here else _on_dask(request, store, overview, console)

    def again() -> Plans:
        plan_again(request, store, overview)
        return overview.plans

    barred = {name: d.unavailable for name, d in overview.derived.items() if d.unavailable}
    costs = {name: cost.core_s for name, cost in row_costs(overview, store, set(overview.names)).items()}
    with make_progress(console, costs) as progress, executor:
        executor.start(overview.environment, progress.advance)
        jobs = execute(overview.plans, again, store, executor, progress, barred)
    again()
    return jobs


def _on_dask(request: Request, store: Store, overview: Overview, console: Console) -> OnDask:
    sources = {p.node.source for p in overview.results if p.state != "done" and VIDEO in p.node.arrays}

    def tell(line: str) -> None:
        say(console, f"note: {line}")

    return OnDask(request.where, store.root, request.report, sorted(s.path for s in sources), tell)


def _dataset(
    request: Request, store: Store, overview: Overview, jobs: list[JobResult], *, last: bool = False
) -> str:
    """Bring the manifest's dataset file up to date, if this run was a whole one and there are samples.

    Raises
    ------
    DamagedError
        A result that it needs is damaged; not raised if this is the ``last`` attempt.
    """
    target = request.manifest.dataset
    samples = any(p.node.samples for plan in overview.plans.values() for p in plan)
    if target is None or request.stages or not samples:
        return ""
    if request.paths:  # a part of the manifest's videos is not the dataset
        words = shlex.join(map(str, (target, *request.paths)))
        overview.remarks.append(f"no dataset is written of PATH alone; `ttprep export {words}` writes one")
        return ""
    from pipeline.dataset import export  # only now: most runs that find nothing to do write none
    from pipeline.dataset.split_table import redraw_note

    path = request.manifest.resolve(target)
    drawn_anew = redraw_note(store, request.manifest)
    try:
        done = export(
            request.manifest, store, overview.sources, overview.plans, path, samples=overview.samples
        )
    except (UserError, StoreError, OSError) as e:
        if isinstance(e, DamagedError) and not last:
            raise
        jobs.append(JobResult(f"dataset {path}", "dataset", "dataset", "failed", f"dataset {path}: {e}"))
        return ""
    overview.warnings += drawn_anew + done.empty_splits(request.manifest.splits)
    return str(done)


def _sweep(store: Store) -> None:
    for path in (*leftovers(store), *spent_parts(store)):
        with contextlib.suppress(OSError):
            path.unlink()
    for folder in part_folders(store):
        with contextlib.suppress(OSError):  # refused where something is left in it
            folder.rmdir()
