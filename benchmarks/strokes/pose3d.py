"""The skeletons in space against the demo's known joints, in mm, by camera angle, beside a flat skeleton.

    TTPREP_POSENET_WEIGHTS=… python benchmarks/strokes/pose3d.py

Clips of the demo are rendered with the player turned away from the camera by several angles, decoded, reduced
to the stored 320×180 and given to PoseNet, whose joints name the player for BlazePose, as in the pipeline.
Errors are distances to the renderer's joints, both from the middle of the hips (BlazePose's joints and the
renderer's are not defined alike: a part of the error is where a body's hip or ear is said to be):

* ``raw``: axes of the camera, as they are stored,
* ``rigid``: after the best rotation and shift of each frame (Kabsch); what is left is the posture,
* ``scaled``: after the best scale too.

The flat skeleton is PoseNet's, with no depth and with the true metres a pixel, which no user has.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np

from stages.descriptor import JOINTS
from stages.pose import PoseNet
from stages.pose3d.player import Player
from stages.pose3d.skeleton import of_hips
from stages.pose3d.weights import resolve_networks
from ttdemo import render_clip
from ttdemo.strokes.truth import load_truth
from ttdemo.world.camera import Camera

ANGLES = (0, 30, 60, 90, 135, 180, 225, 270, 315)
STROKES = ("Offensive Forehand Loop", "Defensive Backhand Block", "Serve Forehand Topspin")


def aligned(found: np.ndarray, true: np.ndarray, *, scale: bool) -> np.ndarray:
    """Move joints (13, 3) by the rotation and shift (and scale) that bring them nearest to the true ones."""
    a, b = found - found.mean(0), true - true.mean(0)
    u, d, vt = np.linalg.svd(a.T @ b)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    size = (d * sign).sum() / max(np.square(a).sum(), 1e-12) if scale else 1.0
    return size * a @ rotation + true.mean(0)


def errors(found: np.ndarray, true: np.ndarray) -> dict[str, np.ndarray]:
    """Distances of each joint, mm, before and after alignment."""
    moved = {
        "raw": found,
        "rigid": aligned(found, true, scale=False),
        "scaled": aligned(found, true, scale=True),
    }
    return {name: 1000 * np.linalg.norm(joints - true, axis=1) for name, joints in moved.items()}


def frames_of(path: Path, every: int) -> dict[int, np.ndarray]:
    """Every so many frames of a clip, as they are stored."""
    found = {}
    with av.open(str(path)) as file:
        for i, frame in enumerate(file.decode(video=0)):
            if i % every == 0:
                rgb = frame.to_ndarray(format="rgb24", src_colorspace="ITU709", dst_colorspace="ITU709")
                found[i] = cv2.resize(rgb, (320, 180), interpolation=cv2.INTER_AREA)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--angles", type=int, nargs="*", default=ANGLES)
    parser.add_argument("--seeds", type=int, default=2, help="clips an angle")
    parser.add_argument("--every", type=int, default=12, help="frames between two that are judged")
    parser.add_argument("--models", nargs="*", default=["full"])
    parser.add_argument("--crops", nargs="*", default=["joints"])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    net = PoseNet.load()
    ways = {}
    for model in args.models:
        networks = resolve_networks(model)
        for crop in args.crops:
            ways[f"{model}, {crop}"] = Player(networks, crop)
    rows: dict[str, dict[int, dict[str, list[np.ndarray]]]] = {}
    lost: dict[str, dict[int, list[int]]] = {}
    spent: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for angle in args.angles:
            for seed in range(args.seeds):
                path = Path(folder) / f"{angle}-{seed}.mp4"
                clip = render_clip(
                    path, seed=100 + seed, strokes=STROKES, fps=60, size=(1280, 720), facing=float(angle)
                )
                truth = load_truth(clip.truth)
                world = truth.world.astype(np.float64)
                metres = 1 / Camera(*truth.camera).scale(of_hips(world)[:, 0, 2]) * 4  # 1280 px → 320 px
                for i, rgb in frames_of(path, args.every).items():
                    poses = net.detect(rgb)
                    if not len(poses):
                        lost.setdefault("PoseNet", {}).setdefault(angle, []).append(1)
                        continue
                    joints = poses.keypoints[:, :13].astype(np.float64)
                    far = np.hypot(*(joints.mean(1) - truth.centre[i] / 4).T)
                    flat = joints[int(far.argmin())]
                    true = world[i] - of_hips(world[i])
                    lifted = (flat - of_hips(flat)) * (metres[i], -metres[i])
                    found = {"flat": np.hstack([lifted, np.zeros((13, 1))])}
                    for name, player in ways.items():
                        start = time.perf_counter()
                        seen = player.find(rgb, flat)
                        spent.setdefault(name, []).append(time.perf_counter() - start)
                        lost.setdefault(name, {}).setdefault(angle, []).append(seen is None)
                        if seen is not None:
                            found[name] = seen.joints
                    for name, place in found.items():
                        to = rows.setdefault(name, {}).setdefault(angle, {})
                        for kind, values in errors(place, true).items():
                            to.setdefault(kind, []).append(values)
    told: dict[str, object] = {}
    for name, by_angle in rows.items():
        print(f"\n{name}" + (f": {1e3 * np.median(spent[name]):.0f} ms a frame" if name in spent else ""))
        print(f"{'angle':>6} {'frames':>6} {'lost':>5} {'raw':>6} {'rigid':>6} {'scaled':>6}  mm, mean of 13")
        for angle, kinds in by_angle.items():
            means = {kind: float(np.mean(values)) for kind, values in kinds.items()}
            gone = float(np.mean(lost.get(name, {}).get(angle, [0])))
            print(
                f"{angle:>6} {len(kinds['raw']):>6} {gone:>5.0%} "
                + " ".join(f"{m:6.0f}" for m in means.values())
            )
            told.setdefault(name, {})[str(angle)] = means | {"frames": len(kinds["raw"]), "lost": gone}  # type: ignore[index]
        print(f"{'joint':>15} {'raw':>6} {'rigid':>6}  median over all, mm")
        every = {k: np.concatenate([kinds[k] for kinds in by_angle.values()]) for k in ("raw", "rigid")}
        for j, joint in enumerate(JOINTS):
            print(f"{joint:>15} {np.median(every['raw'][:, j]):6.0f} {np.median(every['rigid'][:, j]):6.0f}")
        told[name]["joints"] = {  # type: ignore[index]
            joint: {k: float(np.median(v[:, j])) for k, v in every.items()} for j, joint in enumerate(JOINTS)
        }
    if args.json:
        args.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
