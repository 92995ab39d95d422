"""Draw the player: limbs, clothes, head and racket, in order of depth.

All outlines of a block of frames are computed at once; what remains per frame is some two hundred calls that
fill small anti-aliased polygons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttdemo.render.head import draw_head
from ttdemo.render.look import Look
from ttdemo.render.outlines import Group
from ttdemo.render.paint import Rgb
from ttdemo.render.shirt import draw_shirt
from ttdemo.world.body import POINT
from ttdemo.world.camera import Camera

Array = NDArray[Any]

WOOD: Rgb = (178, 134, 84)
#: half length and half width of the blade, m
BLADE = (0.078, 0.075)


class Figure:
    """Outlines of the player for a block of frames.

    Parameters
    ----------
    points : array (n, 26, 3)
        World points, m; order of :data:`ttdemo.world.body.POINT`.
    handle, face : array (n, 3)
        Racket directions in world axes.
    yaw : array (n,)
        Shoulders turned to the player's left, rad.
    camera : Camera
    look : Look
    height : float
        Body height, m.
    facing : float
        Degrees by which the whole player is turned to their left.

    Attributes
    ----------
    bounds : array (n, 4), float64
        Left, top, right, bottom of what is drawn, px.
    """

    def __init__(
        self,
        points: Array,
        handle: Array,
        face: Array,
        yaw: Array,
        camera: Camera,
        look: Look,
        height: float,
        facing: float = 0.0,
    ) -> None:
        self._p3 = points
        self._p2 = camera.project(points)
        self._scale = camera.scale(points[..., 2]) * (height / 1.75)
        self._camera, self._look = camera, look
        self._forehand_shows = face[:, 2] > 0
        self._legs = self._make_legs()
        self._shirt = draw_shirt(self._p2, self._scale, yaw, look, np.deg2rad(facing))
        self._head = draw_head(self._p2, self._scale[:, POINT["head"]], look, facing)
        self._arms = {side: self._make_arm(side) for side in ("left", "right")}
        self._forearms = {side: self._make_forearm(side, with_upper=False) for side in ("left", "right")}
        self._fingers = {side: self._make_fingers(side) for side in ("left", "right")}
        self._rackets = {shows: self._make_racket(handle, face, shows) for shows in (True, False)}
        groups = [self._legs, self._shirt, self._head, *self._rackets.values()]
        groups += [*self._arms.values(), *self._fingers.values()]
        limits = np.stack([g.bounds() for g in groups])
        self.bounds = np.concatenate([limits[..., :2].min(0), limits[..., 2:].max(0)], axis=1)

    def _at(self, name: str) -> Array:
        return np.asarray(self._p2[:, POINT[name]])

    def _px(self, name: str, metres: float) -> Array:
        """Return a length at that point in px; (n,)."""
        return np.asarray(self._scale[:, POINT[name]] * metres)

    def _limb(self, a: str, b: str, ra: float, rb: float) -> tuple[Array, Array, Array, Array]:
        return self._at(a), self._at(b), self._px(a, ra), self._px(b, rb)

    def _make_legs(self) -> Group:
        g, look = Group(), self._look
        shorts = [self._limb("left_hip", "right_hip", 0.110, 0.110)]
        for s in ("left", "right"):
            thigh = self._limb(f"{s}_hip", f"{s}_knee", 0.088, 0.060)
            shin = self._limb(f"{s}_knee", f"{s}_ankle", 0.060, 0.040)
            g.tube([thigh, shin], look.skin, 2)
            g.tube([self._limb(f"{s}_ankle", f"{s}_toe", 0.052, 0.044)], look.shoes, 2)
            hip, knee = self._at(f"{s}_hip"), self._at(f"{s}_knee")
            hem = hip + 0.68 * (knee - hip)
            shorts.append((hip, hem, self._px(f"{s}_hip", 0.108), self._px(f"{s}_knee", 0.098)))
        g.tube(shorts, look.shorts)
        return g

    def _make_forearm(self, side: str, *, with_upper: bool) -> Group:
        """Make forearm and hand, alone or in one shading with the upper arm."""
        g, look = Group(), self._look
        elbow, wrist, hand = f"{side}_elbow", f"{side}_wrist", f"{side}_hand"
        upper = self._limb(f"{side}_shoulder", elbow, 0.052, 0.043)
        lower = [self._limb(elbow, wrist, 0.043, 0.029), self._limb(wrist, hand, 0.031, 0.038)]
        g.tube([upper, *lower] if with_upper else lower, look.skin)
        return g

    def _make_fingers(self, side: str) -> Group:
        g, look, hand = Group(), self._look, f"{side}_hand"
        at, r = self._at(hand), self._px(hand, 0.010)
        way = _direction(self._at(f"{side}_wrist"), at) * self._px(hand, 1.0)[:, None]
        across = np.stack([-way[:, 1], way[:, 0]], -1)
        for k in (-1, 0, 1):
            if side == "left":  # an open hand
                root = at + 0.017 * k * across
                tip = root + 0.062 * way + 0.010 * k * across
                g.stick(root, tip, 1.3 * r, 0.9 * r, look.skin, 0.95 + 0.08 * k)
            else:  # closed round the handle
                middle = at + 0.020 * k * way
                g.stick(middle - 0.026 * across, middle + 0.026 * across, r, r, look.skin, 0.88 + 0.07 * k)
        return g

    def _make_arm(self, side: str) -> Group:
        g, look = self._make_forearm(side, with_upper=True), self._look
        shoulder, elbow = f"{side}_shoulder", f"{side}_elbow"
        s, e = self._at(shoulder), self._at(elbow)
        cuff = s + 0.52 * (e - s)
        g.tube([(s, cuff, self._px(shoulder, 0.061), self._px(elbow, 0.057))], look.shirt)
        along = _direction(s, e) * self._px(elbow, 0.051)[:, None]
        half = np.stack([-along[:, 1], along[:, 0]], -1)
        edge = self._px(elbow, 0.009)
        g.stick(cuff - half, cuff + half, edge, edge, look.trim, 0.88)
        return g

    def _make_racket(self, handle: Array, face: Array, forehand_shows: bool) -> Group:
        g = Group()
        blade = self._p3[:, POINT["blade"]]
        centre, r = self._at("blade"), self._px("blade", 1.0)

        def way(direction: Array, metres: float) -> Array:
            return np.asarray(self._camera.project(blade + metres * direction) - centre)

        near = way(face if forehand_shows else -face, 0.007)
        a, b = way(handle, BLADE[0]), way(np.cross(face, handle), BLADE[1])
        for axis in (a, b):  # seen edge on, the wood between the rubbers is all that is left
            g.stick(centre - 0.85 * axis, centre + 0.85 * axis, 0.008 * r, 0.008 * r, WOOD, 0.75)
        g.blob(centre - near, 1.02 * a, 1.02 * b, WOOD, 0.8, 24)
        g.blob(centre, 1.03 * a, 1.03 * b, WOOD, 1.0, 24)
        rubber = self._look.rubber[0 if forehand_shows else 1]
        g.blob(centre + near, a, b, rubber, 0.9, 24)
        g.blob(centre + near - 0.1 * b, 0.72 * a, 0.62 * b, rubber, 1.03, 20)
        foot = centre + 1.2 * (self._at("right_hand") - centre)
        g.stick(centre - 0.9 * a, foot, 0.014 * r, 0.015 * r, WOOD, 0.95)
        return g

    def draw_behind_table(self, canvas: Array, i: int) -> None:
        """Draw what the table may hide of frame i: legs, shoes, shorts."""
        self._legs.draw(canvas, i)

    def draw(self, canvas: Array, i: int) -> None:
        """Draw the rest of frame i, from back to front."""
        z = self._p3[i, :, 2]
        racket = self._rackets[bool(self._forehand_shows[i])]
        limbs = {}
        for side, arm in self._arms.items():
            # a forearm that comes towards us covers the sleeve
            ahead = z[POINT[f"{side}_wrist"]] > z[POINT[f"{side}_elbow"]] + 0.06
            limbs[side] = [arm, self._forearms[side]] if ahead else [arm]
        blade_ahead = z[POINT["blade"]] > z[POINT["right_wrist"]] + 0.05
        limbs["right"].insert(len(limbs["right"]) if blade_ahead else 0, racket)
        for side, fingers in self._fingers.items():
            limbs[side].append(fingers)
        depth = {s: 0.5 * (z[POINT[f"{s}_elbow"]] + z[POINT[f"{s}_wrist"]]) for s in limbs}
        order = sorted(limbs, key=depth.__getitem__)
        behind = [g for s in order if depth[s] < z[POINT["chest"]] for g in limbs[s]]
        before = [g for s in order if depth[s] >= z[POINT["chest"]] for g in limbs[s]]
        for group in [*behind, self._shirt, self._head, *before]:
            group.draw(canvas, i)


def _direction(a: Array, b: Array) -> Array:
    """Return unit vectors from a to b; (n, 2)."""
    d = b - a
    return np.asarray(d / np.maximum(np.linalg.norm(d, axis=1), 1e-6)[:, None])
