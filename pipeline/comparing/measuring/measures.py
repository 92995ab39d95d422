"""What is measured of a stroke beside the places of its joints: angles, heights and widths, in phases.

Each measure belongs to a joint, each joint to a group that moves as one: the arms, the hips with the trunk,
the head. All are of the picture's plane.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.comparing.measuring.movement import MOMENTS, PARTS, SERIES
from stages.base import Array
from stages.kinematics.course import Floats
from stages.kinematics.phases import NAMES

INDEX = {name: column for column, name in enumerate(PARTS)}
HIPS = [INDEX["left hip"], INDEX["right hip"]]
SHOULDERS = [INDEX["left shoulder"], INDEX["right shoulder"]]
#: what rises, falls and leans with the hips; hands need not
TRUNK = [*HIPS, *SHOULDERS, INDEX["head"]]
SIDES = ("left", "right")
DEGREES, LENGTHS, SECONDS = "degrees", "body lengths", "s"
#: differences that errors of the joints make, in each unit: they are added to the spread of the references
ERRORS = {DEGREES: 2.0, LENGTHS: 0.03, SECONDS: 0.02, "body lengths/s": 0.3}
#: moments on both sides of the end of the backswing that count as it
NEAR = 2
SIDEWAYS = "further right in the picture", "further left in the picture"
#: each window of a stroke, in words
WINDOWS = {
    "backswing": "in the backswing",
    "turn": "at the end of the backswing",
    "forward_swing": "in the forward swing",
    "follow_through": "in the follow-through",
    "stroke": "",
}


@dataclass(frozen=True)
class Measure:
    """One series of a stroke.

    Attributes
    ----------
    joint : str
        The joint that it says something of.
    subject : str
        What is higher, wider or more open, in words.
    group : str
        ``left arm``, ``right arm``, ``hips`` or ``head``.
    unit : str
    more, less : str
        What a larger and a smaller value is called.
    of : callable
        Places (M, 9, 2) and angles (M, S) → (M,).
    """

    joint: str
    subject: str
    group: str
    unit: str
    more: str
    less: str
    of: Callable[[Floats, Floats], Floats]


def _at(part: str, axis: int) -> Callable[[Floats, Floats], Floats]:
    # about the hips' mean place, not about the hips: else hands would move whenever the hips do
    return lambda places, angles: whole(places)[:, INDEX[part], axis]


def _series(name: str) -> Callable[[Floats, Floats], Floats]:
    return lambda places, angles: angles[:, SERIES.index(name)]


def _reach(side: str) -> Callable[[Floats, Floats], Floats]:
    wrist, shoulder = INDEX[f"{side} wrist"], INDEX[f"{side} shoulder"]
    return lambda places, angles: np.asarray(np.linalg.norm(places[:, wrist] - places[:, shoulder], axis=-1))


def _middle(parts: list[int], axis: int) -> Callable[[Floats, Floats], Floats]:
    return lambda places, angles: whole(places)[:, parts, axis].mean(axis=1)


def _over_hips(parts: list[int]) -> Callable[[Floats, Floats], Floats]:
    return lambda places, angles: places[:, parts, 1].mean(axis=1)


def _over_shoulders(axis: int) -> Callable[[Floats, Floats], Floats]:
    head, shoulders = _at("head", axis), _middle(SHOULDERS, axis)
    return lambda places, angles: head(places, angles) - shoulders(places, angles)


def _arm(side: str) -> dict[str, Measure]:
    def measure(
        joint: str, unit: str, more: str, less: str, of: Callable[[Floats, Floats], Floats]
    ) -> Measure:
        return Measure(f"{side} {joint}", f"{side} {joint}", f"{side} arm", unit, more, less, of)

    return {
        f"{side} elbow angle": measure(
            "elbow", DEGREES, "more open", "more closed", _series(f"elbow_{side}")
        ),
        f"{side} reach": measure("elbow", LENGTHS, "more stretched", "more bent", _reach(side)),
        f"{side} hand height": measure("wrist", LENGTHS, "higher", "lower", _at(f"{side} wrist", 1)),
        f"{side} hand side": measure("wrist", LENGTHS, *SIDEWAYS, _at(f"{side} wrist", 0)),
        f"{side} shoulder angle": measure(
            "shoulder", DEGREES, "more open", "more closed", _series(f"shoulder_{side}")
        ),
    }


#: every measure by its name
MEASURES: Mapping[str, Measure] = {
    **_arm("left"),
    **_arm("right"),
    "hip height": Measure("hips", "hips", "hips", LENGTHS, "higher", "lower", _middle(HIPS, 1)),
    "hip side": Measure("hips", "hips", "hips", LENGTHS, *SIDEWAYS, _middle(HIPS, 0)),
    "hip width": Measure(
        "hips", "hips", "hips", LENGTHS, "wider, turned more to the camera",
        "narrower, turned more from the camera", _series("hip_width"),
    ),
    "trunk lean": Measure(
        "hips", "trunk", "hips", DEGREES, "further over to the right in the picture",
        "further over to the left in the picture", _series("trunk_lean"),
    ),
    "trunk height": Measure("hips", "trunk", "hips", LENGTHS, "longer", "shorter", _over_hips(SHOULDERS)),
    "shoulder width": Measure(
        "shoulders", "shoulders", "hips", LENGTHS, "wider, turned more to the camera",
        "narrower, turned more from the camera", _series("shoulder_width"),
    ),
    "head height": Measure("head", "head", "head", LENGTHS, "higher", "lower", _over_shoulders(1)),
    "head side": Measure("head", "head", "head", LENGTHS, *SIDEWAYS, _over_shoulders(0)),
}  # fmt: skip


def windows(edges: tuple[float, ...]) -> dict[str, Array]:
    """Return which moments belong to each window of a stroke, (M,) bool.

    Parameters
    ----------
    edges : tuple of float
        Of :class:`~pipeline.comparing.measuring.movement.Movement`; empty: the whole stroke is one window.
    """
    at, out = np.arange(MOMENTS), {}
    if edges:
        for name, begin, end in zip(NAMES, edges[:-1], edges[1:], strict=True):
            out[name] = (at >= begin) & (at <= end)
        out["turn"] = np.abs(at - edges[1]) <= NEAR
        out = {name: out[name] for name in WINDOWS if name in out and out[name].sum() > 1}
    return out or {"stroke": np.ones(MOMENTS, bool)}


def whole(places: Floats) -> Floats:
    """Return places about the mean of the hips over the stroke, whatever the part; (…, M, 9, 2).

    In this form hips that move leave the hands where they are.
    """
    out = places.copy()
    others = [column for column in range(places.shape[-2]) if column not in HIPS]
    out[..., others, :] += places[..., HIPS, :].mean(axis=-2, keepdims=True)
    return out


def lateness(places: Floats, usual: Floats, inside: Array) -> float:
    """Return by how many moments hips and trunk come later than usual; NaN where too little is known.

    It is the least-squares solution of ``places(t) = usual(t) - lateness * d usual/dt + constant``: to first
    order, a course that is shifted in time.

    Parameters
    ----------
    places, usual : (M, 9, 2)
        As :func:`whole` gives them.
    inside : (M,) bool
    """
    slope = np.gradient(usual[:, TRUNK], axis=0)[inside]
    apart = (places - usual)[inside][:, TRUNK]
    known = np.isfinite(slope) & np.isfinite(apart)
    if known.mean() < 0.5:
        return float("nan")
    count = np.maximum(known.sum(axis=0), 1)
    apart = apart - np.where(known, apart, 0).sum(axis=0) / count
    slope, apart = np.where(known, slope, 0), np.where(known, apart, 0)
    square = float((slope**2).sum())
    return -float((apart * slope).sum()) / square if square > 0 else float("nan")
