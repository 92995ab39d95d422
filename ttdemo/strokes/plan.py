"""Plan a clip: which stroke when, and where every joint, the racket and the ball are in each frame.

Everything that is true of a clip is decided here from its seed, before a pixel is drawn; the renderer only
paints it. The truth that tests compare against is therefore exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttdemo.strokes.changes import Change, changed
from ttdemo.strokes.movements import MOTIONS, perform
from ttdemo.world.body import CHANNELS, POINT, posture, racket_axes, skeleton, turned_about
from ttdemo.world.camera import PLAYER_Z, make_camera
from ttdemo.world.curves import flight, spline, sway
from ttdemo.world.script import ClipPlan, Stroke, check_size
from ttdemo.world.table import TABLE_Y

Array = NDArray[Any]

#: the largest gap that method.md §8 needs for a negative: 100 frames at 120 fps, with some air
LONG_GAP = 0.95
#: negatives are only cut from videos with at least as many actions (method.md §8)
ACTIONS_FOR_NEGATIVES = 11


def _ready(rng: np.random.Generator) -> Array:
    """Draw a ready posture, somewhere behind the table; (21,)."""
    row = posture()
    row[CHANNELS["base"]] = rng.uniform(-0.22, 0.22), rng.uniform(-0.10, 0.10)
    row[CHANNELS["hand"]] += rng.normal(0, 0.025, 3)
    row[CHANNELS["free"]] += rng.normal(0, 0.025, 3)
    row[CHANNELS["crouch"]] += rng.normal(0, 0.015)
    return row


def _relaxed(rng: np.random.Generator, between: Array) -> Array:
    """Draw what the player does in a longer gap: straighten up, move the racket without playing; (21,)."""
    row = between.copy()
    row[CHANNELS["crouch"]] -= rng.uniform(0.0, 0.06)
    row[CHANNELS["hand"]] += rng.normal(0, (0.05, 0.06, 0.04))
    row[CHANNELS["free"]] += rng.normal(0, (0.05, 0.06, 0.04))
    row[CHANNELS["yaw"]] += rng.normal(0, 0.10)
    row[CHANNELS["look"]] += rng.normal(0, (0.20, 0.08))
    return row


def _ball(
    rng: np.random.Generator, strokes: Sequence[Stroke], fps: float, points: Array, face: Array
) -> Array:
    """Follow the centre of the ball; (n, 3) m, NaN outside the rallies."""
    ball = np.full((len(points), 3), np.nan)

    def fly(first: float, last: float, start: Array, end: Array) -> None:
        """Fill the frames of [first, last) with free flight."""
        i = np.arange(int(np.ceil(first)), int(np.ceil(last)))
        if len(i) == 0:
            return
        rows = flight(start, end, np.append((i - first) / fps, (last - first) / fps))
        inside = (i >= 0) & (i < len(ball))
        ball[i[inside]] = rows[inside]

    for s in strokes:
        motion = MOTIONS[s.move]
        forehand_ahead = np.sign(face[s.contact, 2]) or 1.0
        meet = points[s.contact, POINT["blade"]] + 0.02 * forehand_ahead * face[s.contact]
        landing = np.array([rng.uniform(-0.5, 0.5), TABLE_Y + 0.02, rng.uniform(0.75, 1.2)])
        after = np.array([landing[0] * 1.5, 0.95, 2.3])
        if motion.serve:
            release = s.begin + 0.28 * (s.contact - s.begin)
            held = slice(max(int(s.begin - 0.25 * fps), 0), int(np.ceil(release)))
            ball[held] = points[held, POINT["left_hand"]] + [0, 0.035, 0.02]
            top = points[int(release), POINT["left_hand"]] + [0, 0.035, 0.02]
            fly(release, s.contact, top, meet)
            own = np.array([0.6 * meet[0] + 0.4 * landing[0], TABLE_Y + 0.02, -0.75])
            fly(s.contact, s.contact + 0.14 * fps, meet, own)
            fly(s.contact + 0.14 * fps, s.contact + motion.flight * fps, own, landing)
        else:
            origin = np.array([rng.uniform(-0.6, 0.6), rng.uniform(0.95, 1.1), 1.35])
            own = np.array([0.7 * meet[0] + 0.3 * origin[0], TABLE_Y + 0.02, rng.uniform(-1.0, -0.7)])
            fly(s.contact - 0.42 * fps, s.contact - 0.15 * fps, origin, own)
            fly(s.contact - 0.15 * fps, s.contact, own, meet)
            fly(s.contact, s.contact + motion.flight * fps, meet, landing)
        landed = s.contact + motion.flight * fps
        fly(landed, landed + 0.28 * fps, landing, after)
    return ball


def plan_clip(
    *,
    seed: int | Sequence[int],
    strokes: Sequence[str],
    fps: float | Fraction = 120,
    size: tuple[int, int] = (1920, 1080),
    duration: tuple[float, float] = (0.7, 1.5),
    gap: tuple[float, float] = (0.3, 0.6),
    changes: Sequence[Change] = (),
    facing: float = 0.0,
) -> ClipPlan:
    """Plan one clip.

    Parameters
    ----------
    seed : int or sequence of int
        Decides everything that is drawn at random.
    strokes : sequence of str
        Classes in the order in which they are played; any of the 20 of TTStroke-21, none at all is fine.
    fps : float or Fraction
        Frame rate, 1/s.
    size : (int, int)
        Width, height in px, both even.
    duration : (float, float)
        Shortest and longest stroke in s.
    gap : (float, float)
        Shortest and longest pause between strokes, before the first and after the last, in s. From 11
        strokes on every third gap lasts at least 0.95 s, so that negatives can be cut there.
    changes : sequence of Change
        What is wrong with the first, the second, … stroke; the others are played as always.
    facing : float
        Degrees by which the player is turned to their left: 0 faces the camera, 90 shows the right side, 180
        the back. The hall stays as it is: the table does not turn with the player, the ball does.

    Returns
    -------
    ClipPlan

    Raises
    ------
    ValueError
        A class is unknown, or size, rate or a range is out of bounds.
    """
    unknown = [s for s in strokes if s not in MOTIONS]
    if unknown:
        raise ValueError(f"no stroke is called {unknown[0]!r}; known: {', '.join(MOTIONS)}")
    check_size(size)
    rate = Fraction(fps).limit_denominator(1001)
    if rate < 10:
        raise ValueError(f"fps {fps}: a stroke needs at least 10 frames a second")
    for name, (low, high), least in (("duration", duration, 0.3), ("gap", gap, 0.05)):
        if not least <= low <= high:
            raise ValueError(
                f"{name} {low}…{high} s: must ascend and start at {least} s or more; give another range"
            )
    rng = np.random.default_rng(seed)
    camera = make_camera(rng, size)
    height = float(rng.uniform(1.70, 1.80))
    f = float(rate)

    now = rng.uniform(*gap)
    ready = _ready(rng)
    at, rows, rest, intervals = [0.0], [ready], [True], []
    for number, move in enumerate(strokes):
        begin = round(now * f)
        end = begin + round(rng.uniform(*duration) * f)
        when, postures = perform(MOTIONS[move], rng, ready)
        contact = round(begin + when[1] * (end - begin))
        back, follow = (round(begin + when[i] * (end - begin)) for i in (0, 2))
        intervals.append(Stroke(begin, end, move, contact, back, follow))
        at += [begin / f, *((begin + when * (end - begin)) / f), end / f]
        following = _ready(rng)
        rows += [ready, *postures, ready]
        rest += [True, False, False, False, True]
        pause = rng.uniform(*gap)
        if len(strokes) >= ACTIONS_FOR_NEGATIVES and number % 3 == 1:
            pause = max(pause, LONG_GAP * rng.uniform(1.0, 1.4))
        now = end / f + pause
        if pause > 0.5:
            at.append(end / f + pause * rng.uniform(0.4, 0.6))
            rows.append(_relaxed(rng, 0.5 * (ready + following)))
            rest.append(False)
        ready = following
    n = round(now * f)
    at.append(n / f)
    rows.append(ready)
    rest.append(True)

    t = np.arange(n) / f
    track = spline(np.array(at), np.array(rows), t, np.array(rest)) + sway(rng, t)
    hip_yaw = elbow = None
    if any(change != Change() for change in changes):
        track, hip_yaw, elbow = changed(track, intervals, changes, f)
    points = skeleton(track, height, hip_yaw, elbow)
    handle, face = racket_axes(track)
    ball = _ball(rng, intervals, f, points, face)
    if facing:
        points, ball = (turned_about(rows, facing, (0.0, PLAYER_Z)) for rows in (points, ball))
        handle, face = (turned_about(rows, facing) for rows in (handle, face))
    return ClipPlan(tuple(intervals), rate, camera, height, points, handle, face, ball, track, facing)
