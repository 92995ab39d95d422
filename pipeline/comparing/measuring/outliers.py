"""Which strokes of a class are least like the rest of it, and which look like another class.

Distances are those of :func:`~pipeline.comparing.measuring.warping.distance`, between all pairs. How far a
stroke is from a class is the mean distance to its nearest few in it, so that a class may be played in several
ways. A stroke that is nearer to another class than to its own may have a wrong label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.comparing.measuring.movement import Movement
from pipeline.comparing.measuring.warping import distance
from stages.base import Array
from stages.kinematics.course import Floats

#: strokes of a class to which a stroke is compared
NEAREST = 5
#: strokes that a class must have for its members to be judged
FEWEST = 4
#: spreads from which on a stroke is unlike its class
TOLD = 3.0
#: error of a distance, body lengths
ERROR = 0.01
#: a median absolute deviation in standard deviations of a normal distribution
SIGMA = 1.4826


@dataclass(frozen=True)
class Unlike:
    """A stroke beside its class.

    Attributes
    ----------
    number : int
        In the given sequence.
    distance, usual : float
        From its class, and the median of its class, body lengths.
    spreads : float
        By how many spreads of its class (median absolute deviations, as standard deviations) it is further
        away than the median.
    nearest : str
        The nearest class.
    margin : float
        Distance from its own class over that from the nearest of the others; above 1 that one is nearer. 0
        where there is no other class.
    """

    number: int
    distance: float
    usual: float
    spreads: float
    nearest: str
    margin: float

    @property
    def told(self) -> bool:
        """Whether it is worth looking at."""
        return self.spreads >= TOLD or self.margin > 1


def apart(movements: Sequence[Movement]) -> Floats:
    """Return the distances of all pairs, (n, n) body lengths; NaN where two have no part in common.

    Raises
    ------
    UserError
        dtaidistance is not installed.
    """
    out = np.zeros((len(movements), len(movements)))
    for i, one in enumerate(movements):
        for k in range(i):
            out[i, k] = out[k, i] = distance(one, movements[k])
    return out


def to_class(distances: Floats, members: Array, number: int) -> float:
    """Return the distance of a stroke from the others of a class; NaN where there are none to compare."""
    own = distances[number, members[members != number]]
    own = np.sort(own[np.isfinite(own)])[:NEAREST]
    return float(own.mean()) if len(own) else float("nan")


def find_unlike(distances: Floats, classes: Sequence[str]) -> list[Unlike]:
    """Return every stroke of a class of four or more, those least like their class first.

    First come those that are nearer to another class, by how much nearer; then the others, by their spreads.

    Parameters
    ----------
    distances : (n, n)
    classes : sequence of str
        Of each stroke.
    """
    labels = np.array(classes)
    members = {name: np.flatnonzero(labels == name) for name in dict.fromkeys(classes)}
    large = {name: rows for name, rows in members.items() if len(rows) >= FEWEST}
    out = []
    for name, rows in large.items():
        own = {int(i): to_class(distances, rows, int(i)) for i in rows}
        known = np.array([v for v in own.values() if np.isfinite(v)])
        if not len(known):
            continue
        usual = float(np.median(known))
        spread = float(np.hypot(SIGMA * np.median(np.abs(known - usual)), ERROR))
        for i, away in own.items():
            if not np.isfinite(away):
                continue
            others = {n: to_class(distances, r, i) for n, r in large.items() if n != name}
            others = {n: v for n, v in others.items() if np.isfinite(v)}
            best = min(others, key=others.__getitem__, default="")
            margin = away / max(others[best], 1e-9) if best else 0.0
            nearest = best if margin > 1 else name
            out.append(Unlike(i, away, usual, (away - usual) / spread, nearest, margin))
    return sorted(out, key=lambda u: (u.margin <= 1, -u.margin if u.margin > 1 else -u.spreads, u.number))
