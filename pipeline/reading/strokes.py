"""The kinematics of annotated strokes, as a store holds them: one row for each stroke, and its course."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.annotations import Sample
from pipeline.annotations.records import NEGATIVE
from pipeline.execution.feature_files import read_info
from pipeline.planning.graph import Node
from stages.kinematics.course import Course, mirrored
from stages.kinematics.measures import MEASURES, measures
from stages.kinematics.phases import Phases
from stages.kinematics.stage import HANDS, PHASE_MOMENTS
from store import Store

#: unit → how a heading ends
_ENDINGS = {
    "px": "_px",
    "s": "_s",
    "degrees": "_degrees",
    "body lengths": "_body_lengths",
    "body lengths/s": "_body_lengths_per_s",
    "1": "",
}
#: columns that are no measures → unit
FACTS = {
    "video": "", "player": "", "label": "", "begin": "frame", "end": "frame", "rate": "frames/s",
    "hand": "", "mirrored": "", **dict.fromkeys(PHASE_MOMENTS, "frame"),
}  # fmt: skip
#: name of a column → its unit, in the order of a table
UNITS = {**FACTS, **{name: unit for name, (unit, _) in MEASURES.items()}}


def heading(name: str) -> str:
    """Return the heading of a column, which names its unit."""
    return name if name in FACTS else name + _ENDINGS[UNITS[name]]


@dataclass(frozen=True)
class DescribedStroke:
    """What is known of how one annotated stroke was played.

    Attributes
    ----------
    video : str
        Name of the video, with the view where it has several.
    sample : Sample
    course : Course
        The joints of the stroke's frames, smoothed.
    hand : str
        ``left``, ``right``, or empty where that is unknown.
    phases : Phases
        Counted from the first frame of the stroke.
    measures : dict of str to float
        By the names of :data:`stages.kinematics.measures.MEASURES`; NaN where it is unknown.
    width : float
        Of the stored frame, px.
    mirrored : bool
        Whether course and measures are those of the mirror picture.
    """

    video: str
    sample: Sample
    course: Course
    hand: str
    phases: Phases
    measures: dict[str, float]
    width: float
    mirrored: bool = False

    def row(self) -> dict[str, Any]:
        """Return the columns of a table by name; see :data:`UNITS`. What is unknown is None or empty."""
        sample = self.sample
        moments = {n: getattr(self.phases, n) for n in PHASE_MOMENTS}
        facts = {
            "video": self.video,
            "player": sample.player or sample.view,
            "label": sample.label or "",
            "begin": sample.begin,
            "end": sample.end,
            "rate": self.course.rate,
            "hand": self.hand,
            "mirrored": int(self.mirrored),
            **{n: sample.begin + at if at >= 0 else None for n, at in moments.items()},
        }
        return facts | {n: None if np.isnan(v) else v for n, v in self.measures.items()}

    def as_right_hander(self) -> DescribedStroke:
        """Return the stroke as a mirror shows it, where the left hand plays; else itself.

        ``hand`` still says which hand it was; in the course it is the right one.
        """
        if self.hand != "left" or self.mirrored:
            return self
        course = mirrored(self.course, self.width)
        told = measures(course, "right", self.phases)
        told["phases_certainty"] = self.measures["phases_certainty"]
        return replace(self, course=course, measures=told, mirrored=True)


def read_strokes(store: Store, node: Node, samples: Iterable[Sample]) -> Iterator[DescribedStroke]:
    """Yield the strokes of one view of a video that are in its file of kinematics, in the file's order.

    Parameters
    ----------
    store : Store
    node : Node
        Of the stage ``kinematics``, done.
    samples : iterable of Sample
        Of that view; negatives are left out.
    """
    info = read_info(store, node)
    rate = float(info.fps)
    wanted: dict[tuple[int, int], list[Sample]] = {}
    for sample in samples:
        if sample.label != NEGATIVE:
            wanted.setdefault((sample.begin, sample.end), []).append(sample)
    with store.reader(node.slot) as reader:
        joints, confidence = reader.read("joints"), reader.read("confidence")
        hands, moments = reader.read("hand"), reader.read("moments")
        values = {name: reader.read(name) for name in MEASURES}
        for row, (begin, end, first, count, _) in enumerate(reader.read("samples").tolist()):
            at = slice(first, first + count)
            course = Course(joints[at].astype(np.float64), confidence[at].astype(np.float64), rate)
            found = Phases(*(int(m) - begin if m >= 0 else -1 for m in moments[row]))
            told = {name: float(values[name][row]) for name in MEASURES}
            for sample in wanted.get((begin, end), ()):
                hand = HANDS[int(hands[row])]
                yield DescribedStroke(node.video, sample, course, hand, found, told, info.width)
