"""An opened store: its videos by name, and the table of them."""

from __future__ import annotations

import contextlib
import difflib
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.discovery import split_name
from pipeline.reading.arrays import Handles
from pipeline.reading.catalogue import Catalogue, Entry
from pipeline.reading.clock import read_clock
from pipeline.reading.read_only import ReadOnlyStore
from store import StoreError
from store.names import DIGITS
from ttprep.errors import NoSuchFile, UnknownVideo, translated
from ttprep.selection import Selection
from ttprep.video import Video

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.reading.current import Current

#: names that an error lists at most
_NAMED = 5


class Store:
    """Look at a feature store; made by :func:`ttprep.open`.

    Nothing in the store is changed and no lock is taken, so it may be open beside a run, whose results show
    as they are finished. Nothing is read before it is asked for. May be used by several threads, after a
    fork, and pickled.

    Attributes
    ----------
    path : Path
        The store's folder.
    videos : pandas.DataFrame
    states : pandas.DataFrame

    Examples
    --------
    >>> store = ttprep.open("ttprep-store")
    >>> len(store), "match1.mp4" in store
    (2, True)
    >>> [v.name for v in store]
    ['match1.mp4', 'match2.mp4']
    """

    def __init__(self, store: ReadOnlyStore, current: Current | None = None) -> None:
        self._store, self._current = store, current
        self._catalogue, self._handles = Catalogue(store), Handles(store)

    @property
    def path(self) -> Path:
        """The store's folder."""
        return self._store.root

    @property
    @translated
    def videos(self) -> pd.DataFrame:
        """All videos, one line each, as they are now.

        Columns: ``name``; ``id`` (first 16 digits of the sha256 of the video's bytes); ``path`` (where it lay
        when it was read last); ``frames``; ``fps`` (1/s; a mean where ``rate`` is ``variable``); ``duration``
        (s, by the times of the frames); ``stages`` (those that are done, separated by commas); ``faults``
        (what failed or is damaged, and what the decoder complained of; empty where nothing did). What is not
        known is NA.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        Unreadable
            The store's folder cannot be listed.

        Examples
        --------
        >>> ttprep.open("ttprep-store").videos[["name", "frames", "fps", "duration"]]
                 name  frames   fps  duration
        0  match1.mp4     145  10.0      14.5
        1  match2.mp4      30  10.0       3.0
        """
        import pandas as pd

        lines = [self._line(entry) for entry in self._catalogue.entries()]
        names = ("name", "id", "path", "frames", "fps", "rate", "duration", "stages", "faults")
        table = pd.DataFrame(lines, columns=list(names))
        table = table.astype({"frames": "Int64", "fps": "Float64", "duration": "Float64"})
        table.attrs["units"] = {"fps": "1/s", "duration": "s"}
        return table

    def _line(self, entry: Entry) -> dict[str, Any]:
        import pandas as pd

        line: dict[str, Any] = dict.fromkeys(("frames", "fps", "rate", "duration"), pd.NA)
        faults = [f"{f.stage} {f.kind}: {f.reason}" for f in entry.faults]
        frames = next(iter(entry.of("frames")), None)
        if frames is not None:
            attrs = frames.attrs
            line["frames"], line["fps"] = frames.shapes["rgb"][0], float(attrs.get("fps", "nan"))
            line["rate"] = str(attrs.get("rate", "")) or pd.NA
            faults += [str(f) for f in attrs.get("faults") or ()]
            try:
                duration = read_clock(self._handles, entry.slot(frames)).duration
                line["duration"] = duration if duration == duration else pd.NA
            except (StoreError, OSError) as e:
                faults.append(f"frames damaged: {getattr(e, 'reason', e)}")
        return line | {
            "name": entry.name,
            "id": entry.id,
            "path": str(entry.paths[0]) if entry.paths else pd.NA,
            "stages": ", ".join(entry.stages),
            "faults": "; ".join(faults),
        }

    @property
    @translated
    def states(self) -> pd.DataFrame:
        """The state of every stage of every video: ``done``, ``failed``, ``damaged``, or ``–`` for none.

        Returns
        -------
        pandas.DataFrame
            One line for each video, with its id as index; ``name``, then a column for each stage.
        """
        import pandas as pd

        entries = self._catalogue.entries()
        stages = dict.fromkeys(s for e in entries for s in (*e.stages, *(f.stage for f in e.faults)))
        lines = []
        for entry in entries:
            found = dict.fromkeys(entry.stages, "done") | {f.stage: f.kind for f in entry.faults}
            lines.append({"name": entry.name} | {s: found.get(s, "–") for s in stages})
        index = pd.Index([e.id for e in entries], name="id")
        return pd.DataFrame(lines, index=index, columns=["name", *stages])

    @translated
    def __getitem__(self, video: str | os.PathLike[str]) -> Video:
        """Return a video by its name, path, the end of its path, or its id (or how that begins).

        One of several players of a video is asked for as ``"match1.mp4 (anna)"``; see :attr:`Video.players`.
        A path that no video had when it was processed is read, and the video known by its content.

        Raises
        ------
        UnknownVideo
            There is none of that name, or several; the text lists names that are near, or the paths.
        """
        entry, view = self._find(video)
        found = self._video(entry.id)
        return found.of(view) if view else found

    def _video(self, video: str) -> Video:
        return Video(self._handles, Selection(self._store, self._catalogue, video, self._current))

    def _find(self, video: str | os.PathLike[str]) -> tuple[Entry, str]:
        """Return the video that is meant, and which view of it; empty for the video itself."""
        entries = self._catalogue.entries()
        wanted = os.fspath(video)
        found, view = _matching(entries, wanted) or _of_content(entries, wanted), ""
        if not found:
            name, view = split_name(wanted)
            found = _matching(entries, name) if view else []
        if len(found) == 1:
            return found[0], view
        if found:
            places = tuple(str(e.paths[0]) if e.paths else e.id for e in found)
            shown = [f"{place} (id {e.id})" for place, e in zip(places, found, strict=True)]
            raise UnknownVideo(
                f"{wanted!r} means {len(found)} videos of {self.path}: {_list(shown)}; "
                "give more of the path, or the id",
                places,
            )
        names = list(dict.fromkeys(e.name for e in entries))
        near = difflib.get_close_matches(Path(wanted).name, names, _NAMED, 0.5)
        hint = f"near are {_list(near)}" if near else f"it holds {_list(names) or 'no video yet'}"
        raise UnknownVideo(f"{self.path} holds no video {wanted!r}; {hint}", tuple(near))

    def __contains__(self, video: object) -> bool:
        if not isinstance(video, (str, os.PathLike)):
            return False
        try:
            self[video]
        except UnknownVideo:
            return False
        return True

    def __len__(self) -> int:
        return len(self._store.videos())

    def __iter__(self) -> Iterator[Video]:
        for entry in self._catalogue.entries():
            yield self._video(entry.id)

    def __repr__(self) -> str:
        return f"<ttprep store {self.path}: {len(self)} videos>"

    def close(self) -> None:
        """Close the files that the calling thread has open; they open again when next used."""
        self._handles.close()


def _matching(entries: Iterable[Entry], wanted: str) -> list[Entry]:
    """Return the videos that a text means: the first kind of meaning that fits any."""
    entries = list(entries)
    meanings = (
        lambda e: wanted in (str(p) for p in e.paths),
        lambda e: any(p == Path(os.path.abspath(wanted)) for p in e.paths),
        lambda e: any(_same(p, wanted) for p in e.paths),
        lambda e: any(_ends_with(p, wanted) for p in e.paths),
        lambda e: len(wanted) >= 6 and (e.id.startswith(wanted) or wanted[:DIGITS] == e.id),
        lambda e: any(p.stem == wanted for p in e.paths),
    )
    for means in meanings:
        found = [e for e in entries if means(e)]
        if found:
            return found
    return []


def _of_content(entries: Iterable[Entry], wanted: str) -> list[Entry]:
    """Return the video whose bytes lie at a path: it was renamed or moved since it was processed."""
    if not os.path.exists(wanted):
        return []
    from pipeline.inputs.sources import content_digest

    digest = content_digest(Path(wanted))
    return [e for e in entries if e.id == digest[:DIGITS]]


def _same(path: Path, wanted: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return os.sep in wanted and os.path.samefile(path, wanted)
    return False


def _ends_with(path: Path, wanted: str) -> bool:
    parts = Path(wanted).parts
    return bool(parts) and path.parts[-len(parts) :] == parts


def _list(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:_NAMED]) + (f", … ({len(names)} in all)" if len(names) > _NAMED else "")


@translated
def open_store(
    path: str | os.PathLike[str] = "ttprep-store",
    *,
    manifest: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    pose_weights: str | os.PathLike[str] | None = None,
) -> Store:
    """Open a feature store to look at it: nothing is changed, no lock is taken, nothing is read yet.

    Results of one stage with several parameters may lie side by side. Without ``manifest`` the newest of each
    stage is taken; with it, those of its parameters, and a stage that is not computed with them counts as
    missing. :meth:`Video.results` lists all of them and :meth:`Video.choose` takes others.

    Parameters
    ----------
    path : path-like
        The folder that ``ttprep run`` writes.
    manifest : path-like or mapping, optional
        A ``data_manifest.yaml``, or its keys and values.
    pose_weights : path-like, optional
        Folder of PoseNet weights, where the manifest's results of the stage ``pose`` rest on others than the
        published ones.

    Returns
    -------
    Store

    Raises
    ------
    NoSuchFile
        There is no store; the text names the command that makes one.
    BadRequest
        The manifest cannot be used.

    Examples
    --------
    >>> ttprep.open("ttprep-store")["match1.mp4"].flow[20:30].shape
    (10, 90, 160, 2)
    >>> ttprep.open("elsewhere")
    Traceback (most recent call last):
    ttprep.errors.NoSuchFile: elsewhere: does not exist; `ttprep run --store elsewhere VIDEOS` makes a store
    """
    if not os.path.lexists(path):
        place = shlex.quote(os.fspath(path))
        raise NoSuchFile(f"{path}: does not exist; `ttprep run --store {place} VIDEOS` makes a store")
    store = ReadOnlyStore.open(Path(path))
    assert isinstance(store, ReadOnlyStore)
    if manifest is None:
        return Store(store)
    from pipeline.reading.current import Current
    from ttprep.requests import manifest_of

    weights = Path(pose_weights) if pose_weights is not None else None
    return Store(store, Current(manifest_of(manifest), weights))
