"""The player whom the descriptor names, found by BlazePose in one frame.

MediaPipe takes the best detection of the picture and follows it. Here somebody has been chosen already: the
pose nearest to the ROI, of the focus where there is one. Its hips and shoulders frame the player, or
BlazePose's detector, which looks into a square around them and of whose finds the nearest hips count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.descriptor import JOINTS
from stages.pose3d.detector import HIPS, Detector
from stages.pose3d.landmarks import LEAST_SCORE, LandmarkNetwork, Landmarks
from stages.pose3d.rects import Rect, around
from stages.pose3d.skeleton import POINTS, joints_of, of_hips
from stages.pose3d.weights import Networks

Array = NDArray[Any]

#: radius of the circle around a body over the distance from its hips to its shoulders; of 1.3 to 2.5 the one
#: with the smallest error (docs/pose3d.md): legs are mostly behind the table
REACH = 1.7
#: side of the square that the detector looks into, over the same
WINDOW = 7.0
#: farthest hips that are still the player's, over the same
FAR = 1.0
#: shortest such distance, px
_LEAST = 4.0
_SHOULDERS = [JOINTS.index("left_shoulder"), JOINTS.index("right_shoulder")]


@dataclass(frozen=True)
class Seen:
    """A player in space.

    Attributes
    ----------
    joints : (13, 3) float64
        m from the middle of the hips: x right, y up, z towards the camera.
    scores : (13,) float64
        Visibility.
    pixels : (13, 2) float64
    certainty : float
    """

    joints: Array
    scores: Array
    pixels: Array
    certainty: float


class Player:
    """Finds players; one thread.

    Parameters
    ----------
    networks : Networks
    crop : {"joints", "detector"}
        What frames the player first; where the network then sees nobody, or somebody else, the other does.
    """

    def __init__(self, networks: Networks, crop: str) -> None:
        self._detector = Detector(networks.detector)
        self._network = LandmarkNetwork(networks.landmarks)
        self._ways = (self._joined, self._detected) if crop == "joints" else (self._detected, self._joined)

    def find(self, rgb: Array, joints: Array) -> Seen | None:
        """Find the player.

        Parameters
        ----------
        rgb : (H, W, 3) uint8
        joints : (13, 2) float
            x, y in px of the frame.

        Returns
        -------
        Seen or None
            None where the network sees nobody, or somebody whose hips are not the player's.
        """
        places = np.asarray(joints, np.float64)
        hips, shoulders = of_hips(places)[0], places[_SHOULDERS].mean(axis=0)
        size = max(float(np.hypot(*(shoulders - hips))), _LEAST)
        for way in self._ways:
            rect = way(rgb, hips, shoulders, size)
            found = None if rect is None else self._network.find(rgb, rect)
            if found is not None and _is_player(found, hips, size):
                rows = list(POINTS)
                return Seen(joints_of(found.metres), found.visibility[rows], found.points[rows], found.score)
        return None

    def _joined(self, rgb: Array, hips: Array, shoulders: Array, size: float) -> Rect | None:
        """Return the square around the player whom the joints tell of; None where they are one point."""
        end = hips + (shoulders - hips) * REACH
        return around(hips, end) if float(np.hypot(*(end - hips))) >= _LEAST else None

    def _detected(self, rgb: Array, hips: Array, shoulders: Array, size: float) -> Rect | None:
        """Return the square around the player whom the detector sees; None where it sees nobody near."""
        seen = self._detector.detect(rgb, Rect(float(hips[0]), float(hips[1]), WINDOW * size, WINDOW * size))
        if not len(seen.scores):
            return None
        far = np.hypot(*(seen.keypoints[:, HIPS] - hips).T)
        nearest = int(far.argmin())
        return seen.rect(nearest) if far[nearest] <= FAR * size else None


def _is_player(found: Landmarks, hips: Array, size: float) -> bool:
    at = of_hips(found.points[list(POINTS)])[0]
    return found.score >= LEAST_SCORE and float(np.hypot(*(at - hips))) <= FAR * size
