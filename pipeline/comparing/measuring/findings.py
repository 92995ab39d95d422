"""What is different about a stroke, in words, ordered by size; and one number for all of it.

A difference is measured in spreads of the references (:func:`~pipeline.comparing.measuring.band.unusual`), so
that what varies from stroke to stroke anyway counts for little. The score rests on the five largest of
the body; each reference has one too, against the others, so that one sees what is usual. Joints that nobody
saw do not count.

Where a joint is elsewhere, so are others: who lifts the hand bends the elbow as well. Which joint comes first
is decided by what explains the whole deviation best (:mod:`pipeline.comparing.measuring.explaining`); that
also counts for the score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.comparing.measuring.band import ENOUGH, Aligned, Band, deviations, mean, size, unusual
from pipeline.comparing.measuring.explaining import APART, Model, fit
from pipeline.comparing.measuring.measures import (
    ERRORS,
    LENGTHS,
    MEASURES,
    SECONDS,
    SIDES,
    WINDOWS,
    lateness,
    whole,
)
from pipeline.comparing.measuring.movement import MOMENTS, PARTS, Movement
from stages.base import Array
from stages.kinematics.course import Floats
from stages.kinematics.phases import NAMES

#: spreads from which on a difference is said
TOLD = 2.0
#: how many of the largest differences make the score, and the size of a group of joints
OF_SCORE, OF_GROUP = 5, 3
#: what a spread of a joint's own measures is worth beside evidence, nats, and how many count at most
WORTH, MOST_WORTH = 3.0, 5.0
#: by which joints that explain nothing else (head, shoulders) stand back, nats
UNEXPLAINED = 3.0
#: of the root of the evidence that is added to the score
SHARE = 0.5
LATE = "lateness"
GROUPS = {measure.joint: measure.group for measure in MEASURES.values()}
#: where the trunk is elsewhere and the hands are not, arms follow with these
FOLLOWING = {f"{side} {what}" for side in SIDES for what in ("elbow angle", "reach", "shoulder angle")}
#: by which findings are sorted
Place = tuple[bool, float, float, float]


@dataclass(frozen=True)
class Finding:
    """One difference.

    Attributes
    ----------
    joint : str
        ``tempo`` for what concerns the whole stroke.
    measure, window : str
    difference : float
        The stroke's value less the mean of the references'.
    unit : str
    spreads : float
        The difference in spreads of the references; without enough of them, in errors of measurement.
    beyond, of : int
        Of how many references it lies beyond, of how many that show the measure.
    text : str
    """

    joint: str
    measure: str
    window: str
    difference: float
    unit: str
    spreads: float
    beyond: int
    of: int
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return vars(self) | {"difference": round(self.difference, 4), "spreads": round(self.spreads, 2)}


@dataclass(frozen=True)
class Judged:
    """A stroke beside references.

    Attributes
    ----------
    findings : tuple of Finding
        The largest first; with enough references, only those of two spreads or more.
    score : float
        NaN where nothing could be compared, or too few references are there.
    usual : (R,) float64
        Scores of the references, each against the others; empty where they are too few.
    distances : dict of str to dict of str to (float, float)
        Part → window → root mean square distance from the mean of the references, and the median of theirs,
        body lengths; NaN where it is not known.
    unseen : dict of str to float
        Part that is not compared → share of the stroke in which it was seen.
    explained : dict of str to float
        Joint → by how much more probable the stroke is if that joint is to blame: natural logarithm of the
        ratio.
    """

    findings: tuple[Finding, ...]
    score: float
    usual: Floats
    distances: Mapping[str, Mapping[str, tuple[float, float]]]
    unseen: Mapping[str, float]
    explained: Mapping[str, float]


def _values(aligned: Aligned, windows: Mapping[str, Array]) -> dict[tuple[str, str], float]:
    """Return the mean of each measure in each window; NaN where less than half of it is known."""
    out = {}
    for name, measure in MEASURES.items():
        series = measure.of(aligned.places, aligned.angles)
        for window, inside in windows.items():
            known = series[inside][np.isfinite(series[inside])]
            enough = len(known) >= ENOUGH * inside.sum()
            out[name, window] = float(known.mean()) if enough else float("nan")
    return out


def _late(aligned: Aligned, others: Floats, band: Band) -> float:
    """Return by how many seconds the hips are late, in the template's time."""
    found = lateness(whole(aligned.places), mean(whole(others), 0), band.within)
    return found * band.template.seconds / MOMENTS


def _tempo(movement: Movement) -> dict[str, tuple[float, str]]:
    """Return name → value and unit of what concerns the whole stroke."""
    out = {"duration": (movement.seconds, SECONDS), "top speed": (movement.top_speed, "body lengths/s")}
    if movement.edges:
        for name, begin, end in zip(NAMES, movement.edges[:-1], movement.edges[1:], strict=True):
            out[name] = (movement.seconds * (end - begin) / MOMENTS, SECONDS)
    return out


def _differences(
    values: Mapping[tuple[str, str], float],
    late: float,
    of: Sequence[Mapping[tuple[str, str], float]],
    lates: Floats,
) -> dict[tuple[str, str], float]:
    """Return the difference of each measure in spreads, signed."""
    out = {
        key: unusual(value, np.array([v[key] for v in of]), ERRORS[MEASURES[key[0]].unit])
        for key, value in values.items()
    }
    return out | {(LATE, "stroke"): unusual(late, lates, ERRORS[SECONDS])}


def largest(differences: Iterable[float], count: int) -> float:
    """Return the mean of the largest differences, whatever their signs; NaN where none is known.

    A change of the movement shows in several measures and windows, an accident of one joint in one.
    """
    known = sorted((abs(v) for v in differences if np.isfinite(v)), reverse=True)[:count]
    return float(np.mean(known)) if known else float("nan")


@dataclass(frozen=True)
class References:
    """A band with what each of its strokes measures; made once, whatever is compared with it.

    Attributes
    ----------
    band : Band
    values : tuple of dict
        Of each reference: (measure, window) → value.
    lates : (R,) float64
        By how much the hips of each are later than those of the others, s.
    usual : (R,) float64
        Score of each against the others; empty where they are too few.
    model : Model
        What explains a deviation.
    """

    band: Band
    values: tuple[dict[tuple[str, str], float], ...]
    lates: Floats
    usual: Floats
    model: Model


def learn(band: Band) -> References:
    """Measure the strokes of a band, each against the others."""
    values = tuple(_values(a, band.windows) for a in band.aligned)
    everyone = np.arange(len(values))
    rest = [everyone[everyone != i] for i in everyone]
    lates = np.array(
        [
            _late(a, band.places[others], band) if len(others) else np.nan
            for a, others in zip(band.aligned, rest, strict=True)
        ]
    )
    model = fit(band)
    usual = [
        _score(
            _differences(values[i], lates[i], [values[k] for k in others], lates[others]),
            (fit(band, i) if len(everyone) <= APART else model).explain(band.aligned[i]),
        )
        for i, others in enumerate(rest)
        if band.certain
    ]
    return References(band, values, lates, np.array(usual), model)


def _score(differences: Mapping[tuple[str, str], float], explained: Mapping[str, float]) -> float:
    """Return how unusual a stroke is: by its largest differences, and by what explains all of them."""
    return largest(differences.values(), OF_SCORE) + SHARE * float(np.sqrt(max(0.0, *explained.values())))


def judge(references: References, movement: Movement) -> Judged:
    """Compare a stroke with references."""
    band = references.band
    aligned = band.align(movement)
    values, late = _values(aligned, band.windows), _late(aligned, band.places, band)
    differences = _differences(values, late, references.values, references.lates)
    explained = references.model.explain(aligned)
    told = _body(references, values, differences, late, explained) + _whole_stroke(band, movement)
    least = TOLD if band.certain else 1.0
    findings = [
        f
        for place, f in sorted(told, key=lambda pair: pair[0])
        if f.spreads >= least or (not place[0] and explained.get(f.joint, 0.0) > 0)
    ]
    score = _score(differences, explained) if band.certain else float("nan")
    distances, unseen = _distances(band, aligned), _unseen(band, aligned)
    return Judged(tuple(findings), score, references.usual, distances, unseen, explained)


def _body(
    references: References,
    values: Mapping[tuple[str, str], float],
    differences: Mapping[tuple[str, str], float],
    late: float,
    explained: Mapping[str, float],
) -> list[tuple[Place, Finding]]:
    """Return the largest difference of each joint, and where it stands.

    First comes the joint that is most likely to blame. What moves as one stands together, by the mean of its
    three largest differences, and in it the likely one stands first.
    """
    band, out = references.band, dict[str, Finding]()
    trunk = largest((v for (name, _), v in differences.items() if _group(name) == "hips"), OF_GROUP)
    groups: dict[str, list[float]] = {}
    of_joint: dict[str, list[float]] = {}
    for (name, window), spreads in differences.items():
        if not np.isfinite(spreads):
            continue
        if name == LATE:
            joint, group = "hips", "hips"
            found = _finding(joint, name, window, late, references.lates, SECONDS, spreads, band)
        else:
            own = np.array([v[name, window] for v in references.values])
            measure = MEASURES[name]
            joint, group = measure.joint, measure.group
            found = _finding(joint, name, window, values[name, window], own, measure.unit, spreads, band)
        follows = name in FOLLOWING and trunk >= TOLD
        groups.setdefault(group, []).extend([] if follows else [spreads])
        of_joint.setdefault(joint, []).append(spreads)
        if joint not in out or found.spreads > out[joint].spreads:
            out[joint] = found
    size_of = {group: largest(spreads, OF_GROUP) for group, spreads in groups.items()}
    likely = {joint: _likely(joint, explained, own) for joint, own in of_joint.items()}
    best = max(likely, key=likely.__getitem__, default="")
    return [
        ((joint != best, -size_of[GROUPS[joint]], -likely[joint], -found.spreads), found)
        for joint, found in out.items()
    ]


def _likely(joint: str, explained: Mapping[str, float], spreads: Sequence[float]) -> float:
    """Return how likely a joint is to blame, by what it explains of the stroke and what it shows itself."""
    if joint.endswith(" shoulder"):  # in the picture, a shoulder that turns is a hand that is elsewhere
        return -math.inf
    return explained.get(joint, -UNEXPLAINED) + WORTH * min(largest(spreads, OF_GROUP), MOST_WORTH)


def _group(name: str) -> str:
    return "hips" if name == LATE else MEASURES[name].group


def _whole_stroke(band: Band, movement: Movement) -> list[tuple[Place, Finding]]:
    out, theirs = list[tuple[Place, Finding]](), [_tempo(m) for m in band.references]
    for name, (value, unit) in _tempo(movement).items():
        own = np.array([t[name][0] if name in t else np.nan for t in theirs])
        spreads = unusual(value, own, ERRORS[unit])
        if np.isfinite(spreads):
            found = _finding("tempo", name, "stroke", value, own, unit, spreads, band)
            out.append(((True, -found.spreads, 0.0, -found.spreads), found))
    return out


def _finding(
    joint: str, name: str, window: str, value: float, own: Floats, unit: str, spreads: float, band: Band
) -> Finding:
    own = own[np.isfinite(own)]
    difference = value - float(own.mean())
    beyond = int((own < value).sum() if difference > 0 else (own > value).sum())
    text = f"{_subject(joint, name, difference, unit)}{_when(window)} than {_than(beyond, len(own), band)}"
    return Finding(joint, name, window, difference, unit, abs(spreads), beyond, len(own), text)


def _subject(joint: str, name: str, difference: float, unit: str) -> str:
    more, size = difference > 0, abs(difference)
    if name == LATE:
        return f"hips {size:.2f} s {'later' if more else 'earlier'}"
    if name == "top speed":
        return f"wrist {size:.1f} body lengths/s {'faster' if more else 'slower'} at its peak"
    if name in ("duration", *NAMES):
        what = "whole stroke" if name == "duration" else name.replace("_", "-" if "through" in name else " ")
        return f"{what} {size:.2f} s {'longer' if more else 'shorter'}"
    measure = MEASURES[name]
    amount = f"{size:.0f} degrees" if unit != LENGTHS else f"{size:.2f} body lengths"
    return f"{measure.subject} {amount} {measure.more if more else measure.less}"


def _when(window: str) -> str:
    return f" {WINDOWS[window]}" if WINDOWS[window] else ""


def _than(beyond: int, of: int, band: Band) -> str:
    if len(band.references) == 1:
        return "the reference"
    if not band.certain:
        return f"the mean of {of} references"
    return f"all {of} references" if beyond == of else f"{beyond} of {of} references"


def _distances(band: Band, aligned: Aligned) -> dict[str, dict[str, tuple[float, float]]]:
    windows = {"stroke": band.within, **{n: w for n, w in band.windows.items() if n in NAMES}}
    away = deviations(aligned.places, band.places)
    everyone = np.arange(len(band.references))
    theirs = [
        deviations(a.places, band.places[everyone != i])
        for i, a in enumerate(band.aligned)
        if len(everyone) > 1
    ]
    out: dict[str, dict[str, tuple[float, float]]] = {name: {} for name in PARTS}
    for window, inside in windows.items():
        own = size(away, inside)
        usual = np.stack([size(t, inside) for t in theirs]) if theirs else np.full((1, len(PARTS)), np.nan)
        for column, name in enumerate(PARTS):
            known = usual[:, column][np.isfinite(usual[:, column])]
            median = float(np.median(known)) if len(known) else float("nan")
            out[name][window] = (float(own[column]), median)
    return out


def _unseen(band: Band, aligned: Aligned) -> dict[str, float]:
    """Return the parts that could not be compared over most of the stroke, with how much of them was seen."""
    whole_of_it = size(deviations(aligned.places, band.places), band.within)
    seen = aligned.movement.seen
    return {
        name: float(seen[column]) for column, name in enumerate(PARTS) if not np.isfinite(whole_of_it[column])
    }
