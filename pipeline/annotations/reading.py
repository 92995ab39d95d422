"""Annotation files of any known format to one set of intervals and one list of findings."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pipeline.annotations.formats import csv_table as csvtable
from pipeline.annotations.formats import cvat, mediaeval, openttgames
from pipeline.annotations.formats import json_lines as jsonlines
from pipeline.annotations.formats import label_studio as labelstudio
from pipeline.annotations.formats import xml_nodes as xmlnodes
from pipeline.annotations.formats.collector import Collector
from pipeline.annotations.formats.text import BadField, Refused, VideoNames, decode, shown, stem
from pipeline.annotations.options import AnnotationOptions, CsvMapping
from pipeline.annotations.overlaps import check
from pipeline.annotations.records import Annotation, AnnotationSet, Event, Issue, VideoFacts

_SUFFIXES = frozenset({".xml", ".json", ".csv", ".tsv"})


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
    """

    annotations: tuple[Annotation, ...] = ()
    events: tuple[Event, ...] = ()
    issues: tuple[Issue, ...] = ()


def read_annotations(
    paths: Iterable[str | os.PathLike[str]],
    *,
    videos: Mapping[str, VideoFacts],
    options: AnnotationOptions | None = None,
) -> AnnotationSet:
    """Read files and folders of annotations; their formats are told from their content.

    Parameters
    ----------
    paths : iterable of path
        Files, and folders of which every ``.xml``, ``.json``, ``.csv`` and ``.tsv`` is read, and
        every clip of a classification folder (``…/{train,validation,test}/<class>/<clip>``).
    videos : mapping of str to VideoFacts
        The known videos by name (relative path).
    options : AnnotationOptions, optional

    Returns
    -------
    AnnotationSet
        The same whatever the order of ``paths``.

    Notes
    -----
    Never raises for what a file holds: a file that cannot be used is a finding of a kind in
    :data:`~pipeline.annotations.records.REFUSALS`.
    """
    options = options or AnnotationOptions()
    names = VideoNames(videos)
    contents: list[FileContent] = []
    seen: dict[bytes, str] = {}
    for path in _expand(paths):
        file = path.as_posix()
        absolute = PurePosixPath(Path(os.path.abspath(path)).as_posix())
        label = mediaeval.clip_class(absolute)
        if label is not None:
            contents.append(_clip(file, label, videos, names, options))
            continue
        try:
            data = _load(path, options.max_bytes)
        except Refused as error:
            contents.append(_refused(file, error))
            continue
        digest = hashlib.sha256(data).digest()
        content = _content(data, file, videos, names, options)
        if digest in seen:
            twin = Issue(file, 0, "duplicate-file", f"the same bytes as {seen[digest]}")
            content = FileContent(content.annotations, content.events, (*content.issues, twin))
        seen.setdefault(digest, file)
        contents.append(content)
    return merge(contents, videos)


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
        To be given to :func:`merge` with those of the other files.
    """
    return _content(data, file, videos, VideoNames(videos), options or AnnotationOptions())


def merge(contents: Iterable[FileContent], videos: Mapping[str, VideoFacts]) -> AnnotationSet:
    """Put files together, with the findings that show only between entries.

    Parameters
    ----------
    contents : iterable of FileContent
        One a file; their order does not matter.
    videos : mapping of str to VideoFacts

    Returns
    -------
    AnnotationSet
    """
    parts = sorted(contents, key=lambda c: [a.file for a in c.annotations[:1]])
    annotations = [a for part in parts for a in part.annotations]
    events = [e for part in parts for e in part.events]
    issues = [i for part in parts for i in part.issues]
    # a reader that saw more of the file than its intervals has reported some of it already
    told = {(i.file, i.line, i.kind) for i in issues}
    found = check(annotations, events, videos)
    issues += [i for i in found if (i.file, i.line, i.kind) not in told]
    return AnnotationSet(
        annotations=tuple(sorted(annotations, key=annotation_order)),
        issues=tuple(sorted(issues)),
        events=tuple(sorted(events, key=lambda e: (e.video, e.frame, e.file, e.line))),
    )


def annotation_order(a: Annotation) -> tuple[str, int, int, str, int, str, str]:
    """Sort key that does not depend on the order in which files were read."""
    return a.video, a.begin, a.end, a.file, a.line, a.label or "", a.annotator


def _expand(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """Each file once, in alphabetical order."""
    files: dict[str, Path] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders.sort()
                found = (Path(folder, name) for name in names)
                for inner in found:
                    absolute = PurePosixPath(Path(os.path.abspath(inner)).as_posix())
                    if inner.suffix.lower() in _SUFFIXES or mediaeval.clip_class(absolute):
                        files.setdefault(os.path.realpath(inner), inner)
        else:
            files.setdefault(os.path.realpath(path), path)
    yield from sorted(files.values(), key=lambda p: p.as_posix())


def _load(path: Path, limit: int) -> bytes:
    try:
        # a pipe or device would block or never end
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Refused("unreadable", "this is no regular file")
        with open(path, "rb") as handle:
            data = handle.read(limit + 1)
    except OSError as error:
        raise Refused("unreadable", error.strerror or "cannot be read") from None
    except ValueError:
        raise Refused("unreadable", "the path has a NUL byte") from None
    if len(data) > limit:
        raise Refused("too-large", f"larger than {limit} bytes; split it or raise annotations.max_bytes")
    return data


def _refused(file: str, error: Refused) -> FileContent:
    return FileContent(issues=(Issue(file, error.line, error.kind, error.message),))


def _clip(
    file: str,
    label: str,
    videos: Mapping[str, VideoFacts],
    names: VideoNames,
    options: AnnotationOptions,
) -> FileContent:
    out = Collector(file, options, videos, names, annotator=_first(file, options.annotators) or "")
    try:
        key = names.find(file) or stem(file)
    except BadField as error:
        out.issue(0, error.kind, error.message)
        key = stem(file)
    out.add_clip(0, key, label)
    return _close(out)


def _close(out: Collector) -> FileContent:
    return FileContent(tuple(out.annotations), tuple(out.events), tuple(out.issues))


def _content(
    data: bytes,
    file: str,
    videos: Mapping[str, VideoFacts],
    names: VideoNames,
    options: AnnotationOptions,
) -> FileContent:
    video, note = _file_video(file, names, options)
    out = Collector(file, options, videos, names, video, _first(file, options.annotators) or "")
    try:
        if len(data) > options.max_bytes:
            raise Refused("too-large", f"larger than {options.max_bytes} bytes")
        _read(data, out, options)
    except Refused as error:
        # what stood before the error is not used either: half a file is worse than none
        return _refused(file, error)
    if note is not None and out.video_used:
        out.issue(0, *note)
    return _close(out)


def _read(data: bytes, out: Collector, options: AnnotationOptions) -> None:
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not start:
        out.issue(0, "empty", "the file is empty")
    elif start == b"<":
        _read_xml(xmlnodes.parse(decode(data)), out)
    elif start in (b"{", b"["):
        _read_json(jsonlines.parse(decode(data)), out)
    else:
        mappings = (*options.csv, CsvMapping())
        found = csvtable.find_mapping(data, mappings)
        if found is None:
            decode(data)
            raise Refused("unknown-format", _no_mapping(data, mappings))
        csvtable.read_csv(data, *found, out)


def _read_xml(root: xmlnodes.Element, out: Collector) -> None:
    if root.tag in ("video", "videos"):
        if not root.children and "class" not in root.attrs:
            out.issue(root.line, "empty", "the file has no actions")
        else:
            mediaeval.read_xml(root, out)
    elif root.tag == "annotations":
        cvat.read_xml(root, out)
    else:
        raise Refused(
            "unknown-format",
            f"XML with <{root.tag[:40]}> on top; <video> and <videos> (MediaEval) and <annotations> (CVAT)"
            " are read",
        )


def _read_json(root: jsonlines.Node, out: Collector) -> None:
    if not root.members and not root.items:
        out.issue(root.line, "empty", "the file is empty")
    elif openttgames.is_events(root):
        openttgames.read_json(root, out)
    elif labelstudio.is_label_studio(root):
        labelstudio.read_json(root, out)
    else:
        keys = ", ".join(shown(m.key) for m in root.members[:3])
        what = f"with the keys {keys}, …" if keys else "of another kind"
        if all({"x", "y"} <= m.node.keys() for m in root.members) and keys:
            what = "of positions by frame (OpenTTGames ball markup), which is no annotation of strokes"
        raise Refused("unknown-format", f"JSON {what}; OpenTTGames events and Label Studio exports are read")


def _no_mapping(data: bytes, mappings: tuple[CsvMapping, ...]) -> str:
    line = data[:4096].decode("utf-8", "replace").splitlines()[0].strip()
    wanted = " or ".join("+".join(sorted(m.columns.required)) for m in mappings[-3:])
    return (
        f"neither XML nor JSON, and no table with the columns {wanted}; its first line is {shown(line)}."
        " Give the column names under annotations.csv in the manifest"
    )


def _first(file: str, patterns: Mapping[str, str]) -> str | None:
    """The value of the first pattern that fits a path or its last part."""
    path = PurePosixPath(file)
    for pattern, value in patterns.items():
        if fnmatchcase(file, pattern) or fnmatchcase(path.name, pattern):
            return value
    return None


def _file_video(
    file: str, names: VideoNames, options: AnnotationOptions
) -> tuple[str | None, tuple[str, str] | None]:
    """The video of a file that does not name one, and the finding to report if it is needed."""
    try:
        told = _first(file, options.videos)
        if told is not None:
            return names.find(told) or told, None
        video = names.find(file)
        if video is not None:
            return video, None
        words = stem(file).split("_")
        parts = [PurePosixPath(file).parent.name]
        for length in range(1, len(words)):
            parts = ["_".join(words[-length:]), "_".join(words[:length]), *parts]
        for part in parts:
            video = names.find(part) if part else None
            if video is not None:
                remedy = "if that is wrong, name the video under annotations.videos"
                return video, ("video-inferred", f"taken to be of {video} for its {shown(part)}; {remedy}")
    except BadField as error:
        return None, (error.kind, error.message)
    return None, None
