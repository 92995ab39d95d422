"""Pages of a browser for predictions: those of ``ttprep report``, with the strokes on each time line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from pipeline.inputs.manifest import Manifest
from pipeline.planning.staleness import Planned
from pipeline.planning.survey import Overview
from pipeline.predicting.outcome import OneVideo
from pipeline.report.build import Options, build
from pipeline.report.sections.detections import Detections, Span
from store import Store


def write_pages(
    folder: Path,
    overview: Overview,
    plans: Mapping[str, list[Planned]],
    videos: Iterable[OneVideo],
    store: Store,
    manifest: Manifest,
    console: Console,
) -> Path:
    """Write the pages of predicted videos and return the one to open.

    Parameters
    ----------
    folder : Path
    overview : Overview
        Of the whole call.
    plans : mapping of str to list of Planned
        By the id of the view: what its prediction was made of.
    videos : iterable of OneVideo
        With a prediction.
    store : Store
    manifest : Manifest
    console : Console
        stderr.

    Raises
    ------
    UserError
        The folder is not the report's own, or cannot be written.
    """
    found = Detections(folder)
    chosen: set[str] = set()
    for video in videos:
        for view, strokes in zip(video.views, video.record["rows_of_strokes"], strict=True):
            chosen.add(view.view_id)
            spans = [Span(int(b), int(e), str(label), float(score)) for b, e, label, score in strokes]
            found.by_video[view.name] = {str(video.record["rule"]): spans}
            found.frames[view.name] = int(video.record["rows"])
            if video.record.get("trained_on"):
                found.trained_on.add(view.name)
    shown = replace(
        overview,
        sources=[s for s in overview.sources if s.view_id in chosen],
        plans={view: list(plan) for view, plan in plans.items() if view in chosen},
    )
    return build(shown, store, manifest, folder, Options(detections=found), console).index
