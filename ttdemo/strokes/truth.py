"""What is true of a rendered clip, frame by frame, and the file that holds it."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttdemo.replacing import replacing
from ttdemo.world.body import JOINTS, POINT
from ttdemo.world.script import ClipPlan

Array = NDArray[Any]


@dataclass(frozen=True)
class Truth:
    """Where everything is, in px of the full picture (pixel centres at whole numbers), x before y.

    Attributes
    ----------
    joints : array (n, 13, 2), float32
        The joints of method.md §6 in its order: nose, eyes, ears, shoulders, elbows, wrists, hips, each left
        (the player's left) before right.
    centre : array (n, 2), float32
        Mean of the 13 joints: where the region of interest should lie.
    box : array (n, 4), float32
        Left, top, right, bottom of head, trunk, arms and racket (no legs: the table hides them).
    racket : array (n, 2), float32
        Centre of the blade.
    ball : array (n, 2), float32
        Centre of the ball; NaN where none is in play. It may lie outside the picture.
    begin, end, contact : array (k,), int64
        Frames of the strokes: first, one past the last, racket on ball.
    move : array (k,), str
        Names of the strokes.
    back, follow : array (k,), int64
        Frames of the postures at the end of the backswing and of the follow-through.
    world : array (n, 13, 3), float32
        The joints in space, m: x right in the picture, y up, z towards the camera, from the point of the
        floor under the net. Less the mean of rows 11 and 12 they are relative to the hips.
    camera : array (8,), float64
        What projects them: the fields of :class:`ttdemo.world.camera.Camera` in order, as in
        ``Camera(*camera).project(world)``.
    """

    joints: Array
    centre: Array
    box: Array
    racket: Array
    ball: Array
    begin: Array
    end: Array
    contact: Array
    move: Array
    back: Array
    follow: Array
    world: Array
    camera: Array

    def save(self, path: Path) -> None:
        """Write an .npz file; the same truth gives the same bytes."""
        with replacing(path) as part, part.open("wb") as file:
            np.savez(file, **vars(self))


def load_truth(path: Path) -> Truth:
    """Read what :meth:`Truth.save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return Truth(**{name: file[name] for name in Truth.__dataclass_fields__})


def truth_of(plan: ClipPlan) -> Truth:
    """Derive the truth of a clip from its plan."""
    camera, joints = plan.camera, plan.joints
    shown = [i for name, i in POINT.items() if not name.endswith(("knee", "ankle", "toe"))]
    points = camera.project(plan.points[:, shown])
    # limbs and skull reach at most 0.11 m beyond the points
    margin = camera.scale(plan.points[:, shown, 2])[..., None] * 0.11
    box = np.concatenate([(points - margin).min(1), (points + margin).max(1)], axis=1)
    limit = np.array([camera.width, camera.height] * 2) - 1.0
    return Truth(
        joints=joints.astype(np.float32),
        centre=joints.mean(axis=1).astype(np.float32),
        box=np.clip(box, 0, limit).astype(np.float32),
        racket=camera.project(plan.points[:, POINT["blade"]]).astype(np.float32),
        ball=camera.project(plan.ball).astype(np.float32),
        begin=np.array([s.begin for s in plan.strokes], np.int64),
        end=np.array([s.end for s in plan.strokes], np.int64),
        contact=np.array([s.contact for s in plan.strokes], np.int64),
        move=np.array([s.move for s in plan.strokes], np.str_),
        back=np.array([s.back for s in plan.strokes], np.int64),
        follow=np.array([s.follow for s in plan.strokes], np.int64),
        world=plan.points[:, : len(JOINTS)].astype(np.float32),
        camera=np.array(astuple(camera), np.float64),
    )
