"""The trunk: a stack of ellipses from hem to neck, wrapped in strips that the lamp shades.

What is printed on the shirt is fixed to the body and turns with it, so that a turn of the trunk can be seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttdemo.render.look import Look
from ttdemo.render.outlines import LIGHT_X, LIGHT_Z, Group
from ttdemo.render.paint import Colour, Rgb, ycc
from ttdemo.world.body import POINT

Array = NDArray[Any]

#: height along the trunk (0 = hips, 1 = shoulders), half width and half depth in m
RINGS = np.array(
    [
        (-0.20, 0.172, 0.126),
        (0.08, 0.158, 0.114),
        (0.34, 0.148, 0.108),
        (0.64, 0.166, 0.120),
        (0.88, 0.178, 0.124),
        (1.00, 0.170, 0.114),
        (1.08, 0.130, 0.090),
        (1.14, 0.076, 0.066),
    ]
)
HEM, COLLAR = RINGS[0, 0], RINGS[-1, 0]


class _Trunk:
    """Points on the trunk's surface in px."""

    def __init__(self, p2: Array, scale: Array, yaw: Array, facing: float) -> None:
        self.low = p2[:, POINT["pelvis"]]
        self.spine = p2[:, POINT["chest"]] - self.low
        self.scale = scale[:, POINT["pelvis"]], scale[:, POINT["chest"]]
        across = np.stack([-self.spine[:, 1], self.spine[:, 0]], -1)
        self.across = across / np.linalg.norm(self.spine, axis=1)[:, None]
        self.yaw, self.facing = yaw, facing

    def at(self, t: float, v: float, *, from_camera: bool = False) -> Array:
        """Return the point at angle t (0 = front, positive = picture's right) and height v; (n, 2) px.

        What faces away from the camera is drawn in to the outline.
        """
        a, b = np.interp(v, RINGS[:, 0], RINGS[:, 1]), np.interp(v, RINGS[:, 0], RINGS[:, 2])
        along = float(np.clip(v, 0, 1))
        # the hips turn half as far as the shoulders
        psi = self.yaw * (0.45 + 0.55 * along) + self.facing
        reach = np.hypot(a * np.cos(psi), b * np.sin(psi))
        angle = np.full(len(psi), float(t))
        if not from_camera:
            angle += np.arctan2(b * np.sin(psi), a * np.cos(psi))
        scale = self.scale[0] + along * (self.scale[1] - self.scale[0])
        x = scale * reach * np.sin(np.clip(angle, -np.pi / 2, np.pi / 2))
        return np.asarray(self.low + v * self.spine + x[:, None] * self.across)


def draw_shirt(p2: Array, scale: Array, yaw: Array, look: Look, facing: float = 0.0) -> Group:
    """Make the outlines of neck and shirt, without the sleeves.

    Parameters
    ----------
    p2 : array (n, 26, 2)
        Body points in px.
    scale : array (n, 26)
        Pixels per metre at each point.
    yaw : array (n,)
        Shoulders turned to the player's left (the picture's right), rad.
    look : Look
    facing : float
        By which the whole player is turned to their left, rad.

    Returns
    -------
    Group
    """
    g, trunk = Group(), _Trunk(p2, scale, yaw, facing)

    def wrap(v0: float, v1: float, rgb: Rgb, strips: int) -> None:
        """Add a band round the trunk; each strip reaches to the far edge, so that no seams show."""
        levels = [v0, *RINGS[(RINGS[:, 0] > v0) & (RINGS[:, 0] < v1), 0].tolist(), v1]
        for t in np.linspace(-np.pi / 2, np.pi / 2, strips, endpoint=False):
            middle = t + np.pi / 2 / strips
            lit = 0.54 + 0.56 * max(0.0, LIGHT_X * np.sin(middle) + LIGHT_Z * np.cos(middle))
            near = [trunk.at(t, v, from_camera=True) for v in levels]
            far = [trunk.at(np.pi / 2, v, from_camera=True) for v in reversed(levels)]
            g.add(np.stack(near + far, axis=1), ycc(rgb, lit), convex=False)

    def patch(corners: list[tuple[float, float]], colour: Colour) -> None:
        g.add(np.stack([trunk.at(t, v) for t, v in corners], axis=1), colour, convex=False)

    def bar(t0: float, t1: float, v0: float, v1: float, colour: Colour) -> None:
        v = 0.5 * (v0 + v1)
        patch([(t0, v0), (t1, v0), (t1, v), (t1, v1), (t0, v1), (t0, v)], colour)

    head = p2[:, POINT["head"]]
    high = trunk.low + trunk.spine
    neck = scale[:, POINT["neck"]]
    chin = head + 0.35 * (high - head)
    g.tube([(trunk.low + 1.08 * trunk.spine, chin, 0.070 * neck, 0.052 * neck)], look.skin)
    wrap(HEM, COLLAR, look.shirt, 9)
    for side in (-1, 1):
        bar(side * 1.15, side * 2.2, HEM, 0.86, ycc(look.trim, 0.72))
    wrap(0.60, 0.70, look.trim, 5)
    for half, deep, colour in ((0.80, 0.955, ycc(look.trim, 0.85)), (0.66, 0.985, ycc(look.skin, 0.84))):
        patch([(-half, 1.15), (-0.45 * half, 1.07), (0, deep), (0.45 * half, 1.07), (half, 1.15)], colour)
    bar(-0.025, 0.025, 0.80, 0.95, ycc(look.shirt, 0.62))
    bar(0.45, 0.80, 0.78, 0.88, ycc(look.trim, 0.95))
    for t, v, rise in ((-0.60, 0.12, 0.16), (0.35, 0.08, 0.20), (-0.15, 0.30, 0.12)):  # folds
        width = trunk.scale[0]
        a, b = trunk.at(t, v), trunk.at(t + 0.35, v + rise)
        g.stick(a, b, 0.003 * width, 0.006 * width, look.shirt, 0.80)
    return g
