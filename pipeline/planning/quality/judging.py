"""Flags of a request's videos and of their samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.annotations import NEGATIVE, Sample
from pipeline.inputs.quality import Quality
from pipeline.planning.graph import Node
from pipeline.planning.quality.copies import find_copies
from pipeline.planning.quality.flags import NAMES, Flag, copy_flag, find_flags
from pipeline.planning.staleness import Planned
from stages.quality import STAGE
from stages.quality.summary import repeated, summarise
from store import DamagedError, Receipt, Store

#: of a sample: the video that it is of, and its own id
SampleKey = tuple[str, str]


@dataclass(frozen=True)
class Judged:
    """What is wrong with videos and samples.

    Attributes
    ----------
    videos : mapping of str to tuple of Flag
        By the key of the video's plan; those that are flagged.
    samples : mapping of (str, str) to tuple of Flag
        By the key of the video's plan and the id of the sample, likewise.
    measured : frozenset of str
        Videos whose quality is in the store.
    names : mapping of str to str
        Video → its name.
    """

    videos: Mapping[str, tuple[Flag, ...]] = field(default_factory=dict)
    samples: Mapping[SampleKey, tuple[Flag, ...]] = field(default_factory=dict)
    measured: frozenset[str] = frozenset()
    names: Mapping[str, str] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Return flag → number of samples that have it, in the order of the flags."""
        return count_flags(self.samples.values())


def count_flags(flags: Iterable[Sequence[Flag]]) -> dict[str, int]:
    """Return flag → how many of these have it, in the order of the flags."""
    found = Counter(flag.name for own in flags for flag in own)
    return {name: found[name] for name in NAMES if found[name]}


def counted(flags: Mapping[str, int]) -> str:
    """Return numbers of flags as text, as ``3 few-poses, 1 blurred``."""
    return ", ".join(f"{n} {name}" for name, n in flags.items())


def judge(
    plans: Mapping[str, Sequence[Planned]],
    store: Store | None,
    limits: Quality,
    samples: Mapping[str, Sequence[Sample]] | None = None,
    names: Mapping[str, str] | None = None,
) -> Judged:
    """Compare the measures in the store with the limits.

    Parameters
    ----------
    plans : mapping of str to list of Planned
        Video → its results, planned against the store as it is now.
    store : Store or None
    limits : Quality
    samples : mapping of str to list of Sample, optional
        Video → its samples; default: none is judged.
    names : mapping of str to str, optional
        Video → what it is called; default: as its user calls it.
    """
    found = {
        video: (p, plan[0].receipt)
        for video, plan in plans.items()
        for p in plan
        if p.node.stage is STAGE and p.state == "done"
    }
    names = names or {video: plan[0].node.source.name for video, plan in plans.items() if plan}
    videos: dict[str, tuple[Flag, ...]] = {}
    moments: dict[str, list[dict[str, Any]]] = {}
    for video, (planned, _) in found.items():
        attrs = planned.receipt.attrs if planned.receipt is not None else {}
        videos[video] = find_flags(attrs.get("summary", {}), limits)
        if not any(flag.name == "black" for flag in videos[video]):
            moments[video] = attrs.get("moments", [])
    copies: dict[str, Flag] = {}
    if limits.copy_of is not None:
        contents = {video: plans[video][0].node.source.sha256 for video in moments}
        ordered = {v: moments[v] for v in sorted(moments, key=lambda v: (bool(videos[v]), names[v], v))}
        for video, (other, likeness) in find_copies(ordered, contents, limits.copy_of).items():
            copies[video] = copy_flag(names[other], likeness)
            videos[video] = (*videos[video], copies[video])
    judged: dict[SampleKey, tuple[Flag, ...]] = {}
    for video, (planned, frames) in found.items():
        own = (samples or {}).get(video, ())
        if own and store is not None and frames is not None:
            of_video = (copies[video],) if video in copies else ()
            for sample, flags in _of_samples(store, planned.node, frames, own, limits):
                if flags or of_video:
                    judged[video, sample.id] = (*flags, *of_video)
    flagged = {video: flags for video, flags in videos.items() if flags}
    return Judged(flagged, judged, frozenset(found), names)


def _of_samples(
    store: Store, node: Node, frames: Receipt, samples: Sequence[Sample], limits: Quality
) -> Iterable[tuple[Sample, tuple[Flag, ...]]]:
    """Judge stretches of a video by their own frames; what is damaged is not judged."""
    fps, width = float(frames.attrs["fps"]), int(frames.shapes["rgb"][2])
    try:
        with store.reader(node.slot) as reader:
            rows = {name: reader.read(name) for name in reader.names}
    except DamagedError:
        return
    rows["repeated"] = repeated(rows["difference"], fps)
    n = len(rows["repeated"])
    for sample in samples:
        begin, end = max(0, sample.begin), min(n, sample.end)
        if begin < end:
            own = {name: values[begin:end] for name, values in rows.items()}
            resting = sample.label == NEGATIVE
            yield sample, find_flags(summarise(own, fps, width), limits, resting=resting)
