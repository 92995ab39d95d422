"""What the whole pipeline costs, stage by stage, beside today's practice on the same clips.

    python benchmarks/costs.py CLIP... [--peer DIR] [--pose-peer DIR] [--pose-weights DIR]

Ours: `ttprep run` with one worker into a temporary store; core seconds, peak memory and bytes come from
the receipts. Today's practice, in the same run and on one core: OpenCV decoding and INTER_AREA, a PNG per
frame, MOG2, and flow by *pyflow* (only with ``--peer``: the folder of a pyflow that you have built), a
float32 npy per pair; with ``--pose-peer`` also joints by *posenet-pytorch* (the folder of its source), from
the PNGs, with the same weights, net size and number of poses. A peer that is not given is left empty.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console

from pipeline.inputs.manifest import Manifest
from pipeline.planning.request import Request, Where
from pipeline.run import run
from stages.registry import registry
from store import Store

#: pairs that the slow peer is timed on
PEER_PAIRS = 8


def ours(clip: Path, folder: Path, weights: Path | None) -> tuple[int, dict[str, dict[str, float]]]:
    """Frames, and per stage: core seconds, peak MB and bytes."""
    manifest = Manifest() if weights else Manifest(modalities=("rgb", "flow"))
    request = Request(manifest, folder / "store", (clip,), where=Where(1), pose_weights=weights)
    result = run(request, Console(stderr=True, quiet=True))
    if result.code:
        sys.exit("\n".join(o.reason for o in result.jobs if o.reason))
    store = Store.open(folder / "store")
    frames, costs = 0, {}
    for receipt in store.receipts(result.overview.sources[0].sha256):
        if receipt.stage == "frames":
            frames = receipt.shapes["rgb"][0]
        costs[receipt.stage] = {
            "core_s": float(receipt.run["core_s"]),
            "peak_mb": float(receipt.run["peak_mb"]),
            "bytes": float(receipt.size),
        }
    return frames, costs


def pose_practice(pictures: list[Path], source: Path, weights: Path, folder: Path) -> dict[str, float]:
    """Today's way to joints, one core: core seconds for all pictures, from every fourth, and bytes."""
    sys.path.insert(0, str(source))
    import posenet
    import torch
    from posenet.converter.tfjs2pytorch import load_variables

    torch.set_num_threads(1)
    net = posenet.MobileNetV1(75, output_stride=16)
    net.load_state_dict(load_variables(weights.name, str(weights.parent)))
    out, taken = {"core_s": 0.0, "bytes": 0.0}, pictures[::4]
    start = time.process_time()
    for path in taken:
        with torch.no_grad():
            given, _, scale = posenet.read_imgfile(str(path), scale_factor=1.6, output_stride=16)
            maps = [m.squeeze(0) for m in net(torch.Tensor(given))]
            found = posenet.decode_multiple_poses(
                *maps, output_stride=16, max_pose_detections=10, min_pose_score=0.25
            )
        np.savez(folder / f"{path.stem}.npz", *found[:2], found[2] * scale)
    many = len(pictures) / len(taken)
    out["core_s"] = (time.process_time() - start) * many
    out["bytes"] = sum(p.stat().st_size for p in folder.glob("*.npz")) * many
    return out


def practice(
    clip: Path, folder: Path, peer: Any, pose: tuple[Path, Path] | None
) -> dict[str, dict[str, float]]:
    """The loose scripts' way, one core: core seconds and bytes."""
    cv2.setNumThreads(1)
    out: dict[str, dict[str, float]] = defaultdict(lambda: {"core_s": 0.0, "bytes": 0.0})
    capture, frames = cv2.VideoCapture(str(clip)), []
    start = time.process_time()
    while True:
        ok, picture = capture.read()
        if not ok:
            break
        frames.append(cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA))
        path = folder / f"{len(frames):06d}.png"
        cv2.imwrite(str(path), frames[-1])
        out["frames"]["bytes"] += path.stat().st_size
    out["frames"]["core_s"] = time.process_time() - start
    start, model = time.process_time(), cv2.createBackgroundSubtractorMOG2()
    for frame in frames:
        cv2.dilate(model.apply(frame), np.ones((3, 3), np.uint8))
    out["foreground"]["core_s"] = time.process_time() - start
    if peer is not None:
        pairs = np.linspace(0, len(frames) - 2, PEER_PAIRS).astype(int)
        start = time.process_time()
        for t in pairs:
            a, b = (np.ascontiguousarray(f[..., ::-1]) / 255.0 for f in (frames[t], frames[t + 1]))
            u, v, _ = peer.coarse2fine_flow(a, b, 0.012, 0.75, 20, 7, 1, 30, 0)
            np.save(folder / f"flow{t}.npy", np.stack([u, v], axis=2).astype(np.float32))
        scale = (len(frames) - 1) / len(pairs)
        out["flow"]["core_s"] = (time.process_time() - start) * scale
        out["flow"]["bytes"] = sum(p.stat().st_size for p in folder.glob("flow*.npy")) * scale
    if pose is not None:
        (folder / "pose").mkdir()
        out["pose"] = pose_practice(sorted(folder.glob("*.png")), *pose, folder / "pose")
    return out


def main() -> None:
    """Measure and print a Markdown table per clip."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--peer", type=Path, help="folder of a built pyflow")
    parser.add_argument("--pose-peer", type=Path, help="source folder of posenet-pytorch")
    parser.add_argument("--pose-weights", type=Path)
    args = parser.parse_args()
    pose = None
    if args.pose_peer and args.pose_weights:
        pose = args.pose_peer.absolute(), args.pose_weights.absolute()
    print(f"load before: {os.getloadavg()[0]:.1f}")
    peer = None
    if args.peer:
        sys.path.insert(0, str(args.peer))
        import pyflow as peer
    for clip in args.clips:
        with tempfile.TemporaryDirectory() as name:
            frames, costs = ours(clip, Path(name), args.pose_weights)
            (Path(name) / "practice").mkdir()
            theirs = practice(clip, Path(name) / "practice", peer, pose)
        print(f"\n**{clip.name}**, {frames} frames\n")
        print("| stage | core-s / 1000 | bytes / frame | peak MB | today's core-s / 1000 | bytes / frame |")
        print("|---|---|---|---|---|---|")
        total = dict.fromkeys(("core_s", "bytes", "their_core_s", "their_bytes"), 0.0)
        for name in registry():
            if name not in costs:
                continue
            mine, other = costs[name], theirs.get(name)
            total["core_s"] += mine["core_s"]
            total["bytes"] += mine["bytes"]
            right = " | "
            if other is not None:
                total["their_core_s"] += other["core_s"]
                total["their_bytes"] += other["bytes"]
                right = f"{other['core_s'] / frames * 1000:.1f} | {other['bytes'] / frames:.0f}"
            core = (
                f"{mine['core_s'] / frames * 1000:.2f} | {mine['bytes'] / frames:.0f} | {mine['peak_mb']:.0f}"
            )
            print(f"| {name} | {core} | {right} |")
        ours_total = f"{total['core_s'] / frames * 1000:.2f} | {total['bytes'] / frames:.0f} |"
        print(
            f"| **all** | {ours_total} | {total['their_core_s'] / frames * 1000:.1f} "
            f"| {total['their_bytes'] / frames:.0f} |"
        )
        print(f"\ntoday's core time is {total['their_core_s'] / total['core_s']:.1f} x ours")


if __name__ == "__main__":
    main()
