"""One number for each thing that is said of a stroke, with its unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stages.kinematics.angles import DEGREES, LENGTHS, SIDES, SPEED, UNITS, faster_hand, path_length, series
from stages.kinematics.course import INDEX, Course, Floats, body_length
from stages.kinematics.hand import certainty
from stages.kinematics.params import KinematicsParams
from stages.kinematics.phases import NAMES, Phases, phases

MOMENTS = ("turn", "peak", "finish")
_AT = {
    "elbow": (DEGREES, "angle at the playing elbow"),
    "shoulder": (DEGREES, "angle at the playing shoulder"),
    "trunk_lean": (DEGREES, "lean of the trunk"),
    "hand_height": (LENGTHS, "height of the playing wrist above mid-hip"),
}
_WHEN = {
    "turn": "at the end of the backswing",
    "peak": "when the wrist is fastest",
    "finish": "at the end of the follow-through",
}

#: name of each measure → its unit and what it is
MEASURES: dict[str, tuple[str, str]] = {
    "body_length": ("px", "shoulder to hip, the yard-stick of the stroke"),
    **{name: ("s", f"duration of the {name.replace('_', ' ')}") for name in NAMES},
    **{f"{name}_peak_speed": (SPEED, f"largest speed of the playing {name}, from turn to finish")
       for name in ("wrist", "elbow", "shoulder")},
    **{f"{name}_peak_time": ("s", f"when the playing {name} is fastest, after the wrist; negative: before")
       for name in ("elbow", "shoulder")},
    **{f"{name}_at_{moment}": (unit, f"{text} {when}")
       for name, (unit, text) in _AT.items() for moment, when in _WHEN.items()},
    "path_length": (LENGTHS, "way of the playing wrist in the picture"),
    "arm_confidence": ("1", "mean score of shoulder, elbow and wrist of the playing arm, 0 where not seen"),
    "arm_seen": ("1", "share of frames in which all three are seen"),
    "phases_certainty": ("1", "how surely the phases are found, mean over the four moments"),
}  # fmt: skip


def playing_hand(course: Course, parameters: KinematicsParams) -> str:
    """Return which hand plays: as the parameters say, else the faster wrist; empty where none is known."""
    return faster_hand(course) if parameters.hand == "faster" else parameters.hand


def measures(course: Course, hand: str, found: Phases) -> dict[str, float]:
    """Return every measure of :data:`MEASURES` of one stroke by name; NaN where it is unknown.

    ``phases_certainty`` stays so: it rests on another course.

    Parameters
    ----------
    course : Course
        Of the stroke.
    hand : str
        ``left``, ``right``, or empty where that is unknown.
    found : Phases
        Of the same course, from :func:`stages.kinematics.phases.phases`.
    """
    out = dict.fromkeys(MEASURES, float("nan"))
    out["body_length"] = body_length(course)
    if hand not in SIDES:
        return out
    values = series(course)
    arm = course.confidence[:, [INDEX[f"{hand}_{joint}"] for joint in ("shoulder", "elbow", "wrist")]]
    if len(arm):
        out["arm_confidence"], out["arm_seen"] = float(arm.mean()), float((arm > 0).all(axis=1).mean())
    out["path_length"] = path_length(course, f"{hand}_wrist")
    if not found.known:
        return out
    for name, seconds in found.durations(course.rate).items():
        out[name] = seconds
    for joint in ("wrist", "elbow", "shoulder"):
        at = _fastest(values[f"{joint}_speed_{hand}"], found.turn, found.finish)
        if at is not None:
            out[f"{joint}_peak_speed"] = float(values[f"{joint}_speed_{hand}"][at])
            if joint != "wrist":
                out[f"{joint}_peak_time"] = (at - found.peak) / course.rate
    for name in _AT:
        own = values[name if name in UNITS else f"{name}_{hand}"]
        for moment in MOMENTS:
            out[f"{name}_at_{moment}"] = float(own[getattr(found, moment)])
    return out


def _fastest(speed: Floats, begin: int, end: int) -> int | None:
    """Return the frame of the largest known value of ``begin`` … ``end``, None where none is known."""
    part = speed[begin : end + 1]
    return begin + int(np.nanargmax(part)) if np.isfinite(part).any() else None


@dataclass(frozen=True)
class Description:
    """What is said of one stroke.

    Attributes
    ----------
    hand : str
        Which plays: ``left``, ``right``, or empty where that is unknown.
    phases : Phases
    certainty : (4,) float64
        Of each moment, by :func:`stages.kinematics.hand.certainty`; 0 where it is unknown.
    measures : dict of str to float
        By the names of :data:`MEASURES`.
    """

    hand: str
    phases: Phases
    certainty: Floats
    measures: dict[str, float]


def described(course: Course, parameters: KinematicsParams, moving: Course | None = None) -> Description:
    """Describe a stroke.

    Parameters
    ----------
    course : Course
        Of the stroke.
    parameters : KinematicsParams
    moving : Course, optional
        Of the same frames, in which phases are looked for (:func:`stages.kinematics.hand.hands`); default:
        ``course``.
    """
    moving = course if moving is None else moving
    hand = playing_hand(course, parameters)
    found = phases(moving, hand, parameters)
    sure = certainty(moving, hand, found)
    told = measures(course, hand, found)
    if found.known:
        told["phases_certainty"] = float(sure.mean())
    return Description(hand, found, sure, told)
