"""The player's head: a face that people and pose networks take for one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttdemo.render.look import Look
from ttdemo.render.outlines import LIGHT_X, LIGHT_Y, ROUND, Group
from ttdemo.render.paint import ycc
from ttdemo.world.body import POINT

Array = NDArray[Any]


#: degrees; turned further from the camera a head shows one eye, and none
PROFILE, BACK = 60.0, 110.0
#: least width of a face in profile, as a share of its width from the front
LEAST_FACE = 0.45


def draw_head(p2: Array, scale: Array, look: Look, facing: float = 0.0) -> Group:
    """Make the outlines of the head.

    Parameters
    ----------
    p2 : array (n, 26, 2)
        Body points in px.
    scale : array (n,)
        Pixels per metre at the head.
    look : Look
    facing : float
        Degrees by which the whole player is turned to their left.

    Returns
    -------
    Group
    """
    g, away = Group(), abs((facing + 180) % 360 - 180)
    head, nose = p2[:, POINT["head"]], p2[:, POINT["nose"]]
    eyes = {side: p2[:, POINT[f"{side}_eye"]] for side in ("left", "right")}
    # the face's own axes in px per metre; x shortens as the head turns away
    fx = (eyes["left"] - eyes["right"]) / 0.064
    if PROFILE < away < BACK:  # the eye that is seen is broader than the way between both
        fx[:, 0] = np.maximum(fx[:, 0], LEAST_FACE * scale)
    fy = np.stack([-0.3 * fx[:, 1], scale], -1)
    s = scale[:, None]
    right, down = s * [1, 0], s * [0, 1]
    shift = 0.55 * (nose - head) * [1.0, 0.0]

    g.blob(head + 0.088 * fy, 0.050 * right, 0.035 * down, look.skin, 0.62, 16)
    for side in ("left", "right"):
        ear = p2[:, POINT[f"{side}_ear"]]
        g.blob(ear, 0.016 * right, 0.030 * down, look.skin, 0.72)
        g.blob(ear - 0.003 * s, 0.010 * right, 0.021 * down, look.skin, 0.92)
    _skull(g, head, s, shift, look)
    if away < BACK:
        seen = {"left": 1.0, "right": -1.0}
        if away > PROFILE:
            seen.pop("left" if facing % 360 < 180 else "right")
        for side, sign in seen.items():
            _eye(g, eyes[side], sign, fx, fy, scale, look)
        _nose_and_mouth(g, 0.5 * (eyes["left"] + eyes["right"]), nose, fx, fy, scale, look)
        _hair(g, head, s, shift, look)
    else:
        _hair_behind(g, head, s, look)
    return g


def _skull(g: Group, head: Array, s: Array, shift: Array, look: Look) -> None:
    t = np.linspace(0, 2 * np.pi, 26, endpoint=False)
    low = np.clip(np.sin(t), 0, 1)
    oval = np.stack([0.079 * np.cos(t) * (1 - 0.26 * low**2), 0.120 * np.sin(t)], -1)
    turn = shift[:, None] * (0.5 * low + 0.2)[:, None]
    for share, shade in ROUND:
        off = np.array([LIGHT_X * 0.03, LIGHT_Y * 0.02]) * (1 - share)
        ring = head[:, None] + s[:, None] * (oval * share + off) + turn
        # a face is flatter than a ball, so its rim is not as dark
        g.add(ring, ycc(look.skin, 0.5 * shade + 0.48))


def _eye(g: Group, eye: Array, sign: float, fx: Array, fy: Array, scale: Array, look: Look) -> None:
    """Add socket, white, iris, glint, lid, brow and cheek; sign is +1 for the player's left."""
    g.blob(eye + 0.001 * fy, 0.020 * fx, 0.014 * fy, look.skin, 0.70)
    g.blob(eye, 0.0140 * fx, 0.0068 * fy, (226, 222, 216))
    g.blob(eye - 0.0008 * fy, 0.0078 * fx, 0.0078 * fy, (52, 36, 28))
    g.blob(eye - 0.002 * fx - 0.002 * fy, 0.0022 * fx, 0.0022 * fy, (250, 250, 250))
    lid, thin = eye - 0.0062 * fy, 0.0030 * scale
    g.stick(lid - 0.0145 * fx, lid + 0.0145 * fx, thin, thin, look.skin, 0.60)
    inner, outer = eye - 0.019 * sign * fx - 0.020 * fy, eye + 0.021 * sign * fx - 0.022 * fy
    g.stick(inner, outer, 0.0046 * scale, 0.0032 * scale, look.hair, 0.9)
    g.blob(eye + 0.034 * fy + 0.010 * sign * fx, 0.018 * fx, 0.016 * fy, look.skin, 1.03)


def _nose_and_mouth(
    g: Group, bridge: Array, nose: Array, fx: Array, fy: Array, scale: Array, look: Look
) -> None:
    shadow = np.stack([bridge + 0.004 * fx, nose + 0.020 * fx + 0.006 * fy, nose + 0.004 * fy], 1)
    g.add(shadow, ycc(look.skin, 0.76))
    g.stick(bridge, nose, 0.006 * scale, 0.010 * scale, look.skin, 1.04)
    g.blob(nose + 0.010 * fy, 0.019 * fx, 0.006 * fy, look.skin, 0.55)
    g.blob(nose - 0.002 * fy - 0.003 * fx, 0.011 * fx, 0.010 * fy, look.skin, 1.08)
    mouth = nose + 0.040 * fy
    dark = look.skin[0] / 230
    g.blob(mouth + 0.002 * fy, 0.026 * fx, 0.0100 * fy, (176, 92, 84), 0.25 + 0.75 * dark)
    g.blob(mouth, 0.025 * fx, 0.0028 * fy, (84, 36, 36), 0.4 + 0.6 * dark)
    g.blob(mouth + 0.019 * fy, 0.018 * fx, 0.005 * fy, look.skin, 0.80)


def _hair_behind(g: Group, head: Array, s: Array, look: Look) -> None:
    for share, shade in ((1.0, 0.78), (0.8, 0.92), (0.5, 1.03)):
        middle = head + s * [-0.02 * (1 - share), -0.025 - 0.03 * (1 - share)]
        g.blob(middle, 0.087 * share * s * [1, 0], 0.108 * share * s * [0, 1], look.hair, shade, 20)


def _hair(g: Group, head: Array, s: Array, shift: Array, look: Look) -> None:
    arc = np.linspace(np.deg2rad(-6), np.deg2rad(186), 19)
    crown = np.stack([0.087 * np.cos(arc), -0.132 * np.sin(arc)], -1)
    x = [-0.074, -0.066, -0.034, 0.010, 0.050, 0.068, 0.075]
    y = [-0.004, -0.052, -0.074, -0.070, -0.066, -0.048, -0.004]
    top = head[:, None] + s[:, None] * crown
    edge = head[:, None] + s[:, None] * np.stack([x, y], -1) + 1.1 * shift[:, None]
    g.add(np.concatenate([top, edge], axis=1), ycc(look.hair, 0.78), convex=False)
    shine = head + s * [-0.012, -0.100] + 0.5 * shift
    for share, shade in ((0.86, 0.92), (0.64, 1.03), (0.36, 1.10)):
        g.blob(shine, 0.070 * share * s * [1, -0.06], 0.026 * share * s * [0, 1], look.hair, shade, 16)
