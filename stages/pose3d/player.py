"""The player whom the descriptor names, found by BlazePose in one frame.

MediaPipe takes the best detection of the picture and follows it. Here somebody has been chosen already: the
pose nearest to the ROI, of the focus where there is one. The detector looks into a square around that pose's
joints, in which a small player is large, and of what it finds the hips nearest to the pose's count.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.descriptor import JOINTS
from stages.pose3d.detector import HIPS, Detector
from stages.pose3d.landmarks import LEAST_SCORE, LandmarkNetwork, Landmarks
from stages.pose3d.rects import Rect, around
from stages.pose3d.skeleton import POINTS, joints_of, of_hips

Array = NDArray[Any]

#: radius of the circle around a body over the distance from its hips to its shoulders
REACH = 2.1
#: side of the square that the detector looks into, over the same
WINDOW = 7.0
#: farthest hips that are still the player's, over the same
FAR = 1.0
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
    detector : Path or None
        None: the joints alone frame the player.
    landmarks : Path
    """

    def __init__(self, detector: Path | None, landmarks: Path) -> None:
        self._detector = Detector(detector) if detector is not None else None
        self._network = LandmarkNetwork(landmarks)

    def find(self, rgb: Array, joints: Array) -> Seen | None:
        """Find the player.

        Parameters
        ----------
        rgb : (H, W, 3) uint8
        joints : (13, 3) float
            x, y in px of the frame, score.

        Returns
        -------
        Seen or None
            None where the network sees nobody, or somebody whose hips are not the player's.
        """
        places = np.asarray(joints[:, :2], np.float64)
        hips, shoulders = of_hips(places)[0], places[_SHOULDERS].mean(axis=0)
        size = max(float(np.hypot(*(shoulders - hips))), 4.0)
        rect = self._detected(rgb, hips, size)
        found = None if rect is None else self._network.find(rgb, rect)
        if found is None or not _is_player(found, hips, size):
            # a second look, at the square that the first one gives, as MediaPipe follows somebody
            first = self._network.find(rgb, around(hips, hips + (shoulders - hips) * REACH))
            if not _is_player(first, hips, size):
                return None
            found = self._network.find(rgb, first.around)
            if not _is_player(found, hips, size):
                found = first
        rows = list(POINTS)
        return Seen(joints_of(found.metres), found.visibility[rows], found.points[rows], found.score)

    def _detected(self, rgb: Array, hips: Array, size: float) -> Rect | None:
        """Return the square around the player whom the detector sees; None where it sees nobody near."""
        if self._detector is None:
            return None
        seen = self._detector.detect(rgb, Rect(float(hips[0]), float(hips[1]), WINDOW * size, WINDOW * size))
        if not len(seen.scores):
            return None
        far = np.hypot(*(seen.keypoints[:, HIPS] - hips).T)
        nearest = int(far.argmin())
        return seen.rect(nearest) if far[nearest] <= FAR * size else None


def _is_player(found: Landmarks, hips: Array, size: float) -> bool:
    at = of_hips(found.points[list(POINTS)])[0]
    return found.score >= LEAST_SCORE and float(np.hypot(*(at - hips))) <= FAR * size
