"""Find the video that a name in an annotation file, or the name of the file itself, stands for."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pipeline.annotations.options import AnnotationOptions
from pipeline.annotations.parsing.text import BadField, shown
from pipeline.discovery import VIDEO_SUFFIXES, nfc

#: characters of a name that a remedy repeats
_LONGEST = 200
#: how much alike two names are of which one may be meant for the other, of 1
_LIKENESS = 0.7


def stem(name: str) -> str:
    """Return the last part of a name without the ending of a video or annotation file."""
    path = PurePosixPath(name.replace("\\", "/"))
    known = VIDEO_SUFFIXES | {".xml", ".json", ".csv", ".tsv", ".eaf"}
    return path.stem if path.suffix.lower() in known else path.name


def is_absolute(name: str) -> bool:
    """Tell whether a name in a file begins at the root of a disk, Windows' too."""
    return re.match(r"[/\\]|[A-Za-z]:", name.strip()) is not None


def spellings(name: str) -> list[str]:
    """Return the spellings under which a name is found: Unicode's composed form, whatever a disk has.

    A name that is not UTF-8 comes from a disk of an older system: it is read as Latin-1.
    """
    forms = [nfc(name)]
    raw = os.fsencode(name) if any("\udc80" <= c <= "\udcff" for c in name) else b""
    return forms + [nfc(raw.decode("latin-1"))] * bool(raw)


class VideoNames:
    """Find known videos by the names that annotations give them.

    Parameters
    ----------
    videos : mapping
        Its keys are the names of the known videos: paths, with or without ending.
    home : Path, optional
        Folder that relative names of known videos belong to; without, only those that are absolute are known
        by an absolute path.
    """

    def __init__(self, videos: Mapping[str, object], home: Path | None = None) -> None:
        self.keys = tuple(sorted(videos))
        self._exact: dict[str, str] = {}
        self._by_stem: dict[str, list[str]] = {}
        self._home = home
        self._places: dict[str, str] | None = None
        for key in sorted(videos):
            for form in spellings(key):
                self._exact.setdefault(form, key)
                self._by_stem.setdefault(stem(form), []).append(key)
        self._exact |= {key: key for key in videos}

    def at(self, path: str) -> str | None:
        """Return the known video that lies at an absolute path; None if there is none, or more than one.

        Nothing is opened: the path is compared with those of the known videos, links followed.
        """
        if not is_absolute(path) or "\0" in path:
            return None
        if self._places is None:
            self._places = {}
            for key in sorted(set(self._exact.values())):
                place = os.path.join(self._home, key) if self._home is not None else key
                if os.path.isabs(place):
                    for form in (*spellings(place), *spellings(os.path.realpath(place))):
                        self._places.setdefault(form, key)
        name = path.strip()
        return self._places.get(nfc(name)) or self._places.get(nfc(os.path.realpath(name)))

    def find(self, name: str) -> str | None:
        """Return the video that a name stands for: the exact key, else the same file name without ending.

        If several videos share that file name, the longest agreement of the folders decides.

        Parameters
        ----------
        name : str

        Returns
        -------
        str or None
            None if there is no such video.

        Raises
        ------
        BadField
            More than one video fits.
        """
        name = nfc(name) if name not in self._exact else name
        if name in self._exact:
            return self._exact[name]
        keys = self._by_stem.get(stem(name), [])
        if len(keys) < 2:
            return keys[0] if keys else None
        folders = PurePosixPath(name.replace("\\", "/")).parts[-2::-1]
        agreement = {key: _agreement(PurePosixPath(nfc(key)).parts[-2::-1], folders) for key in keys}
        best = max(agreement.values())
        fitting = [key for key in keys if agreement[key] == best]
        if len(fitting) > 1:
            raise BadField(
                "ambiguous-video",
                f"{shown(name)} may be {' or '.join(fitting[:3])}; give more of the path",
            )
        return fitting[0]


def _agreement(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count


#: what stands in a remedy for the video that the user must name
PLACE = "path of the video"


def remedy_for(name: str) -> str:
    """Say what to do about a name in an annotation file that stands for no video, or for a wrong one."""
    last = last_part(name)
    key = json.dumps(last, ensure_ascii=False) if len(last) <= _LONGEST else "its name"
    return f'annotation_options: {{videos: {{{key}: "{PLACE}"}}}}'


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return up to two known videos with a name much like this one, without their folders, best first."""
    by_stem = {stem(nfc(key)).lower(): last_part(key) for key in sorted(known, reverse=True)}
    wanted = stem(nfc(name)).lower()[:_LONGEST]
    return [by_stem[key] for key in get_close_matches(wanted, by_stem, 2, _LIKENESS)]


def last_part(name: str) -> str:
    """Return a name without its folders."""
    return PurePosixPath(name.replace("\\", "/")).name or name


def told_video(name: str, videos: Mapping[str, str]) -> str | None:
    """Return the video that the manifest gives for a name that an annotation file uses; no patterns here."""
    return videos.get(name, videos.get(last_part(name)))


def first_match(file: str, patterns: Mapping[str, str]) -> str | None:
    """Return the value of the first pattern that matches a path or its last part."""
    file = nfc(file)
    path = PurePosixPath(file)
    for pattern, value in ((nfc(p), v) for p, v in patterns.items()):
        if fnmatchcase(file, pattern) or fnmatchcase(path.name, pattern):
            return value
    return None


def video_of_file(
    file: str, name: str, names: VideoNames, options: AnnotationOptions
) -> tuple[str | None, tuple[str, str] | None]:
    """Find the video of a file that does not name one itself.

    Parameters
    ----------
    file : str
        Path of the file, which the patterns of ``options.videos`` are compared with.
    name : str
        The path without the ending of an annotation format.
    names : VideoNames
    options : AnnotationOptions

    Returns
    -------
    video : str or None
        None if it is not known.
    finding : (str, str) or None
        Kind and message of what to report if the reader makes use of the video.
    """
    try:
        told = first_match(file, options.videos) or told_video(stem(name), options.videos)
        if told is not None:
            return names.find(told) or told, None
        video = names.find(name)
        if video is not None:
            return video, None
        words = stem(name).split("_")
        parts = [PurePosixPath(file).parent.name]
        for length in range(1, len(words)):
            parts = ["_".join(words[-length:]), "_".join(words[:length]), *parts]
        for part in parts:
            video = names.find(part) if part else None
            if video is not None:
                remedy = remedy_for(file)
                message = f"taken to be of {video} for its {shown(part)}; if that is wrong: {remedy}"
                return video, ("video-inferred", message)
    except BadField as error:
        return None, (error.kind, error.message)
    return None, None
