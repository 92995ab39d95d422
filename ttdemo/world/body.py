"""The player's skeleton: from a few control values per frame to points in space.

A frame's posture is one row of :data:`CHANNELS`, written in the player's own axes: s to the player's
right, u up, f forward (towards the camera), in metres from the floor between the feet. Arms and legs follow
from the positions of hands and feet by two-bone inverse kinematics, so that motions can be described by where
the racket goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttdemo.world.camera import PLAYER_Z

Array = NDArray[Any]

#: name of a control value → its columns
CHANNELS: dict[str, slice] = {
    "base": slice(0, 2),  # s, f of the point between the feet, m
    "crouch": slice(2, 3),  # how far the hips are lowered, m
    "yaw": slice(3, 4),  # shoulders turned to the player's left, rad
    "lean": slice(4, 6),  # trunk bent forward, to the right, rad
    "hand": slice(6, 9),  # racket wrist: s, u, f from the base point, m
    "free": slice(9, 12),  # the other wrist, m
    "handle": slice(12, 15),  # direction from the wrist to the blade
    "face": slice(15, 18),  # normal of the forehand rubber
    "look": slice(18, 20),  # head turned left, bent down, rad
    "elbow": slice(20, 21),  # racket elbow lifted out sideways, 0 … 1
}
N_CHANNELS = 21

#: joints of method.md §6, in its order, then the points that only the drawing needs
JOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
)  # fmt: skip
EXTRA = (
    "left_knee", "right_knee", "left_ankle", "right_ankle", "left_toe", "right_toe",
    "pelvis", "chest", "neck", "head", "left_hand", "right_hand", "blade",
)  # fmt: skip
POINT = {name: i for i, name in enumerate(JOINTS + EXTRA)}

_READY: dict[str, tuple[float, ...]] = {
    "base": (0.0, 0.0),
    "crouch": (0.09,),
    "yaw": (0.0,),
    "lean": (0.26, 0.0),
    "hand": (0.22, 1.04, 0.40),
    "free": (-0.24, 1.02, 0.38),
    "handle": (-0.10, 0.40, 0.90),
    "face": (-1.0, 0.0, 0.0),
    "look": (0.0, 0.04),
    "elbow": (0.25,),
}


def posture(changes: Mapping[str, tuple[float, ...]] | None = None) -> Array:
    """Return the ready posture, with some channels replaced.

    Returns
    -------
    array (21,), float64
        A row in the order of :data:`CHANNELS`.
    """
    row = np.zeros(N_CHANNELS)
    for name, value in {**_READY, **(changes or {})}.items():
        row[CHANNELS[name]] = value
    return row


def unit(v: Array) -> Array:
    """Scale vectors along the last axis to length one."""
    return np.asarray(v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9))


def bend(root: Array, target: Array, upper: float, lower: float, pole: Array) -> tuple[Array, Array]:
    """Solve two-bone inverse kinematics.

    Parameters
    ----------
    root, target : array (n, 3)
        Shoulder or hip, and where the wrist or ankle should be, in m.
    upper, lower : float
        Bone lengths in m.
    pole : array (n, 3)
        The side to which the middle joint bends.

    Returns
    -------
    middle, end : array (n, 3)
        The elbow or knee; the target, drawn in to the reach of the stretched limb.
    """
    way = target - root
    reach = np.linalg.norm(way, axis=-1, keepdims=True)
    d = np.clip(reach, abs(upper - lower) + 0.02, 0.995 * (upper + lower))
    along = way / np.maximum(reach, 1e-9)
    a = (upper**2 - lower**2 + d**2) / (2 * d)
    out = unit(pole - (pole * along).sum(-1, keepdims=True) * along)
    middle = root + a * along + np.sqrt(np.maximum(upper**2 - a**2, 0)) * out
    return middle, root + d * along


def _turned(right: float, up: float, forward: float, yaw: Array, pitch: Array | float = 0.0) -> Array:
    """Bend a vector (s, u, f) down by pitch, then turn it left by yaw, for each frame; (n, 3)."""
    f = forward * np.cos(pitch) + up * np.sin(pitch)
    u = up * np.cos(pitch) - forward * np.sin(pitch)
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack(np.broadcast_arrays(right * c - f * s, u, right * s + f * c), axis=-1)


def opened(root: Array, target: Array, upper: float, lower: float, degrees: Array) -> Array:
    """Move the end of a two-bone limb so that its middle joint opens.

    Parameters
    ----------
    root, target : array (n, 3)
        As for :func:`bend`.
    upper, lower : float
        Bone lengths in m.
    degrees : array (n,)
        By how much; negative: it closes. The angle stays within 20 … 170 degrees.

    Returns
    -------
    array (n, 3)
        On the line from the root to the target; the target itself where nothing is changed.
    """
    way = target - root
    d = np.clip(np.linalg.norm(way, axis=-1), abs(upper - lower) + 0.02, 0.995 * (upper + lower))
    angle = np.arccos((upper**2 + lower**2 - d**2) / (2 * upper * lower))
    limits = np.minimum(angle, np.deg2rad(20)), np.maximum(angle, np.deg2rad(170))
    wanted = np.clip(angle + np.deg2rad(degrees), *limits)
    reach = np.sqrt(upper**2 + lower**2 - 2 * upper * lower * np.cos(wanted))
    return np.where(degrees[:, None] == 0, target, root + unit(way) * reach[:, None])


def turned_about(points: Array, degrees: float, place: tuple[float, float] = (0.0, 0.0)) -> Array:
    """Turn points or directions of the world about a vertical axis, as somebody turns to their left.

    Parameters
    ----------
    points : array (..., 3)
        x, y, z; m. Who faces the camera and turns 90 degrees looks to the picture's right.
    degrees : float
    place : (float, float)
        x and z of the axis; (0, 0) for directions.
    """
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    x, z = points[..., 0] - place[0], points[..., 2] - place[1]
    return np.stack([place[0] + c * x + s * z, points[..., 1], place[1] + c * z - s * x], axis=-1)


def skeleton(
    track: Array, height: float = 1.75, hip_yaw: Array | None = None, elbow: Array | None = None
) -> Array:
    """Compute the points of the body in every frame.

    Parameters
    ----------
    track : array (n, 21), float64
        Control values, see :data:`CHANNELS`.
    height : float
        Body height in m; all lengths scale with it.
    hip_yaw : array (n,), optional
        Turn of the shoulders that the hips follow, rad; default: as the track says.
    elbow : array (n,), optional
        Degrees by which the racket elbow is opened beyond what the track says.

    Returns
    -------
    array (n, 26, 3), float64
        World points x, y, z in m in the order of :data:`POINT`.
    """
    k = height / 1.75
    n = len(track)

    def channel(name: str) -> Array:
        return track[:, CHANNELS[name]]

    yaw, crouch = channel("yaw")[:, 0], channel("crouch")[:, 0]
    lean_f, lean_s = channel("lean").T
    hip_yaw = 0.45 * (yaw if hip_yaw is None else hip_yaw)
    out = np.empty((n, len(POINT), 3))

    def put(name: str, value: Array) -> Array:
        out[:, POINT[name]] = value
        return value

    zero = np.zeros(n)
    # hips go back as the trunk bends forward: the body's weight stays over the feet
    pelvis = put("pelvis", np.stack([0.10 * lean_s, 0.93 - crouch, -0.22 * lean_f], -1))
    spine = np.stack([np.sin(lean_s), np.cos(lean_s) * np.cos(lean_f), np.sin(lean_f)], -1)
    chest = put("chest", pelvis + 0.50 * spine)
    neck = put("neck", chest + 0.07 * spine + np.array([0, 0.01, 0]))
    # the head stays more upright than the trunk
    up = unit(0.45 * spine + np.array([0, 0.55, 0]))
    head = put("head", neck + 0.145 * up + _turned(0, 0, 0.035, 0.3 * yaw))

    look_yaw, look_pitch = channel("look").T
    turn = 0.30 * yaw + look_yaw
    put("nose", head + _turned(0, -0.018, 0.102, turn, look_pitch))
    for side, sign in (("left", -1.0), ("right", 1.0)):
        put(f"{side}_eye", head + _turned(sign * 0.032, 0.016, 0.082, turn, look_pitch))
        put(f"{side}_ear", head + _turned(sign * 0.076, -0.002, 0.0, turn, look_pitch))
        put(f"{side}_shoulder", chest + _turned(sign * 0.168, 0.0, 0.0, yaw) - [0, 0.012, 0])
        hip = put(f"{side}_hip", pelvis + _turned(sign * 0.098, -0.02, 0.0, hip_yaw))
        foot = np.stack([zero + sign * 0.24, zero + 0.09, zero - 0.05 + 0.10 * sign * np.sin(yaw)], -1)
        pole = np.broadcast_to([sign * 0.35, 0.1, 1.0], (n, 3))
        knee, ankle = bend(hip, foot, 0.44, 0.43, pole)
        put(f"{side}_knee", knee)
        put(f"{side}_ankle", ankle)
        put(f"{side}_toe", ankle + np.array([sign * 0.07, -0.05, 0.16]))

    lift = channel("elbow")
    low, high = np.array([0.45, -1.0, -0.35]), np.array([1.0, 0.15, -0.1])
    shoulder, hand = out[:, POINT["right_shoulder"]], channel("hand")
    if elbow is not None and elbow.any():
        hand = opened(shoulder, hand, 0.295, 0.262, elbow)
    middle, wrist = bend(shoulder, hand, 0.295, 0.262, (1 - lift) * low + lift * high)
    put("right_elbow", middle)
    put("right_wrist", wrist)
    handle = unit(channel("handle"))
    put("right_hand", wrist + 0.055 * handle)
    put("blade", wrist + 0.200 * handle)
    pole = np.broadcast_to([-0.6, -1.0, -0.3], (n, 3))
    middle, wrist = bend(out[:, POINT["left_shoulder"]], channel("free"), 0.295, 0.262, pole)
    put("left_elbow", middle)
    put("left_wrist", wrist)
    put("left_hand", wrist + 0.075 * unit(wrist - middle + np.array([0.0, 0.08, 0.05])))

    base = channel("base")
    out *= k
    out[..., 0] += base[:, None, 0]
    out[..., 2] += base[:, None, 1] + PLAYER_Z
    out[..., 0] *= -1.0  # the player faces the camera: the player's right is the picture's left
    return out


def racket_axes(track: Array) -> tuple[Array, Array]:
    """Compute the directions of the racket in world axes.

    Parameters
    ----------
    track : array (n, 21)

    Returns
    -------
    handle, face : array (n, 3), float64
        Unit vectors: wrist to blade; normal of the forehand rubber, at right angles to it.
    """
    flip = np.array([-1.0, 1.0, 1.0])
    handle = unit(track[:, CHANNELS["handle"]]) * flip
    face = track[:, CHANNELS["face"]] * flip
    face = unit(face - (face * handle).sum(-1, keepdims=True) * handle)
    return handle, face
