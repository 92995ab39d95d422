"""The sports hall: everything that does not move, painted once per clip.

Walls and floor carry a texture of several scales, because optical flow has nothing to hold on to on an even
surface, and no two clips have the same colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ttdemo.render.paint import Rgb, fixed, to_ycc
from ttdemo.world.camera import Camera
from ttdemo.world.table import NET, TABLE_X, TABLE_Y, TABLE_Z

Array = NDArray[Any]

Corner = tuple[float, float, float]

WALL_Z, BARRIER_Z = -6.5, -4.0


@dataclass(frozen=True)
class Hall:
    """The picture of the hall, and what of it stands in front of the player.

    Attributes
    ----------
    picture : array (h, w, 3), uint8
        Y'CbCr BT.709 limited range, 4:4:4.
    front : array (h, w), uint8
        255 where table or net hide what stands behind them.
    """

    picture: Array
    front: Array


def noise_texture(rng: np.random.Generator, side: int, octaves: tuple[int, ...]) -> Array:
    """Draw tileable noise of several scales with zero mean and unit deviation; (side, side) float32."""
    out = np.zeros((side, side), np.float32)
    for cells in octaves:
        small = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        small = np.pad(small, 4, mode="wrap")
        big = cv2.resize(small, None, fx=side / cells, fy=side / cells, interpolation=cv2.INTER_CUBIC)
        off = round(4 * side / cells)
        out += big[off : off + side, off : off + side]
    out -= out.mean()
    out /= max(float(out.std()), 1e-6)
    return out


class _Painter:
    """Draws quads given in metres on a float RGB picture."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.rgb = np.zeros((camera.height, camera.width, 3), np.float32)

    def outline(self, corners: list[Corner]) -> Array:
        return fixed(self.camera.project(np.array(corners)))

    def quad(self, corners: list[Corner], rgb: Rgb, alpha: float = 1.0, texture: Array | None = None) -> None:
        """Blend one flat polygon, with a brightness texture of the picture's size if given."""
        mask = np.zeros(self.rgb.shape[:2], np.uint8)
        line = self.outline(corners)
        cv2.fillPoly(mask, [line], 255, cv2.LINE_AA, 4)
        x, y, w, h = cv2.boundingRect(mask)
        if w == 0 or h == 0:
            return
        box = np.s_[y : y + h, x : x + w]
        a = (mask[box].astype(np.float32) * (alpha / 255))[..., None]
        colour = np.array(rgb, np.float32)
        value = colour if texture is None else colour * texture[box][..., None]
        self.rgb[box] += a * (value - self.rgb[box])

    def upright(
        self, x0: float, x1: float, y0: float, y1: float, z: float, rgb: Rgb, alpha: float = 1.0,
        texture: Array | None = None,
    ) -> None:  # fmt: skip
        """Draw a rectangle that faces the camera."""
        self.quad([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], rgb, alpha, texture)

    def flat(
        self, x0: float, x1: float, z0: float, z1: float, y: float, rgb: Rgb, alpha: float = 1.0,
        texture: Array | None = None,
    ) -> None:  # fmt: skip
        """Draw a rectangle that lies at height y."""
        self.quad([(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)], rgb, alpha, texture)

    def wall_texture(self, noise: Array, z: float, metres: float) -> Array:
        """Return noise as it looks on an upright plane; one tile is that many metres wide."""
        c = self.camera
        step = noise.shape[0] / metres / float(c.scale(z))
        x = ((np.arange(c.width) - c.cx) * step) % noise.shape[1]
        y = ((np.arange(c.height) - c.cy) * step) % noise.shape[0]
        return _sample(noise, *np.meshgrid(x, y))

    def floor_texture(self, noise: Array, height: float, metres: float) -> Array:
        """Return noise as it looks on a level plane."""
        c = self.camera
        drop = np.maximum(np.arange(c.height) - c.cy, 1.0)
        depth = c.focal * (c.y - height) / drop
        step = noise.shape[0] / metres
        x = (np.arange(c.width)[None] - c.cx) * (depth / c.focal * step)[:, None]
        y = np.broadcast_to((depth * step)[:, None], x.shape)
        return _sample(noise, x % noise.shape[1], y % noise.shape[0])


def _sample(noise: Array, x: Array, y: Array) -> Array:
    """Look up noise bilinearly, wrapping round."""
    wrapped = np.pad(noise, ((0, 1), (0, 1)), mode="wrap")
    return np.asarray(cv2.remap(wrapped, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR))


def _pick(rng: np.random.Generator, colours: list[Rgb], spread: float = 10) -> Rgb:
    r, g, b = np.clip(colours[int(rng.integers(len(colours)))] + rng.uniform(-spread, spread, 3), 5, 245)
    return float(r), float(g), float(b)


def _walls(p: _Painter, rng: np.random.Generator, noise: Array) -> None:
    wall = _pick(rng, [(188, 182, 168), (176, 184, 186), (196, 186, 160)])
    panel = _pick(rng, [(150, 112, 74), (122, 96, 70), (108, 116, 120)])
    plain = 1 + 0.05 * p.wall_texture(noise, WALL_Z, 3.0)
    p.upright(-20, 20, -1, 8, WALL_Z, wall, texture=plain)
    for row in range(18):  # courses of blocks
        y = 1.5 + 0.2 * row
        p.upright(-12, 12, y, y + 0.012, WALL_Z, (120, 116, 108), 0.5)
        for x in np.arange(-8 + 0.2 * (row % 2), 8, 0.4):
            p.upright(x, x + 0.012, y, y + 0.2, WALL_Z, (120, 116, 108), 0.4)
    grain = 1 + 0.06 * p.wall_texture(cv2.resize(noise[:64], noise.shape[::-1]), WALL_Z, 1.5)
    p.upright(-20, 20, 0, 1.5, WALL_Z, panel, texture=grain)
    for x in np.arange(-8, 8, 0.25):
        p.upright(x, x + 0.015, 0, 1.5, WALL_Z, (60, 46, 34), 0.55)
    p.upright(-20, 20, 1.48, 1.54, WALL_Z, (90, 74, 58))
    p.upright(-20, 20, 0, 0.1, WALL_Z, (70, 60, 52))
    left = rng.uniform(-3.4, -2.2)  # wall bars
    for i in range(3):
        x = left + 0.9 * i
        for k in range(14):
            p.upright(x, x + 0.9, 0.2 + 0.19 * k, 0.235 + 0.19 * k, WALL_Z, (196, 150, 96))
        p.upright(x - 0.04, x + 0.04, 0, 3, WALL_Z, (160, 116, 70))
    p.upright(left + 2.66, left + 2.74, 0, 3, WALL_Z, (160, 116, 70))
    door = rng.uniform(1.6, 2.6)
    p.upright(door - 0.06, door + 1.06, 0, 2.16, WALL_Z, (96, 98, 100))
    leaf = _pick(rng, [(70, 96, 120), (120, 60, 52), (84, 104, 84)])
    p.upright(door, door + 1.0, 0, 2.1, WALL_Z, leaf, 1, plain)
    p.upright(door + 0.2, door + 0.8, 1.35, 1.9, WALL_Z, (58, 70, 78))
    banner = rng.uniform(-0.3, 0.3)
    stripes = [(206, 120, 40), (232, 226, 214), (34, 110, 120)]
    for i, k in enumerate(rng.permutation(3)):
        p.upright(banner, banner + 1.3, 1.9 + 0.14 * i, 2.04 + 0.14 * i, WALL_Z, stripes[k], 1, plain)


def _barriers(p: _Painter, rng: np.random.Generator, noise: Array) -> None:
    colour = _pick(rng, [(24, 66, 100), (26, 84, 62), (88, 30, 40), (44, 48, 60)], 6)
    cloth = 1 + 0.10 * p.wall_texture(noise, BARRIER_Z, 1.6)
    for x in np.arange(-7.0, 7.0, 1.42) + rng.uniform(0, 0.6):
        p.upright(x, x + 1.4, 0.02, 0.72, BARRIER_Z, colour, 1, cloth)
        p.upright(x, x + 1.4, 0.68, 0.72, BARRIER_Z, (30, 30, 34))
        p.upright(x + 0.25, x + 1.15, 0.30, 0.36, BARRIER_Z, (222, 222, 214), 0.85, cloth)
        p.upright(x + 0.45, x + 0.95, 0.42, 0.52, BARRIER_Z, (214, 178, 60), 0.8, cloth)
        p.upright(x - 0.01, x + 0.01, 0, 0.73, BARRIER_Z, (20, 20, 22))


def _floor(p: _Painter, rng: np.random.Generator, noise: Array) -> None:
    colour = _pick(rng, [(128, 58, 52), (150, 112, 72), (70, 92, 110)])
    marks = 1 + 0.08 * p.floor_texture(noise, 0.0, 2.2)
    p.flat(-40, 40, WALL_Z, p.camera.z - 0.2, 0, colour, 1, marks)
    for x in np.arange(-9, 9, 0.5):
        p.flat(x, x + 0.012, WALL_Z, p.camera.z - 0.3, 0, (40, 30, 28), 0.25)
    p.flat(-9, 9, -3.2, -3.14, 0, (230, 228, 220), 0.85, marks)
    p.flat(-9, 9, -5.1, -5.05, 0, (220, 190, 60), 0.7, marks)
    p.flat(-3.0, -2.94, -6, 4, 0, (230, 228, 220), 0.8, marks)
    for k in range(8):  # the table's soft shadow
        grow = 0.06 * k
        p.flat(-0.6 - grow, 0.6 + grow, -1.3 - grow, 1.3 + grow, 0, (20, 16, 16), 0.09)


def _table(p: _Painter, rng: np.random.Generator, noise: Array) -> None:
    colour = _pick(rng, [(26, 74, 132), (24, 92, 84), (40, 56, 104)], 6)
    x, z, y = TABLE_X, TABLE_Z, TABLE_Y
    p.upright(-x + 0.08, -x + 0.14, 0, y, z - 0.3, (52, 54, 58))
    p.upright(x - 0.14, x - 0.08, 0, y, z - 0.3, (52, 54, 58))
    p.upright(-x, x, y - 0.06, y, z, (30, 34, 42))
    sheen = 1 + 0.035 * p.floor_texture(noise, y, 1.1)
    p.flat(-x, x, -z, z, y, colour, 1, sheen)
    for k in range(6):  # lamps mirrored in the top
        w = 0.12 + 0.05 * k
        p.flat(-0.36 - w, -0.36 + w, -z, z, y, (150, 176, 200), 0.022)
        p.flat(0.36 - w, 0.36 + w, -z, z, y, (150, 176, 200), 0.022)
    white: Rgb = (236, 236, 230)
    for a, b in ((-x, -x + 0.02), (x - 0.02, x), (-0.004, 0.004)):
        p.flat(a, b, -z, z, y, white, 0.95)
    for a, b in ((-z, -z + 0.02), (z - 0.02, z)):
        p.flat(-x, x, a, b, y, white, 0.95)
    wide, top = x + 0.1525, y + NET
    p.upright(-wide, wide, y, top, 0, (18, 24, 24), 0.52)
    for u in np.arange(-wide, wide, 0.025):
        p.upright(u, u + 0.003, y, top, 0, (10, 12, 12), 0.6)
    for v in np.arange(y, top, 0.022):
        p.upright(-wide, wide, v, v + 0.003, 0, (10, 12, 12), 0.6)
    p.upright(-wide, wide, top - 0.016, top, 0, white)
    for side in (-1, 1):
        p.upright(side * wide - 0.012, side * wide + 0.012, y - 0.06, top + 0.01, 0, (40, 42, 46))


def _front_mask(p: _Painter) -> Array:
    """Draw where table and net hide whoever plays behind them; (h, w) uint8."""
    mask = np.zeros(p.rgb.shape[:2], np.uint8)
    x, z, y, wide = TABLE_X, TABLE_Z, TABLE_Y, TABLE_X + 0.1525
    for corners in (
        [(-x, y, -z), (x, y, -z), (x, y, z), (-x, y, z)],
        [(-x, y, z), (x, y, z), (x, y - 0.06, z), (-x, y - 0.06, z)],
        [(-wide, y, 0.0), (wide, y, 0.0), (wide, y + NET, 0.0), (-wide, y + NET, 0.0)],
    ):
        cv2.fillPoly(mask, [p.outline(corners)], 255, cv2.LINE_8, 4)
    return mask


def paint_hall(camera: Camera, rng: np.random.Generator) -> Hall:
    """Paint the hall as this camera sees it.

    Parameters
    ----------
    camera : Camera
    rng : numpy.random.Generator
        Decides colours, textures and where things stand.

    Returns
    -------
    Hall
    """
    p = _Painter(camera)
    noise = noise_texture(rng, 512, (6, 17, 43, 128))
    _walls(p, rng, noise)
    _floor(p, rng, noise)
    _barriers(p, rng, noise)
    _table(p, rng, noise)
    h, w = p.rgb.shape[:2]
    v, u = np.ogrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
    light = 1.04 - 0.16 * (0.8 * u**2 + 0.5 * v**2)  # lamps above the table, darker corners
    picture = np.clip(p.rgb * light.astype(np.float32)[..., None], 0, 255)
    picture = cv2.GaussianBlur(picture, (0, 0), 0.8 * h / 1080 + 0.2)
    return Hall(to_ycc(picture), _front_mask(p))
