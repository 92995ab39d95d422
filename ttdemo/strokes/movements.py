"""How each stroke of TTStroke-21 moves: the racket hand, the racket's face, the trunk, the free hand.

A stroke is three postures between two ready postures: the end of the backswing, the contact with the ball and
the end of the follow-through. Coaches tell the classes apart by just these: the side of the body (forehand,
backhand), where the swing starts and ends (low to high for topspin and loop, high to low for backspin), how
long it is (hit, flip, block) and which way the blade is tilted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ttdemo.world.body import CHANNELS, posture

Array = NDArray[Any]
Vec = tuple[float, float, float]


def _mix(a: Vec, b: Vec, share: float) -> Vec:
    x, y, z = ((1 - share) * u + share * v for u, v in zip(a, b, strict=True))
    return x, y, z


@dataclass(frozen=True)
class Motion:
    """One class of stroke.

    Attributes
    ----------
    side : {"forehand", "backhand"}
    serve : bool
        The free hand tosses the ball.
    back, hit, follow : (float, float, float)
        Racket wrist s, u, f in m (see :mod:`ttdemo.world.body`) at the three postures.
    yaw : (float, float, float)
        Trunk turned left, in rad, at the three postures.
    crouch : (float, float, float)
        In m.
    tilt : float
        Blade at contact: +1 fully open (face up, backspin), −1 fully closed (topspin).
    when : (float, float, float)
        The three postures as fractions of the stroke's duration.
    step : float
        How far the player steps in towards the table, in m.
    flight : float
        Seconds from the contact to the ball's landing on the other side.
    """

    side: Literal["forehand", "backhand"]
    back: Vec
    hit: Vec
    follow: Vec
    yaw: Vec
    crouch: Vec = (0.10, 0.09, 0.08)
    tilt: float = 0.0
    when: Vec = (0.36, 0.52, 0.68)
    step: float = 0.0
    flight: float = 0.34
    serve: bool = False

    def postures(self) -> Array:
        """Return the three postures.

        Returns
        -------
        array (3, 21), float64
            Rows in the order of :data:`ttdemo.world.body.CHANNELS`.
        """
        fore = self.side == "forehand"
        up, ahead = 0.75 * self.tilt, np.sqrt(1 - (0.75 * self.tilt) ** 2)
        # the forehand rubber looks ahead in a forehand, back in a backhand
        contact_face = (0.0, up, ahead) if fore else (0.0, -up, -ahead)
        rise = (self.follow[1] - self.back[1]) / 0.8
        drop, lift, tilt = -0.45 * rise, 0.6 * rise, 0.35 * self.tilt
        handles: list[Vec]
        faces: list[Vec]
        free: list[Vec]
        if fore:
            handles = [(0.75, drop - 0.25, -0.15), (0.80, 0.02, 0.45), (-0.35, lift + 0.30, 0.75)]
            faces = [(0.35, tilt, 0.9), contact_face, (-0.85, -0.35, 0.45)]
            free = [(-0.22, 1.16, 0.44), (-0.34, 1.10, 0.26), (-0.40, 1.02, 0.12)]
            elbow = (0.35, 0.30, 0.65)
        else:
            handles = [(-0.85, drop - 0.05, 0.15), (-0.55, 0.15, 0.75), (0.55, lift + 0.25, 0.70)]
            faces = [(-0.25, -tilt, -0.9), contact_face, (-0.75, 0.35, -0.55)]
            free = [(-0.30, 0.98, 0.22), (-0.34, 1.00, 0.20), (-0.38, 1.04, 0.22)]
            elbow = (0.75, 0.55, 0.45)
        if self.serve:
            free = [(-0.20, 1.56, 0.36), (-0.34, 1.24, 0.32), (-0.30, 1.00, 0.30)]
        # a short follow-through (block, push) leaves the blade as it met the ball
        through = min(1.0, float(np.linalg.norm(np.subtract(self.follow, self.hit))) / 0.35)
        handles[2] = _mix(handles[1], handles[2], through)
        faces[2] = _mix(faces[1], faces[2], through)
        rows = []
        for i, hand in enumerate((self.back, self.hit, self.follow)):
            rows.append(
                posture(
                    {
                        "base": (0.0, self.step * (0.4, 1.0, 0.7)[i]),
                        "crouch": (self.crouch[i],),
                        "yaw": (self.yaw[i],),
                        "lean": (0.28, -0.16 * np.sin(self.yaw[i])),
                        "hand": hand,
                        "free": free[i],
                        "handle": handles[i],
                        "face": faces[i],
                        "look": (-0.25 * self.yaw[i], 0.12 if i < 2 else 0.04),
                        "elbow": (elbow[i],),
                    }
                )
            )
        return np.array(rows)


def _forehand(back: Vec, hit: Vec, follow: Vec, turn: float = 1.0, **more: Any) -> Motion:
    return Motion("forehand", back, hit, follow, (-0.75 * turn, -0.05, 0.50 * turn), **more)


def _backhand(back: Vec, hit: Vec, follow: Vec, turn: float = 1.0, **more: Any) -> Motion:
    return Motion("backhand", back, hit, follow, (0.50 * turn, 0.12 * turn, -0.30 * turn), **more)


_SERVE: dict[str, Any] = {"serve": True, "when": (0.40, 0.58, 0.71), "flight": 0.42}
_LOOP: dict[str, Any] = {"tilt": -0.8, "when": (0.38, 0.54, 0.70), "crouch": (0.20, 0.10, 0.02)}
_FLIP: dict[str, Any] = {"tilt": -0.3, "when": (0.40, 0.50, 0.60), "step": 0.22}
_PUSH: dict[str, Any] = {"tilt": 0.8, "when": (0.30, 0.54, 0.72), "step": 0.10, "flight": 0.46}
_BLOCK: dict[str, Any] = {"tilt": -0.3, "when": (0.34, 0.50, 0.62), "flight": 0.32}
_CHOP: dict[str, Any] = {"tilt": 0.9, "when": (0.34, 0.54, 0.72), "crouch": (0.02, 0.12, 0.18), "flight": 0.5}

#: the 20 strokes of TTStroke-21 (three-stream paper §3.1), all with their own motion
MOTIONS: dict[str, Motion] = {
    "Serve Forehand Backspin": _forehand(
        (0.58, 1.38, 0.02), (0.26, 1.06, 0.36), (0.06, 0.84, 0.46), tilt=0.9, **_SERVE
    ),
    "Serve Forehand Loop": _forehand(
        (0.56, 0.84, -0.10), (0.34, 1.08, 0.34), (0.02, 1.60, 0.30), tilt=-0.8, **_SERVE
    ),
    "Serve Forehand Sidespin": _forehand(
        (0.60, 1.12, 0.10), (0.18, 1.02, 0.34), (-0.28, 1.00, 0.26), tilt=0.2, turn=1.25, **_SERVE
    ),
    "Serve Forehand Topspin": _forehand(
        (0.60, 1.06, -0.12), (0.34, 1.10, 0.38), (-0.08, 1.34, 0.46), tilt=-0.5, **_SERVE
    ),
    "Serve Backhand Backspin": _backhand(
        (-0.22, 1.36, 0.20), (0.08, 1.06, 0.40), (0.34, 0.84, 0.46), tilt=0.9, **_SERVE
    ),
    "Serve Backhand Loop": _backhand(
        (-0.16, 0.84, 0.16), (0.08, 1.08, 0.40), (0.42, 1.58, 0.30), tilt=-0.8, **_SERVE
    ),
    "Serve Backhand Sidespin": _backhand(
        (-0.30, 1.14, 0.18), (0.04, 1.04, 0.38), (0.56, 1.02, 0.20), tilt=0.2, turn=1.3, **_SERVE
    ),
    "Serve Backhand Topspin": _backhand(
        (-0.20, 1.04, 0.16), (0.08, 1.10, 0.42), (0.44, 1.32, 0.42), tilt=-0.5, **_SERVE
    ),
    "Offensive Forehand Hit": _forehand(
        (0.62, 1.10, -0.08), (0.42, 1.14, 0.38), (-0.10, 1.36, 0.40), tilt=-0.3, flight=0.26
    ),
    "Offensive Forehand Loop": _forehand(
        (0.54, 0.82, -0.16), (0.44, 1.08, 0.30), (-0.04, 1.66, 0.24), turn=1.2, flight=0.34, **_LOOP
    ),
    "Offensive Forehand Flip": _forehand(
        (0.38, 1.02, 0.34), (0.32, 1.04, 0.54), (0.08, 1.24, 0.54), turn=0.45, flight=0.30, **_FLIP
    ),
    "Offensive Backhand Hit": _backhand(
        (-0.18, 1.06, 0.16), (0.06, 1.12, 0.44), (0.46, 1.28, 0.36), tilt=-0.3, flight=0.26
    ),
    "Offensive Backhand Loop": _backhand(
        (-0.16, 0.82, 0.14), (0.06, 1.08, 0.40), (0.46, 1.62, 0.26), turn=1.2, flight=0.34, **_LOOP
    ),
    "Offensive Backhand Flip": _backhand(
        (-0.10, 1.04, 0.34), (0.04, 1.06, 0.54), (0.30, 1.24, 0.52), turn=0.5, flight=0.30, **_FLIP
    ),
    "Defensive Forehand Push": _forehand(
        (0.44, 1.20, 0.20), (0.34, 1.02, 0.46), (0.26, 0.92, 0.58), turn=0.5, **_PUSH
    ),
    "Defensive Forehand Block": _forehand(
        (0.38, 1.10, 0.26), (0.36, 1.12, 0.44), (0.32, 1.13, 0.48), turn=0.4, **_BLOCK
    ),
    "Defensive Forehand Backspin": _forehand(
        (0.54, 1.52, 0.00), (0.44, 1.08, 0.32), (0.22, 0.80, 0.44), turn=0.9, **_CHOP
    ),
    "Defensive Backhand Push": _backhand(
        (-0.08, 1.18, 0.20), (0.02, 1.02, 0.46), (0.10, 0.92, 0.58), turn=0.5, **_PUSH
    ),
    "Defensive Backhand Block": _backhand(
        (-0.02, 1.08, 0.26), (0.02, 1.12, 0.44), (0.04, 1.13, 0.49), turn=0.4, **_BLOCK
    ),
    "Defensive Backhand Backspin": _backhand(
        (-0.20, 1.48, 0.12), (0.04, 1.06, 0.40), (0.28, 0.80, 0.44), turn=0.9, **_CHOP
    ),
}

#: what the demo shows unless told otherwise: a serve, both sides, an attack and a defence
DEFAULT_CLASSES = (
    "Serve Forehand Topspin",
    "Offensive Forehand Hit",
    "Offensive Backhand Hit",
    "Defensive Backhand Push",
)


def perform(motion: Motion, rng: np.random.Generator, ready: Array) -> tuple[Array, Array]:
    """Draw one performance of a stroke; no two are alike.

    Parameters
    ----------
    motion : Motion
    rng : numpy.random.Generator
    ready : array (21,)
        The posture from which the player starts.

    Returns
    -------
    when : array (3,), float64
        Fractions of the stroke's duration.
    rows : array (3, 21), float64
        Postures there.
    """
    rows = motion.postures()
    neutral = posture()
    swing = rng.normal(1.0, 0.07)
    rows = neutral + (rows - neutral) * np.clip(swing, 0.85, 1.15)
    rows[:, CHANNELS["hand"]] += rng.normal(0, 0.018, 3) + rng.normal(0, 0.012, (3, 3))
    rows[:, CHANNELS["free"]] += rng.normal(0, 0.030, 3)
    rows[:, CHANNELS["yaw"]] += rng.normal(0, 0.05)
    rows[:, CHANNELS["lean"]] += rng.normal(0, 0.03, 2)
    rows[:, CHANNELS["crouch"]] += rng.normal(0, 0.012)
    for name in ("handle", "face"):
        rows[:, CHANNELS[name]] += rng.normal(0, 0.08, (3, 3))
    rows[:, CHANNELS["base"]] += ready[CHANNELS["base"]]
    shift = rng.uniform(-0.03, 0.03)
    return np.asarray(motion.when) + shift + rng.uniform(-0.012, 0.012, 3), rows
