"""The phases of a stroke, from the speed of the wrist that plays it.

The wrist is fastest at the *peak*. Its direction there is the direction of the swing, and what counts is the
velocity along it: the forward swing begins where that was last no more than a small share of the peak, which
is where the arm turns round, and ends at the peak; the follow-through goes on until the velocity has fallen
to that share again. The backswing is the movement before the forward swing: it begins where the wrist was
last slower than a share of the backswing's own fastest frame.

The peak stands for the contact with the ball, which joints do not show; the racket is fastest close to it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from stages.kinematics.angles import velocity
from stages.kinematics.course import Course, Floats, body_length
from stages.kinematics.params import KinematicsParams

NAMES = ("backswing", "forward_swing", "follow_through")
#: share of the backswing's own peak speed below which it has not begun
BACKSWING_SHARE = 0.3


@dataclass(frozen=True)
class Phases:
    """The frames at which a stroke changes, counted from the first of the course; -1 where that is unknown.

    Attributes
    ----------
    start : int
        The backswing begins.
    turn : int
        It ends, and the forward swing begins.
    peak : int
        The wrist is fastest: the forward swing ends, and the follow-through begins.
    finish : int
        The follow-through ends.
    """

    start: int = -1
    turn: int = -1
    peak: int = -1
    finish: int = -1

    @property
    def known(self) -> bool:
        """Whether there are any."""
        return self.peak >= 0

    def intervals(self) -> dict[str, tuple[int, int]]:
        """Return begin and end (exclusive) of each phase by name; (-1, -1) where they are unknown."""
        edges = (self.start, self.turn, self.peak, self.finish)
        return dict(zip(NAMES, itertools.pairwise(edges), strict=True))

    def durations(self, rate: float) -> dict[str, float]:
        """Return how long each phase lasts, s; NaN where that is unknown."""
        return {
            name: (end - begin) / rate if self.known else float("nan")
            for name, (begin, end) in self.intervals().items()
        }


def phases(course: Course, hand: str, parameters: KinematicsParams | None = None) -> Phases:
    """Find the phases of the stroke that a course shows.

    Parameters
    ----------
    course : Course
        From before the backswing until after the follow-through, as annotated: one stroke.
    hand : str
        ``left`` or ``right``; anything else: unknown.
    parameters : KinematicsParams, optional
        ``turn`` is read; default: the defaults.

    Returns
    -------
    Phases
        Unknown where the wrist is seen in fewer than three frames, or no body length is known. A phase that
        the course cuts off begins or ends with what is known of the wrist around the peak.
    """
    if hand not in ("left", "right"):
        return Phases()
    share = (parameters or KinematicsParams()).turn
    flow = velocity(course.joint(f"{hand}_wrist"), course.rate) / body_length(course)
    pace = np.linalg.norm(flow, axis=-1)
    known = np.isfinite(pace)
    if known.sum() < 3 or not np.nanmax(pace) > 0:
        return Phases()
    peak = int(np.nanargmax(pace))
    gaps = np.flatnonzero(~known)
    first = int(max(gaps[gaps < peak], default=-1)) + 1
    last = int(min(gaps[gaps > peak], default=len(pace))) - 1
    along = flow @ (flow[peak] / pace[peak])
    turn = _before(along, peak, first, share * pace[peak])
    finish = _after(along, peak, last, share * pace[peak])
    return Phases(_start(pace, turn, first), turn, peak, finish)


def _before(values: Floats, at: int, first: int, limit: float) -> int:
    """Return the last frame before ``at`` whose value is at most ``limit``, or ``first``."""
    low = np.flatnonzero(values[first:at] <= limit)
    return first + int(low[-1]) if len(low) else first


def _after(values: Floats, at: int, last: int, limit: float) -> int:
    """Return the first frame after ``at`` whose value is at most ``limit``, or ``last``."""
    low = np.flatnonzero(values[at : last + 1] <= limit)
    return at + int(low[0]) if len(low) else last


def _start(pace: Floats, turn: int, first: int) -> int:
    """Return where the backswing that ends at ``turn`` begins."""
    if turn <= first:
        return first
    fastest = first + int(np.argmax(pace[first:turn]))
    return _before(pace, fastest, first, BACKSWING_SHARE * pace[fastest])
