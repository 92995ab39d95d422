"""What ``tttrain detect`` or ``ttprep predict`` found, for the time lines of the videos."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import USAGE, UserError
from store.atomic import read_regular

#: bytes; hours of detections are a few megabytes
_MOST = 1 << 28


@dataclass(frozen=True)
class Span:
    """One detection: frames from ``begin`` to before ``end``, with the network's score as far as known."""

    begin: int
    end: int
    label: str
    score: float | None = None

    @property
    def more(self) -> str:
        """What is said beside label and frames."""
        return "" if self.score is None else f", score {self.score:.2f}"


@dataclass
class Detections:
    """Detections by video.

    Attributes
    ----------
    path : Path
    by_video : dict of str to dict of str to list of Span
        Name of the video → decision rule → detections.
    frames : dict of str to int
        Name of the video → its frames as the network saw it.
    trained_on : set of str
        Videos of which the network saw samples in training.
    """

    path: Path
    by_video: dict[str, dict[str, list[Span]]] = field(default_factory=dict)
    frames: dict[str, int] = field(default_factory=dict)
    trained_on: set[str] = field(default_factory=set)

    def assign(self, names: dict[str, str]) -> tuple[dict[str, str], list[str]]:
        """Find the videos of a report.

        Parameters
        ----------
        names : dict of str to str
            Id → name.

        Returns
        -------
        dict of str to str
            Id → name among the detections: the same name, or the same file name where only one has it.
        list of str
            One line for each video that was not found.
        """
        bases = Counter(PurePosixPath(n).name for n in names.values())
        whole = {n: i for i, n in names.items()}
        unique = {base: i for i, n in names.items() if bases[base := PurePosixPath(n).name] == 1}
        found, lost = {}, []
        for name in self.by_video:
            video = whole.get(name) or unique.get(PurePosixPath(name).name)
            if video is None:
                lost.append(f"{name}: no video of this name is in the report")
            else:
                found[video] = name
        return found, lost


def read_detections(path: Path) -> Detections:
    """Read the ``report.json`` of ``tttrain detect``.

    Parameters
    ----------
    path : Path
        The file, or the folder that holds it.

    Raises
    ------
    UserError
        It is not there, or is no such file.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        data = read_regular(file, _MOST, follow=True)
    except OSError as e:
        raise UserError(f"{file}: cannot be read ({e.strerror}); check its permissions", USAGE) from e
    if data is None:
        raise UserError(f"{file}: no such file; give the report.json that `tttrain detect` wrote", USAGE)
    found = Detections(file)
    try:
        for video in json.loads(data)["videos"]:
            _take(found, video)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise UserError(
            f"{file}: is no report of detections ({type(e).__name__}: {str(e)[:80]}); give the report.json"
            " that `tttrain detect` wrote",
            USAGE,
        ) from e
    return found


def _take(found: Detections, video: Any) -> None:
    name = video["video"]
    if not isinstance(name, str):
        raise TypeError("video is no name")
    found.frames[name] = int(video["frames"])
    if video.get("trained_on"):
        found.trained_on.add(name)
    found.by_video[name] = {str(rule): [_span(s) for s in spans] for rule, spans in video["strokes"].items()}


def _span(stroke: Any) -> Span:
    begin, end, label = stroke["begin"], stroke["end"], stroke["class"]
    if not (isinstance(begin, int) and isinstance(end, int) and isinstance(label, str)) or begin > end:
        raise TypeError("begin, end or class of a detection")
    return Span(begin, end, label)
