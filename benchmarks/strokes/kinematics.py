"""Errors of the whole chain, video → PoseNet → kinematics, against the joints that the renderer drew.

    TTPREP_POSENET_WEIGHTS=… python benchmarks/strokes/kinematics.py FOLDER --seeds 1 2

FOLDER keeps the videos' joints and, around the strokes, their flow, so that another filter is measured in
seconds; ``--motion joints`` makes no flow. Each seed is a player who
plays ten or twenty strokes, each of another class, seen from each side (degrees by which the player is turned
to their left). The best scored pose of a frame is taken. What is said of the true joints comes from the same
functions, without a filter.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from stages.base import Block, SourceFile, VideoInfo
from stages.flow.stage import STAGE as FLOW
from stages.foreground import STAGE as FOREGROUND
from stages.frames.stage import STAGE as FRAMES
from stages.kinematics.angles import faster_hand, series
from stages.kinematics.course import INDEX, Course, smoothed
from stages.kinematics.hand import certainty, hands
from stages.kinematics.motion import carried
from stages.kinematics.params import KinematicsParams
from stages.kinematics.phases import phases
from stages.pose.stage import STAGE as POSE
from ttdemo import MOTIONS, load_truth, plan_clip, render_clip

MOVES = {"all": slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}
SIDES = {"front": 0, "oblique": 40, "side": 90, "behind": 180}


def observed(
    folder: Path, seed: int, side: str, source: str, fps: int, size: tuple[int, int], moves: slice, flow: bool
) -> Path:
    """Render a clip, find its joints and flow, and keep all three; what is there is not made again."""
    path = folder / f"{seed}-{side}-{source}-{fps}-{size[1]}-{moves.start}.npz"
    if path.exists() and (flow_file(path).exists() or not flow):
        return path
    with tempfile.TemporaryDirectory() as place:
        video = Path(place) / "clip.mp4"
        clip = render_clip(
            video, seed=seed, strokes=list(MOTIONS)[moves], fps=fps, size=size, facing=SIDES[side]
        )
        truth = load_truth(clip.truth)
        parts = list(
            FRAMES.compute(iter([Block(0, 50, 0, {}, SourceFile(video))]), FRAMES.params(), VideoInfo())
        )
        info = VideoInfo(clip.n_frames, clip.fps, 320, 180)
        if flow:
            rgb = np.concatenate([part["rgb"] for part in parts])
            strokes = zip(truth.begin, truth.end, strict=True)
            np.savez_compressed(flow_file(path), flow=flow_near(rgb, list(strokes), info))
            if path.exists():
                return path

        def blocks():
            at = 0
            for part in parts:
                n = len(part["rgb"])
                data = {"frames.rgb": part["rgb"], "frames.time": part["time"]}
                yield Block(at, at + n, at, data, SourceFile(video))
                at += n

        found = list(POSE.compute(blocks(), POSE.params(source=source), info))
    arrays = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    best = arrays["pose_scores"].argmax(axis=1)
    each = np.arange(len(best))
    # px of the full picture, centres at whole numbers, to px of the stored frame
    scale = 320 / size[0]
    np.savez(
        path,
        joints=arrays["keypoints"][each, best][:, :13],
        scores=arrays["keypoint_scores"][each, best][:, :13] * (arrays["n_poses"] > 0)[:, None],
        truth=(truth.joints + 0.5) * scale - 0.5,
        **{name: getattr(truth, name) for name in ("begin", "end", "back", "contact", "follow", "move")},
    )
    return path


def flow_file(path: Path) -> Path:
    """Return where the flow of the clip with these joints is kept."""
    return path.with_suffix(".flow.npz")


def flow_near(
    rgb: np.ndarray, strokes: list[tuple[int, int]], info: VideoInfo, around: float = 0.1
) -> np.ndarray:
    """Return the flow of all pairs as it is stored; 0 further than ``around`` seconds from strokes."""
    n, step = len(rgb), 50
    runs = [(at, min(at + step, n)) for at in range(0, n, step)]
    whole = (Block(a, b, a, {"frames.rgb": rgb[a:b]}) for a, b in runs)
    mask = np.concatenate([part["mask"] for part in FOREGROUND.compute(whole, FOREGROUND.params(), info)])
    mask[~near_strokes(n, strokes, info, around)] = 0  # the flow of a pair without foreground is not computed
    pairs = (
        Block(a, min(b, n - 1), a, {"frames.rgb": rgb[a : b + 1], "foreground.mask": mask[a : b + 1]})
        for a, b in runs
        if a < n - 1
    )
    return np.concatenate([part["flow"] for part in FLOW.compute(pairs, FLOW.params(), info)])


def near_strokes(n: int, strokes: list[tuple[int, int]], info: VideoInfo, around: float) -> np.ndarray:
    """Return which of n frames are not further than some seconds from a stroke, (n,) bool."""
    near, margin = np.zeros(n, bool), round(around * float(info.fps))
    for begin, end in strokes:
        near[max(0, begin - margin) : end + margin] = True
    return near


#: what a table has a row for
SHOWN = ("elbow", "shoulder", "trunk_lean", "hip_width", "hand_height", "wrist_speed", "elbow_speed")
MOMENTS = ("start", "turn", "peak", "finish")
#: strokes with hardly any swing
SHORT = ("Push", "Block")
#: what phases are to be found within, s: 3 frames at 120 frames/s
CLOSE = 3 / 120
#: what moments are to be found within of the postures that the renderer drew, s
POSTURE = 0.1
#: s; noise is smoothed by a Gaussian of this standard deviation in :func:`wandering`
WANDER = 10 / 120


def errors(paths: list[Path], rate: float, flow: bool) -> dict:
    """Errors of strokes against the renderer's joints: series, peak speeds, moments, which hand."""
    parameters = KinematicsParams()
    out: dict = {"series": {name: [] for name in SHOWN}, "moments": [], "moves": [], "hand": [], "peak": []}
    out |= {"certainty": [], "postures": []}
    for path in paths:
        with np.load(path) as data:
            given = data["joints"], data["scores"], rate, parameters
            seen = smoothed(*given)
            truth = Course(data["truth"].astype(float), np.ones(data["truth"].shape[:2]), rate)
            strokes = list(zip(data["begin"], data["end"], data["move"], strict=True))
            postures = np.stack([data[name] for name in ("back", "contact", "follow")], -1)
        pixels = None
        if flow:
            with np.load(flow_file(path)) as data:
                pixels = data["flow"]
            seen = smoothed(*given, carried(seen, pixels))
        moving = hands(*given, pixels)
        for (begin, end, move), drawn in zip(strokes, postures, strict=True):
            got, true = seen.part(begin, end), truth.part(begin, end)
            a, b = series(got), series(true)
            for name in SHOWN:
                own = name if name in a else f"{name}_right"
                out["series"][name].append(np.abs(a[own] - b[own]))
            hand = moving.part(begin, end)
            found, real = (phases(c, "right", parameters) for c in (hand, true))
            out["certainty"].append(certainty(hand, "right", found))
            out["moments"].append([(getattr(found, m) - getattr(real, m)) / rate for m in MOMENTS])
            out["moves"].append(str(move))
            turns = np.array([[getattr(c, m) for m in MOMENTS[1:]] for c in (found, real)])
            out["postures"].append((turns - (drawn - begin)) / rate)
            out["hand"].append(faster_hand(got) == "right")
            top = [np.nanmax(c["wrist_speed_right"]) for c in (a, b)]
            out["peak"].append(top[0] / top[1] - 1)
    return out


def tell(name: str, found: dict) -> None:
    """Print the figures of one side as rows of tables."""
    for own, rows in found["series"].items():
        values = np.concatenate(rows)
        seen = values[np.isfinite(values)]
        print(f"{name} {own}: median {np.median(seen):.2f}, 90 % {np.percentile(seen, 90):.2f},"
              f" known {len(seen) / len(values):.0%}")  # fmt: skip
    away = np.abs(np.array(found["moments"]))
    swings = np.array([not any(word in move for word in SHORT) for move in found["moves"]])
    for text, which in (("all strokes", np.ones(len(away), bool)), ("without push and block", swings)):
        close = away[which] <= CLOSE + 1e-9
        each = ", ".join(f"{m} {v:.0%}" for m, v in zip(MOMENTS, close.mean(axis=0), strict=True))
        print(f"{name} moments within 3 frames, {text} ({which.sum()}): {close.mean():.0%} ({each});"
              f" median {1000 * np.median(away[which]):.0f} ms")  # fmt: skip
    near = np.abs(found["postures"]) <= POSTURE + 1e-9
    for text, share in zip(("found", "true joints in the picture"), near.mean(axis=(0, 2)), strict=True):
        print(f"{name} within {POSTURE:g} s of the drawn turn, contact and end, {text}: {share:.0%}")
    sure = np.array(found["certainty"])
    for low, high in itertools.pairwise((0, 0.4, 0.6, 0.8, 1.01)):
        which = (sure >= low) & (sure < high)
        right = f"{(away[which] <= CLOSE + 1e-9).mean():.0%} of them within 3 frames" if which.any() else ""
        print(f"{name} certainty {low:.1f} ...: {which.sum()} moments, {right}")
    middle, most = np.median(found["peak"]), np.percentile(np.abs(found["peak"]), 90)
    print(f"{name} hand found: {np.mean(found['hand']):.0%}")
    print(f"{name} largest wrist speed off by {middle:+.0%} (median), {most:.0%} (90 %)")


def space_angle(points: np.ndarray, first: str, vertex: str, last: str) -> np.ndarray:
    """Angle in space between joints of (n, 13, 3), degrees."""
    a, b = (points[:, INDEX[name]] - points[:, INDEX[vertex]] for name in (first, last))
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def planes(seeds: range) -> None:
    """Print by how much angles in the picture differ from those in space, for the true joints."""
    for side, facing in SIDES.items():
        away: dict[str, list] = {"elbow": [], "shoulder": []}
        for seed in seeds:
            plan = plan_clip(seed=seed, strokes=list(MOTIONS), size=(320, 180), facing=facing)
            flat = series(Course(plan.joints, np.ones(plan.joints.shape[:2]), 120.0))
            frames = np.concatenate([np.arange(s.begin, s.end) for s in plan.strokes])
            elbow = space_angle(plan.points, "right_shoulder", "right_elbow", "right_wrist")
            shoulder = space_angle(plan.points, "right_hip", "right_shoulder", "right_elbow")
            for name, real in (("elbow", elbow), ("shoulder", shoulder)):
                away[name].append(np.abs(flat[f"{name}_right"] - real)[frames])
        for name, rows in away.items():
            middle, most = np.percentile(np.concatenate(rows), [50, 90])
            print(f"{side} {name}: picture and space differ by {middle:.1f}, 90 % {most:.1f}")


def wandering(seeds: range) -> None:
    """Print how many moments stay within 3 frames when the true joints wander slowly by some pixels."""
    rng, rate = np.random.default_rng(1), 120.0
    total: dict[float, list] = {}
    for side, facing in SIDES.items():
        for size in (1.0, 2.0, 3.0):
            kept = []
            for seed in seeds:
                plan = plan_clip(seed=seed, strokes=list(MOTIONS), size=(320, 180), facing=facing)
                noise = rng.normal(size=(len(plan.joints) + 200, 13, 2))
                noise = gaussian_filter1d(noise, WANDER * rate, axis=0)[100:-100]
                sure = np.ones(plan.joints.shape[:2])
                courses = [Course(plan.joints + n, sure, rate) for n in (0, size * noise / noise.std())]
                for s in plan.strokes:
                    true, found = (phases(c.part(s.begin, s.end), "right") for c in courses)
                    away = [abs(getattr(true, m) - getattr(found, m)) for m in MOMENTS]
                    swing = not any(word in s.move for word in SHORT)
                    kept.append((swing, np.mean(np.array(away) / rate <= CLOSE + 1e-9)))
            total.setdefault(size, []).extend(kept)
            tell_kept(side, size, kept)
    for size, kept in total.items():
        tell_kept("all sides", size, kept)


def tell_kept(name: str, size: float, kept: list[tuple[bool, float]]) -> None:
    """Print a row of what :func:`wandering` finds."""
    shares = [np.mean([v for swing, v in kept if swing in which]) for which in ((0, 1), (1,), (0,))]
    print(
        f"{name}, {size:g} px: {shares[0]:.0%}, without push and block {shares[1]:.0%}, these {shares[2]:.0%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    parser.add_argument("--source", default="frames", choices=["frames", "original"])
    parser.add_argument("--motion", default="flow", choices=["flow", "joints"])
    parser.add_argument("--fps", type=int, default=120)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--moves", default="all", choices=MOVES)
    parser.add_argument("--planes", action="store_true", help="what the picture does not show")
    parser.add_argument("--wander", action="store_true", help="true joints that wander: the most to expect")
    options = parser.parse_args()
    if options.wander:
        wandering(range(400, 404))
        return
    if options.planes:
        planes(range(3))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    size = (options.height * 16 // 9, options.height)
    flow, moves = options.motion == "flow", MOVES[options.moves]
    total: dict = {"series": {}}
    for side in options.sides:
        paths = [
            observed(options.folder, seed, side, options.source, options.fps, size, moves, flow)
            for seed in options.seeds
        ]
        found = errors(paths, float(options.fps), flow)
        tell(side, found)
        for name, values in found["series"].items():
            total["series"].setdefault(name, []).extend(values)
        for name in ("moments", "moves", "hand", "peak", "certainty", "postures"):
            total.setdefault(name, []).extend(found[name])
    if len(options.sides) > 1:
        tell("all sides", total)


if __name__ == "__main__":
    main()
