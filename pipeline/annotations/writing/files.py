"""Publish strokes in the formats of annotation tools: which files there are, and what they are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from pipeline import owned
from pipeline.annotations.writing import cvat, elan, label_studio, mediaeval, tables
from pipeline.annotations.writing.predicted import PredictedVideo, clean

#: name of a format → what it is, for help texts
FORMATS: dict[str, str] = {
    "csv": "a table, frames and seconds",
    "json": "the same for programs",
    "mediaeval": "XML of MediaEval's Sports task",
    "label-studio": "tasks with predictions, and the labelling configuration",
    "cvat": "CVAT for video 1.1, and the labels of its task",
    "elan": "EAF",
}


def render(
    videos: Sequence[PredictedVideo], formats: Iterable[str], folder: Path, name: str = "predictions"
) -> dict[str, bytes]:
    """Return the content of every file by its name.

    Parameters
    ----------
    videos : sequence of PredictedVideo
        Of different names.
    formats : iterable of str
        Keys of :data:`FORMATS`.
    folder : Path
        Where the files will lie.
    name : str
        How files are called that hold all videos: CSV, JSON, Label Studio. The others, one a video, are
        called after their video.

    Raises
    ------
    UserError
        The frames of a video are too short or too uneven for a format.
    ValueError
        A format is not known.
    """
    files: dict[str, bytes] = {}
    stems = _stems(videos)
    for kind in formats:
        if kind == "csv":
            files[f"{name}.csv"] = tables.csv_content(videos)
        elif kind == "json":
            files[f"{name}.json"] = tables.json_content(videos)
        elif kind == "label-studio":
            files[f"{name}.label-studio.json"] = label_studio.content(videos)
            files[f"{name}.label-studio-config.txt"] = label_studio.configuration(videos)
        elif kind == "mediaeval":
            files |= {f"{s}.mediaeval.xml": mediaeval.content(v) for s, v in zip(stems, videos, strict=True)}
        elif kind == "cvat":
            files |= {f"{s}.cvat.xml": cvat.content(v) for s, v in zip(stems, videos, strict=True)}
            files[f"{name}.cvat-labels.txt"] = cvat.labels(videos)
        elif kind == "elan":
            files |= {f"{s}.eaf": elan.content(v, folder) for s, v in zip(stems, videos, strict=True)}
        else:
            raise ValueError(f"{kind!r} is none of the formats {', '.join(FORMATS)}")
    return files


def write(
    videos: Sequence[PredictedVideo], formats: Iterable[str], folder: Path, name: str = "predictions"
) -> list[Path]:
    """Write the files of :func:`render` into a folder; none of them if one would replace a user's file.

    Returns
    -------
    list of Path
        In the order of the formats.

    Raises
    ------
    UserError
        As :func:`render`; a file is there that was not written here or was changed since; the disk refused.
    """
    files = {folder / file: data for file, data in render(videos, formats, folder, name).items()}
    owned.require(files)
    for path, data in files.items():
        owned.write(path, data)
    return list(files)


def _stems(videos: Sequence[PredictedVideo]) -> list[str]:
    """Return a file name without ending for each video; folders tell equal ones apart."""
    names = [PurePosixPath(clean(v.name).replace("\\", "/")) for v in videos]
    short = [name.stem or "video" for name in names]
    counts = Counter(s.casefold() for s in short)
    stems = []
    for name, stem in zip(names, short, strict=True):
        parts = [p.strip("/") for p in name.with_suffix("").parts if p not in ("/", "..", ".")]
        stems.append("_".join(parts) if counts[stem.casefold()] > 1 and parts else stem)
    taken: Counter[str] = Counter()
    for place, stem in enumerate(stems):
        taken[stem.casefold()] += 1
        if taken[stem.casefold()] > 1:
            stems[place] = f"{stem}_{taken[stem.casefold()]}"
    return stems
