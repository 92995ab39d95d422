"""Strokes of the renderer without rendering: as movements, and as a project of tiny pictures with joints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from pipeline.comparing.measuring.movement import Movement, movement
from stages.descriptor import JOINTS
from stages.kinematics.course import smoothed
from stages.kinematics.params import KinematicsParams
from tests.support.flipped_store import TINY
from ttdemo import Change, plan_clip
from ttdemo.world.script import ClipPlan

SIZE = (64, 36)
FPS = 25


def plan_of(moves: Sequence[str], seed: int, changes: Sequence[Change] = (), fps: int = 30) -> ClipPlan:
    """Plan a clip of one player."""
    return plan_clip(seed=seed, strokes=moves, fps=fps, size=(640, 360), changes=changes, gap=(0.15, 0.3))


def movements(plan: ClipPlan, hidden: Mapping[int, Sequence[str]] | None = None) -> list[Movement]:
    """The strokes of a clip from the renderer's joints; ``hidden``: stroke → joints that nobody saw."""
    scores = np.ones(plan.joints.shape[:2])
    for stroke, joints in (hidden or {}).items():
        s = plan.strokes[stroke]
        scores[s.begin : s.end, [JOINTS.index(j) for j in joints]] = 0
    course = smoothed(plan.joints / 2, scores, float(plan.fps), KinematicsParams())
    return [movement(course.part(s.begin, s.end)) for s in plan.strokes]


def write_project(
    folder: Path, clips: Mapping[str, ClipPlan], labels: Mapping[str, str], blind: Sequence[str] = ()
) -> None:
    """Write a folder of pictures with joints for each stroke of each clip: ``trials/NAME1``, ``NAME2``, …

    Parameters
    ----------
    clips : mapping of str to ClipPlan
    labels : mapping of str to str
        Of each clip.
    blind : sequence of str
        Clips in which nobody is seen.
    """
    rows = ["file,label,player"]
    for name, plan in clips.items():
        joints = plan.joints * SIZE[0] / plan.camera.width
        for number, stroke in enumerate(plan.strokes, 1):
            points = joints[stroke.begin : stroke.end]
            write_trial(folder / "trials" / f"{name}{number}", points, 0 if name in blind else 0.9)
            rows.append(f"{name}{number},{labels[name]},anna")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    source = {
        "kind": "frames", "path": "trials", "fps": FPS, "labels": "labels.csv", "joints": "joints.csv"
    }  # fmt: skip
    stages = {**TINY["stages"], "frames": {"width": SIZE[0], "height": SIZE[1]}}
    classes = sorted(set(labels.values()))
    value = {**TINY, "classes": classes, "sources": [source], "stages": stages}
    (folder / "data_manifest.yaml").write_text(yaml.safe_dump(value))


def write_trial(folder: Path, joints: Any, score: float) -> None:
    """Write pictures whose grey tells the number of the frame, with a square at the racket hand."""
    folder.mkdir(parents=True)
    rows = ["frame," + ",".join(f"{j}_{c}" for j in JOINTS for c in ("x", "y", "score"))]
    scene = np.random.default_rng(0).integers(60, 110, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    for t, points in enumerate(joints):
        picture = scene.copy()
        x, y = (int(v) for v in points[JOINTS.index("right_wrist")])
        picture[max(y - 3, 0) : y + 3, max(x - 3, 0) : x + 3] = (240, 200 - t, 40 + t)
        picture[:8, :8] = 5 * t
        cv2.imwrite(str(folder / f"{t:03d}.png"), picture)
        rows.append(f"{t}," + ",".join(f"{x:.3f},{y:.3f},{score}" for x, y in points))
    (folder / "joints.csv").write_text("\n".join(rows) + "\n")
