"""Paint the frames of a trial: player and table before a plain curtain.

Before wall bars and a door the change of the picture against an earlier frame rises and falls with what an
arm happens to cover (measured: no start frame in one trial of seven); start-frame detection [GRU §IV-A] was
made for a laboratory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ttdemo.render.figure import Figure
from ttdemo.render.hall import Hall, paint_hall
from ttdemo.render.look import make_look
from ttdemo.render.paint import YCC, YCC_OFFSET, Rgb, capsule, fill, fixed, ycc
from ttdemo.throws.plan import TrialPlan
from ttdemo.world.body import CHANNELS
from ttdemo.world.camera import Camera

Array = NDArray[Any]

#: behind the player, in front of the barriers: z, half width and height, m
CURTAIN_Z, CURTAIN_X, CURTAIN_Y = -3.0, 6.0, 4.0
#: largest deviation of the lamps, as a share
FLICKER = 0.002
BALL_RADIUS = 0.020
#: by how much the tile of sensor noise is larger than the picture, px
PLAY = 64


def _room(camera: Camera, rng: np.random.Generator) -> Hall:
    """Paint the hall with a curtain behind the player that shows nothing but folds and weave."""
    hall = paint_hall(camera, rng)
    colours: list[Rgb] = [(52, 84, 142), (48, 98, 128), (60, 74, 150)]
    colour = np.array(colours[int(rng.integers(len(colours)))]) + rng.uniform(-8, 8, 3)
    low, high = camera.project(
        np.array([[-CURTAIN_X, 0.0, CURTAIN_Z], [CURTAIN_X, CURTAIN_Y, CURTAIN_Z]])
    )  # y grows downwards
    x0, x1 = (int(np.clip(v, 0, camera.width)) for v in (low[0], high[0]))
    y0, y1 = (int(np.clip(v, 0, camera.height)) for v in (high[1], low[1]))
    metres = (np.arange(x0, x1) - low[0]) / float(camera.scale(CURTAIN_Z))
    folds = 1 + 0.03 * np.sin(2 * np.pi * metres / 0.45 + rng.uniform(0, 6)) + 0.01 * np.sin(metres * 31)
    light = np.linspace(1.03, 0.94, y1 - y0)
    rgb = colour * (light[:, None] * folds[None])[..., None]
    cloth = np.clip(np.rint(rgb @ YCC.T + YCC_OFFSET), 0, 255).astype(np.uint8)
    box = np.s_[y0:y1, x0:x1]
    hidden = hall.front[box][..., None] > 0
    picture = hall.picture.copy()
    picture[box] = np.where(hidden, picture[box], cloth)
    return Hall(picture, hall.front)


def render_trial(
    trial: TrialPlan, person: np.random.Generator, rng: np.random.Generator, *, noise: float = 2.0
) -> Iterator[Array]:
    """Paint a trial.

    Parameters
    ----------
    trial : TrialPlan
    person : numpy.random.Generator
        Decides clothes and room; the same for all trials of a player.
    rng : numpy.random.Generator
        Decides lamps and sensor noise.
    noise : float
        Standard deviation of the sensor noise, grey levels.

    Yields
    ------
    array (h, w, 3), uint8
        RGB.
    """
    plan = trial.clip
    room, look = _room(plan.camera, person), make_look(person)
    yaw = plan.track[:, CHANNELS["yaw"].start]
    figure = Figure(plan.points, plan.handle, plan.face, yaw, plan.camera, look, plan.height)
    centre = plan.camera.project(plan.ball)
    radius = plan.camera.scale(plan.ball[:, 2]) * BALL_RADIUS
    seen = np.isfinite(plan.ball[:, 0])
    inverse = np.linalg.inv(YCC)
    t = np.arange(plan.n_frames) / float(plan.fps)
    lamps = 1 + FLICKER * np.sin(2 * np.pi * 100 * t + rng.uniform(0, 6))
    height, width = room.picture.shape[:2]
    white = rng.standard_normal((height + PLAY, width + PLAY, 3), dtype=np.float32)
    tile = np.rint(white * np.float32(noise)).astype(np.int16)
    shifts = rng.integers(0, PLAY, (plan.n_frames, 2))
    for i in range(plan.n_frames):
        canvas = room.picture.copy()
        figure.draw_behind_table(canvas, i)
        cv2.copyTo(room.picture, room.front, canvas)
        figure.draw(canvas, i)
        if seen[i]:
            outline = capsule(centre[i], centre[i], radius[i], radius[i], 8)
            fill(canvas, fixed(outline), ycc(look.ball))
        matrix = lamps[i] * np.column_stack([inverse, -inverse @ YCC_OFFSET])
        y, x = shifts[i]
        rgb = cv2.transform(canvas, matrix)
        yield np.asarray(cv2.add(rgb, tile[y : y + height, x : x + width], dtype=cv2.CV_8U))
