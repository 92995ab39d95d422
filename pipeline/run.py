"""The main job: find videos, plan, execute, account."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import FAILED, OK, SOME_FAILED, UserError
from pipeline.execution.cluster import Session, Where
from pipeline.execution.in_process import execute_here, is_small
from pipeline.execution.jobs import Outcome
from pipeline.execution.on_dask import execute
from pipeline.execution.progress import RunProgress
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source, identify
from pipeline.inputs.trials import Found, attach, find, find_starts
from pipeline.planning.graph import Node, build, wanted_stages
from pipeline.planning.plan import Planned, plan_nodes
from pipeline.planning.samples import gather, intervals
from stages import registry
from stages.base import StageError
from stages.pose import PoseParams, resolve_weights
from stages.pose.pins import PUBLISHED
from stages.pose.weights import ENVIRONMENT
from store import Receipt, Store, StoreError
from store.gc import leftovers, spent_parts


@dataclass
class Request:
    """What the command line asks for.

    Attributes
    ----------
    manifest : Manifest
    store_root : Path
    paths : tuple of Path
        Videos and folders; empty: the manifest's.
    stages : tuple of str
        Empty: all.
    where : Where
    report : Path or None
    pose_weights : Path or None
        Takes precedence over the manifest's.
    """

    manifest: Manifest
    store_root: Path
    paths: tuple[Path, ...] = ()
    stages: tuple[str, ...] = ()
    where: Where = field(default_factory=Where)
    report: Path | None = None
    pose_weights: Path | None = None


@dataclass
class Overview:
    """All videos of a request with their plans.

    Attributes
    ----------
    sources : list of Source
        Usable videos.
    problems : list of str
        One line for each path that cannot be used.
    plans : dict of str to list of Planned
        By the video's sha256, inputs first.
    overrides : dict
        Parameters decided outside the manifest.
    unavailable : str
        Why there are no weights for the pose stages; empty where there are.
    environment : dict of str to str
        For the workers.
    notes : list of str
        Worth saying, no failure: duplicates, annotation findings.
    """

    sources: list[Source]
    problems: list[str]
    plans: dict[str, list[Planned]]
    overrides: dict[str, dict[str, Any]]
    unavailable: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


@dataclass
class Result:
    """What a run did.

    Attributes
    ----------
    overview : Overview
    outcomes : list of Outcome
    code : int
        Exit code.
    dataset : str
        What became of the dataset file; empty where there was none to write.
    """

    overview: Overview
    outcomes: list[Outcome]
    code: int
    dataset: str = ""


def survey(request: Request, store: Store | None, console: Console) -> Overview:
    """Find and identify the videos and plan everything that can be planned now.

    Parameters
    ----------
    request : Request
    store : Store or None
        None: nothing has been computed yet.
    console : Console
        stderr, for the progress of hashing.

    Raises
    ------
    UserError
        No video at all, an unknown stage.
    """
    manifest = request.manifest
    names = wanted_stages(manifest, request.stages)
    entries = {manifest.resolve(e.path): e for e in manifest.videos}
    found = find(manifest, request.paths, request.store_root)
    if not found.paths and not found.problems:
        listed = ", ".join(str(p) for p in request.paths or entries)
        raise UserError(
            f"{listed}: no video file found there; give a video or a folder that holds some", FAILED
        )
    sources = _identify(found, store, console)
    by_place = {path.resolve(): entry for path, entry in entries.items()}
    for source in sources:
        for path in (source.path, *source.also):
            entry = by_place.get(path.resolve())
            if entry is not None:
                source.fps, source.player = entry.fps, entry.player
    found.notes += attach(sources, found)
    problems = found.problems + [f"{s.name}: {s.problem}" for s in sources if s.problem]
    usable = [s for s in sources if not s.problem]
    wanted = {s.sha256: wanted_stages(manifest, request.stages, s) for s in usable}
    if wanted:  # what none of them needs is no column of a table
        names = [n for n in names if any(n in own for own in wanted.values())]
    overview = Overview(usable, problems, {}, {}, notes=found.notes, names=names)
    overview.notes += [f"{also}: same content as {s.name}; processed once" for s in usable for also in s.also]
    if "pose" in names:
        _weights(request, overview, download=False)
    for source in usable:
        plain = [n for n in wanted[source.sha256] if registry()[n].unit == "blocks"]
        overview.plans[source.sha256] = plan_nodes(
            build(source, manifest, plain, overview.overrides).values(), store
        )
    plan_samples(request, store, overview)
    return overview


def _identify(found: Found, store: Store | None, console: Console) -> list[Source]:
    sizes = sum(p.stat().st_size for p in found.paths if p.exists())
    bar = Progress(
        TextColumn("reading videos"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal or sizes < 10**9,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=sizes)
        return identify(found.paths, store, lambda n: bar.advance(task, n), found.joints)


def _weights(request: Request, overview: Overview, *, download: bool) -> None:
    """Decide which PoseNet weights count, by content; note why where there are none."""
    params = request.manifest.params("pose")
    assert isinstance(params, PoseParams)
    explicit = request.pose_weights
    if explicit is None and request.manifest.pose_weights is not None:
        explicit = request.manifest.resolve(request.manifest.pose_weights)
    try:
        weights = resolve_weights(explicit, params.model, download=download)
    except StageError as e:
        overview.unavailable = str(e)
        if explicit is None and params.model in PUBLISHED:  # the key is known without having the files
            overview.overrides["pose"] = {"weights_sha256": PUBLISHED[params.model]}
        return
    overview.unavailable = ""
    overview.overrides["pose"] = {"weights_sha256": weights.sha256}
    overview.environment[ENVIRONMENT] = str(Path(weights.path).resolve())


def _needs_weights(plan: list[Planned]) -> bool:
    return any(p.node.stage.name == "pose" and p.state != "done" for p in plan)


def _frames(overview: Overview) -> list[tuple[Source, Receipt]]:
    found = []
    for source in overview.sources:
        receipt = overview.plans[source.sha256][0].receipt
        if receipt is not None:
            found.append((source, receipt))
    return found


def plan_samples(request: Request, store: Store | None, overview: Overview) -> None:
    """Add the stages that cut samples, for videos whose frames are counted, and note missing start frames."""
    overview.notes += [n for n in find_starts(overview.plans, store) if n not in overview.notes]
    names = [n for n in overview.names if registry()[n].unit == "samples"]
    labelled = any(s.sample and s.label for s in overview.sources)
    if not names or not (request.manifest.annotations or labelled):
        return
    annotations, cleaned, by_video = gather(request.manifest, _frames(overview))
    for issue in (*annotations.issues, *cleaned.issues):
        text = f"annotations: {issue}"
        if text not in overview.notes:
            overview.notes.append(text)
    for source in overview.sources:
        nodes = build(
            source, request.manifest, wanted_stages(request.manifest, request.stages, source),
            overview.overrides, intervals(by_video.get(source.sha256, ())),
        )  # fmt: skip
        overview.plans[source.sha256] = plan_nodes(nodes.values(), store)


def run(request: Request, console: Console) -> Result:
    """Make everything that is asked for and not there yet.

    Raises
    ------
    UserError, StoreError
        Nothing could be done at all.
    KeyboardInterrupt
        Passed on; finished files stay.
    """
    store = Store.create(request.store_root)
    with store.lock("run"):
        _sweep(store)
        overview = survey(request, store, console)
        if overview.unavailable and any(_needs_weights(plan) for plan in overview.plans.values()):
            _weights(request, overview, download=True)
        for problem in overview.problems:
            console.print(f"[red]failed[/red] {problem}", soft_wrap=True, highlight=False, markup=True)
        outcomes: list[Outcome] = []
        with Session(request.where, store.root, overview.environment, request.report) as session:
            for _ in range(2):  # the second round has the samples that frame counts decided
                ready = [_without_pose(plan, overview, outcomes) for plan in overview.plans.values()]
                ready = [_not_failed(plan, outcomes) for plan in ready]
                if any(p.state != "done" for plan in ready for p in plan):
                    with RunProgress(console, _totals(ready)) as progress:
                        if is_small(ready):
                            outcomes += execute_here(ready, store, progress.listen)
                        else:
                            outcomes += execute(ready, store, session, progress.listen)
                overview.plans = {
                    v: plan_nodes([p.node for p in plan], store) for v, plan in overview.plans.items()
                }
                plan_samples(request, store, overview)
        _sweep(store)  # what workers left that died on the way
        dataset = _dataset(request, store, overview, outcomes)
    failed = bool(overview.problems) or any(o.state != "done" for o in outcomes)
    done = any(o.state == "done" for o in outcomes) or any(
        p.state == "done" for plan in overview.plans.values() for p in plan
    )
    code = OK if not failed else SOME_FAILED if done or overview.sources or overview.problems else FAILED
    return Result(overview, outcomes, code, dataset)


def _dataset(request: Request, store: Store, overview: Overview, outcomes: list[Outcome]) -> str:
    """Bring the manifest's dataset file up to date, if this run was a whole one and there are samples."""
    from pipeline.dataset import export

    target = request.manifest.dataset
    samples = any(p.node.samples for plan in overview.plans.values() for p in plan)
    if target is None or request.stages or request.paths or not samples:
        return ""  # a part of the manifest's videos is not the dataset
    path = request.manifest.resolve(target)
    try:
        return str(export(request.manifest, store, overview.sources, overview.plans, path))
    except (UserError, StoreError, OSError) as e:
        reason = f"dataset {path}: {e}"
        outcomes.append(Outcome(f"dataset {path}", "dataset", "dataset", "failed", reason))
        return ""


def _sweep(store: Store) -> None:
    for path in (*leftovers(store), *spent_parts(store)):
        with contextlib.suppress(OSError):
            path.unlink()


def _without_pose(plan: list[Planned], overview: Overview, outcomes: list[Outcome]) -> list[Planned]:
    """Leave out what needs weights that cannot be had, once with a failure."""
    if not overview.unavailable:
        return plan
    barred: set[str] = set()
    kept = []
    for planned in plan:
        node = planned.node
        lacks = node.stage.name == "pose" or any(u in barred for u in node.inputs)
        if planned.state != "done" and lacks:
            barred.add(node.stage.name)
            first = node.stage.name == "pose"
            reason = overview.unavailable if first else "pose failed"
            outcome = Outcome(
                f"{node.stage.name} of {node.source.name}", node.source.sha256, node.stage.name,
                "failed" if first else "skipped", reason,
            )  # fmt: skip
            if outcome not in outcomes:
                outcomes.append(outcome)
        else:
            kept.append(planned)
    return kept


def _not_failed(plan: list[Planned], outcomes: Iterable[Outcome]) -> list[Planned]:
    """Drop what failed in the first round, and what hangs on it: once a run is enough."""
    failed = {(o.video, o.stage) for o in outcomes if o.state != "done"}
    return [p for p in plan if (p.node.source.sha256, p.node.stage.name) not in failed]


def _totals(plans: Iterable[list[Planned]]) -> Mapping[str, tuple[int, int]]:
    totals: dict[str, tuple[int, int]] = {}
    for plan in plans:
        receipt = plan[0].receipt if plan else None
        frames = receipt.shapes["rgb"][0] if receipt else 0
        for planned in plan:
            if planned.state != "done":
                files, rows = totals.get(planned.node.stage.name, (0, 0))
                totals[planned.node.stage.name] = (files + 1, rows + _rows(planned.node, frames))
    return totals


def _rows(node: Node, frames: int) -> int:
    if node.stage.unit == "samples":
        return sum(end - begin for begin, end in node.samples)
    return max(0, frames - 1) if node.stage.rows == "pairs" else frames
