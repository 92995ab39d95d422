"""Planning as a whole: find the videos, know them by content, plan every result of each."""

from __future__ import annotations

import contextlib
import gc
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import FAILED, UserError
from pipeline.inputs.sources import Source, identify
from pipeline.inputs.trials import Found, attach, find
from pipeline.inputs.views import views_of, with_entries
from pipeline.planning.derived_parameters import derive
from pipeline.planning.graph import Node, Recipes, wanted_stages
from pipeline.planning.request import Request
from pipeline.planning.samples import SampleTable, intervals
from pipeline.planning.staleness import Planned, plan_nodes
from pipeline.planning.starts import find_starts
from stages.base import Derived, Params
from stages.registry import registry
from store import DamagedError, Receipt, Store


@dataclass
class Overview:
    """All videos of a request with their plans.

    Attributes
    ----------
    sources : list of Source
        Usable videos, by view: each of several players of a video is one, and so are the strokes whose
        annotations say where to look.
    problems : list of str
        One line for each path that cannot be used.
    samples : SampleTable
        Of the videos whose frames are counted.
    plans : dict of str to list of Planned
        By the id of the view, inputs first. What views share is in the plan of each.
    names : list of str
        Stages that any of the videos needs, inputs first.
    derived : dict of str to Derived
        By stage: parameters decided outside the manifest, or why they cannot be had.
    remarks : list of str
        Worth saying, but no failure: duplicates, clips without a label.
    findings : list of str
        Likewise, but a matter of what the store holds now: start frames, annotations.
    warnings : list of str
        Likewise, what must not be missed: said last.
    lost : tuple of str
        Annotation files of which nothing can be used, one line each.
    """

    sources: list[Source]
    problems: list[str]
    samples: SampleTable
    plans: dict[str, list[Planned]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    derived: dict[str, Derived[Any]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lost: tuple[str, ...] = ()

    @property
    def unavailable(self) -> str:
        """Why a stage lacks a file, such as its weights; empty where none does."""
        return next((d.unavailable for d in self.derived.values() if d.unavailable), "")

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the workers."""
        return {k: v for d in self.derived.values() for k, v in d.environment.items()}

    @property
    def params(self) -> dict[str, Params]:
        """Parameters by stage, where something outside the manifest decides some of them."""
        return {name: d.params for name, d in self.derived.items()}

    @property
    def notes(self) -> list[str]:
        """Everything worth saying that is no failure, each line once."""
        return list(dict.fromkeys([*self.remarks, *self.findings, *self.warnings]))

    @property
    def results(self) -> list[Planned]:
        """Every result once, those that several views share too."""
        return list({p.node.key: p for plan in self.plans.values() for p in plan}.values())

    def to_do(self) -> bool:
        """Return whether any result is missing."""
        return any(p.state != "done" for p in self.results)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keep Python from looking for garbage among the plans of many videos: a tenth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@_uncollected()
def survey(request: Request, store: Store | None, console: Console) -> Overview:
    """Find and identify the videos, and plan everything that can be planned now.

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
        There is no video at all, or no such stage.
    """
    manifest = request.manifest
    names = wanted_stages(manifest, request.stages)
    found = find(manifest, request.paths, request.store_root)
    if not found.paths and not found.problems:
        listed = request.paths or [manifest.resolve(e.path) for e in manifest.videos]
        where = "; ".join(found.notes) or f"{', '.join(map(str, listed))}: no video file found there"
        raise UserError(f"{where}; give a video or a folder that holds some", FAILED)
    told, unlike = with_entries(manifest, _identify(found, store, console))
    sources, notes = attach(told, found)
    notes += unlike
    notes += list(dict.fromkeys(store.remarks)) if store else []
    videos = [s for s in sources if not s.problem]
    usable, unplayed = views_of(videos)
    recipes = Recipes(manifest, request.stages)
    wanted = {s.view_id: recipes.wanted(s) for s in usable}
    if wanted:  # what none of them needs is no column of a table
        names = _of_any(wanted.values())
    overview = Overview(
        usable,
        found.problems + [f"{s.name}: {s.problem}" for s in sources if s.problem],
        SampleTable(manifest, store=store, elsewhere=_elsewhere(request, usable)),
        names=names,
        remarks=found.notes + notes + unplayed,
    )
    overview.remarks += [
        f"{also}: same content as {s.name}; processed once"
        for s in videos
        for also in s.also
        if not _same_file(also, s.path)
    ]
    overview.derived = derive(manifest, names, request.pose_weights, download=False)
    recipes = Recipes(manifest, request.stages, overview.params)
    nodes = {s.view_id: [*recipes.build(s, wanted[s.view_id]).values()] for s in usable}
    overview.plans = _planned(nodes, store)
    _plan_samples(request, store, overview)
    return overview


def _of_any(wanted: Iterable[Collection[str]]) -> list[str]:
    """Return the stages that any of these have, in order."""
    every = {name for names in wanted for name in names}
    return [name for name in registry() if name in every]


def _planned(nodes: Mapping[str, Sequence[Node]], store: Store | None) -> dict[str, list[Planned]]:
    """Plan the nodes of views; a result of another view is no earlier result of this one."""
    keys: dict[str, set[str]] = defaultdict(set)
    for own in nodes.values():
        for node in own:
            keys[node.source.sha256].add(node.key)
    return {
        view: plan_nodes(own, store, keys[own[0].source.sha256]) if own else [] for view, own in nodes.items()
    }


def _planned_again(plans: Mapping[str, Sequence[Planned]], store: Store | None) -> dict[str, list[Planned]]:
    return _planned({view: [p.node for p in plan] for view, plan in plans.items()}, store)


def _elsewhere(request: Request, sources: list[Source]) -> tuple[str, ...] | None:
    """Return the places of the manifest's videos that are not asked for; None where all are."""
    if not request.paths:
        return None
    try:
        every = find(request.manifest, (), request.store_root).paths
    except UserError:  # it names none
        return ()
    here = {p.resolve() for s in sources for p in (s.path, *s.also)}
    return tuple(p.as_posix() for p in every if p.resolve() not in here)


def _same_file(path: Path, other: Path) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


@_uncollected()
def plan_again(request: Request, store: Store, overview: Overview) -> None:
    """Compare the plans with the store as it is now, and add the samples that have become known."""
    overview.plans = _planned_again(overview.plans, store)
    _plan_samples(request, store, overview)


def _identify(found: Found, store: Store | None, console: Console) -> list[Source]:
    sizes = sum(p.stat().st_size for p in found.paths if p.exists())
    bar = Progress(
        TextColumn("reading videos"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal or sizes < 10**9,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=sizes)
        return identify(found.paths, store, lambda n: bar.advance(task, n), found.joints)


def _frames(overview: Overview) -> list[tuple[Source, Receipt]]:
    found = []
    for source in overview.sources:
        receipt = overview.plans[source.view_id][0].receipt
        if receipt is not None:
            found.append((source, receipt))
    return found


def _starts(store: Store | None, overview: Overview) -> tuple[Mapping[str, int], tuple[str, ...]]:
    """Look up start frames; plan anew what turns out to be damaged."""
    for _ in overview.plans:
        try:
            return find_starts(overview.plans.values(), store)
        except DamagedError:
            overview.plans = _planned(
                {v: [p.node for p in plan] for v, plan in overview.plans.items()}, store
            )
    return find_starts(overview.plans.values(), store)


def _plan_samples(request: Request, store: Store | None, overview: Overview) -> None:
    """Plan the stages that cut samples, for videos whose frames are counted, and note what was found."""
    overview.sources = [s for s in overview.sources if not s.hinted]
    overview.plans = {s.view_id: overview.plans[s.view_id] for s in overview.sources}
    starts, notes = _starts(store, overview)
    counted = _frames(overview)
    known = {source.view_id for source, _ in counted}
    lacking = [s for s in overview.sources if s.view_id not in known]
    overview.samples = overview.samples.for_videos(counted, starts, lacking)
    overview.findings, overview.warnings = list(notes), []
    cut = any(registry()[n].sampling for n in overview.names)
    labelled = any(s.sample and s.label for s in overview.sources)
    if not cut or not (request.manifest.annotations or labelled):
        return
    overview.warnings = list(overview.samples.warnings)
    overview.findings += [n for n in overview.samples.notes if n not in overview.warnings]
    overview.lost = tuple(f"annotations: {line}" for line in overview.samples.lost)
    by_view: Mapping[str, Any] = overview.samples.by_view
    overview.sources += overview.samples.hinted
    recipes = Recipes(request.manifest, request.stages, overview.params)
    nodes = {}
    for source in overview.sources:
        wanted = recipes.wanted(source)
        overview.names = _of_any((overview.names, wanted))
        cut_here = intervals(by_view.get(source.view_id, ()))
        nodes[source.view_id] = [*recipes.build(source, wanted, cut_here).values()]
    overview.plans = _planned(nodes, store)
