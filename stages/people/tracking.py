"""From detections of single frames to people through time.

Each frame's detections are assigned to the people known so far by the Hungarian method (scipy's
``linear_sum_assignment``) on the distance of their joints in body sizes, as in SORT (Bewley et al., *Simple
online and realtime tracking*, 2016, §3), with joints in place of boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.base import Array

Floats = NDArray[np.float64]

#: mean distance of joints, in body sizes, beyond which a detection is somebody else: at once, and what is
#: added for each second without a sighting, and the most
GATE, GATE_PER_SECOND, GATE_MOST = 1.0, 6.0, 3.0
#: weight of a change of size, |ln(ratio)|, against distances in body sizes
SIZE_WEIGHT = 0.5
#: seconds over which a velocity is averaged, and for which it is trusted when somebody is not seen
VELOCITY_SECONDS, COASTING_SECONDS = 0.1, 0.2
#: px: nobody counts as smaller
LEAST_SIZE = 2.0


def sizes_of(joints: Array) -> Floats:
    """Return body sizes, px: twice the root mean square distance of joints (…, 13, 2) from their mean.

    For a person who stands it is about the length of the trunk. It changes less than that when somebody
    bends, and no single joint decides it.
    """
    joints = joints.astype(np.float64)
    away = joints - joints.mean(axis=-2, keepdims=True)
    return np.asarray(np.maximum(2 * np.sqrt((away**2).sum(axis=-1).mean(axis=-1)), LEAST_SIZE))


@dataclass
class _Person:
    """Somebody as last seen: frame, joints (13, 2) px, body size px, velocity (2,) px/s."""

    number: int
    frame: int
    joints: Floats
    size: float
    velocity: Floats


class Tracker:
    """Numbers the people of one frame after the other.

    Parameters
    ----------
    fps : float
        Frames a second.
    max_gap : float
        Seconds after which somebody who was not seen is forgotten.
    """

    def __init__(self, fps: float, max_gap: float) -> None:
        self._fps, self._max_gap = fps, max_gap
        self._people: list[_Person] = []
        self._next = 0

    def update(self, frame: int, joints: Array) -> NDArray[np.int32]:
        """Number the people of a frame.

        Parameters
        ----------
        frame : int
            Larger than in the call before.
        joints : (k, 13, 2) float
            px. Their order does not matter: new people are numbered from left to right.

        Returns
        -------
        (k,) int32
            The same number for the same person, from 0.
        """
        order = np.lexsort((joints.mean(axis=1)[:, 1], joints.mean(axis=1)[:, 0]))
        numbers = np.empty(len(joints), np.int32)
        numbers[order] = self._update(frame, joints[order].astype(np.float64))
        return numbers

    def _update(self, frame: int, joints: Floats) -> list[int]:
        self._people = [p for p in self._people if (frame - p.frame) / self._fps <= self._max_gap]
        sizes = sizes_of(joints)
        matched: dict[int, _Person] = {}
        if self._people and len(joints):
            from scipy.optimize import linear_sum_assignment  # 0.3 s, where people are followed alone

            cost, gates = self._cost(frame, joints, sizes)
            # pairs beyond the gate cost more than any others together: they are chosen last, and undone
            forbidden = cost > gates[:, None]
            rows, columns = linear_sum_assignment(np.where(forbidden, 1e6, cost))
            matched = {
                int(k): self._people[p] for p, k in zip(rows, columns, strict=True) if not forbidden[p, k]
            }
        out = []
        for k, (place, size) in enumerate(zip(joints, sizes, strict=True)):
            person = matched.get(k)
            if person is None:
                person = _Person(self._next, frame, place, float(size), np.zeros(2))
                self._people.append(person)
                self._next += 1
            else:
                self._see(person, frame, place, float(size))
            out.append(person.number)
        return out

    def _cost(self, frame: int, joints: Floats, sizes: Floats) -> tuple[Floats, Floats]:
        """Distances (people, detections) in body sizes, and the gate of each of the people."""
        gone = np.array([(frame - p.frame) / self._fps for p in self._people])
        velocity = np.stack([p.velocity for p in self._people])
        ahead = velocity * np.minimum(gone, COASTING_SECONDS)[:, None]
        known = np.stack([p.joints for p in self._people]) + ahead[:, None]
        known_sizes = np.array([p.size for p in self._people])
        distance = np.linalg.norm(known[:, None] - joints[None], axis=-1).mean(axis=-1)
        both = (known_sizes[:, None] + sizes) / 2
        cost = distance / both + SIZE_WEIGHT * np.abs(np.log(known_sizes[:, None] / sizes))
        return cost, np.minimum(GATE + GATE_PER_SECOND * gone, GATE_MOST)

    def _see(self, person: _Person, frame: int, joints: Floats, size: float) -> None:
        seconds = (frame - person.frame) / self._fps
        moved = (joints - person.joints).mean(axis=0) / seconds
        person.velocity += (1 - np.exp(-seconds / VELOCITY_SECONDS)) * (moved - person.velocity)
        person.frame, person.joints, person.size = frame, joints, size
