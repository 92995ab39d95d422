"""Whether comparisons find what is wrong with a stroke, and outlier lists the wrong labels.

``compare.py faults [--pose] [--elbow DEGREES] [--hip S] [--hand M] [--classes all]``
    60 cases from 20 sets of one class, player and camera each: 12 references, 4 more unchanged strokes and
    one with a changed elbow, one with late hips, one with a hand held elsewhere. Counted: changed strokes
    above all four unchanged ones, and the changed joint named first. From the renderer's joints, or with
    ``--pose`` from the whole chain: videos (``--fps``, ``--height``), stored frames, flow, PoseNet on the
    videos' own pictures (weights: $TTPREP_POSENET_WEIGHTS), kinematics. ``--motion joints`` leaves the flow
    out of the latter. ``--cache FOLDER`` keeps joints and flow: a set is three minutes of one core.
``compare.py labels [--pose]``
    5 % of the labels of demo sets are swapped; counted: how many come to the top of the list.
``compare.py store PROJECT``
    The strokes of a folder with manifest and store by their distances: nearest other-group neighbour and
    area under the curve of distances within against between classes, beside chance.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from kinematics import flow_near, near_strokes

from pipeline.comparing.measuring.band import make_band
from pipeline.comparing.measuring.findings import Judged, judge, learn
from pipeline.comparing.measuring.movement import Movement, movement
from pipeline.comparing.measuring.outliers import apart, find_unlike
from stages.base import Block, SourceFile, VideoInfo
from stages.frames.stage import STAGE as FRAMES
from stages.kinematics.course import runs, smoothed
from stages.kinematics.motion import carried
from stages.kinematics.params import KinematicsParams
from stages.kinematics.stage import CONTEXT
from stages.pose.stage import STAGE as POSE
from ttdemo import DEFAULT_CLASSES, MOTIONS, Change, plan_clip
from ttdemo.render.video import encode
from ttdemo.strokes.scene import render
from ttdemo.world.script import ClipPlan

#: strokes whose hips move so much that a picture from the front can show it when they are late
CLASSES = (
    "Offensive Forehand Loop",
    "Offensive Backhand Loop",
    "Defensive Forehand Backspin",
    "Defensive Backhand Backspin",
)
REFERENCES, UNCHANGED = 12, 4
#: s around strokes in which joints and flow are made, neighbours for the filter at both ends
AROUND = 0.2
#: of the stored frame, in which joints are measured
STORED = (320, 180)
NAMED = {"elbow": "right elbow", "hip": "hips", "hand": "right wrist"}


def movements(plan: ClipPlan, joints: Any, scores: Any, flow: Any = None) -> list[Movement]:
    """Return the movements of a clip's strokes, each smoothed as the stage ``kinematics`` does."""
    out, parameters = [], KinematicsParams()
    for s in plan.strokes:
        first = max(s.begin - CONTEXT, 0)
        here = slice(first, s.end + CONTEXT)
        given = joints[here], scores[here], float(plan.fps), parameters
        course = smoothed(*given)
        if flow is not None:
            course = smoothed(*given, carried(course, flow[here]))
        out.append(movement(course.part(s.begin - first, s.end - first)))
    return out


def true_joints(plan: ClipPlan) -> tuple[Any, Any]:
    """Return the renderer's own joints, px of the stored frame, and full scores."""
    share = STORED[0] / plan.camera.width
    joints = (plan.joints + 0.5) * share - 0.5
    return joints, np.ones(joints.shape[:2])


def found_joints(plan: ClipPlan, seed: Sequence[int], cache: Path | None) -> tuple[Any, Any, Any]:
    """Render and encode a clip; return what the stages store of it near strokes: joints, scores and flow.

    Joints are those of the best person of each frame.
    """
    drawn = hashlib.sha256(plan.points.tobytes()).hexdigest()[:8]  # strokes and their changes
    name = f"{'-'.join(map(str, seed))}-{float(plan.fps):g}-{plan.camera.height}-{drawn}.npz"
    kept = cache / name if cache else None
    if kept is not None and kept.is_file():
        with np.load(kept) as file:
            return file["joints"], file["scores"], file["flow"]
    n, strokes = plan.n_frames, [(s.begin, s.end) for s in plan.strokes]
    info = VideoInfo(n, plan.fps, *STORED)
    with tempfile.TemporaryDirectory() as place:
        video = Path(place) / "clip.mp4"
        size = plan.camera.width, plan.camera.height
        encode(video, render(plan, np.random.default_rng((*seed, 1))), fps=plan.fps, size=size)
        source = SourceFile(video)
        parts = list(FRAMES.compute(iter([Block(0, 50, 0, {}, source)]), FRAMES.params(), VideoInfo()))
        rgb, times = (np.concatenate([part[name] for part in parts]) for name in ("rgb", "time"))
        flow = flow_near(rgb, strokes, info, AROUND)
        near = [*runs(near_strokes(n, strokes, info, AROUND))]
        blocks = (Block(a, b, a, {"frames.time": times[a:b]}, source) for a, b in near)
        found = list(POSE.compute(blocks, POSE.params(source="original"), info))
    joints, scores = np.zeros((n, 13, 2), np.float32), np.zeros((n, 13), np.float32)
    for (a, b), part in zip(near, found, strict=True):
        each, best = np.arange(b - a), part["pose_scores"].argmax(axis=1)
        joints[a:b] = part["keypoints"][each, best, :13]
        scores[a:b] = part["keypoint_scores"][each, best, :13] * (part["n_poses"] > 0)[:, None]
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(kept, joints=joints, scores=scores, flow=flow)
    return joints, scores, flow


def movements_of(plan: ClipPlan, seed: Sequence[int], options: argparse.Namespace) -> list[Movement]:
    """Return the movements of a clip's strokes, from the renderer's joints or as the chain finds them."""
    if not options.pose:
        return movements(plan, *true_joints(plan))
    joints, scores, flow = found_joints(plan, seed, options.cache)
    return movements(plan, joints, scores, flow if options.motion == "flow" else None)


def sets(options: argparse.Namespace) -> Iterator[tuple[str, list[Movement]]]:
    """Yield class and movements of each set: references, unchanged, then one with each fault."""
    classes = tuple(MOTIONS) if options.classes == "all" else CLASSES
    for number in range(options.sets):
        move, sign = classes[number % len(classes)], 1 if number // len(classes) % 2 else -1
        faults = (
            Change(elbow=sign * options.elbow), Change(hip=options.hip), Change(hand=sign * options.hand)
        )  # fmt: skip
        same = REFERENCES + UNCHANGED
        seed = (options.seed, number)
        plan = plan_clip(
            seed=seed, strokes=[move] * (same + 3), fps=options.fps, size=options.size,
            gap=(0.15, 0.3), changes=[Change()] * same + [*faults],
        )  # fmt: skip
        yield move, movements_of(plan, seed, options)


def first_joint(judged: Judged) -> str:
    """Return the joint that is named first; how long the stroke lasts is none."""
    return next((f.joint for f in judged.findings if f.joint != "tempo"), "nothing")


def faults(options: argparse.Namespace) -> None:
    above, named, told, cases = Counter[str](), Counter[str](), Counter[tuple[str, str]](), 0
    for number, (move, strokes) in enumerate(sets(options)):
        references = learn(make_band(strokes[:REFERENCES]))
        judged = [judge(references, m) for m in strokes[REFERENCES:]]
        most = max(j.score for j in judged[:UNCHANGED])
        for kind, j in zip(NAMED, judged[UNCHANGED:], strict=True):
            cases += 1
            above[kind] += j.score > most
            named[kind] += first_joint(j) == NAMED[kind]
            told[kind, first_joint(j)] += 1
        line = " ".join(f"{j.score:.1f}" for j in judged)
        print(f"{number} {move}: {line} {[first_joint(j) for j in judged[UNCHANGED:]]}", flush=True)
    print(f"{cases} cases: above all unchanged {sum(above.values())} {dict(above)}")
    print(f"changed joint named first {sum(named.values())} {dict(named)}")
    for (kind, joint), count in sorted(told.items(), key=lambda item: (item[0][0], -item[1])):
        print(f"  {kind}: {joint} {count}")


def labels(options: argparse.Namespace) -> None:
    for name, classes, clips, strokes in (
        ("4 classes", DEFAULT_CLASSES, 10, 12), ("20 classes", tuple(MOTIONS), 20, 20)
    ):  # fmt: skip
        every, true = [], []
        for clip in range(clips):
            dealt = [classes[(clip * strokes + i) % len(classes)] for i in range(strokes)]
            plan = plan_clip(seed=(options.seed, clip), strokes=dealt, fps=options.fps, size=options.size)
            every += movements_of(plan, (options.seed, clip, 2), options)
            true += dealt
        start = time.process_time()
        distances = apart(every)
        spent = time.process_time() - start
        count = max(round(0.05 * len(true)), 1)
        wrong = sum(u.margin > 1 for u in find_unlike(distances, true))
        found = []
        for trial in range(10):
            rng = np.random.default_rng((options.seed, trial))
            swapped = set(rng.choice(len(true), count, replace=False).tolist())
            given = [
                str(rng.choice([c for c in classes if c != t])) if i in swapped else t
                for i, t in enumerate(true)
            ]
            found.append(len(swapped & {u.number for u in find_unlike(distances, given)[:count]}))
        print(f"{name}: {len(true)} strokes, {count} swapped, at the top in ten trials: {found}; ", end="")
        print(
            f"without a swap {wrong} look like another class; distances took {spent:.1f} s of CPU", flush=True
        )


def store(options: argparse.Namespace) -> None:
    from rich.console import Console

    from pipeline.comparing.strokes import described_strokes
    from pipeline.inputs.manifest import read_manifest
    from pipeline.planning.request import Request, Where

    os.chdir(options.project)
    manifest = read_manifest(Path("data_manifest.yaml"))
    request = Request(manifest, manifest.resolve(manifest.store), where=Where(0))
    strokes = described_strokes(request, Console(stderr=True, quiet=True), options.mirror).found
    strokes = [s for s in strokes if s.kind and s.movement.seen.any()]
    kinds = np.array([s.kind for s in strokes])
    groups = np.array([s.described.sample.group or s.source.name for s in strokes])
    distances = apart([s.movement for s in strokes])
    most = Counter(kinds.tolist()).most_common(1)[0][1] / len(kinds)
    right = []
    for i in range(len(strokes)):
        others = np.flatnonzero((groups != groups[i]) & np.isfinite(distances[i]))
        near = others[np.argsort(distances[i, others])[:5]]
        right.append(Counter(kinds[near].tolist()).most_common(1)[0][0] == kinds[i] if len(near) else False)
    rows, columns = np.triu_indices(len(strokes), 1)
    apart_groups = (groups[rows] != groups[columns]) & np.isfinite(distances[rows, columns])
    rows, columns = rows[apart_groups], columns[apart_groups]
    d, same = distances[rows, columns], kinds[rows] == kinds[columns]
    order = np.argsort(d).argsort() + 1.0
    within = same.sum()
    area = 1 - (order[same].sum() - within * (within + 1) / 2) / (within * (~same).sum())
    print(f"{len(strokes)} strokes of {len(set(groups))} groups, classes {dict(Counter(kinds.tolist()))}")
    print(f"5 nearest of other groups: {np.mean(right):.3f} right (most frequent class {most:.3f})")
    print(f"a pair of one class is nearer than one of two: {area:.3f} (chance 0.5)")
    rng = np.random.default_rng(0)
    by_chance = []
    for _ in range(200):
        shuffled = kinds[rng.permutation(len(kinds))]
        hits = []
        for i in range(len(strokes)):
            others = np.flatnonzero((groups != groups[i]) & np.isfinite(distances[i]))
            near = others[np.argsort(distances[i, others])[:5]]
            hits.append(Counter(shuffled[near].tolist()).most_common(1)[0][0] == shuffled[i])
        by_chance.append(np.mean(hits))
    print(
        f"the same with shuffled labels, 200 times: mean {np.mean(by_chance):.3f}, most {max(by_chance):.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["faults", "labels", "store"])
    parser.add_argument("project", nargs="?", type=Path, default=Path("."))
    parser.add_argument("--pose", action="store_true")
    parser.add_argument("--motion", choices=["flow", "joints"], default="flow")
    parser.add_argument("--fps", type=Fraction, default=Fraction(60))
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--sets", type=int, default=20)
    parser.add_argument("--elbow", type=float, default=45.0)
    parser.add_argument("--hip", type=float, default=0.2)
    parser.add_argument("--hand", type=float, default=0.2)
    parser.add_argument("--classes", choices=["four", "all"], default="four")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mirror", action="store_true")
    options = parser.parse_args()
    options.size = options.height * 16 // 9, options.height
    cv2.setNumThreads(1)
    {"faults": faults, "labels": labels, "store": store}[options.what](options)


if __name__ == "__main__":
    main()
