"""What the whole pipeline costs, stage by stage, beside today's practice on the same clips.

    python benchmarks/costs.py CLIP... [--peer DIR] [--pose-weights DIR]

Ours: `ttprep run` with one worker into a temporary store; core seconds, peak memory and bytes come from
the receipts. Today's practice, in the same run and on one core: OpenCV decoding and INTER_AREA, a PNG a
frame, MOG2, and flow by *pyflow* (only with ``--peer``: the folder of a pyflow that you have built), a
float32 npy a pair. A peer that is not given is left empty, never made up.
"""

from __future__ import annotations

import argparse
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


def practice(clip: Path, folder: Path, peer: Any) -> dict[str, dict[str, float]]:
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
    return out


def main() -> None:
    """Measure and print a Markdown table a clip."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--peer", type=Path, help="folder of a built pyflow")
    parser.add_argument("--pose-weights", type=Path)
    args = parser.parse_args()
    peer = None
    if args.peer:
        sys.path.insert(0, str(args.peer))
        import pyflow as peer
    for clip in args.clips:
        with tempfile.TemporaryDirectory() as name:
            frames, costs = ours(clip, Path(name), args.pose_weights)
            (Path(name) / "practice").mkdir()
            theirs = practice(clip, Path(name) / "practice", peer)
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


if __name__ == "__main__":
    main()
