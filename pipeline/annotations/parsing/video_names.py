"""Find the video that a name in an annotation file, or the name of the file itself, stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from pipeline.annotations.options import VIDEO_SUFFIXES, AnnotationOptions
from pipeline.annotations.parsing.text import BadField, shown

#: characters of a name that a remedy repeats
_LONGEST = 200


def stem(name: str) -> str:
    """Return the last part of a name without the ending of a video or annotation file."""
    path = PurePosixPath(name.replace("\\", "/"))
    known = VIDEO_SUFFIXES | {".xml", ".json", ".csv", ".tsv"}
    return path.stem if path.suffix.lower() in known else path.name


class VideoNames:
    """Find known videos by the names that annotations give them.

    Parameters
    ----------
    videos : mapping
        Its keys are the names of the known videos: relative paths, with or without ending.
    """

    def __init__(self, videos: Mapping[str, object]) -> None:
        self.keys = tuple(sorted(videos))
        self._exact = set(videos)
        self._by_stem: dict[str, list[str]] = {}
        for key in sorted(videos):
            self._by_stem.setdefault(stem(key), []).append(key)

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
        if name in self._exact:
            return name
        keys = self._by_stem.get(stem(name), [])
        if len(keys) < 2:
            return keys[0] if keys else None
        folders = PurePosixPath(name.replace("\\", "/")).parts[-2::-1]
        agreement = {key: _agreement(PurePosixPath(key).parts[-2::-1], folders) for key in keys}
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


def last_part(name: str) -> str:
    """Return a name without its folders."""
    return PurePosixPath(name.replace("\\", "/")).name or name


def told_video(name: str, videos: Mapping[str, str]) -> str | None:
    """Return the video that the manifest gives for a name that an annotation file uses; no patterns here."""
    return videos.get(name, videos.get(last_part(name)))


def first_match(file: str, patterns: Mapping[str, str]) -> str | None:
    """Return the value of the first pattern that matches a path or its last part."""
    path = PurePosixPath(file)
    for pattern, value in patterns.items():
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
