"""Paint the frames of a clip: hall, player and ball, with flicker and noise.

Only the rectangles that player and ball touch are painted anew; flicker and noise of the whole frame take
two passes of saturating byte arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ttdemo.render.figure import Figure
from ttdemo.render.hall import paint_hall
from ttdemo.render.look import make_look
from ttdemo.render.paint import Rgb, capsule, fill, fixed, ycc
from ttdemo.world.body import CHANNELS
from ttdemo.world.script import ClipPlan

Array = NDArray[Any]
Rect = tuple[int, int, int, int]

#: mains lamps flicker at twice 50 Hz
MAINS = 100.0
#: by how much the noise tiles are larger than the picture, px
PLAY = 64
#: how long the shutter is open, s
EXPOSURE = 1 / 400
#: frames whose outlines are computed together
BLOCK = 64


def flicker_gain(rng: np.random.Generator, n: int, fps: float, amount: float) -> Array:
    """Draw the brightness factor of each frame: the beat of mains lamps with the frame rate, and drift.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        Number of frames.
    fps : float
        Frame rate, 1/s.
    amount : float
        Largest deviation from 1.

    Returns
    -------
    array (n,), float64
    """
    t = np.arange(n) / fps
    beat = np.sin(2 * np.pi * MAINS * t + rng.uniform(0, 2 * np.pi))
    drift = np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * t + rng.uniform(0, 2 * np.pi))
    return np.asarray(1 + amount * (0.6 * beat + 0.4 * drift))


def _noise_tile(rng: np.random.Generator, height: int, width: int, sigma: float, offset: int) -> Array:
    """Draw sensor noise as bytes around an offset; correlated over two pixels, as after demosaicing."""
    white = rng.standard_normal((height + PLAY, width + PLAY), dtype=np.float32)
    tile = np.asarray(cv2.GaussianBlur(white, (0, 0), 0.7))
    tile = tile * np.float32(sigma / float(tile.std()))
    return np.asarray(np.clip(np.rint(tile + offset), 0, 2 * offset).astype(np.uint8))


class _Planes:
    """The picture in 4:2:0, kept equal to the 4:4:4 canvas one rectangle at a time."""

    def __init__(self, canvas: Array) -> None:
        h, w = canvas.shape[:2]
        self.luma = np.empty((h, w), np.uint8)
        self.chroma = [np.empty((h // 2, w // 2), np.uint8) for _ in range(2)]
        self.update(canvas, (0, 0, w, h))

    def update(self, canvas: Array, rect: Rect) -> None:
        """Copy a rectangle with even edges from the canvas."""
        x0, y0, x1, y1 = rect
        part = canvas[y0:y1, x0:x1]
        self.luma[y0:y1, x0:x1] = part[..., 0]
        small = ((x1 - x0) // 2, (y1 - y0) // 2)
        for k, plane in enumerate(self.chroma):
            half = cv2.resize(cv2.extractChannel(part, k + 1), small, interpolation=cv2.INTER_AREA)
            plane[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = half


class _Ball:
    """The ball, drawn out by its motion while the shutter is open."""

    def __init__(self, plan: ClipPlan, colour: Rgb) -> None:
        camera, fps = plan.camera, float(plan.fps)
        ball = plan.ball
        step = np.zeros_like(ball)
        step[:-1] = np.diff(ball, axis=0)
        step = np.where(np.isfinite(step), step, 0) * (0.5 * EXPOSURE * fps)
        r = camera.scale(ball[:, 2]) * 0.020
        a, b = camera.project(ball - step), camera.project(ball + step)
        centre = camera.project(ball)
        up = np.array([-0.25, -0.30])
        self.seen = np.isfinite(ball[:, 0])
        self.centre = centre
        self._layers = []
        for share, shade in ((1.0, 0.80), (0.75, 0.94), (0.42, 1.05)):
            off = (1 - share) * r[:, None] * up
            outline = capsule(a + off, b + off, r * share, r * share, 8)
            outline = np.where(self.seen[:, None, None], outline, 0)
            self._layers.append((fixed(outline), ycc(colour, shade)))
        low, high = np.minimum(a, b), np.maximum(a, b)
        bounds = np.concatenate([low - r[:, None], high + r[:, None]], axis=1)
        self.bounds = np.where(self.seen[:, None], bounds, -10)

    def draw(self, canvas: Array, i: int) -> None:
        """Draw the ball of frame i."""
        for outline, colour in self._layers:
            fill(canvas, outline[i], colour)


def render(
    plan: ClipPlan, rng: np.random.Generator, *, noise: float = 2.0, flicker: float = 0.02
) -> Iterator[Array]:
    """Paint a clip.

    Parameters
    ----------
    plan : ClipPlan
    rng : numpy.random.Generator
        Decides colours, hall, flicker and noise.
    noise : float
        Standard deviation of the sensor noise in luma levels, 0 … 5.
    flicker : float
        Largest deviation of the lamps from their mean, as a share.

    Yields
    ------
    array (3·h/2, w), uint8
        Planar 4:2:0, BT.709 limited range. The buffer is reused.
    """
    camera = plan.camera
    w, h = camera.width, camera.height
    hall = paint_hall(camera, rng)
    look = make_look(rng)
    ball = _Ball(plan, look.ball)
    gain = flicker_gain(rng, plan.n_frames, float(plan.fps), flicker)
    offset = 12 if noise > 0 else 0
    tiles = [_noise_tile(rng, h, w, noise, offset), _noise_tile(rng, h // 2, w // 2, 0.5 * noise, offset)]
    shifts = rng.integers(0, PLAY, (plan.n_frames, 3, 2))

    canvas = hall.picture.copy()
    planes = _Planes(canvas)
    out = np.empty((h * 3 // 2, w), np.uint8)
    views = [out[:h], *(out[h:].reshape(2, h // 2, w // 2))]
    yaw = plan.track[:, CHANNELS["yaw"].start]

    def clip(bounds: Array) -> Rect:
        """Return a rectangle with even edges around bounds, inside the picture."""
        x0, y0 = (max(int(v) - 2, 0) // 2 * 2 for v in bounds[:2])
        x1, y1 = (int(np.clip(v + 4, 0, side)) // 2 * 2 for v, side in zip(bounds[2:], (w, h), strict=True))
        return x0, y0, x1, y1

    before: list[Rect] = []
    for start in range(0, plan.n_frames, BLOCK):
        block = slice(start, min(start + BLOCK, plan.n_frames))
        figure = Figure(
            plan.points[block], plan.handle[block], plan.face[block], yaw[block], camera, look, plan.height,
            plan.facing,
        )  # fmt: skip
        for i in range(block.stop - block.start):
            frame = start + i
            for x0, y0, x1, y1 in before:
                canvas[y0:y1, x0:x1] = hall.picture[y0:y1, x0:x1]
            rects = [clip(figure.bounds[i]), clip(ball.bounds[frame])]
            figure.draw_behind_table(canvas, i)
            x0, y0, x1, y1 = rects[0]
            box = np.s_[y0:y1, x0:x1]
            cv2.copyTo(hall.picture[box], hall.front[box], canvas[box])
            figure.draw(canvas, i)
            if ball.seen[frame]:
                ball.draw(canvas, frame)
            if rects[1][0] >= rects[1][2] or rects[1][1] >= rects[1][3]:
                rects.pop()  # no ball, or one outside the picture
            for rect in {*before, *rects}:
                planes.update(canvas, rect)
            before = rects
            _expose(planes, views, float(gain[frame]), tiles, shifts[frame], offset)
            yield out


def _expose(
    planes: _Planes, views: list[Array], gain: float, tiles: list[Array], shifts: Array, offset: int
) -> None:
    """Apply lamps and sensor: gain on luma (about black) and chroma (about grey), then noise."""
    for k, (plane, view) in enumerate(zip((planes.luma, *planes.chroma), views, strict=True)):
        zero = 16 if k == 0 else 128
        # the noise tile is unsigned, so its offset is taken off beforehand
        cv2.convertScaleAbs(plane, view, gain, zero * (1 - gain) - offset)
        if offset:
            y, x = shifts[k]
            tile = tiles[min(k, 1)]
            cv2.add(view, tile[y : y + view.shape[0], x : x + view.shape[1]], view)
