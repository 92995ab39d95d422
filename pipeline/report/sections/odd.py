"""What looks odd: each video's figures against fixed limits and against the other videos."""

from __future__ import annotations

import base64
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.report.content.measures import LOOK_STEPS, MOMENTS, SIDE

#: part of what changes in a video by which another may differ and still be the same recording
ALIKE = 0.3
#: grey levels by which the mean pictures of copies may differ
BACKGROUND = 4.0
#: grey levels (rms) by which small pictures of a video must differ among each other, or they tell nothing
STILL = 0.5
#: copies of a video that are named
COPIES = 5


@dataclass(frozen=True)
class Rule:
    """One limit.

    Attributes
    ----------
    figure : str
        Name in the figures of a video.
    title : str
        What the figure is, for people.
    limit : float
        Odd from here on.
    unit : {"%", "levels", "1/s", ""}
    why : str
        What it may mean.
    """

    figure: str
    title: str
    limit: float
    unit: str
    why: str

    def text(self, value: float) -> str:
        """Return a value of the figure with its unit."""
        if self.unit == "%":
            return f"{value * 100:.1f} %"
        return f"{value:.1f} {self.unit}" if self.unit else f"{value:.2f}"

    def distance(self) -> str:
        """Return the limit as a distance between two values."""
        return f"{self.limit * 100:.0f} percentage points" if self.unit == "%" else self.text(self.limit)


RULES = (
    Rule("no_pose", "frames without a pose", 0.2, "%", "nobody is there, or is too small or hidden"),
    Rule("mask_empty", "frames with an empty mask", 0.5, "%", "nothing moves, or the player stands still"),
    Rule(
        "mask_full", "frames with more than half foreground", 0.05, "%", "the camera moves, or the light does"
    ),
    Rule("roi_border", "frames whose ROI touches the border", 0.5, "%", "the player leaves the picture"),
    Rule(
        "roi_jump", "longest step of the ROI, of the frame's width", 0.05, "%", "it changes what it follows"
    ),
    Rule("flow_clipped", "pairs of frames with clipped flow", 0.01, "%", "a cut, or a wrong match"),
    Rule("brightness_jump", "largest change of brightness", 20.0, "levels", "a cut, a flash, or lamps"),
    Rule("repeated", "frames equal to the one before", 0.05, "%", "a raised frame rate, or a frozen picture"),
)

#: figure → title, unit, how far from the median of the others is odd
RELATIVE: tuple[tuple[str, str, str, float], ...] = (
    ("brightness", "mean brightness", "levels", 60.0),
    ("mask", "mean share of foreground", "%", 0.2),
    ("pose_score", "median pose score", "", 0.25),
)


_TWIN = (
    "looks like another video",
    f"what changes between {MOMENTS} moments differs by less than {ALIKE:.0%}",
    "one recording twice: in training and in test",
)


@dataclass(frozen=True)
class Oddity:
    """One thing that looks odd about a video.

    Attributes
    ----------
    figure, title : str
    value, limit : str
        With units.
    why : str
    """

    figure: str
    title: str
    value: str
    limit: str
    why: str


def find_odd(figures: Mapping[str, Mapping[str, float]], looks: Mapping[str, str]) -> dict[str, list[Oddity]]:
    """Compare videos.

    Parameters
    ----------
    figures : mapping of str to mapping
        Id of a video → its figures, see :func:`pipeline.report.content.measures.measure`.
    looks : mapping of str to str
        Id of a video → its small pictures.

    Returns
    -------
    dict of str to list of Oddity
        Only videos about which something looks odd. ``twin`` has the other video's id as value.
    """
    found: dict[str, list[Oddity]] = {}
    for video, own in figures.items():
        for rule in RULES:
            value = own.get(rule.figure)
            if value is not None and value >= rule.limit:
                limit = f"from {rule.text(rule.limit)} on"
                found.setdefault(video, []).append(
                    Oddity(rule.figure, rule.title, rule.text(value), limit, rule.why)
                )
    for name, title, unit, distance in RELATIVE:
        _compare(figures, Rule(name, title, distance, unit, "unlike the other videos"), found)
    _rates(figures, found)
    others: dict[str, list[str]] = {}
    for a, b in twins(looks):
        if a[:16] == b[:16]:  # two views of one video
            continue
        others.setdefault(a, []).append(b)
        others.setdefault(b, []).append(a)
    for video, copies in others.items():
        found.setdefault(video, []).extend(
            Oddity("twin", _TWIN[0], copy, *_TWIN[1:]) for copy in copies[:COPIES]
        )
    return found


def _compare(figures: Mapping[str, Mapping[str, float]], rule: Rule, found: dict[str, list[Oddity]]) -> None:
    """Find values far from the median of the other videos; it takes three of them."""
    values = {v: own[rule.figure] for v, own in figures.items() if rule.figure in own}
    if len(values) < 4:
        return
    for video, value in values.items():
        middle = float(np.median([other for v, other in values.items() if v != video]))
        if abs(value - middle) >= rule.limit:
            limit = f"{rule.distance()} from the others' median, {rule.text(middle)}"
            found.setdefault(video, []).append(
                Oddity(rule.figure, rule.title, rule.text(value), limit, rule.why)
            )


def _rates(figures: Mapping[str, Mapping[str, float]], found: dict[str, list[Oddity]]) -> None:
    """Find frame rates that differ by more than 1 % from that of most videos."""
    rates = Counter(round(own["fps"], 2) for own in figures.values() if "fps" in own)
    if len(rates) < 2:
        return
    usual, count = max(rates.items(), key=lambda item: (item[1], item[0]))
    if count <= len(figures) / 2:
        return
    for video, own in figures.items():
        rate = own.get("fps", usual)
        if abs(rate - usual) > usual / 100:
            found.setdefault(video, []).append(
                Oddity("fps", "frame rate", f"{rate:g} /s", f"1 % from that of most videos, {usual:g} /s",
                       "T frames of a sample span another time")
            )  # fmt: skip


def twins(looks: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return pairs of videos that are one recording, though their bytes differ.

    Their small pictures change alike from moment to moment. That they are alike is not enough: a fixed camera
    sees the same hall in every recording.
    """
    names, means, changes = [], [], []
    for video, text in looks.items():
        values = np.frombuffer(base64.b64decode(text), "<u2")
        if values.size == MOMENTS * SIDE * SIDE:
            pictures = values.reshape(MOMENTS, -1).astype(np.float64) / LOOK_STEPS
            change = pictures - pictures.mean(axis=0)
            if _rms(change) >= STILL:
                names.append(video)
                means.append(pictures.mean(axis=0))
                changes.append(change)
    return [
        (names[a], names[b])
        for a, b in itertools.combinations(range(len(names)), 2)
        if np.abs(means[a] - means[b]).mean() < BACKGROUND
        and _rms(changes[a] - changes[b]) < ALIKE * min(_rms(changes[a]), _rms(changes[b]))
    ]


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))


def limits() -> list[tuple[str, str, str]]:
    """Return every limit for people: figure, when it is odd, what it may mean."""
    rows = [(r.title, f"from {r.text(r.limit)} on", r.why) for r in RULES]
    for _, title, unit, distance in RELATIVE:
        rule = Rule("", title, distance, unit, "")
        rows.append(
            (
                title,
                f"{rule.distance()} from the median of the others (three or more)",
                "unlike the other videos",
            )
        )
    rows.append(("frame rate", "1 % from that of most videos", "T frames of a sample span another time"))
    rows.append(_TWIN)
    return rows
