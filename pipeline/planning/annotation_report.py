"""Read and clean annotation files on their own: what `ttprep annotations` and `ttprep.annotations` report."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.annotations import (
    AnnotationSet,
    Cleaned,
    Taxonomy,
    VideoFacts,
    clean,
    count_kinds,
    lost_files,
    read_annotations,
)
from pipeline.annotations.parsing.text import table_delimiter
from pipeline.annotations.players import assign_players
from pipeline.discovery import find_videos, on_disk
from pipeline.errors import FAILED, OK, SOME_FAILED, USAGE, UserError
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source, identify
from pipeline.inputs.views import with_entries
from pipeline.planning.frame_times import CONSTANT, VARIABLE, facts_from_receipt, facts_from_times
from pipeline.planning.samples import unlabelled
from stages.base import Block, SourceFile, StageError, VideoInfo
from stages.frames import STAGE as FRAMES
from store import Receipt, Store, StoreError


@dataclass(frozen=True)
class AnnotationReport:
    """What was read and what is left after the cleaning.

    Attributes
    ----------
    videos : dict of str to VideoFacts
    annotations : AnnotationSet
    cleaned : Cleaned
    problems : tuple of str
        One line per video whose frames could not be counted.
    notes : tuple of str
        What was left out where videos were looked for.
    taxonomy : Taxonomy or None
        Decides which labels have a class.
    """

    videos: Mapping[str, VideoFacts]
    annotations: AnnotationSet
    cleaned: Cleaned
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    taxonomy: Taxonomy | None = None

    @property
    def lost(self) -> Mapping[str, str]:
        """Return the files of which nothing can be used, each with one line that says why."""
        return lost_files(self.annotations, self.videos, taxonomy=self.taxonomy)

    @property
    def code(self) -> int:
        """Return the exit code: a file of which nothing can be used is a failure, a finding is not."""
        read = {a.file for a in self.annotations.annotations} | {e.file for e in self.annotations.events}
        if read and not self.lost and not self.problems:
            return OK
        return SOME_FAILED if read - set(self.lost) else FAILED

    def to_json(self) -> dict[str, Any]:
        """Return counts, waterfall, every finding and every sample as plain values."""
        issues = (*self.annotations.issues, *self.cleaned.issues)
        return {
            "videos": {
                name: {
                    "frames": f.n_frames,
                    "fps": float(f.fps),
                    "rate": VARIABLE if f.variable else CONSTANT,
                    "player": f.player,
                }
                for name, f in sorted(self.videos.items())
            },
            "annotations": len(self.annotations.annotations),
            "events": len(self.annotations.events),
            "waterfall": self.cleaned.waterfall.to_json(),
            "finding_counts": count_kinds(issues),
            "findings": [asdict(i) for i in issues],
            "samples": [asdict(s) for s in self.cleaned.samples],
            "problems": [*self.problems, *self.lost.values()],
            "notes": list(self.notes),
            "exit_code": self.code,
        }


def report(
    manifest: Manifest,
    store: Store | None,
    paths: Iterable[Path],
    videos: Iterable[Path] = (),
    progress: Callable[[str], None] = lambda name: None,
) -> AnnotationReport:
    """Read and clean annotation files.

    Parameters
    ----------
    manifest : Manifest
        For the options of reading, the cleaning parameters and the taxonomy.
    store : Store or None
        Provides the frame counts of the videos that it knows.
    paths : iterable of Path
        Files and folders of annotations; if empty, those of the manifest.
    videos : iterable of Path
        Videos, folders of videos, or lists of videos (:func:`read_list`). If empty, those of the
        manifest, or all that the store knows if the manifest names none.
    progress : callable
        Called with the name of each video that must be decoded to count its frames.

    Raises
    ------
    UserError
        No annotation file is given, or a path does not exist.
    """
    files = [on_disk(p) for p in [*paths] or [manifest.resolve(p) for p in manifest.annotations]]
    if not files:
        raise UserError("no annotations given; name files or folders, or list them in the manifest", USAGE)
    lost = [p for p in files if not p.exists()]
    if lost:
        raise UserError(f"{lost[0]}: no such file or folder; check the path", USAGE)
    facts, players, problems, notes = known_videos(manifest, store, videos, progress)
    found = read_annotations(files, videos=facts, options=manifest.annotation_options)
    given = assign_players(found.annotations, facts, players)
    found = replace(found, issues=tuple(sorted((*found.issues, *given.issues))))
    cleaned = clean(
        given.annotations, given.videos, manifest.view, manifest.cleaning, found.unplaced, given.nobody
    )
    labelled = {a.video for a in found.annotations} | {e.video for e in found.events}
    of_content: dict[str, list[str]] = defaultdict(list)  # names of each video
    for name, known in facts.items():
        of_content[known.content_id or name].append(name)
    bare = [Path(own[0]).name for own in of_content.values() if not labelled & set(own)]
    notes += unlabelled(bare, len(of_content))
    return AnnotationReport(facts, found, cleaned, tuple(problems), tuple(notes), manifest.view)


def known_videos(
    manifest: Manifest, store: Store | None, videos: Iterable[Path], progress: Callable[[str], None]
) -> tuple[dict[str, VideoFacts], dict[str, tuple[str, ...]], list[str], list[str]]:
    """Return what is known of the videos.

    Returns
    -------
    facts : dict of str to VideoFacts
        By name.
    players : dict of str to tuple of str
        Names of the players, of videos that have several.
    problems, notes : list of str
        What went wrong in finding them, and what was left out.
    """
    entries = {on_disk(manifest.resolve(e.path)): e for e in manifest.videos}
    given = [*videos] or [*entries]
    facts: dict[str, VideoFacts] = {}
    players: dict[str, tuple[str, ...]] = {}
    for path in (p for p in given if p.suffix.lower() in (".csv", ".tsv")):
        facts |= read_list(path)
    places = [p for p in given if p.suffix.lower() not in (".csv", ".tsv")]
    if not given:
        return _of_store(store), {}, [], []
    nowhere = store.root if store else Path(".ttprep-none")
    found = find_videos(places, nowhere)
    problems = list(found.problems)
    for source in with_entries(manifest, identify(found.files, store))[0]:
        if source.problem:
            problems.append(f"{source.name}: {source.problem}")
            continue
        receipt = _frames(store, source.sha256)
        try:
            if receipt is None:
                known = replace(_count(source, source.fps, manifest, progress), player=source.player)
            else:
                known = facts_from_receipt(receipt, source.sha256, source.player, store, source.fps)
        except (StageError, StoreError, OSError) as e:
            problems.append(str(e))
            continue
        for path in (source.path, *source.also):
            facts[path.as_posix()] = known
            if source.players:
                players[path.as_posix()] = source.players
    return facts, players, problems, list(found.notes)


def read_list(path: Path) -> dict[str, VideoFacts]:
    """Read a list of videos that are not at hand: CSV or TSV with ``video``, ``frames`` and ``fps``.

    A column ``player`` is optional.

    Raises
    ------
    UserError
        The file is not such a list; the message names the line.
    """
    out: dict[str, VideoFacts] = {}
    top = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        told, top = table_delimiter(text)
        lines = text[len(top) :].splitlines()
        usual = "\t" if "\t" in "".join(lines[:1]) else ","
        for row in csv.DictReader(lines, delimiter=told or usual):
            frames, fps = int(row["frames"]), Fraction(row["fps"])
            if frames < 1 or fps <= 0:
                raise ValueError("frames and fps must be positive")
            out[row["video"]] = VideoFacts(frames, fps, "", row.get("player") or "")
    except OSError as e:
        raise UserError(f"{path}: cannot be read ({e.strerror}); check the path", USAGE) from e
    except (KeyError, ValueError, TypeError, ZeroDivisionError, csv.Error) as e:
        reason = f"not a list of videos ({e}); give it the columns video, frames and fps"
        raise UserError(f"{path}:{len(out) + 2 + bool(top)}: {reason}", USAGE) from e
    return out


def _frames(store: Store | None, sha256: str) -> Receipt | None:
    if store is None:
        return None
    return next((r for r in store.receipts(sha256) if r.stage == "frames"), None)


def _of_store(store: Store | None) -> dict[str, VideoFacts]:
    """Return the videos whose frames a store has, by the path they had when they were hashed."""
    facts: dict[str, VideoFacts] = {}
    for note in store.source_notes() if store else ():
        receipt = _frames(store, note["sha256"])
        if receipt is not None:
            facts[Path(note["path"]).as_posix()] = facts_from_receipt(receipt, note["sha256"], "", store)
    return facts


def _count(
    source: Source, fps: float | None, manifest: Manifest, progress: Callable[[str], None]
) -> VideoFacts:
    """Count frames by decoding them, as the frames stage does: no container can be trusted."""
    progress(source.name)
    params = manifest.params(FRAMES)
    small = params.model_copy(update={"width": 16, "height": 16, "fps": fps or params.fps})
    times: list[NDArray[np.float64]] = []
    attrs: dict[str, Any] = {}
    start = Block(0, 50, 0, {}, SourceFile(source.path.resolve()))
    for out in FRAMES.compute(iter([start]), small, VideoInfo()):
        times.append(out["time"])
        attrs |= out.attrs
    return facts_from_times(np.concatenate(times), attrs, source.sha256[:16])
