"""Decide what a dataset is to hold (videos, samples, labels); of the store, only receipts are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.annotations import NEGATIVE, TAXONOMIES, Action, Sample, Taxonomy, Waterfall
from pipeline.discovery import view_name
from pipeline.errors import FAILED, UserError
from pipeline.execution.feature_files import video_info
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source
from pipeline.planning.graph import Node
from pipeline.planning.quality.flagged import Flagged, divide
from pipeline.planning.quality.judging import Judged
from pipeline.planning.samples import SampleTable
from pipeline.planning.staleness import Planned
from stages.base import ArraySpec, VideoInfo
from stages.cuboids import STAGE as CUBOIDS
from stages.cuboids import CuboidParams
from stages.descriptor import JOINTS
from store.names import valid_text

#: arrays of /cuboids that are left out where the modality is switched off
MODALITIES = ("rgb", "flow", "pose")
#: class index of a frame that has no known class
UNKNOWN = -1


@dataclass(frozen=True)
class Video:
    """One video, or one player's view of it, with its results.

    Attributes
    ----------
    source : Source
    name : str
        As the dataset shows it: relative to the manifest's folder where the video lies in it, else the file
        name; never an absolute path.
    info : VideoInfo
    nodes : dict of str to Node
        Its results by stage, all of them done; ``cuboids`` only for a video with samples.
    samples : tuple of Sample
        Sorted by begin and end.
    actions : tuple of Action
        Including those that cleaning dropped; for the labels of frames.
    variable : bool
        Whether its frame rate changes.
    """

    source: Source
    name: str
    info: VideoInfo
    nodes: Mapping[str, Node]
    samples: tuple[Sample, ...]
    actions: tuple[Action, ...]
    variable: bool = False


@dataclass(frozen=True)
class Content:
    """Everything that decides what is in a dataset file.

    Attributes
    ----------
    videos : tuple of Video
        Sorted by name.
    modalities : tuple of str
    untrimmed : bool
    cuboids : CuboidParams
    view : Taxonomy
        The taxonomy of ``samples/label``.
    views : dict of str to Taxonomy
    waterfall : Waterfall
    parameters : dict
        Of the stages, by name, of cleaning and of splits.
    left_out : tuple of str
        One line per video that failed.
    flagged : Flagged
        What is known against videos and samples; not part of the file.
    """

    videos: tuple[Video, ...]
    modalities: tuple[str, ...]
    untrimmed: bool
    cuboids: CuboidParams
    view: Taxonomy
    views: Mapping[str, Taxonomy]
    waterfall: Waterfall
    parameters: Mapping[str, Any]
    left_out: tuple[str, ...]
    flagged: Flagged = field(default_factory=Flagged)

    @property
    def stage_versions(self) -> dict[str, int]:
        """The versions of the stages whose results are in the file, or that these follow from."""
        return {n.stage.name: n.stage.version for video in self.videos for n in video.nodes.values()}

    @property
    def samples(self) -> list[tuple[int, Sample]]:
        """All samples in the order of the file, each with the row of its video."""
        return [(row, s) for row, video in enumerate(self.videos) for s in video.samples]

    @property
    def frame(self) -> VideoInfo:
        """The facts of the first video; all videos have the same frame size."""
        return self.videos[0].info

    def row_shape(self, spec: ArraySpec) -> tuple[int, ...]:
        """Return the shape of one row of an array of the cuboids."""
        width, height = self.cuboids.window(self.frame)
        sizes = {"y": height, "x": width, "channel": 3, "component": 2, "joint": 1 + len(JOINTS)}
        return tuple(sizes[axis] if axis in sizes else len(axis) for axis in spec.axes[1:])  # "xy", "xys"


def views_of(manifest: Manifest) -> dict[str, Taxonomy]:
    """Return every taxonomy that the manifest knows, by name, in a fixed order."""
    names = sorted({"strokes", *TAXONOMIES, *(t.name for t in manifest.taxonomies)})
    return {name: manifest.model_copy(update={"taxonomy": name}).view for name in names}


def select_content(
    manifest: Manifest,
    sources: Iterable[Source],
    plans: Mapping[str, list[Planned]],
    samples: SampleTable,
    judged: Judged | None = None,
    *,
    without_flagged: bool = False,
) -> Content:
    """Select what a dataset of these videos holds: those without a failure, their samples and labels.

    Parameters
    ----------
    manifest : Manifest
    sources : iterable of Source
    plans : mapping of str to list of Planned
        By the id of the view, planned against the store as it is now.
    samples : SampleTable
        As planned.
    judged : Judged, optional
        What is known against videos and samples.
    without_flagged : bool
        Whether samples with a flag are left out.

    Returns
    -------
    Content

    Raises
    ------
    UserError
        Results are missing or out of date, or there is no sample and whole videos are not asked for.
    """
    usable: list[tuple[Source, dict[str, Planned]]] = []
    left_out: list[str] = []
    lacking: dict[str, list[str]] = {}
    for source in sorted(sources, key=lambda s: (shown_name(s, manifest), s.sha256)):
        plan = {p.node.stage.name: p for p in plans[source.view_id]}
        needed = {name: p for name, p in plan.items() if not p.node.stage.judges}
        failed = [p for p in needed.values() if p.state == "failed"]
        todo = [name for name, p in needed.items() if p.state != "done"]
        if failed:
            left_out.append(f"{shown_name(source, manifest)}: {failed[0].node.stage.name} failed")
        elif todo:
            lacking[source.name] = todo
        else:
            usable.append((source, plan))
    if lacking:
        name, todo = next(iter(lacking.items()))
        more = f" and {len(lacking) - 1} more videos" if len(lacking) > 1 else ""
        raise UserError(
            f"{', '.join(todo)} of {name}{more}: not computed or out of date; run `ttprep run` first", FAILED
        )
    receipts = [(source, plan["frames"].receipt) for source, plan in usable]
    table = samples.for_videos([(s, r) for s, r in receipts if r is not None])
    annotations, cleaned, by_view = table.annotations, table.cleaned, table.by_view
    if not any(by_view.values()) and not (manifest.untrimmed and usable):  # whole videos need no sample
        found = f"{len(annotations.annotations)} annotations were read, {len(annotations.issues)} findings"
        hint = "see `ttprep annotations`" if annotations.annotations else "list annotations in the manifest"
        if any(source.sample for source, _ in usable):
            hint = "trials and clips need a label, maybe a start frame too; see the notes of `ttprep plan`"
        if manifest.untrimmed:
            raise UserError(f"no sample to export ({found}); {hint}", FAILED)
        what = f"no sample to export ({found}; {hint})"
        raise UserError(f"{what}; set `untrimmed: true`, run and export again for whole videos alone", FAILED)
    by_view, flagged = divide(by_view, judged or Judged(), without=without_flagged)
    if flagged.dropped and not any(by_view.values()) and not manifest.untrimmed:
        raise UserError(
            f"no sample to export: {flagged.text()}; `ttprep status` says what is wrong with the videos, "
            "and `quality:` in the manifest sets the limits",
            FAILED,
        )
    view_of = {name: s.view_id for name, s in table.views.items()}
    videos = []
    for source, plan in usable:
        receipt = plan["frames"].receipt
        assert receipt is not None
        videos.append(
            Video(
                source,
                shown_name(source, manifest),
                video_info(receipt),
                {name: p.node for name, p in plan.items() if not p.node.stage.judges},
                tuple(sorted(_cut(by_view.get(source.view_id, ()), plan), key=lambda s: (s.begin, s.end))),
                tuple(a for a in cleaned.actions if view_of.get(a.video) == source.view_id),
                table.facts[source.view_id].variable,
            )
        )
    params = manifest.params(CUBOIDS)
    views = views_of(manifest)
    return Content(
        videos=tuple(videos),
        modalities=tuple(m for m in MODALITIES if m in manifest.modalities),
        untrimmed=manifest.untrimmed,
        cuboids=params,
        view=views[manifest.taxonomy],
        views=views,
        waterfall=cleaned.waterfall,
        parameters=_parameters(manifest, videos),
        left_out=tuple(left_out),
        flagged=flagged,
    )


def _cut(samples: Iterable[Sample], plan: Mapping[str, Planned]) -> list[Sample]:
    """Return the samples that were cut: the cap on negatives is another where a video is left out."""
    there = set(plan["cuboids"].node.samples) if "cuboids" in plan else set()
    return [s for s in samples if (s.begin, s.end) in there]


def shown_name(source: Source, manifest: Manifest) -> str:
    """Return a video's name for the dataset, free of this machine's folders."""
    path, home = source.path.resolve(), manifest.folder.resolve()
    name = path.relative_to(home).as_posix() if path.is_relative_to(home) else path.name
    return valid_text(view_name(name, source.view))


def _parameters(manifest: Manifest, videos: Iterable[Video]) -> dict[str, Any]:
    stages: dict[str, Any] = {}
    for video in videos:
        for name, node in video.nodes.items():
            values = node.params.model_dump(mode="json")
            for own in ("fps", node.stage.focus):  # differ between videos; /videos has them
                values.pop(own, None)
            stages.setdefault(name, values)
    return {
        "stages": dict(sorted(stages.items())),
        "cleaning": manifest.cleaning.model_dump(mode="json"),
        "splits": manifest.splits.model_dump(mode="json"),
    }


def frame_labels(
    n_frames: int, samples: Iterable[Sample], actions: Iterable[Action], view: Taxonomy
) -> NDArray[np.int16]:
    """Return the class index of each frame.

    Between strokes it is the negative class (:data:`UNKNOWN` where the view has none). It is :data:`UNKNOWN`
    for a stroke whose annotators disagree or whose label has no class, and throughout a video without any
    annotation. Where strokes overlap, the later one counts.

    Parameters
    ----------
    n_frames : int
    samples : iterable of Sample
        Of this video.
    actions : iterable of Action
        Of this video, including those that cleaning dropped.
    view : Taxonomy

    Returns
    -------
    (n_frames,) int16
    """
    index = {name: i for i, name in enumerate(view.names)}

    def of(label: str | None) -> int:
        name = view.class_of(label)
        return UNKNOWN if name is None else index[name]

    played = [a for a in actions if a.label != NEGATIVE]
    strokes = sorted((s for s in samples if s.label != NEGATIVE), key=lambda s: (s.begin, s.end))
    out = np.full(n_frames, of(NEGATIVE) if played or strokes else UNKNOWN, np.int16)
    for action in played:
        out[max(0, action.begin) : action.end] = UNKNOWN
    for sample in strokes:
        out[sample.begin : sample.end] = of(sample.label)
    return out
