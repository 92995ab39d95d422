"""The graph: which stages a request needs, and the key of each result.

A key is the sha256 of everything a result depends on: the video's content, the stage's name and
version, its parameters, the keys of its inputs (and, for cuboids, the samples). Paths, times and
machines are not part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import USAGE, UserError
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from stages.base import Params, Setting, Stage, upstream_of
from stages.registry import registry
from store import Slot

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class _Recipe:
    """What the nodes of a stage have in common, whatever the video."""

    stage: Stage[Any]
    params: Params
    arrays: tuple[str, ...]
    upstream: tuple[str, ...]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Node:
    """One stage of one video, with its key.

    Attributes
    ----------
    source : Source
    stage : Stage
    params : Params
    inputs : dict of str to Node
        Upstream stage → its node.
    arrays : tuple of str
        The ``stage.array`` inputs really read (modalities switched off are not among them).
    samples : tuple of (int, int)
        Begin and end of the samples to cut; for the cuboids alone.
    recipe : _Recipe, optional
        Where stage and parameters are its own, the JSON values of these are taken from it.
    """

    source: Source
    stage: Stage[Any]
    params: Params
    inputs: Mapping[str, Node]
    arrays: tuple[str, ...]
    samples: tuple[tuple[int, int], ...] = ()
    recipe: _Recipe | None = field(default=None, repr=False, compare=False)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        text = _CANONICAL.encode(self.parts())
        object.__setattr__(self, "key", hashlib.sha256(text.encode()).hexdigest())

    def parts(self) -> dict[str, Any]:
        """What the key is made of, as JSON values; kept in the receipt and shown by ``plan``."""
        parts: dict[str, Any] = {
            "stage": self.stage.name,
            "version": self.stage.version,
            "source": self.source.sha256,
            "params": self._key_values(),
            "inputs": {name: node.key for name, node in self.inputs.items()},
            "arrays": list(self.arrays),
        }
        if self.stage.sampling:
            parts["samples"] = [list(s) for s in self.samples]
        return parts

    def _key_values(self) -> dict[str, Any]:
        known = self.recipe
        if known is not None and known.params is self.params and known.stage is self.stage:
            return dict(known.values)
        return self.stage.key_values(self.params)  # also of a node with other parameters, made from this one

    @property
    def focused(self) -> bool:
        """Whether the result is of one view of the video alone; others are shared by all of its views."""
        own = bool(self.stage.focus) and getattr(self.params, self.stage.focus) is not None
        return own or any(node.focused for node in self.inputs.values())

    @property
    def video(self) -> str:
        """The name of what the result is of: the video's, with the view where it matters."""
        return self.source.name if self.focused else self.source.video

    @property
    def slot(self) -> Slot:
        """Where the result lies in a store."""
        return Slot(self.source.sha256, self.stage.name, self.key)


def wanted_stages(manifest: Manifest, names: Iterable[str], source: Source | None = None) -> list[str]:
    """Stages to run, inputs first.

    Parameters
    ----------
    manifest : Manifest
    names : iterable of str
        Requested stages; none: all that the manifest switches on.
    source : Source, optional
        Only what this one needs; without, what any of the manifest's may need.

    Raises
    ------
    UserError
        An unknown stage.
    """
    stages = registry()
    names = list(names)
    unknown = [n for n in names if n not in stages]
    if unknown:
        raise UserError(f"there is no stage {unknown[0]!r}; the stages are {', '.join(stages)}", USAGE)
    setting = _setting(manifest, source)
    goals = names or [n for n, stage in stages.items() if _applies(stage, setting)]
    needed: set[str] = set()

    def add(name: str) -> None:
        if name not in needed:
            needed.add(name)
            for upstream in upstream_of(active_inputs(stages[name], manifest, source)):
                add(upstream)

    for name in goals:
        add(name)
    if source is not None and source.joints:
        needed -= {name for name in needed if stages[name].replaced_by_joints}
    return [n for n in stages if n in needed]


def _setting(manifest: Manifest, source: Source | None) -> Setting:
    whole = manifest.sources if source is None else ()
    starts = any(s.sample == "start" for s in (*whole, *((source,) if source else ())))
    modalities, measured = frozenset(manifest.modalities), manifest.quality.measure
    return Setting(modalities, manifest.untrimmed, starts, measured, manifest.pose3d)


def _applies(stage: Stage[Any], setting: Setting) -> bool:
    return (not stage.modality or stage.modality in setting.modalities) and stage.applies(setting)


def active_inputs(
    stage: Stage[Any], manifest: Manifest, source: Source | None = None, params: Params | None = None
) -> tuple[str, ...]:
    """Return the inputs a stage reads with its parameters: of modalities that are on, and good enough for it.

    Parameters
    ----------
    stage : Stage
    manifest : Manifest
    source : Source, optional
        Whose frame rate and focus count.
    params : Params, optional
        Default: the manifest's.
    """
    params = params or manifest.params(stage)
    inputs = stage.reads(_bound(stage, params, source)) if stage.reads else stage.inputs
    shown = (a for a in inputs if a not in stage.optional or stage.optional[a] in manifest.modalities)
    return tuple(
        a
        for a in shown
        if a not in stage.accepts or stage.accepts[a](manifest.params(registry()[a.split(".")[0]]))
    )


def _bound(stage: Stage[Any], params: Params, source: Source | None) -> Params:
    """Return the parameters for a source: with its frame rate and its focus."""
    if source is None:
        return params
    bound: Params = stage.bind(stage.typed(params), source.fps)
    return bound.model_copy(update={stage.focus: source.focus}) if stage.focus and source.focus else bound


def _maker(stage: str, source: Source, nodes: Mapping[str, Node]) -> Node:
    """Return the node that makes the arrays of a stage for this source."""
    if source.joints and registry()[stage].replaced_by_joints:
        return next(node for node in nodes.values() if node.stage.is_root)
    return nodes[stage]


class Recipes:
    """Build the nodes of many videos; what does not depend on the video is found out once.

    Parameters
    ----------
    manifest : Manifest
    stages : iterable of str
        Requested stages; none: all that the manifest switches on.
    derived : mapping of str to Params
        Stage → its parameters where something outside the manifest decides some of them.
    """

    def __init__(
        self, manifest: Manifest, stages: Iterable[str], derived: Mapping[str, Params] | None = None
    ) -> None:
        self._manifest, self._stages, self._derived = manifest, tuple(stages), derived or {}
        self._wanted: dict[tuple[Any, ...], list[str]] = {}
        self._known: dict[tuple[Any, ...], list[_Recipe]] = {}

    def wanted(self, source: Source) -> list[str]:
        """Return the stages that a source needs, inputs first; see :func:`wanted_stages`."""
        if source.focus is not None:  # its own, most often
            return wanted_stages(self._manifest, self._stages, source)
        kind = _kind(source)
        if kind not in self._wanted:
            self._wanted[kind] = wanted_stages(self._manifest, self._stages, source)
        return self._wanted[kind]

    def build(
        self, source: Source, names: Iterable[str], samples: tuple[tuple[int, int], ...] = ()
    ) -> dict[str, Node]:
        """Return the nodes of one video by stage, inputs first; see :func:`build`."""
        names = tuple(name for name in names if samples or not registry()[name].sampling)
        if source.focus is not None:
            return _nodes(source, self._recipes(source, names), samples)
        kind = (*_kind(source), names)
        if kind not in self._known:
            self._known[kind] = self._recipes(source, names)
        return _nodes(source, self._known[kind], samples)

    def _recipes(self, source: Source, names: Iterable[str]) -> list[_Recipe]:
        found = []
        for name in names:
            stage = registry()[name]
            params = stage.typed(self._derived.get(name) or self._manifest.params(stage))
            arrays = active_inputs(stage, self._manifest, source, params)
            settled = stage.settled(_bound(stage, params, source))
            found.append(_Recipe(stage, settled, arrays, upstream_of(arrays), stage.key_values(settled)))
        return found


def _kind(source: Source) -> tuple[Any, ...]:
    """Return what the stages and their parameters depend on, of a source without a focus."""
    return source.fps, source.sample, source.joints is not None


def _nodes(
    source: Source, recipes: Iterable[_Recipe], samples: tuple[tuple[int, int], ...]
) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    for r in recipes:
        nodes[r.stage.name] = Node(
            source,
            r.stage,
            r.params,
            {u: _maker(u, source, nodes) for u in r.upstream},
            r.arrays,
            samples if r.stage.sampling else (),
            r,
        )
    return nodes


def build(
    source: Source,
    manifest: Manifest,
    names: Iterable[str],
    derived: Mapping[str, Params] | None = None,
    samples: tuple[tuple[int, int], ...] = (),
) -> dict[str, Node]:
    """Build the nodes of one video, inputs first.

    Parameters
    ----------
    source : Source
    manifest : Manifest
    names : iterable of str
        Stages in registry order, closed under inputs.
    derived : mapping of str to Params
        Stage → its parameters where something outside the manifest decides some of them.
    samples : tuple of (int, int)
        Samples of this video; without any, no stage that cuts samples has a node.
    """
    return Recipes(manifest, (), derived).build(source, names, samples)
