"""Plan a trial: one self-fed stroke whose target shows in how it is played and in nothing else.

Modelled on the pitching set of [GRU] §IV: a few people, nine targets, 90 frames at 30 fps, one action with
idle frames before and after it. All trials begin and proceed alike; where the ball will land follows from a
few centimetres and degrees at contact and in the follow-through. The ball is not drawn after the contact.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttdemo.world.body import CHANNELS, POINT, posture, racket_axes, skeleton
from ttdemo.world.camera import Camera, make_camera
from ttdemo.world.curves import flight, spline, sway
from ttdemo.world.script import ClipPlan, Stroke, check_size
from ttdemo.world.table import TABLE_Y

Array = NDArray[Any]

#: 3 × 3 fields of the table's near half, left to right as the camera sees it, far row first
N_TARGETS = 9
#: centres of the fields, m
FIELD_X, FIELD_Z = (-0.5, 0.0, 0.5), (0.3, 0.7, 1.1)
#: seconds from the onset until the hands are flung apart, the backswing ends, the ball is met, the
#: follow-through begins to be held, ends to be held, and the player rests
MOMENTS = (0.0667, 0.62, 0.90, 1.09, 1.26, 1.60)
#: share of the backswing that is done at the first of them: the onset is sudden, as in a throw
FLUNG = 0.38
#: earliest onset, s, and idle time at the end, s
IDLE = (0.42, 0.35)
#: share of a waiting player's sway that is left in someone who stands and concentrates
STILLNESS = 0.1


@dataclass(frozen=True)
class TrialPlan:
    """What happens in a trial.

    Attributes
    ----------
    clip : ClipPlan
        What the renderer paints; its one stroke begins at ``start``.
    target : int
        0 … 8: the field of the table at which the ball is played.
    player : int
        Number of the player, from 0.
    start : int
        First frame in which the player has begun to move; at ``start - 1`` all is still at rest.
    contact : int
        Frame in which racket and ball meet.
    landing : array (3,), float64
        Where the ball lands, m.
    """

    clip: ClipPlan
    target: int
    player: int
    start: int
    contact: int
    landing: Array

    @property
    def label(self) -> str:
        """Name of the class, see :func:`target_name`."""
        return target_name(self.target)


def target_name(target: int) -> str:
    """Return the class of target 0 … 8: ``Target 1`` … ``Target 9``."""
    return f"Target {target + 1}"


def _changed(ready: Array, **channels: tuple[float, ...]) -> Array:
    row = ready.copy()
    for name, change in channels.items():
        row[CHANNELS[name]] += change
    return row


def _performance(rng: np.random.Generator, ready: Array, column: int, row: int) -> Array:
    """Draw the postures at all :data:`MOMENTS` but the last; (5, 21).

    Parameters
    ----------
    rng : numpy.random.Generator
    ready : array (21,)
        How the player stands.
    column, row : int
        −1, 0 or 1: left, middle, right; far, middle, near.
    """
    size = np.clip(rng.normal(1.0, 0.05), 0.88, 1.12)
    back = _changed(
        ready, hand=(0.60, 0.70 - 0.03 * row, -0.20), free=(-0.15, 0.85, -0.05), crouch=(0.07,),
        yaw=(-0.75 - 0.05 * column,), lean=(-0.10, 0.10), look=(0.0, -0.10), handle=(0.5, 0.2, -0.7),
        face=(1.3, 0.1, 0.6), elbow=(0.30,),
    )  # fmt: skip
    back = ready + size * (back - ready)
    # towards the camera's left is the player's own right
    contact = _changed(
        ready, hand=(0.22 - 0.10 * column, 0.10 + 0.08 * row, 0.06),
        free=(-0.10 - 0.06 * column, 0.10, -0.10), crouch=(0.03 - 0.02 * row,),
        yaw=(-0.05 + 0.22 * column,), lean=(0.02, 0.04), look=(0.10 * column, 0.04 * row),
        handle=(0.8, -0.4, -0.5), elbow=(0.10,), face=(1.0 - 0.30 * column, -0.15 * row, 0.9),
    )  # fmt: skip
    follow = _changed(
        ready, hand=(-0.26 - 0.18 * column, 0.34 - 0.20 * row, 0.16),
        free=(-0.14 - 0.08 * column, 0.02, -0.22), crouch=(0.01 + 0.04 * row,),
        yaw=(0.45 + 0.28 * column,), lean=(0.08 - 0.04 * row, 0.02), look=(0.15 * column, 0.05 * row),
        handle=(-0.3, 0.0, -0.2), face=(0.2, -0.3, 0.4), elbow=(0.20,),
    )  # fmt: skip
    rows = np.stack([ready + FLUNG * (back - ready), back, contact, follow, follow])
    rows[:, CHANNELS["hand"]] += rng.normal(0, 0.015, 3) + rng.normal(0, 0.010, (5, 3))
    rows[:, CHANNELS["free"]] += rng.normal(0, 0.020, 3)
    rows[:, CHANNELS["yaw"]] += rng.normal(0, 0.04)
    rows[:, CHANNELS["lean"]] += rng.normal(0, 0.02, 2)
    for name in ("handle", "face"):
        rows[:, CHANNELS[name]] += rng.normal(0, 0.06, (5, 3))
    return rows


def _person(seed: int, player: int, size: tuple[int, int]) -> tuple[Camera, float, Array]:
    """Draw camera, height and stance of a player, the same in all trials of that player."""
    rng = np.random.default_rng((seed, player, 5))
    camera = make_camera(rng, size)
    ready = posture({"hand": (0.24, 1.02, 0.40), "free": (-0.22, 1.00, 0.42)})
    for name, spread in (("hand", 0.03), ("free", 0.03), ("crouch", 0.012), ("lean", 0.03)):
        ready[CHANNELS[name]] += rng.normal(0, spread, ready[CHANNELS[name]].shape)
    return camera, float(rng.uniform(1.66, 1.82)), ready


def plan_trial(
    *,
    seed: int,
    player: int,
    target: int,
    trial: int,
    size: tuple[int, int] = (320, 240),
    fps: float | Fraction = 30,
    frames: int = 90,
) -> TrialPlan:
    """Plan one trial.

    Parameters
    ----------
    seed : int
        Seed of the set.
    player : int
        Number of the player: decides stance, height, looks, hall and camera.
    target : int
        0 … 8, see :data:`N_TARGETS`.
    trial : int
        Which of the player's trials at this target.
    size : (int, int)
        Width, height in px, both even.
    fps : float or Fraction
        Frame rate, 1/s.
    frames : int
        Number of frames.

    Returns
    -------
    TrialPlan

    Raises
    ------
    ValueError
        There is no such target, the size is out of bounds, or the trial too short for the action.
    """
    if not 0 <= target < N_TARGETS:
        raise ValueError(f"target {target}: there are targets 0 to {N_TARGETS - 1}")
    check_size(size)
    rate = Fraction(fps).limit_denominator(1001)
    f = float(rate)
    earliest, latest = round(IDLE[0] * f), frames - round((MOMENTS[-1] + IDLE[1]) * f)
    if rate < 10 or latest < earliest:
        seconds = IDLE[0] + MOMENTS[-1] + IDLE[1]
        raise ValueError(
            f"{frames} frames at {f:g}/s: a trial lasts at least {seconds:.1f} s at 10/s or more"
        )
    camera, height, stance = _person(seed, player, size)
    rng = np.random.default_rng((seed, player, target, trial, 7))
    start = int(rng.integers(earliest, latest + 1))
    ready = stance.copy()
    ready[CHANNELS["base"]] += rng.normal(0, 0.02, 2)
    ready[CHANNELS["hand"]] += rng.normal(0, 0.01, 3)
    ready[CHANNELS["free"]] += rng.normal(0, 0.01, 3)

    onset = (start - 1) / f
    pace = np.array([1.0, *rng.uniform(0.96, 1.04, len(MOMENTS) - 1)])
    when = onset + np.array(MOMENTS) * pace
    column, row = target % 3 - 1, target // 3 - 1
    keys = _performance(rng, ready, column, row)
    at = np.array([0.0, onset, *when, max(frames / f, when[-1] + 1 / f)])
    rows = np.array([ready, ready, *keys, ready, ready])
    rest = np.array([True, True, False, False, False, False, False, True, True])
    t = np.arange(frames) / f
    track = spline(at, rows, t, rest) + STILLNESS * sway(rng, t)
    points = skeleton(track, height)
    handle, face = racket_axes(track)
    contact = round(float(when[2]) * f)
    landing = np.array(
        [FIELD_X[column + 1] + rng.uniform(-0.1, 0.1), TABLE_Y, FIELD_Z[row + 1] + rng.uniform(-0.1, 0.1)]
    )
    stroke = Stroke(start, min(frames, round(float(when[-1]) * f)), target_name(target), contact)
    ball = _ball(points, face, start, contact, f)
    clip = ClipPlan((stroke,), rate, camera, height, points, handle, face, ball, track)
    return TrialPlan(clip, target, player, start, contact, landing)


def _ball(points: Array, face: Array, start: int, contact: int, fps: float) -> Array:
    """Follow the centre of the ball: in the free hand, tossed, met; (n, 3) m, NaN from then on."""
    ball = np.full((len(points), 3), np.nan)
    release = min(start + round(0.17 * fps), contact - 1)
    ball[: release + 1] = points[: release + 1, POINT["left_hand"]] + [0, 0.035, 0.02]
    meet = points[contact, POINT["blade"]] + 0.02 * (np.sign(face[contact, 2]) or 1.0) * face[contact]
    times = np.arange(contact - release + 1) / fps
    ball[release:contact] = flight(ball[release].copy(), meet, times)
    return ball
