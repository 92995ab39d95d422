"""Does the region of interest stay with the player? Share of clips with ROI and pose in the player's half.

    TTPREP_POSENET_WEIGHTS=… python benchmarks/focus.py table_tennis --player left --mirror

The folder holds ``labels.csv`` with the columns ``file``, ``fold`` and ``match`` (or ``source``). Every clip
goes through the stages as in a run with default parameters, once for each focus. ``--mirror`` does it again
with mirrored pictures, from the foreground on: whatever prefers a side shows as a difference. A clip counts
where the ROI (the chosen pose) lies in the player's half in more than half of its frames (of those with a
pose).
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from stages.base import Block, SourceFile, VideoInfo
from stages.contract import run_whole
from stages.people.sides import boxes_of
from stages.people.tracking import sizes_of
from stages.registry import registry

OTHER = {"left": "right", "right": "left"}
FOCUSES: dict[str, Any] = {
    "none": None,
    "where the player is": "half",
    "auto with that side": "side",
    "auto": "auto",
}


def features(path: Path, mirrored: bool, original: bool) -> tuple[VideoInfo, dict[str, np.ndarray]]:
    """Frames, foreground, flow and poses of a clip, or of its mirror image."""
    stages = registry()
    source = SourceFile(path)
    parts = list(stages["frames"].compute(
        iter([Block(k, k + 50, k, {}, source) for k in range(0, 5000, 50)]),
        stages["frames"].params(), VideoInfo(),
    ))  # fmt: skip
    attrs = {k: v for part in parts for k, v in part.attrs.items()}
    data = {
        f"frames.{name}": np.concatenate([p[name] for p in parts if name in p]) for name in ("rgb", "time")
    }
    if mirrored:
        data["frames.rgb"] = data["frames.rgb"][:, :, ::-1].copy()
    n, height, width = data["frames.rgb"].shape[:3]
    info = VideoInfo(
        n, Fraction(int(attrs["fps_num"]), int(attrs["fps_den"])), width, height, str(attrs["fit"])
    )
    for name in ("foreground", "flow", "pose"):
        stage = stages[name]
        if name == "pose" and original:
            params = stage.params(source="original")
            block = Block(0, n, 0, {"frames.time": data["frames.time"]}, source)
            data |= {
                f"pose.{k}": v for part in stage.compute(iter([block]), params, info) for k, v in part.items()
            }
        else:
            data |= {f"{name}.{k}": v for k, v in run_whole(stage, stage.params(), info, data).items()}
    for name in ("people", "player"):
        data |= {
            f"{name}.{k}": v for k, v in run_whole(stages[name], stages[name].params(), info, data).items()
        }
    return info, data


def shares(path: Path, player: str, mirrored: bool, original: bool) -> dict[str, tuple[float, float]]:
    """Focus → share of frames whose ROI and whose pose are the player's."""
    cv2.setNumThreads(1)
    info, data = features(path, mirrored, original)
    half = OTHER[player] if mirrored else player
    out = {}
    for name, focus in FOCUSES.items():
        word = "near" if half == "largest" else half
        words = {"half": word, "side": f"auto-{word}"}.get(focus, focus)
        found = dict(data)
        for stage in (registry()["roi"], registry()["descriptor"]):
            params = stage.params.model_validate({"focus": words})
            found |= {f"{stage.name}.{k}": v for k, v in run_whole(stage, params, info, found).items()}
        roi, pose, seen = _largest(found) if half == "largest" else _in_half(found, half, info.width)
        out[name] = float(roi.mean()), float(pose[seen].mean()) if seen.any() else 0.0
    return out


def _in_half(
    found: dict[str, np.ndarray], half: str, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether ROI and pose lie in a half, and where there is a pose, for each frame."""
    middle = (width - 1) / 2
    roi, pose = found["roi.centre"][:, 0], found["descriptor.joints"][:, 0, 0]
    return (
        (roi < middle) == (half == "left"),
        (pose < middle) == (half == "left"),
        found["descriptor.found"] > 0,
    )


def _largest(found: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether ROI and pose are of whoever fills most of the picture, and where he is seen, for each frame."""
    track, n = found["people.track"], len(found["people.track"])
    sizes = np.where(track >= 0, sizes_of(found["pose.keypoints"][:, :, :13]), 0)
    most = max(np.unique(track[track >= 0]), key=lambda k: float(sizes[track == k].sum()), default=-2)
    mine, each = track == most, np.arange(n)
    seen, index = mine.any(axis=1), mine.argmax(axis=1)
    box = boxes_of(found["pose.keypoints"][each, index], found["pose.keypoint_scores"][each, index])
    centre = found["roi.centre"]
    inside = ((centre >= box[:, :2]) & (centre <= box[:, 2:])).all(axis=1) & seen
    return inside, found["descriptor.chosen"] == index, seen & (found["descriptor.found"] > 0)


def percent(hits: list[bool]) -> str:
    """Share and count."""
    return f"{100 * np.mean(hits):.1f} % of {len(hits)}" if hits else "–"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--player",
        choices=[*OTHER, "largest"],
        default="left",
        help="half in which the player stands; largest: whoever fills most of the picture",
    )
    parser.add_argument("--mirror", action="store_true")
    parser.add_argument("--original", action="store_true", help="find poses in the clips' own pictures")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="take every n-th clip")
    args = parser.parse_args()
    rows = list(csv.DictReader((args.folder / "labels.csv").open(encoding="utf-8")))[:: args.every]
    group = next(name for name in ("match", "source") if name in rows[0])
    jobs = [(row, mirrored) for mirrored in ([False, True] if args.mirror else [False]) for row in rows]
    with ProcessPoolExecutor(args.workers) as pool:
        futures = [
            pool.submit(
                shares, args.folder / row["file"], args.player, mirrored, args.original and not mirrored
            )
            for row, mirrored in jobs
        ]
        results = [future.result() for future in futures]
    found: dict[tuple[str, bool], list[tuple[dict[str, str], float, float]]] = defaultdict(list)
    for (row, mirrored), result in zip(jobs, results, strict=True):
        for focus, (roi, pose) in result.items():
            found[focus, mirrored].append((row, roi, pose))
    folds = sorted({row["fold"] for row in rows})
    print("| focus | pictures | ROI | pose | both | both, by fold | frames: ROI, pose |")
    print("|---|---|---|---|---|---|---|")
    for (focus, mirrored), clips in found.items():
        by_fold = [percent([r > 0.5 < p for row, r, p in clips if row["fold"] == fold]) for fold in folds]
        cells = [
            focus,
            "mirrored" if mirrored else "as they are",
            *(percent([row[k] > 0.5 for row in clips]) for k in (1, 2)),
            percent([r > 0.5 < p for _, r, p in clips]),
            ", ".join(by_fold),
            ", ".join(f"{100 * np.mean([row[k] for row in clips]):.1f} %" for k in (1, 2)),
        ]
        print("|", " | ".join(cells), "|")
    by_match: dict[str, list[bool]] = defaultdict(list)
    for row, roi, pose in found["auto", False]:
        by_match[row[group]].append(roi > 0.5 < pose)
    print(f"\nauto, by {group}:", ", ".join(f"{m} {sum(v)}/{len(v)}" for m, v in sorted(by_match.items())))
    if args.mirror:
        pairs = zip(found["auto", False], found["auto", True], strict=True)
        print(
            "auto, another decision when mirrored:", percent([(a[1] > 0.5) != (b[1] > 0.5) for a, b in pairs])
        )


if __name__ == "__main__":
    main()
