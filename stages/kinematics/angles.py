"""Angles, speeds and lengths of a course, one value per frame, by name.

All are measured in the plane of the picture: what they mean in space depends on where the camera stands
(docs/kinematics.md says which of them to trust).
"""

from __future__ import annotations

import numpy as np

from stages.kinematics.course import INDEX, Course, Floats, body_length, middle, runs

SIDES = ("left", "right")
DEGREES, LENGTHS, SPEED = "degrees", "body lengths", "body lengths/s"

#: name of each series → its unit
UNITS: dict[str, str] = {
    **{f"{joint}_{side}": DEGREES for joint in ("elbow", "shoulder") for side in SIDES},
    "trunk_lean": DEGREES,
    "shoulder_width": LENGTHS,
    "hip_width": LENGTHS,
    **{f"hand_height_{side}": LENGTHS for side in SIDES},
    **{f"{joint}_speed_{side}": SPEED for joint in ("wrist", "elbow", "shoulder") for side in SIDES},
}
#: name of each series → what it is
MEANING: dict[str, str] = {
    "elbow": "angle at the elbow between upper arm and forearm, 180: stretched",
    "shoulder": "angle at the shoulder between upper arm and the line to the hip, 0: arm along the trunk",
    "trunk_lean": "of the line from mid-hip to mid-shoulder against the vertical, positive: to the right in "
    "the picture",
    "shoulder_width": "x of the left shoulder less x of the right one: apparent width, which turning changes",
    "hip_width": "x of the left hip less x of the right one: apparent width, which turning changes",
    "hand_height": "height of the wrist above mid-hip",
    "wrist_speed": "speed of the wrist in the picture",
    "elbow_speed": "speed of the elbow in the picture",
    "shoulder_speed": "speed of the shoulder in the picture",
}


def meaning(name: str) -> str:
    """Return what a series is, in one sentence."""
    return MEANING[name if name in MEANING else name.rsplit("_", 1)[0]]


def angle(first: Floats, vertex: Floats, last: Floats) -> Floats:
    """Return the angle at ``vertex`` between the ways to two points, degrees, 0 … 180.

    Parameters
    ----------
    first, vertex, last : (T, 2)

    Returns
    -------
    (T,) float64
        NaN where a point is NaN or two of them coincide.
    """
    a, b = first - vertex, last - vertex
    across, along = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], (a * b).sum(axis=-1)
    out = np.degrees(np.arctan2(np.abs(across), along))
    return np.where((across == 0) & (along == 0), np.nan, out)


def velocity(points: Floats, rate: float) -> Floats:
    """Return the derivative of a course by central differences, one-sided at the ends of what is known.

    Parameters
    ----------
    points : (T, 2)
    rate : float
        Frames per second.

    Returns
    -------
    (T, 2) float64
        Units of ``points`` per second; NaN where the point, or both of its neighbours, are unknown.
    """
    out = np.full(points.shape, np.nan)
    for begin, end in runs(np.asarray(np.isfinite(points).all(axis=-1))):
        if end - begin > 1:
            out[begin:end] = np.gradient(points[begin:end], axis=0) * rate
    return out


def speed(course: Course, joint: str) -> Floats:
    """Return the speed of a joint, as ``left_wrist``, in body lengths per second; (T,)."""
    return np.asarray(
        np.linalg.norm(velocity(course.joint(joint), course.rate), axis=-1) / body_length(course)
    )


def path_length(course: Course, joint: str) -> float:
    """Return the length of a joint's way, body lengths; the steps between known frames alone count.

    NaN where there is no such step.
    """
    steps = np.linalg.norm(np.diff(course.joint(joint), axis=0), axis=-1)
    known = steps[np.isfinite(steps)]
    return float(known.sum() / body_length(course)) if len(known) else float("nan")


def series(course: Course) -> dict[str, Floats]:
    """Return every series of :data:`UNITS` by name, each (T,) float64, NaN where a joint is unknown."""
    length, hips, shoulders = body_length(course), middle(course, "hip"), middle(course, "shoulder")
    out: dict[str, Floats] = {}
    for side in SIDES:
        hip, shoulder, elbow, wrist = (
            course.joint(f"{side}_{name}") for name in ("hip", "shoulder", "elbow", "wrist")
        )
        out[f"elbow_{side}"] = angle(shoulder, elbow, wrist)
        out[f"shoulder_{side}"] = angle(hip, shoulder, elbow)
        out[f"hand_height_{side}"] = (hips - wrist)[:, 1] / length
        for name in ("wrist", "elbow", "shoulder"):
            out[f"{name}_speed_{side}"] = speed(course, f"{side}_{name}")
    spine = shoulders - hips
    out["trunk_lean"] = np.degrees(np.arctan2(spine[:, 0], -spine[:, 1]))
    for part in ("shoulder", "hip"):
        across = course.joint(f"left_{part}") - course.joint(f"right_{part}")
        out[f"{part}_width"] = across[:, 0] / length
    return {name: out[name] for name in UNITS}


def faster_hand(course: Course) -> str:
    """Return ``left`` or ``right``: the side whose wrist is the faster one; empty where neither is known.

    Compared is the 90th percentile of each wrist's speed times its squared confidence: one wrong joint does
    not decide, nor a hidden wrist that is guessed now here, now there.
    """
    found: dict[str, float] = {}
    for side in SIDES:
        values = speed(course, f"{side}_wrist") * course.confidence[:, INDEX[f"{side}_wrist"]] ** 2
        values = values[np.isfinite(values)]
        if len(values):
            found[side] = float(np.percentile(values, 90))
    return max(found, key=found.__getitem__) if found else ""
