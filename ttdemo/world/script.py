"""The script of a clip: which stroke when, and where everything is in each frame."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from numpy.typing import NDArray

from ttdemo.world.body import JOINTS
from ttdemo.world.camera import Camera

Array = NDArray[Any]


@dataclass(frozen=True)
class Stroke:
    """A labelled interval.

    Attributes
    ----------
    begin, end : int
        First frame and the frame after the last one.
    move : str
        Name of the class.
    contact : int
        Frame in which the racket meets the ball.
    back, follow : int
        Frames of the postures at the end of the backswing and of the follow-through.
    """

    begin: int
    end: int
    move: str
    contact: int
    back: int = -1
    follow: int = -1


@dataclass(frozen=True)
class ClipPlan:
    """What happens in a clip.

    Attributes
    ----------
    strokes : tuple of Stroke
    fps : Fraction
        Frame rate, 1/s.
    camera : Camera
    height : float
        The player's height in m.
    points : array (n, 26, 3), float64
        World points, m; order of :data:`ttdemo.world.body.POINT`.
    handle, face : array (n, 3), float64
        Racket directions in world axes.
    ball : array (n, 3), float64
        Centre of the ball, m; NaN where no ball is in play.
    track : array (n, 21), float64
        The control values that gave the points, in the order of :data:`ttdemo.world.body.CHANNELS`.
    facing : float
        Degrees by which the player is turned to their left, away from the camera.
    """

    strokes: tuple[Stroke, ...]
    fps: Fraction
    camera: Camera
    height: float
    points: Array
    handle: Array
    face: Array
    ball: Array
    track: Array
    facing: float = 0.0

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.points)

    @property
    def joints(self) -> Array:
        """The 13 joints of method.md §6 in px, x then y; (n, 13, 2) float64."""
        return self.camera.project(self.points[:, : len(JOINTS)])


def check_size(size: tuple[int, int]) -> None:
    """Check a picture size, px.

    Raises
    ------
    ValueError
        A side is odd (4:2:0 halves both) or shorter than 32.
    """
    if min(size) < 32 or size[0] % 2 or size[1] % 2:
        raise ValueError(f"size {size[0]}x{size[1]}: both sides must be even and at least 32")
