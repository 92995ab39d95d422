"""Strokes that are played wrongly on purpose: what an analysis of strokes must find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttdemo.world.body import CHANNELS
from ttdemo.world.script import Stroke

Array = NDArray[Any]


@dataclass(frozen=True)
class Change:
    """Say what is wrong with a stroke; everything else, down to the last random number, stays as it was.

    Attributes
    ----------
    elbow : float
        Degrees by which the racket arm's elbow is more open (negative: more closed) from the end of the
        backswing to the end of the follow-through. The wrist comes nearer to the shoulder, or goes away from
        it, on its line; an elbow is never more closed than 20 degrees nor quite stretched.
    hip : float
        Seconds by which the hips come late: their turn, their height and the lean of the trunk. The racket
        hand and the turn of the shoulders keep their time.
    hand : float
        Metres by which the racket wrist is held higher (negative: lower) from the end of the backswing to the
        end of the follow-through.
    """

    elbow: float = 0.0
    hip: float = 0.0
    hand: float = 0.0


def weights(stroke: Stroke, n: int) -> Array:
    """Return how much of a change shows in each of n frames: 0 outside the stroke, 1 between its postures."""
    frames = np.arange(n)
    at = (stroke.begin, stroke.back, stroke.follow, stroke.end)
    share = np.interp(frames, at, (0.0, 1.0, 1.0, 0.0))
    return np.asarray(share**2 * (3 - 2 * share))  # no kinks: they would be seen as jerks


def changed(
    track: Array, strokes: Sequence[Stroke], changes: Sequence[Change], fps: float
) -> tuple[Array, Array, Array]:
    """Apply changes to the control values of a clip.

    Parameters
    ----------
    track : array (n, 21)
        See :data:`ttdemo.world.body.CHANNELS`; not altered.
    strokes : sequence of Stroke
    changes : sequence of Change
        Of the strokes in order; strokes beyond its end are played as they are.
    fps : float
        Frames per second.

    Returns
    -------
    track : array (n, 21), float64
    hip_yaw : array (n,), float64
        Turn of the shoulders that the hips follow, rad.
    elbow : array (n,), float64
        Degrees by which the racket elbow is to be opened.
    """
    n = len(track)
    out, elbow = track.copy(), np.zeros(n)
    frames, late = np.arange(n, dtype=float), np.arange(n, dtype=float)
    for stroke, change in zip(strokes, changes, strict=False):
        share = weights(stroke, n)
        elbow += change.elbow * share
        out[:, CHANNELS["hand"].start + 1] += change.hand * share
        late -= change.hip * fps * share
    for name in ("crouch", "lean"):
        for column in range(CHANNELS[name].start, CHANNELS[name].stop):
            out[:, column] = np.interp(late, frames, track[:, column])
    return out, np.interp(late, frames, track[:, CHANNELS["yaw"].start]), elbow
