"""Submission files of MediaEval's Sports task.

Detection and segment classification: one file per video, ``<video><action begin end [move]/></video>``,
``end`` exclusive. Classification of clips: ``<videos><video name class/></videos>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from tttrain import owned
from tttrain.evaluation.decision_rules import Stroke


def write_actions(path: Path, strokes: Iterable[Stroke], classes: Sequence[str] | None = None) -> None:
    """Write the strokes of one video, ordered by their begin.

    Parameters
    ----------
    path : Path
    strokes : iterable of Stroke
    classes : sequence of str, optional
        Names for ``move``; without them, write intervals only, as the detection subtask asks.
    """
    root = ElementTree.Element("video")
    for stroke in sorted(strokes, key=lambda s: (s.begin, s.end)):
        action = ElementTree.SubElement(root, "action", begin=str(stroke.begin), end=str(stroke.end))
        if classes is not None:
            action.set("move", classes[stroke.label])
    _write(path, root)


def write_clips(path: Path, names: Iterable[tuple[str, str]]) -> None:
    """Write the classes of clips that hold one stroke each.

    Parameters
    ----------
    path : Path
    names : iterable of (str, str)
        Clip and class.
    """
    root = ElementTree.Element("videos")
    for clip, label in names:
        ElementTree.SubElement(root, "video", {"name": clip, "class": label})
    _write(path, root)


def file_name(video: str) -> str:
    """Name the submission of a video: its own name without folders, with the suffix ``.xml``."""
    name = PurePosixPath(video).name
    return PurePosixPath(name if name not in ("", "..") else "video").with_suffix(".xml").name


def _write(path: Path, root: ElementTree.Element) -> None:
    ElementTree.indent(root)
    owned.write_text(path, ElementTree.tostring(root, encoding="unicode") + "\n")
