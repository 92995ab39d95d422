"""Read annotation files of any known format into one set of intervals and one list of findings."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from pipeline.annotations.consistency import find_inconsistencies
from pipeline.annotations.formats.annotation_format import AnnotationFile
from pipeline.annotations.formats.csv_table import mappings_of
from pipeline.annotations.formats.recorder import Recorder
from pipeline.annotations.formats.registry import FormatRegistry, KnownFormat, installed_formats
from pipeline.annotations.options import AnnotationOptions
from pipeline.annotations.parsing.text import BadField, Refused, shown
from pipeline.annotations.parsing.video_names import VideoNames, first_match, stem, video_of_file
from pipeline.annotations.records import (
    Annotation,
    AnnotationSet,
    Event,
    Issue,
    VideoFacts,
    annotation_order,
)
from pipeline.discovery import VIDEO_SUFFIXES, Search, on_disk, special_kind
from stages.base import Params

#: endings that :func:`~pipeline.annotations.parsing.video_names.stem` cuts off by itself
_BUILT_IN = frozenset({".xml", ".json", ".csv", ".tsv", ".eaf"})


@dataclass(frozen=True)
class FileContent:
    """What one file holds, before files are compared with each other.

    Attributes
    ----------
    annotations : tuple of Annotation
        In the order of the file.
    events : tuple of Event
        Likewise.
    issues : tuple of Issue
    unplaced : tuple of Annotation
        Entries of unknown videos that only a video's frame rate could place.
    """

    annotations: tuple[Annotation, ...] = ()
    events: tuple[Event, ...] = ()
    issues: tuple[Issue, ...] = ()
    unplaced: tuple[Annotation, ...] = ()


def read_annotations(
    paths: Iterable[str | os.PathLike[str]],
    *,
    videos: Mapping[str, VideoFacts],
    options: AnnotationOptions | None = None,
    uncounted: Collection[str] = (),
) -> AnnotationSet:
    """Read files and folders of annotations; the content of a file tells its format.

    Parameters
    ----------
    paths : iterable of path
        Files and folders. In a folder, every file is read that is not hidden and whose ending belongs to a
        format (``.xml``, ``.json``, ``.csv``, ``.tsv``, ``.eaf`` and those of installed packages), and every
        clip of a classification folder (``…/{train,validation,test}/<class>/<clip>``).
    videos : mapping of str to VideoFacts
        The known videos by name (relative path).
    options : AnnotationOptions, optional
    uncounted : collection of str
        Names of further videos, whose frames are not counted yet: their entries are only counted.

    Returns
    -------
    AnnotationSet
        The same for any order of ``paths``.

    Raises
    ------
    UserError
        ``options`` sets something for a format of another package that is not there or does not
        understand it.

    Notes
    -----
    Never raises because of what a file holds: a file that cannot be used is a finding of one of the
    kinds in :data:`~pipeline.annotations.records.REFUSALS`.
    """
    reader = _Reader(videos, options, uncounted)
    contents: list[FileContent] = []
    seen: dict[bytes, str] = {}
    files, left_out = _expand(paths, reader.formats)
    for path in files:
        file = path.as_posix()
        label = _clip_label(path, reader.formats)
        if label is not None:
            contents.append(reader.read_clip(file, label))
            continue
        try:
            data = _load(path, reader.options.max_bytes)
        except Refused as error:
            contents.append(_refused(file, error))
            continue
        digest = hashlib.sha256(data).digest()
        content = reader.read(data, file)
        if digest in seen:
            twin = Issue(file, 0, "duplicate-file", f"the same bytes as {seen[digest]}")
            content = replace(content, issues=(*content.issues, twin))
        seen.setdefault(digest, file)
        contents.append(content)
    contents.append(FileContent(issues=(*reader.formats.problems, *left_out)))
    return merge(contents, videos, uncounted)


def read_file(
    data: bytes,
    file: str,
    *,
    videos: Mapping[str, VideoFacts],
    options: AnnotationOptions | None = None,
) -> FileContent:
    """Read one file from memory.

    Parameters
    ----------
    data : bytes
    file : str
        Its path, for messages and for finding its video.
    videos : mapping of str to VideoFacts
    options : AnnotationOptions, optional

    Returns
    -------
    FileContent
        Pass it to :func:`merge` with those of the other files.

    Raises
    ------
    UserError
        As :func:`read_annotations`.
    """
    return _Reader(videos, options).read(data, file)


def merge(
    contents: Iterable[FileContent], videos: Mapping[str, VideoFacts], uncounted: Collection[str] = ()
) -> AnnotationSet:
    """Merge the contents of files and add the findings that show only when entries are compared.

    Parameters
    ----------
    contents : iterable of FileContent
        One per file, in any order.
    videos : mapping of str to VideoFacts
    uncounted : collection of str
        See :func:`read_annotations`.

    Returns
    -------
    AnnotationSet
    """
    wait = frozenset(uncounted) - set(videos)
    parts = sorted(contents, key=lambda c: [a.file for a in c.annotations[:1]])
    read = [a for part in parts for a in part.annotations]
    happened = [e for part in parts for e in part.events]
    annotations = [a for a in read if a.video not in wait]
    events = [e for e in happened if e.video not in wait]
    waiting = Counter(a.video for a in read if a.video in wait)
    waiting += Counter(e.video for e in happened if e.video in wait)
    issues = [i for part in parts for i in part.issues]
    # a reader that sees more of the file than its intervals has reported some findings already
    told = {(i.file, i.line, i.kind) for i in issues}
    unplaced = [a for part in parts for a in part.unplaced]
    found = find_inconsistencies(annotations, events, videos, unplaced, wait)
    issues += [i for i in found if (i.file, i.line, i.kind) not in told]
    return AnnotationSet(
        annotations=tuple(sorted(annotations, key=annotation_order)),
        issues=tuple(sorted(issues)),
        events=tuple(sorted(events, key=lambda e: (e.video, e.frame, e.file, e.line))),
        waiting=dict(sorted(waiting.items())),
        unplaced=tuple(sorted(unplaced, key=annotation_order)),
    )


class _Reader:
    """Reads files one after the other, with the formats, options and videos that all of them share."""

    def __init__(
        self,
        videos: Mapping[str, VideoFacts],
        options: AnnotationOptions | None,
        uncounted: Collection[str] = (),
    ) -> None:
        self.videos = videos
        self.options = options or AnnotationOptions()
        self.formats = installed_formats()
        self.own_options: Mapping[str, Params] = self.formats.parse_options(self.options)
        self.uncounted = frozenset(uncounted) - set(videos)
        self.names = VideoNames({**dict.fromkeys(self.uncounted), **videos})

    def read_clip(self, file: str, label: str) -> FileContent:
        """Record a video whose place in a folder tree is its annotation."""
        out = self._recorder(file, None)
        try:
            key = self.names.find(file) or stem(file)
        except BadField as error:
            out.issue(0, error.kind, error.message)
            key = stem(file)
        out.add_clip(0, key, label)
        return _close(out)

    def read(self, data: bytes, file: str) -> FileContent:
        """Read one file; whatever it holds, the result is records and findings."""
        issues: list[Issue] = []
        try:
            return self._read(AnnotationFile(file, data, self.options), issues)
        except Refused as error:
            # what came before the error is not used either: half a file is worse than none
            return FileContent(issues=(*issues, *_refused(file, error).issues))

    def _recorder(self, file: str, video: str | None, own_options: Params | None = None) -> Recorder:
        who = first_match(file, self.options.annotators) or ""
        return Recorder(file, self.options, self.videos, self.names, video, who, own_options, self.uncounted)

    def _without_suffix(self, file: str) -> str:
        """Cut off the ending of a format of another package, so that the file's name finds its video."""
        suffix = PurePosixPath(file).suffix
        foreign = suffix.lower() in self.formats.suffixes - _BUILT_IN
        return file.removesuffix(suffix) if foreign else file

    def _read(self, file: AnnotationFile, issues: list[Issue]) -> FileContent:
        if len(file.data) > self.options.max_bytes:
            raise Refused("too-large", f"larger than {self.options.max_bytes} bytes")
        known = self._format_of(file, issues)
        name = self._without_suffix(file.name)
        video, note = video_of_file(file.name, name, self.names, self.options)
        own = self.own_options.get(known.format.name) if known is not None and known.package else None
        out = self._recorder(file.name, stem(name) if video is None else video, own)
        out.issues += issues
        if known is not None:
            self._run(known, file, out)
        if note is not None and out.video_used:
            out.issue(0, *note)
        return _close(out)

    def _run(self, known: KnownFormat, file: AnnotationFile, out: Recorder) -> None:
        try:
            known.format.read(file, out)
        except Refused:
            raise
        except Exception as error:
            if not known.package:
                raise
            raise Refused("reader-failed", _failure(known, "reading", error)) from error

    def _format_of(self, file: AnnotationFile, issues: list[Issue]) -> KnownFormat | None:
        """Return the first format that recognises a file; None, and a finding, if it is an empty mapping."""
        if file.is_empty:
            raise Refused("no-entries", "the file is empty; export it again, or remove it")
        refusal: Refused | None = None
        for known in self.formats.formats:
            if known.format.syntax not in (file.syntax, "text"):
                continue
            try:
                if known.format.recognises(file):
                    return known
            except Refused as error:
                refusal = refusal or error
            except Exception as error:
                if not known.package:
                    raise
                issues.append(Issue(file.name, 0, "unusable-format", _failure(known, "recognising", error)))
        if refusal is not None:
            raise refusal
        root = file.json
        if root is not None and not root.members and not root.items:
            issues.append(Issue(file.name, root.line, "empty", "the file is empty"))
            return None
        raise Refused("unknown-format", _unknown(file, self.formats))


def _expand(
    paths: Iterable[str | os.PathLike[str]], formats: FormatRegistry
) -> tuple[list[Path], list[Issue]]:
    """Return each file once, in alphabetical order, and one finding for each folder that has others too."""
    files: dict[str, Path] = {}
    left_out: list[Issue] = []
    suffixes = formats.suffixes
    for path in (on_disk(Path(given)) for given in paths):
        if not path.is_dir():
            files.setdefault(os.path.realpath(path), path)
            continue
        search, any_used = Search(), False
        for folder, names in search.folders(path):
            for inner in (folder / name for name in names):
                suffix = inner.suffix.lower()
                if suffix in suffixes or _clip_label(inner, formats):
                    files.setdefault(os.path.realpath(inner), inner)
                    any_used = True
                elif suffix not in VIDEO_SUFFIXES:  # annotations may lie beside their videos
                    search.leave(inner.name)
        left_out += [Issue(path.as_posix(), 0, "unreadable", problem) for problem in search.problems]
        left = search.left_out()
        if not any_used and not search.problems:
            what = f"no annotation file found there; it holds {left or 'nothing that could be one'}"
            left_out.append(Issue(path.as_posix(), 0, "empty", what))
        elif left:
            left_out.append(Issue(path.as_posix(), 0, "left-out", left))
    return sorted(files.values(), key=lambda p: p.as_posix()), left_out


def _clip_label(path: Path, formats: FormatRegistry) -> str | None:
    """Return the label of a video that its place in a folder tree annotates; None for other files."""
    absolute = PurePosixPath(Path(os.path.abspath(path)).as_posix())
    labels = (k.format.clip_label(absolute) for k in formats.formats if k.format.clip_label is not None)
    return next((label for label in labels if label is not None), None)


def _load(path: Path, limit: int) -> bytes:
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):  # a pipe or device would block or never end
            raise Refused("unreadable", f"this is {special_kind(mode) or 'no regular file'}, not a file")
        with open(path, "rb") as handle:
            data = handle.read(limit + 1)
    except OSError as error:
        raise Refused("unreadable", error.strerror or "cannot be read") from None
    except ValueError:
        raise Refused("unreadable", "the path has a NUL byte") from None
    if len(data) > limit:
        remedy = "split it or raise annotation_options.max_bytes"
        raise Refused("too-large", f"larger than {limit} bytes; {remedy}")
    return data


def _refused(file: str, error: Refused) -> FileContent:
    return FileContent(issues=(Issue(file, error.line, error.kind, error.message),))


def _close(out: Recorder) -> FileContent:
    out.report_predictions()
    return FileContent(tuple(out.annotations), tuple(out.events), tuple(out.issues), tuple(out.unplaced))


def _failure(known: KnownFormat, doing: str, error: Exception) -> str:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return (
        f"the format {known} failed while {doing} the file ({reason[:200]}); update or uninstall its package"
    )


def _unknown(file: AnnotationFile, formats: FormatRegistry) -> str:
    """Say what a file of no known format is, and what would be read."""
    kinds = [k.format for k in formats.formats if k.format.syntax == file.syntax]
    read = " and ".join(kind.told_by for kind in kinds)
    if file.xml is not None:
        return f"XML with <{file.xml.tag[:40]}> on top; what is read: {read}"
    if file.json is not None:
        keys = ", ".join(shown(m.key) for m in file.json.members[:3])
        what = f"with the keys {keys}, …" if keys else "of another kind"
        if all({"x", "y"} <= m.node.keys() for m in file.json.members) and keys:
            what = "of positions by frame (OpenTTGames ball markup), which is no annotation of strokes"
        return f"JSON {what}; what is read: {read}"
    file.text()  # what is not text is refused as such
    line = file.data[:4096].decode("utf-8", "replace").splitlines()[0].strip()
    wanted = " or ".join("+".join(sorted(m.columns.required)) for m in mappings_of(file.options)[-3:])
    foreign = ", ".join(kind.told_by for kind in kinds if kind.name != "csv")
    others = f"; also read: {foreign}" if foreign else ""
    return (
        f"neither XML nor JSON, and no table with the columns {wanted}; its first line is {shown(line)}."
        f" Give the column names under annotation_options.csv in the manifest{others}"
    )
