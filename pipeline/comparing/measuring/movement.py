"""A stroke as it is compared: nine parts of the body and the angles between them, moment by moment.

All strokes have the same number of moments, evenly spaced in time, so that one that lasts longer, or was
filmed at another rate, has the same form; how long it lasts is kept beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stages.base import Array
from stages.kinematics.angles import UNITS, faster_hand, series, speed
from stages.kinematics.course import INDEX, Course, Floats, body_length, middle, normalised
from stages.kinematics.phases import Phases, phases

#: moments of a stroke
MOMENTS = 64
#: name of each part → the joint that stands for it. Eyes and ears go with the nose, and which of them is seen
#: changes with the turn of the head
PARTS: dict[str, str] = {
    "head": "nose",
    **{
        f"{side} {joint}": f"{side}_{joint}"
        for joint in ("shoulder", "elbow", "wrist", "hip")
        for side in ("left", "right")
    },
}
#: rows of the joints that stand for them
_ROWS = [INDEX[joint] for joint in PARTS.values()]
#: columns of the hips, whose places are about the middle of the whole stroke
HIPS = [column for column, name in enumerate(PARTS) if name.endswith("hip")]
#: angles and lengths that are compared; speeds are not: they follow from the places
SERIES = tuple(name for name in UNITS if "speed" not in name)


@dataclass(frozen=True)
class Movement:
    """A stroke in :data:`MOMENTS` moments.

    Attributes
    ----------
    places : (M, 9, 2) float64
        Of :data:`PARTS`: x right, y up, body lengths. About the middle between the hips of the same moment;
        of the hips themselves, about its mean over the stroke. NaN where nobody saw the joint.
    angles : (M, S) float64
        Of :data:`SERIES`, in their units; NaN where a joint was not seen.
    confidence : (M, 9) float64
        The parts' scores, 0 … 1; 0 where a part is bridged or unknown.
    frames : (M,) float64
        The frame of the course at each moment.
    edges : tuple of float
        Moments at which the backswing begins and ends, the wrist is fastest, and the follow-through ends;
        empty where they are unknown.
    seconds : float
        How long it lasts.
    top_speed : float
        Of the playing hand's wrist, body lengths/s; NaN where unknown.
    hand : str
        Which hand plays, ``left`` or ``right``; empty where nobody saw it.
    """

    places: Floats
    angles: Floats
    confidence: Floats
    frames: Floats
    edges: tuple[float, ...]
    seconds: float
    top_speed: float
    hand: str

    @cached_property
    def seen(self) -> Floats:
        """Share of the moments in which each part is known, (9,)."""
        return np.asarray(np.isfinite(self.places).all(axis=-1).mean(axis=0))

    @cached_property
    def filled(self) -> Floats:
        """Places with gaps filled on straight lines, 0 where a part was never seen; (M, 9, 2).

        For alignment alone: no distance between parts counts what is filled here.
        """
        rows = self.places.reshape(len(self.places), -1).copy()
        at = np.arange(len(rows))
        for column in rows.T:
            known = np.isfinite(column)
            if not known.all():
                column[~known] = np.interp(at[~known], at[known], column[known]) if known.any() else 0
        return rows.reshape(self.places.shape)


def movement(course: Course, hand: str | None = None, found: Phases | None = None) -> Movement:
    """Bring the course of one stroke into the form in which strokes are compared.

    Parameters
    ----------
    course : Course
        Of two frames or more.
    hand : str, optional
        ``left``, ``right``, or empty where that is unknown; default: the hand that is faster.
    found : Phases, optional
        Of the course; default: those that its wrist shows.

    Raises
    ------
    ValueError
        It has fewer than two frames.
    """
    if len(course) < 2:
        raise ValueError(f"a stroke of {len(course)} frames has no movement")
    hand = faster_hand(course) if hand is None else hand
    found = phases(course, hand) if found is None else found
    scale = (MOMENTS - 1) / (len(course) - 1)
    edges = (found.start, found.turn, found.peak, found.finish) if found.known else ()
    pace = speed(course, f"{hand}_wrist") if hand else np.full(1, np.nan)
    named = series(course)
    return Movement(
        spaced(_places(course)),
        spaced(np.stack([named[name] for name in SERIES], axis=-1)),
        spaced(course.confidence[:, _ROWS]),
        np.linspace(0, len(course) - 1, MOMENTS),
        tuple(edge * scale for edge in edges),
        len(course) / course.rate,
        float(np.nanmax(pace)) if np.isfinite(pace).any() else float("nan"),
        hand,
    )


def _places(course: Course) -> Floats:
    places = normalised(course)[:, _ROWS]
    centre = middle(course, "hip")
    if np.isfinite(centre).any():
        about = np.nanmean(centre, axis=0)
        for column in HIPS:
            joint = course.joint([*PARTS.values()][column])
            places[:, column] = (joint - about) * (1, -1) / body_length(course)
    return places


def spaced(values: Array, moments: int = MOMENTS) -> Floats:
    """Return a course at evenly spaced moments, on straight lines between its frames.

    Parameters
    ----------
    values : (T, …)
        T is 2 or more.
    moments : int

    Returns
    -------
    (moments, …) float64
        NaN next to a frame that is NaN.
    """
    at = np.linspace(0, len(values) - 1, moments)
    before = np.minimum(np.floor(at).astype(int), len(values) - 2)
    share = (at - before).reshape(-1, *(1 for _ in values.shape[1:]))
    low, high = values[before], values[before + 1]
    # a moment that falls on a frame needs no neighbour
    return np.asarray(np.where(share == 0, low, np.where(share == 1, high, low + share * (high - low))))
