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
from stages import registry
from stages.base import Params, Stage
from store import Slot

#: the modality that each optional input belongs to
MODALITY_OF = {"frames.rgb": "rgb", "flow.flow": "flow", "descriptor.joints": "pose"}
#: stage that does not run where joints are given: the frames file then holds the same arrays
REPLACED_BY_JOINTS = "pose"
#: stages that exist for one modality alone
ONLY_FOR = {"pose": "pose", "descriptor": "pose"}


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
    """

    source: Source
    stage: Stage
    params: Params
    inputs: Mapping[str, Node]
    arrays: tuple[str, ...]
    samples: tuple[tuple[int, int], ...] = ()
    key: str = field(init=False)

    def __post_init__(self) -> None:
        text = json.dumps(self.parts(), sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "key", hashlib.sha256(text.encode()).hexdigest())

    def parts(self) -> dict[str, Any]:
        """What the key is made of, as JSON values; kept in the receipt and shown by ``plan``."""
        parts: dict[str, Any] = {
            "stage": self.stage.name,
            "version": self.stage.version,
            "source": self.source.sha256,
            "params": self.params.model_dump(mode="json"),
            "inputs": {name: node.key for name, node in self.inputs.items()},
            "arrays": list(self.arrays),
        }
        if self.stage.unit == "samples":
            parts["samples"] = [list(s) for s in self.samples]
        return parts

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
    goals = names or [n for n in stages if _switched_on(n, manifest, source)]
    needed: set[str] = set()

    def add(name: str) -> None:
        if name not in needed:
            needed.add(name)
            for array in active_inputs(stages[name], manifest, manifest.params(name)):
                if array != "video":
                    add(array.split(".")[0])

    for name in goals:
        add(name)
    if source is not None and source.joints:
        needed.discard(REPLACED_BY_JOINTS)
    return [n for n in stages if n in needed]


def _switched_on(stage: str, manifest: Manifest, source: Source | None) -> bool:
    if stage == "untrimmed":
        return manifest.untrimmed
    if stage == "start":  # a long video has many actions: it is for trials
        return source.sample == "start" if source else any(s.sample == "start" for s in manifest.sources)
    return stage not in ONLY_FOR or ONLY_FOR[stage] in manifest.modalities


def active_inputs(stage: Stage, manifest: Manifest, params: Params) -> tuple[str, ...]:
    """The inputs a stage reads with these parameters, without modalities that are switched off."""
    inputs = stage.reads(params) if stage.reads else stage.inputs
    return tuple(a for a in inputs if a not in stage.optional or MODALITY_OF[a] in manifest.modalities)


def _maker(stage: str, source: Source) -> str:
    """The stage that makes the arrays of a stage for this source."""
    return "frames" if source.joints and stage == REPLACED_BY_JOINTS else stage


def build(
    source: Source,
    manifest: Manifest,
    names: Iterable[str],
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    samples: tuple[tuple[int, int], ...] = (),
) -> dict[str, Node]:
    """The nodes of one video, inputs first.

    Parameters
    ----------
    source : Source
    manifest : Manifest
    names : iterable of str
        Stages in registry order, closed under inputs.
    overrides : mapping
        Stage → parameters that something other than the manifest decides (the weights' digest).
    samples : tuple of (int, int)
        Samples of this video; without any there is no cuboids node.
    """
    nodes: dict[str, Node] = {}
    for name in names:
        stage = registry()[name]
        if stage.unit == "samples" and not samples:
            continue
        values = {**manifest.stages.get(name, {}), **(overrides or {}).get(name, {})}
        if name == "frames" and source.fps:
            values["fps"] = source.fps
        params = stage.params(**values)
        arrays = active_inputs(stage, manifest, params)
        upstream = dict.fromkeys(a.split(".")[0] for a in arrays if a != "video")
        nodes[name] = Node(
            source,
            stage,
            params,
            {u: nodes[_maker(u, source)] for u in upstream},
            arrays,
            samples if stage.unit == "samples" else (),
        )
    return nodes
