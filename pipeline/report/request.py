"""From a command line to a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from pipeline.discovery import on_disk
from pipeline.errors import USAGE, UserError
from pipeline.planning.request import Request
from pipeline.planning.survey import Overview, survey
from pipeline.report.build import FILM_FRAMES, Built, Options, build
from pipeline.report.sections.detections import read_detections
from store import Store


def default_folder(store_root: Path) -> Path:
    """Return the folder of a store's report: beside the store, so that the store holds results alone."""
    root = store_root.absolute()
    return root.with_name(f"{root.name}-report")


def of_store(request: Request, store: Store) -> Request:
    """Return the request for all videos of the store that are still where they were, where it names none."""
    if request.paths or request.manifest.videos or request.manifest.sources:
        return request
    noted = {Path(note["path"]) for note in store.source_notes()}
    return replace(request, paths=tuple(sorted(map(_short, filter(Path.is_file, noted)))))


def _short(path: Path) -> Path:
    """Return a path as its user would write it: from here, where it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _planned(request: Request, store: Store, video: Path | None, console: Console) -> Overview:
    """Plan all videos of a request, and one more."""
    every = of_store(request, store)
    if video is None:
        return survey(every, store, console)
    one = survey(replace(request, paths=(video,)), store, console)
    if one.problems:
        raise UserError(one.problems[0])
    if len({s.sha256 for s in one.sources}) != 1:
        raise UserError(f"{video}: holds {len(one.sources)} videos; name one of them", USAGE)
    named = every.paths or request.manifest.videos or request.manifest.sources
    overview = survey(every, store, console) if named else one
    if one.sources[0].view_id in overview.plans:
        return overview
    paths = dict.fromkeys(s.path for s in overview.sources)
    return survey(replace(request, paths=(*paths, video)), store, console)


def _sha256_of(video: Path, overview: Overview) -> str:
    place = on_disk(video).resolve()
    found = (s.sha256 for s in overview.sources if place in {p.resolve() for p in (s.path, *s.also)})
    return next(found, "")


def write_report(
    request: Request,
    console: Console,
    folder: Path | None = None,
    *,
    overview: Overview | None = None,
    detections: Path | None = None,
    dataset: Path | None = None,
    film_frames: int = FILM_FRAMES,
    whole_film: Path | None = None,
) -> Built:
    """Write the report of a request's videos.

    Parameters
    ----------
    request : Request
        Where neither it nor its manifest names videos, those that the store knows are meant.
    console : Console
        stderr.
    folder : Path, optional
        Default: :func:`default_folder`.
    overview : Overview, optional
        Of a run that has just ended; default: planned now.
    detections, dataset : Path, optional
        The dataset's default is the manifest's.
    film_frames : int
    whole_film : Path, optional
        A video whose film is made in full length, whether or not the request names it.

    Raises
    ------
    NoStoreError
        There is no store.
    UserError
        There is no video, the folder is not the report's own, or a file cannot be used.
    """
    found = read_detections(detections) if detections is not None else None
    if dataset is not None and not dataset.is_file():
        raise UserError(f"{dataset}: no such file; `ttprep export {dataset}` writes one", USAGE)
    store = Store.open(request.store_root)
    if overview is None:
        overview = _planned(request, store, whole_film, console)
    sha256 = _sha256_of(whole_film, overview) if whole_film is not None else ""
    manifest = request.manifest
    own = manifest.resolve(manifest.dataset) if manifest.dataset is not None else None
    options = Options(
        dataset=dataset if dataset is not None else own,
        detections=found,
        film_frames=film_frames,
        whole_film=sha256,
    )
    return build(overview, store, manifest, folder or default_folder(request.store_root), options, console)
