"""The camera that looks at the table: from metres of the hall to pixels of the picture.

World axes: x right in the picture, y up, z towards the camera, in metres; the origin lies on the floor under
the net. The camera looks along −z with a shifted lens, so that verticals stay vertical.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: z of the plane where the player stands on average, behind the far end of the table (half length 1.37 m)
PLAYER_Z = -1.80


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without rotation.

    Attributes
    ----------
    width, height : int
        Picture size in px, both even.
    focal : float
        Focal length in px.
    x, y, z : float
        Position in m.
    cx, cy : float
        Principal point in px.
    """

    width: int
    height: int
    focal: float
    x: float
    y: float
    z: float
    cx: float
    cy: float

    def scale(self, z: Array | float) -> Any:
        """Return the pixels per metre at depth z (m)."""
        return self.focal / (self.z - np.asarray(z, float))

    def project(self, points: Array) -> Array:
        """Project points of the world to the picture.

        Parameters
        ----------
        points : array (..., 3)
            x, y, z in m.

        Returns
        -------
        array (..., 2), float64
            x right, y down, in px; pixel centres lie at whole numbers.
        """
        p = np.asarray(points, float)
        s = self.scale(p[..., 2])
        return np.stack([self.cx + s * (p[..., 0] - self.x), self.cy + s * (self.y - p[..., 1])], axis=-1)


def make_camera(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    """Draw a camera that frames a standing player at about 0.7 of the picture height.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : (int, int)
        Width, height in px.
    """
    width, height = size
    # the player with a stretched arm needs 2 m across, so a tall picture is limited by its width
    unit = min(float(height), 0.72 * width)
    focal = 2.5 * unit * rng.uniform(0.97, 1.04)
    x, y, z = rng.uniform(-0.35, 0.35), rng.uniform(1.82, 2.02), rng.uniform(4.1, 4.4)
    per_metre = focal / (z - PLAYER_Z)
    cx = 0.5 * width + per_metre * x + rng.uniform(-0.03, 0.03) * unit
    # the head top (1.75 m) sits a fifth of the way down
    cy = 0.5 * height + (rng.uniform(0.190, 0.215) - 0.5) * unit - per_metre * (y - 1.75)
    return Camera(width, height, focal, x, y, z, cx, cy)
