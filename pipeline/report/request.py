"""From a command line to a report."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from pipeline.planning.request import Request
from pipeline.planning.survey import Overview, survey
from pipeline.report.build import FILM_FRAMES, Built, Options, build
from pipeline.report.sections.detections import read_detections
from store import Store


def default_folder(store_root: Path) -> Path:
    """Return the folder of a store's report: beside the store, so that the store holds results alone."""
    root = store_root.absolute()
    return root.with_name(f"{root.name}-report")


def write_report(
    request: Request,
    console: Console,
    folder: Path | None = None,
    *,
    overview: Overview | None = None,
    detections: Path | None = None,
    dataset: Path | None = None,
    film_frames: int = FILM_FRAMES,
    whole_films: frozenset[str] = frozenset(),
) -> Built:
    """Write the report of a request's videos.

    Parameters
    ----------
    request : Request
    console : Console
        stderr.
    folder : Path, optional
        Default: :func:`default_folder`.
    overview : Overview, optional
        Of a run that has just ended; default: planned now.
    detections, dataset : Path, optional
        The dataset's default is the manifest's.
    film_frames : int
    whole_films : frozenset of str
        sha256 of videos whose films are made in full length.

    Raises
    ------
    NoStoreError
        There is no store.
    UserError
        There is no video, the folder is not the report's own, or a file cannot be used.
    """
    found = read_detections(detections) if detections is not None else None
    store = Store.open(request.store_root)
    planned = overview if overview is not None else survey(request, store, console)
    manifest = request.manifest
    own = manifest.resolve(manifest.dataset) if manifest.dataset is not None else None
    options = Options(
        dataset=dataset if dataset is not None else own,
        detections=found,
        film_frames=film_frames,
        whole_films=whole_films,
        whole=not request.paths and not request.stages,
    )
    return build(planned, store, manifest, folder or default_folder(request.store_root), options, console)
