"""PoseNet on one core: frames/s, share of the bare network, scaling over processes, accuracy.

    TTPREP_POSENET_WEIGHTS=… python benchmarks/pose.py --reference <folder with the stored poses>

Network and end to end are timed in turn on the same pictures, so that a change of the clock rate or
of the load meets both alike. The ratio is that of the medians, with the median of the ratios of
neighbouring runs beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from stages.pose import PoseNet, read_checkpoint, resolve_weights
from stages.pose.architecture import HEADS
from stages.pose.detector import net_input, net_size
from stages.pose.multipose import decode
from stages.pose.weights import Weights


def pictures(reference: Path, limit: int) -> list[np.ndarray]:
    """Single pictures and frames spread over the clip, RGB, as many of each as there are."""
    stills = [cv2.imread(str(p))[:, :, ::-1] for p in sorted(reference.glob("*__320x180.png"))]
    frames: list[np.ndarray] = []
    for path in sorted(reference.glob("video_*_frames_*.npz")):
        clip = np.load(path)["frames_bgr"][..., ::-1]
        frames += list(clip[np.linspace(0, len(clip) - 1, limit - len(stills)).astype(int)])
    return [np.ascontiguousarray(p) for p in stills + frames]


def timings(net: PoseNet, images: list[np.ndarray], rounds: int) -> dict[str, float]:
    """Median ms of each part, on one thread."""
    names, clock = list(HEADS), time.perf_counter
    spent: dict[str, list[float]] = {k: [] for k in ("network", "end to end", "preprocessing", "decoding")}
    for _ in range(rounds + 1):
        for image in images:
            size = net_size(image.shape[1], image.shape[0], net.scale, net.stride)
            tensor = net_input(image, size)
            t0 = clock()
            outputs = net.session.run(names, {"image": tensor})
            t1 = clock()
            net.detect(image)
            t2 = clock()
            net_input(image, size)
            t3 = clock()
            decode(*(o[0] for o in outputs), stride=net.stride)
            t4 = clock()
            for key, dt in zip(spent, (t1 - t0, t2 - t1, t3 - t2, t4 - t3), strict=True):
                spent[key].append(1e3 * dt)
    warm = {k: v[len(images) :] for k, v in spent.items()}
    ratios = [e / n for e, n in zip(warm["end to end"], warm["network"], strict=True)]
    return {k: statistics.median(v) for k, v in warm.items()} | {"paired ratio": statistics.median(ratios)}


def rate(weights: Weights, images: list[np.ndarray], core: int, start: float, seconds: float) -> int:
    """Frames that one process pinned to one core finishes in a given time."""
    os.sched_setaffinity(0, {core})
    cv2.setNumThreads(1)
    net = PoseNet.load(weights)
    net.detect(images[0])
    done = 0
    time.sleep(max(0.0, start - time.time()))
    while time.time() < start + seconds:
        net.detect(images[done % len(images)])
        done += 1
    return done


def scaling(
    weights: Weights, images: list[np.ndarray], cores: list[int], seconds: float, repeats: int
) -> None:
    """Frames/s of 1, 2, … processes, each on a core of its own: the best of some runs, taken in turn."""
    best = dict.fromkeys(range(1, len(cores) + 1), 0.0)
    for _ in range(repeats):
        for n in best:
            with ProcessPoolExecutor(n, get_context("spawn")) as pool:
                start = time.time() + 3
                jobs = [pool.submit(rate, weights, images, core, start, seconds) for core in cores[:n]]
                best[n] = max(best[n], sum(j.result() for j in jobs) / seconds)
    for n, total in best.items():
        print(f"{n} process(es): {total:7.1f} frames/s, {total / best[1] / n:.2f} of {n} times one")


def accuracy(weights: Weights, reference: Path) -> None:
    """Largest differences from the stored poses, in px and score."""
    worst: dict[str, list[float]] = {}
    wrong = poses = 0
    for path in sorted(reference.glob("*__320x180_s*.json")):
        stored = json.loads(path.read_text(encoding="utf-8"))
        net = PoseNet.load(weights, scale=stored["scale_factor"])
        image = cv2.imread(str(path.with_name(stored["source_file"])))[:, :, ::-1]
        found = net.detect(np.ascontiguousarray(image))
        want = stored["poses"]
        poses += len(want)
        if len(found) != len(want):
            wrong += 1
            continue
        points = np.array([p["keypoint_coords_yx"] for p in want])[..., ::-1]
        worst.setdefault("px", []).append(float(np.abs(found.keypoints - points).max()))
        scores = np.array([p["keypoint_scores"] for p in want])
        worst.setdefault("score", []).append(float(np.abs(found.keypoint_scores - scores).max()))
    for path in sorted(reference.glob("video_*_poses_s1.60.npz")):
        stored_clip = np.load(path)
        (frames,) = path.parent.glob(path.name.split("_poses_")[0] + "_frames_*.npz")
        net = PoseNet.load(weights)
        for i, frame in enumerate(np.load(frames)["frames_bgr"]):
            found = net.detect(np.ascontiguousarray(frame[:, :, ::-1]))
            n = int((stored_clip["pose_scores"][i] > 0).sum())
            poses += n
            if len(found) != n:
                wrong += 1
            elif n:
                points = stored_clip["keypoint_coords_yx"][i, :n, :, ::-1]
                worst["px"].append(float(np.abs(found.keypoints - points).max()))
                scores = stored_clip["keypoint_scores"][i, :n]
                worst["score"].append(float(np.abs(found.keypoint_scores - scores).max()))
    print(
        f"accuracy: {poses} stored poses, {wrong} pictures with another number of poses, "
        f"largest difference {max(worst['px']):.1e} px, {max(worst['score']):.1e} in score"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, help="checkpoint folder; default: as ttprep finds it")
    shared = os.environ.get("TTPREP_SHARED")
    parser.add_argument(
        "--reference", type=Path, default=Path(shared, "posenet/reference") if shared else None
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="per number of processes")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each number of processes")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    args = parser.parse_args()
    if args.reference is None:
        parser.error("name the folder of stored pictures and poses with --reference")
    weights = read_checkpoint(args.weights) if args.weights else resolve_weights()
    cores = sorted(os.sched_getaffinity(0))
    images = pictures(args.reference, 24)

    os.sched_setaffinity(0, {args.core})
    cv2.setNumThreads(1)
    for scale in (1.0, 1.6, 2.0):
        net = PoseNet.load(weights, scale=scale)
        ms = timings(net, images, args.rounds)
        print(
            f"{'x'.join(map(str, net_size(320, 180, scale)))}: {1e3 / ms['end to end']:.1f} frames/s; "
            + ", ".join(f"{k} {v:.2f} ms" for k, v in ms.items() if k != "paired ratio")
            + f"; end to end / network {ms['end to end'] / ms['network']:.3f}"
            + f" (paired {ms['paired ratio']:.3f})"
        )
    accuracy(weights, args.reference)
    os.sched_setaffinity(0, cores)
    scaling(weights, images, cores, args.seconds, args.repeats)


if __name__ == "__main__":
    main()
