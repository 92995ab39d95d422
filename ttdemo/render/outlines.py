"""Groups of outlines for a block of frames, drawn in a fixed order.

Roundness comes from layers: each limb is filled again, narrower, brighter and moved towards the lamp.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttdemo.render.paint import SHIFT, Colour, Rgb, capsule, ellipse, fill, fill_any, fixed, ycc

Array = NDArray[Any]

#: width and brightness of the layers that make a limb look round
ROUND = ((1.00, 0.64), (0.90, 0.73), (0.79, 0.82), (0.66, 0.90), (0.51, 0.97), (0.35, 1.02), (0.18, 1.06))
#: the lamp, in the picture (x right, y down) and towards the camera
LIGHT_X, LIGHT_Y, LIGHT_Z = -0.42, -0.52, 0.74


class Group:
    """Outlines that are drawn together, in the order in which they were added."""

    def __init__(self) -> None:
        self.items: list[tuple[Array, Colour, bool]] = []

    def blob(
        self, at: Array, x_axis: Array, y_axis: Array, rgb: Rgb, shade: float = 1.0, corners: int = 12
    ) -> None:
        """Add ellipses with the given centres and half axes (n, 2) in px."""
        self.add(ellipse(at, x_axis, y_axis, corners), ycc(rgb, shade))

    def stick(self, a: Array, b: Array, ra: Array, rb: Array, rgb: Rgb, shade: float = 1.0) -> None:
        """Add one unshaded tapered limb."""
        self.add(capsule(a, b, ra, rb, 4), ycc(rgb, shade))

    def add(self, outline: Array, colour: Colour, *, convex: bool = True) -> None:
        """Add outlines (n, k, 2) in px."""
        self.items.append((fixed(outline), colour, convex))

    def tube(self, parts: list[tuple[Array, Array, Array, Array]], rgb: Rgb, every: int = 1) -> None:
        """Add a chain of tapered limbs (a, b, radius at a, at b) that share one shading."""
        for share, shade in ROUND[::every]:
            for a, b, ra, rb in parts:
                off = 0.62 * (1 - share) * np.array([LIGHT_X, LIGHT_Y])
                outline = capsule(a + ra[:, None] * off, b + rb[:, None] * off, ra * share, rb * share)
                self.add(outline, ycc(rgb, shade))

    def draw(self, canvas: Array, i: int) -> None:
        """Fill the outlines of frame i."""
        for outline, colour, convex in self.items:
            (fill if convex else fill_any)(canvas, outline[i], colour)

    def bounds(self) -> Array:
        """Return left, top, right, bottom of what is drawn in each frame; (n, 4) px."""
        low = np.min([o.min(1) for o, _, _ in self.items], axis=0)
        high = np.max([o.max(1) for o, _, _ in self.items], axis=0)
        return np.concatenate([low, high], axis=1) / (1 << SHIFT)
