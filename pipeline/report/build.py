"""Build a report: gather, compare, write the pages; the index last."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.errors import OK, SOME_FAILED
from pipeline.inputs.manifest import Manifest
from pipeline.planning.quality.judging import counted, judge
from pipeline.planning.staleness import Planned
from pipeline.planning.survey import Overview
from pipeline.report.content.gathering import Video, gather
from pipeline.report.folder import Folder
from pipeline.report.late_bar import LateBar
from pipeline.report.pages import embedded, render, write_assets
from pipeline.report.sections.annotations import Annotated, annotation_section
from pipeline.report.sections.dataset import dataset_section
from pipeline.report.sections.detections import Detections
from pipeline.report.sections.odd import Oddity, find_odd, limits
from pipeline.report.sections.run import costs, failures, totals, video_row
from pipeline.report.sections.video import video_context
from pipeline.terminal import readable
from store import Store

#: longest film that is made unasked, frames
FILM_FRAMES = 3000


@dataclass(frozen=True)
class Options:
    """What a report is to hold.

    Attributes
    ----------
    dataset : Path or None
    detections : Detections or None
    film_frames : int
        Longest film; 0 makes none and keeps those that are there.
    whole_film : str
        sha256 of the video whose film is made in full length; empty: of none.
    """

    dataset: Path | None = None
    detections: Detections | None = None
    film_frames: int = FILM_FRAMES
    whole_film: str = ""


@dataclass(frozen=True)
class Built:
    """What was built.

    Attributes
    ----------
    folder : Path
    videos : list of Video
    odd : dict of str to list of Oddity
        By the id of a video.
    problems : list of str
        Paths that cannot be used.
    changed : int
        Pages that were not there, or differ from those that were.
    removed : int
        Files of videos that are gone.
    seconds : float
    lost : list of str
        Detections of unknown videos.
    whole : Video or None
        The one whose film was asked for in full length.
    """

    folder: Path
    videos: list[Video]
    odd: dict[str, list[Oddity]]
    problems: list[str]
    changed: int
    removed: int
    seconds: float
    lost: list[str] = field(default_factory=list)
    whole: Video | None = None

    @property
    def index(self) -> Path:
        """The page to open."""
        return self.folder / "index.html"

    @property
    def code(self) -> int:
        """Exit code of the command."""
        return SOME_FAILED if self.problems or any(v.problems for v in self.videos) else OK

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "folder": str(self.folder),
            "index": str(self.index),
            "videos": [
                {
                    "video": v.name, "sha256": v.sha256, "page": v.page, "frames": v.note.get("n", 0),
                    "film_frames": v.note.get("film", {}).get("frames", 0), "film_made": v.made,
                    "odd": [vars(o) for o in self.odd.get(v.id, [])], "problems": v.problems,
                }
                for v in self.videos
            ],
            "pages_written": self.changed,
            "films_made": sum(v.made for v in self.videos),
            "files_removed": self.removed,
            "problems": self.problems,
            "detections_without_video": self.lost,
            "seconds": round(self.seconds, 2),
            "exit_code": self.code,
        }  # fmt: skip


def build(
    overview: Overview, store: Store, manifest: Manifest, path: Path, options: Options, console: Console
) -> Built:
    """Build a report, or bring one up to date.

    Parameters
    ----------
    overview : Overview
        Planned against the store as it is.
    store : Store
        Only read.
    manifest : Manifest
    path : Path
        The report's folder: new, empty or a report.
    options : Options
    console : Console
        stderr, for a progress bar.

    Raises
    ------
    UserError
        The folder is not the report's own, or cannot be written.
    """
    start = time.perf_counter()
    folder = Folder(path)

    def frames(plan: list[Planned]) -> int:
        return 1 << 62 if plan[0].node.source.sha256 == options.whole_film else options.film_frames

    with LateBar("report", console) as bar:
        videos = gather(store, folder, overview.plans.values(), frames, bar.advance)
    figures = {v.id: v.note["figures"] for v in videos if v.note}
    odd = find_odd(figures, {v.id: v.note["look"] for v in videos if v.note})
    told = annotation_section(overview.samples)
    judged = judge(overview.plans, store, manifest.quality, overview.samples.by_view)
    flags = {
        judged.names[v]: [{**vars(f), "seen": readable(f.seen)} for f in found]
        for v, found in judged.videos.items()
    }
    detections = options.detections
    assigned, lost = detections.assign({v.id: v.name for v in videos}) if detections else ({}, [])
    names = {v.id: v for v in videos}
    shown = {v.id: [_named(o, names) for o in odd.get(v.id, [])] for v in videos}
    write_assets(folder)
    changed = 0
    annotated = Annotated(overview.samples) if told is not None else None
    for i, video in enumerate(videos):
        neighbours = videos[i - 1] if i else None, videos[i + 1] if i + 1 < len(videos) else None
        found = (detections, assigned[video.id]) if detections and video.id in assigned else None
        context = video_context(video, annotated, found, neighbours)
        context |= {"flags": flags.get(video.name, []), "odd": shown[video.id], "nonce": folder.nonce}
        if context["data"] is not None:
            context["data"] = embedded(context["data"])
        if context["space"] is not None:
            context["space"]["data"] = embedded(context["space"]["data"])
        changed += folder.write(video.page, render("video.html", context))
    others = len({*store.videos()} - {v.sha256[:16] for v in videos})
    index = _index(overview, videos, shown) | {
        "others": others,
        "nonce": folder.nonce,
        "title": readable("/".join(store.root.parts[-2:])),
        "annotations": told,
        "comparisons": folder.comparisons(),
        "flagged": [
            {"name": readable(v.name), "page": v.page, "flags": flags[v.name]}
            for v in videos
            if v.name in flags
        ],
        "flagged_samples": counted(judged.counts()),
        "dataset": dataset_section(options.dataset, {(v.sha256, v.source.view): v.page for v in videos}),
        "detections": _told(detections, assigned, lost),
    }
    changed += folder.write("index.html", render("index.html", index))
    removed = folder.prune({*names, *store.videos()})
    problems, seconds = index["problems"], time.perf_counter() - start
    whole = next((v for v in videos if v.sha256 == options.whole_film), None)
    return Built(path, videos, odd, problems, changed, removed, seconds, lost, whole)


def _index(overview: Overview, videos: list[Video], odd: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    """Return what the index says of the run."""
    stages = overview.names
    cost, failed = costs(videos, stages), failures(videos)
    problems = [readable(p) for p in (*overview.problems, *overview.lost)]
    return {
        "root": "",
        "stages": stages,
        "written": time.strftime("%Y-%m-%d %H:%M"),
        "version": metadata.version("ttprep"),
        "videos": [video_row(v, stages, len(odd[v.id])) for v in videos],
        "total": totals(videos, cost),
        "costs": cost,
        "failures": failed,
        "problems": problems,
        "attention": len(failed) + len(problems),
        "unavailable": readable(overview.unavailable),
        "notes": [readable(n) for n in overview.notes],
        "odd": [
            {"id": v.id, "name": readable(v.name), "page": v.page, "found": odd[v.id]}
            for v in videos
            if odd[v.id]
        ],
        "limits": limits(),
    }


def _named(oddity: Oddity, videos: dict[str, Video]) -> dict[str, str]:
    """Return an oddity for a template; a video that it points to by its name, with its page."""
    other = videos.get(oddity.value) if oddity.figure == "twin" else None
    more = {"page": other.page if other else "", "file": f"{other.id}.html" if other else ""}
    return vars(oddity) | more | ({"value": readable(other.name)} if other else {})


def _told(found: Detections | None, assigned: dict[str, str], lost: list[str]) -> dict[str, Any] | None:
    if found is None:
        return None
    text = f"{len(assigned)} videos have detections, from {readable(found.path.name)}."
    seen = sorted(found.trained_on & set(assigned.values()))
    if seen:
        text += f" The network was trained on strokes of {', '.join(map(readable, seen))}: no test of it."
    return {"text": text, "lost": [readable(line) for line in lost]}
