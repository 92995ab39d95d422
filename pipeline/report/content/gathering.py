"""Gather what the pages need of each video: figures, curves, film and overlay; what is up to date is kept."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.execution.cluster import cores
from pipeline.inputs.sources import Source
from pipeline.planning.staleness import Planned
from pipeline.report.content.film import film_digest, write_film
from pipeline.report.content.measures import measure
from pipeline.report.content.overlay import overlay_digest, write_overlay
from pipeline.report.content.results import Results, UnreadableError, open_results
from pipeline.report.content.space import space_digest, write_space
from pipeline.report.folder import VIDEOS, Folder
from store import Receipt, Store

#: raised when notes hold other things
VERSION = 1


class Stopped(Exception):
    """The report is being cancelled."""


@dataclass
class Video:
    """What is known of one video.

    Attributes
    ----------
    id : str
        First 16 hexadecimal digits of its sha256: the name of its folder in the store, and of its page.
    plan : list of Planned
    note : dict
        See :func:`pipeline.report.content.measures.measure`; ``film``, ``overlay``, ``space`` where they are
        there.
    receipts : dict of str to Receipt
    old : list of str
        Stages shown with results of older parameters.
    foreign : list of str
        Stages that are not shown: their results were made of other frames.
    problems : dict of str to str
        Stage, or ``film`` → why it could not be read.
    made : bool
        Whether a film was made just now.
    """

    id: str
    plan: list[Planned]
    note: dict[str, Any] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    old: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    made: bool = False

    @property
    def source(self) -> Source:
        """The view of the video."""
        return self.plan[0].node.source

    @property
    def name(self) -> str:
        """The video's name, as its user calls it."""
        return self.source.name

    @property
    def sha256(self) -> str:
        """The digest of its bytes."""
        return self.source.sha256

    @property
    def page(self) -> str:
        """Its page, from the report's folder."""
        return f"{VIDEOS}/{self.id}.html"


def page_id(source: Source) -> str:
    """Return what the files of a video's page are called: its id, with a digest of its view."""
    view = f"-{hashlib.sha256(source.view.encode()).hexdigest()[:8]}" if source.view else ""
    return f"{source.sha256[:16]}{view}"


def crop_of(plan: list[Planned]) -> tuple[int, int]:
    """Return width and height of the ROI's crop, px."""
    for planned in plan:
        if planned.node.stage.name == "roi":
            params: Any = planned.node.params
            return params.crop_width, params.crop_height
    return 0, 0


def gather(
    store: Store,
    folder: Folder,
    plans: Iterable[list[Planned]],
    film_frames: Callable[[list[Planned]], int],
    tell: Callable[[int, int], None],
) -> list[Video]:
    """Bring the notes, films and overlays of all videos up to date, several videos at a time.

    Parameters
    ----------
    store : Store
        Only read.
    folder : Folder
    plans : iterable of list of Planned
        One a video.
    film_frames : callable
        Longest film of a video, in frames; 0 makes none and keeps what is there.
    tell : callable
        Called with numbers of steps done, and of further steps to be done.

    Raises
    ------
    UserError
        The folder cannot be written.
    """
    stop, lock = threading.Event(), threading.Lock()

    def advance(done: int, more: int = 0) -> None:
        if stop.is_set():
            raise Stopped
        with lock:
            tell(done, more)

    def one(plan: list[Planned]) -> Video:
        return _gather_one(store, folder, plan, film_frames(plan), advance)

    with ThreadPoolExecutor(min(cores(), 8)) as pool:
        jobs = [pool.submit(one, plan) for plan in plans if plan]
        try:
            _finish(jobs)
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [job.result() for job in jobs]


def _finish(jobs: list[Future[Video]]) -> None:
    """Wait for all jobs; raise what the first one that fails raises."""
    ahead = set(jobs)
    while ahead:
        # a wait without a limit would not notice ^C on every platform
        done, ahead = wait(ahead, timeout=0.5, return_when=FIRST_COMPLETED)
        for job in done:
            job.result()


def _gather_one(
    store: Store, folder: Folder, plan: list[Planned], film_frames: int, tell: Callable[..., None]
) -> Video:
    video = Video(page_id(plan[0].node.source), plan)
    with ExitStack() as stack:
        results = open_results(store, plan, stack)
        if results.info is not None:
            _bring_up_to_date(folder, video, results, film_frames, tell)
        video.receipts, video.old = dict(results.receipts), list(results.old)
        video.foreign = list(results.foreign)
        video.problems |= results.problems
    return video


def _bring_up_to_date(
    folder: Folder, video: Video, results: Results, film_frames: int, tell: Callable[..., None]
) -> None:
    assert results.info is not None
    name, n = f"{VIDEOS}/{video.id}.json", results.info.n_frames
    before = folder.read_note(name)
    crop = crop_of(video.plan)
    digest = f"{VERSION}-{results.digest()}-{crop[0]}x{crop[1]}"
    if before.get("digest") == digest:
        note = dict(before)
    else:
        tell(0, n)
        note = {**measure(results, crop, lambda done: tell(done)), "crop": list(crop)}
        if results.problems or not note:  # what is damaged may be sound next time
            digest = ""
        note |= {k: before[k] for k in ("film", "overlay", "space") if k in before}
        note["digest"] = digest
    if results.info is not None:
        _scripts(folder, video, results, note, "overlay", overlay_digest(results), write_overlay)
        _scripts(folder, video, results, note, "space", space_digest(results), write_space)
        _film(folder, video, results, note, min(film_frames, n), tell)
    if note != before:
        folder.write_note(name, note)
    video.note = note


def _scripts(
    folder: Folder,
    video: Video,
    results: Results,
    note: dict[str, Any],
    what: str,
    digest: str,
    write: Callable[[Folder, str, Results], list[str]],
) -> None:
    """Bring the scripts of one kind up to date, and say in the note which there are."""
    there = note.get(what, {})
    if there.get("digest") == digest and all(
        seal_of(folder.path / n) == s for n, s in there["files"].items()
    ):
        return
    names = write(folder, f"{VIDEOS}/{video.id}", results)
    files = {name: seal_of(folder.path / name) for name in names}
    note[what] = {"digest": digest, "scripts": len(names), "files": files}


def _film(
    folder: Folder,
    video: Video,
    results: Results,
    note: dict[str, Any],
    frames: int,
    tell: Callable[..., None],
) -> None:
    name = f"{VIDEOS}/{video.id}.mp4"
    there = note.get("film", {})
    made_of = film_digest(results, int(there.get("frames", 0)))
    sound = there.get("digest") == made_of and there["seal"] == seal_of(folder.path / name)
    if sound and (there["frames"] >= frames or not frames):
        return
    if not frames:
        note.pop("film", None)  # stale; the file stays until a new one is asked for
        return
    tell(0, frames)
    try:
        film = write_film(folder, name, results, frames, lambda done: tell(done))
    except UnreadableError as e:
        note.pop("film", None)
        video.problems["film"] = str(e)
        return
    note["film"] = {**film, "digest": film_digest(results, frames), "seal": seal_of(folder.path / name)}
    video.made = True


def seal_of(path: Path) -> list[int]:
    """Return size and time of modification of a file: a film that differs in either is made anew."""
    try:
        found = path.stat(follow_symlinks=False)
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]
