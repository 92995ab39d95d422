"""The phases of a stroke, from the speed of the wrist that plays it.

The course of the wrist is first smoothed once more: strokes last about a second, and what is faster than
some cycles a second is error. The filter is a Butterworth low-pass run forwards and backwards, which shifts
nothing in time [Winter §3.4.4.2].

An annotated stroke has its swing in the middle; at its ends the hand leaves the ready position and comes
back, which in the picture may be as fast. So the swing is looked for by the speed times half a sine over the
stroke. Its fastest part, beyond half of its largest speed, gives its direction. What counts is the velocity
along it: the forward swing begins at the *turn*, where that was last no more than a small share of the
largest speed, and the follow-through goes on until it has fallen to that share again, the *finish*. The
*peak* is the centre of gravity of the squared speed of the fastest part, which noise moves less than the
maximum itself, and an unsure turn or finish hardly; it stands for the contact with the ball, which joints do
not show. The backswing is the movement before the turn; it *starts* when a tenth of its way is done, for an
arm sets off so slowly that nobody can say when.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from stages.kinematics.angles import velocity
from stages.kinematics.course import Course, Floats, runs
from stages.kinematics.params import KinematicsParams

NAMES = ("backswing", "forward_swing", "follow_through")
#: share of the backswing's way before which it has not begun
BACKSWING_SHARE = 0.1
#: share of the largest speed beyond which a frame belongs to the fastest part
FASTEST_SHARE = 0.5
#: what the wrist's course is smoothed with before its phases are looked for, Hz, and its poles in one pass
CUTOFF, ORDER = 2.5, 2
#: px/s; a wrist that is never faster does not move
LEAST_SPEED = 1.0
#: by which two passes lower the cut-off of such a filter [Winter eq. 3.9]
TWO_PASSES = (2**0.5 - 1) ** 0.25
#: of the rate: beyond it there is nothing to smooth
HIGHEST_CUTOFF = 0.45


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
        Where the wrist is fast: the forward swing ends, and the follow-through begins.
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
        Unknown where the wrist is never seen in three frames running, or does not move at all. A phase that
        the course cuts off begins or ends with what is known of the wrist around the peak.
    """
    if hand not in ("left", "right"):
        return Phases()
    share = (parameters or KinematicsParams()).turn
    flow = _velocity(course.joint(f"{hand}_wrist"), course.rate)
    speed = np.linalg.norm(flow, axis=-1)
    known = np.isfinite(speed)
    if not known.any() or np.nanmax(speed) < LEAST_SPEED:
        return Phases()
    inner = np.sin(np.pi * (np.arange(len(speed)) + 0.5) / len(speed))
    fastest = int(np.nanargmax(speed * inner))
    first, end = next((b, e) for b, e in runs(known) if b <= fastest < e)
    limit = FASTEST_SHARE * speed[fastest]
    low = _before(speed, fastest, first - 1, limit) + 1
    high = _after(speed, fastest, end, limit)
    way = flow[low:high].sum(axis=0)
    along = flow @ (way / np.linalg.norm(way)) if way.any() else speed
    turn = _before(along, fastest, first, share * speed[fastest])
    finish = min(_after(along, fastest, end, share * speed[fastest]), end - 1)
    swing = np.arange(max(low, turn), min(high, finish + 1))
    peak = round(float(np.average(swing, weights=speed[swing] ** 2)))
    return Phases(_start(speed, turn, first), turn, peak, finish)


def pace(course: Course, hand: str) -> Floats:
    """Return the speed of a wrist smoothed as for its phases, px/s; (T,), NaN where it is unknown."""
    return np.asarray(np.linalg.norm(_velocity(course.joint(f"{hand}_wrist"), course.rate), axis=-1))


def _velocity(points: Floats, rate: float) -> Floats:
    """Return the velocity of a course smoothed for its phases, px/s; NaN but in three known frames."""
    from scipy.signal import butter, sosfiltfilt  # here: half a second, which commands that need none save

    smooth = np.full(points.shape, np.nan)
    cutoff = CUTOFF / TWO_PASSES
    sections = butter(ORDER, cutoff, fs=rate, output="sos") if cutoff < HIGHEST_CUTOFF * rate else None
    for begin, end in runs(np.asarray(np.isfinite(points).all(axis=-1))):
        if end - begin > 2:
            piece = points[begin:end]
            reach = min(end - begin - 1, round(rate / CUTOFF))
            smooth[begin:end] = piece if sections is None else sosfiltfilt(sections, piece, 0, padlen=reach)
    return velocity(smooth, rate)


def _before(values: Floats, at: int, first: int, limit: float) -> int:
    """Return the last frame of ``first`` … before ``at`` whose value is at most ``limit``, or ``first``."""
    begin = max(first, 0)
    low = np.flatnonzero(values[begin:at] <= limit)
    return begin + int(low[-1]) if len(low) else first


def _after(values: Floats, at: int, end: int, limit: float) -> int:
    """Return the first frame from ``at`` to before ``end`` whose value is at most ``limit``, or ``end``."""
    low = np.flatnonzero(values[at:end] <= limit)
    return at + int(low[0]) if len(low) else end


def _start(speed: Floats, turn: int, first: int) -> int:
    """Return where the backswing that ends at ``turn`` begins."""
    if turn <= first:
        return first
    done = np.cumsum(speed[first:turn])
    return first + int(np.searchsorted(done, BACKSWING_SHARE * done[-1]))
