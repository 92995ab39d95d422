"""What every stage makes of a fixed input, held against figures in ``golden/``.

A stage whose output changes must raise its ``version``: old files in a store are only known to be
stale by it. Fingerprints are coarse means with a tolerance that other processors and library versions
pass and a changed constant does not (the perturbations below).

After raising a version: ``TTPREP_REFRESH_GOLDEN=1 pytest tests/stages/test_golden.py``. It refuses to
overwrite figures of the same version; to change the fixed input itself, delete the stage's file first.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import stages.foreground
import stages.frames.rotation_and_fit
import stages.kinematics.course
import stages.kinematics.hand
import stages.kinematics.motion
import stages.kinematics.phases
import stages.people.sides
import stages.people.tracking
import stages.player
import stages.pose3d.player
import stages.quality.people
import stages.quality.pictures
import stages.roi
import stages.statistics
from stages.base import VIDEO, Block, SourceFile, Stage, VideoInfo
from stages.contract import run_whole
from stages.kinematics.stage import STAGE as kinematics
from stages.pose3d.weights import ENVIRONMENT
from stages.registry import registry
from tests.conftest import encode
from tests.stages.pose3d.blazepose import networks

Arrays = dict[str, NDArray[Any]]

FOLDER = Path(__file__).parent / "golden"
REFRESH = "TTPREP_REFRESH_GOLDEN"
N, W, H = 5, 160, 96

#: what the figures are made with; whatever is not named has the default of the day they were made
PARAMS: dict[str, dict[str, Any]] = {
    "roi": {"crop_width": 60, "crop_height": 50},
    "cuboids": {"crop_width": 60, "crop_height": 50},
    "untrimmed": {"crop_width": 60, "crop_height": 50},
    "quality": {"crop_width": 60, "crop_height": 50},
}
#: stage.array -> absolute tolerance of the means in stored units; 0 elsewhere means exact
TOLERANCE = {
    "frames.rgb": 0.06,
    "frames.time": 1e-6,
    "foreground.mask": 0.002,
    "flow.flow": 0.02,  # of 64 a pixel
    "roi.centre": 0.01,
    "roi.raw": 0.01,
    "statistics.flow_max": 0.01,
    "pose3d.joints": 0.002,
    "pose3d.scores": 0.005,
    "pose3d.pixels": 0.1,
    "pose3d.certainty": 0.005,
    "pose.pose_scores": 0.002,
    "pose.keypoint_scores": 0.004,
    "pose.keypoints": 0.1,
    "people.box": 0.001,
    "people.size": 0.001,
    "player.box": 0.001,
    "player.swing": 0.001,
    "start.picture": 0.01,
    "start.joints": 1e-4,
    "descriptor.joints": 0.001,
    **{f"kinematics.{spec.name}": 0.005 for spec in kinematics.outputs if spec.dtype == "float32"},
    "descriptor.roi_distance": 0.001,
    "cuboids.pose": 0.001,
    "cuboids.roi": 0.001,
    **dict.fromkeys(("quality.brightness", "quality.difference", "quality.camera"), 0.01),
    **dict.fromkeys(("quality.black", "quality.clipped", "quality.blur", "quality.in_crop"), 0.002),
    **dict.fromkeys(("quality.roi_distance", "quality.roi_speed"), 0.01),
}


# -- the fixed input, made of sines: no random generator, no encoder that loses anything -----------


def waves(
    n: int = N, width: int = W, height: int = H, grain: float = 0, speed: float = 2.5
) -> NDArray[np.uint8]:
    """(n, H, W, 3) uint8: a still pattern, and a disc that crosses it at ``speed`` px a frame."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    still = np.stack([np.sin(x / 7 + k) * np.cos(y / 9 - k) for k in range(3)], -1)
    out = np.empty((n, height, width, 3), np.uint8)
    for t in range(n):
        cx, cy = width * 0.3 + speed * t, height * 0.5 + speed * 0.3 * t
        moved = np.stack([np.cos((x - cx) / 4 + 2 * k) * np.sin((y - cy) / 5) for k in range(3)], -1)
        # a soft edge: no pixel depends on which side of a border it is rounded to
        inside = 1 / (1 + np.exp(np.hypot(x - cx, y - cy) - height * 0.22))
        picture = 128 + 70 * still * (1 - inside[..., None]) + 100 * moved * inside[..., None]
        # no two neighbours alike, no two frames either: in place of the camera's noise
        picture += grain * np.sin(12.9898 * x + 78.233 * y + 37.719 * t)[..., None]
        out[t] = np.clip(np.rint(picture), 0, 255)
    return out


def figures() -> NDArray[np.uint8]:
    """(3, 180, 320, 3) uint8: a drawn person, clear enough for the published network."""
    skin, shirt, trousers = (224, 172, 140), (190, 40, 40), (40, 50, 110)
    out = np.empty((3, 180, 320, 3), np.uint8)
    for t in range(3):
        big = np.zeros((720, 1280, 3), np.uint8)
        big[:], big[520:] = (150, 160, 170), (110, 90, 70)

        def at(x: float, y: float, t: int = t) -> tuple[int, int]:
            return round((x + 25 * t - 30) * 4), round(y * 4)

        def limb(a: tuple[float, float], b: tuple[float, float], thick: float, colour: Any) -> None:
            cv2.line(big, at(*a), at(*b), colour, round(thick * 4), cv2.LINE_AA)  # noqa: B023

        for dx, knee, foot in ((152, 148, 146), (168, 174, 178)):
            limb((dx, 95), (knee, 125), 11, trousers)
            limb((knee, 125), (foot, 155), 9, trousers)
        torso = np.array([at(146, 52), at(174, 52), at(171, 98), at(149, 98)])
        cv2.fillConvexPoly(big, torso, shirt, cv2.LINE_AA)
        for shoulder, elbow, wrist in (((147, 55), (136, 74), (126, 90)), ((173, 55), (186, 72), (200, 64))):
            limb(shoulder, elbow, 8, shirt)
            limb(elbow, wrist, 6, skin)
        limb((160, 40), (160, 52), 7, skin)
        cv2.ellipse(big, at(160, 34), (32, 40), 0, 0, 360, skin, -1, cv2.LINE_AA)
        cv2.ellipse(big, at(160, 28), (34, 24), 0, 180, 360, (50, 35, 25), -1, cv2.LINE_AA)
        for x in (156.5, 163.5):
            cv2.circle(big, at(x, 33), 5, (30, 20, 20), -1, cv2.LINE_AA)
        limb((157, 40), (163, 40), 1, (150, 70, 70))
        limb((160, 34), (160, 37), 1, (190, 130, 100))
        out[t] = cv2.resize(big, (320, 180), interpolation=cv2.INTER_AREA)
    return out


def figures_with_joints() -> Arrays:
    """The drawn person with its joints; nobody in the last frame."""
    at = np.array([(160, 37), (163.5, 33), (156.5, 33), (168, 34), (152, 34), (173, 55), (147, 55), (186, 72),
                   (136, 74), (200, 64), (126, 90), (168, 95), (152, 95)], float)  # fmt: skip
    joints = np.zeros((3, 14, 3), np.float32)
    for t in range(2):
        joints[t, 1:] = np.column_stack([at + np.array([25 * t - 30, 0]), np.full(13, 0.9)])
    return {
        "frames.rgb": figures(),
        "descriptor.joints": joints,
        "descriptor.found": np.array([1, 1, 0], np.uint8),
    }


def fixed_input(stage: Stage[Any], folder: Path) -> tuple[VideoInfo, Arrays]:
    """What a stage is given: never another stage's output, whose changes are not its own."""
    if stage.name == "frames":
        return VideoInfo(), {VIDEO: np.array(str(lossless_clip(folder / "waves.mkv")))}
    if stage.name == "foreground":
        # so that the warm-up ends within it
        return VideoInfo(70, Fraction(120), 80, 48), {"frames.rgb": waves(70, 80, 48, 9, 0.4)}
    if stage.name == "pose":
        return VideoInfo(3, Fraction(120), 320, 180), {"frames.rgb": figures()}
    if stage.name == "pose3d":
        return VideoInfo(3, Fraction(120), 320, 180), figures_with_joints()
    if stage.name == "people":
        return VideoInfo(24, Fraction(30), W, H), two_people()
    if stage.name == "player":
        return VideoInfo(60, Fraction(30), W, H), strokes()
    if stage.name == "kinematics":
        return VideoInfo(80, Fraction(100), W, H), swing()
    if stage.name == "start":
        return VideoInfo(24, Fraction(30), W, H), trial()
    if stage.name == "quality":
        return VideoInfo(24, Fraction(30), W, H), filmed()
    y, x = np.mgrid[:H, :W].astype(np.float64)
    t = np.arange(N)[:, None, None]
    mask = np.hypot(x - 48 - 2.5 * t, y - 48) < 30
    flow = np.stack([160 * np.cos(x / 20 + t), 48 * np.sin(y / 15 - t)], -1)[: N - 1]
    flow *= mask[: N - 1, ..., None]
    people, joint = np.arange(10)[:, None], np.arange(17)
    spots = np.stack([20.0 + 12 * people + joint, 30.0 + 2 * joint + 0 * people], -1)
    data: Arrays = {
        "frames.rgb": waves(),
        "foreground.mask": mask.astype(np.uint8),
        "flow.flow": np.rint(flow).astype(np.int16),
        "roi.centre": np.stack([60 + 5.5 * np.arange(N), 50 - 1.25 * np.arange(N)], -1).astype(np.float32),
        "pose.n_poses": np.array([3, 0, 1, 10, 2], np.uint8),
        "pose.pose_scores": np.tile(np.linspace(0.9, 0.3, 10, dtype=np.float32), (N, 1)),
        "pose.keypoint_scores": np.tile(np.linspace(0.95, 0.15, 17, dtype=np.float32), (N, 10, 1)),
        "pose.keypoints": np.tile(spots.astype(np.float32), (N, 1, 1, 1)),
        "descriptor.joints": np.tile(np.linspace(0, 90, 42, dtype=np.float32).reshape(14, 3), (N, 1, 1)),
    }
    if stage.name == "flow":
        data["frames.rgb"] = waves(grain=12, speed=6)
    wanted = stage.reads(stage.params()) if stage.reads else stage.inputs
    return VideoInfo(N, Fraction(120), W, H), {name: data[name] for name in wanted}


def filmed() -> Arrays:
    """A disc that moves between two people, of whom the descriptor takes now one, now the other."""
    rgb = waves(24, grain=9, speed=3)
    rgb[12:] = np.roll(rgb[12:], 2, axis=2)
    rgb[20] = rgb[19]
    n = np.arange(24)
    y, x = np.mgrid[:H, :W]
    mask = np.hypot(x - 48 - 3 * n[:, None, None], y - 48 - 0.9 * n[:, None, None]) < 22
    joint = np.arange(17)
    spots = np.stack(
        [20 + 100 * np.arange(2)[:, None] + joint, 30 + 2.5 * joint + 0 * np.arange(2)[:, None]], -1
    )
    scores = np.tile(np.linspace(0.95, 0.05, 17, dtype=np.float32), (24, 2, 1))
    return {
        "frames.rgb": rgb,
        "foreground.mask": mask.astype(np.uint8),
        "roi.centre": np.stack([40 + 4.0 * n, 48 + 0.5 * n], -1).astype(np.float32),
        "pose.n_poses": np.where(n % 7 == 3, 0, 2).astype(np.uint8),
        "pose.keypoints": np.tile(spots.astype(np.float32), (24, 1, 1, 1)),
        "pose.keypoint_scores": scores,
        "descriptor.chosen": np.where(n % 7 == 3, -1, n // 10 % 2).astype(np.int8),
    }


def two_people() -> Arrays:
    """One walks to the right and is missed for a while, one waves; the order of detections varies."""
    t, joint = np.arange(24)[:, None], np.arange(17)
    shape = np.stack([6 * np.cos(2.4 * joint), 3.0 * joint - 20], -1)
    walking = np.stack([30.0 + 5 * t + 0 * joint, 45 + 0 * t + 0 * joint], -1) + shape
    waving = np.stack([100.0 + 0 * t + 0 * joint, 50 + 0 * t + 0 * joint], -1)
    waving = waving + (1.25 + 0.2 * np.sin(t / 2))[..., None] * shape
    waving[:, 10, 0] += 9 * np.sin(t[:, 0])
    people = np.zeros((24, 10, 17, 2))
    people[:, 0], people[:, 1] = walking, waving
    people[1::2, :2] = people[1::2, 1::-1]
    n_poses = np.full(24, 2, np.uint8)
    n_poses[9:13] = 1
    people[9:13, 0], people[9:13, 1] = waving[9:13], 0
    scores = np.where(np.arange(10) < n_poses[:, None], 0.8, 0)[..., None] * np.ones(17)
    return {
        "pose.n_poses": n_poses,
        "pose.keypoint_scores": scores.astype(np.float32),
        "pose.keypoints": people.astype(np.float32),
    }


def strokes() -> Arrays:
    """Of two people who stand still, first the left one moves an arm to the other, then the right one."""
    t = np.arange(60)
    keypoints = np.zeros((60, 2, 17, 2))
    keypoints[:, 0], keypoints[:, 1] = (30, 50), (120, 44)
    flow = np.zeros((59, H, W, 2))
    flow[:33, 45:56, 25:36, 0] = 200 + 100 * np.sin(t[:33] / 3)[:, None, None]
    flow[20:30, 44, 116, 0] = -400
    flow[26:, 40:49, 112:123, 0] = -200 - 2 * t[26:59, None, None]
    flow[::2, 40:44, 112:116, 0] = 500
    who = np.where(np.arange(4) % 2, 1, 0) + np.zeros((60, 1), int)
    return {
        "flow.flow": np.rint(flow).astype(np.int16),
        "pose.keypoints": keypoints.astype(np.float32),
        "people.player": who.astype(np.int32),
        "people.pose": np.where((t % 7 == 6)[:, None], -1, who).astype(np.int8),
        "people.box": np.array([[10, 20, 60, 80], [90, 25, 150, 90]], np.float32)[who],
        "people.size": np.array([16, 20], np.float32)[who],
    }


def swing() -> Arrays:
    """Somebody draws the left arm back and swings it; the other wrist is missed for a while."""
    t = np.arange(80)
    still = [(80, 20), (78, 18), (82, 18), (76, 20), (84, 20), (95, 35), (65, 35), (105, 50), (60, 52),
             (112, 62), (66, 66), (90, 72), (70, 72)]  # fmt: skip
    joints = np.tile(np.array(still, float), (80, 1, 1))
    joints[:, 9, 0] += 8 * np.sin(t / 9) - 24 / (1 + np.exp(-(t - 45) / 3.0))
    joints[:, 9, 1] += 4 * np.cos(t / 9)
    joints[:, 7, 0] += 4 * np.sin(t / 9)
    joints[:, 10] += np.stack([np.sin(t / 5), np.cos(t / 4)], -1)
    scores = np.tile(0.95 - 0.03 * np.arange(13), (80, 1))
    scores[:, 9] -= 0.4 * (np.sin(1.3 * t) > 0)
    scores[20:25, 10] = 0.02
    rows = np.concatenate([joints, scores[..., None]], -1)
    pose = rows.mean(axis=1, keepdims=True)
    y, x = np.mgrid[:H, :W]
    # what moves are the left hand and, more slowly, the trunk
    hand = np.hypot(x - joints[:79, 9, 0, None, None], y - joints[:79, 9, 1, None, None]) < 6
    trunk = np.hypot(x - 85, y - 55) < 22
    steps = np.rint(64 * np.diff(joints[:, 9], axis=0))[:, None, None]
    flow = np.where(hand[..., None], steps, np.where(trunk, 12, 0)[..., None])
    return {
        "descriptor.joints": np.concatenate([pose, rows], axis=1).astype(np.float32),
        "flow.flow": flow.astype(np.int16),
    }


def trial() -> Arrays:
    """Twelve idle frames, then twelve in which disc and joints move."""
    joints = np.tile(np.linspace(10, 80, 42).reshape(14, 3), (24, 1, 1))
    joints[12:, :, 0] += 1.5 * np.arange(1, 13)[:, None]
    idle = np.repeat(waves(1), 12, axis=0)
    return {
        "frames.rgb": np.concatenate([idle, waves(13, speed=0.8)[1:]]),
        "descriptor.joints": joints.astype(np.float32),
    }


def lossless_clip(path: Path) -> Path:
    """A 4:2:0 BT.709 clip of another aspect ratio, written without loss."""
    pictures = []
    for rgb in waves(N, 640, 480):
        frame: Any = av.VideoFrame(640, 480, "yuv420p")
        for plane, values in zip(
            frame.planes, (rgb[..., 0], rgb[::2, ::2, 1], rgb[::2, ::2, 2]), strict=True
        ):
            rows = np.zeros((plane.buffer_size // plane.line_size, plane.line_size), np.uint8)
            rows[: values.shape[0], : values.shape[1]] = values
            plane.update(rows.tobytes())
        pictures.append(frame)
    return encode(path, pictures, codec="ffv1", fps=120, colour=(1, 1))


# -- fingerprints ----------------------------------------------------------------------------


def made(stage: Stage[Any], params: dict[str, Any], info: VideoInfo, data: Arrays) -> Arrays:
    given = stage.params.model_validate(params)
    if VIDEO not in data:
        return run_whole(stage, given, info, data)
    source = SourceFile(Path(str(data[VIDEO])))
    parts = list(stage.compute(iter([Block(0, 50, 0, {}, source)]), given, info))
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def fingerprint(values: NDArray[Any]) -> dict[str, Any]:
    """Shape, dtype, one mean a row, and for pictures the means of 4×3 cells over all rows."""
    rows = values.astype(np.float64).reshape(len(values), -1)
    out: dict[str, Any] = {"shape": list(values.shape), "dtype": str(values.dtype)}
    if values.ndim >= 3 and values.shape[1] >= 24 and values.shape[2] >= 24:
        step = max(1, len(rows) // 8)
        out["rows"] = rows.mean(axis=1)[::step].round(5).tolist()
        cells = [
            cell.astype(np.float64).mean(axis=(0, 1, 2)).round(5).tolist()
            for band in np.array_split(values, 3, axis=1)
            for cell in np.array_split(band, 4, axis=2)
        ]
        out["cells"] = cells
    elif rows.shape[1] <= 14:
        out["rows"] = rows.round(5).tolist()
    else:
        out["rows"] = np.stack([rows.mean(1), rows.std(1), rows[:, :12].mean(1)], 1).round(5).tolist()
    return out


def differences(stage: Stage[Any], golden: dict[str, Any], arrays: Arrays) -> list[str]:
    """One line for every array that is not what the figures say."""
    found = []
    if set(golden["arrays"]) != set(arrays):
        found.append(f"arrays {sorted(arrays)} instead of {sorted(golden['arrays'])}")
    for name, expected in golden["arrays"].items():
        if name not in arrays:
            continue
        got = fingerprint(arrays[name])
        tolerance = TOLERANCE.get(f"{stage.name}.{name}", 0.0)
        for what, figure in expected.items():
            if what in ("shape", "dtype"):
                if got[what] != figure:
                    found.append(f"{name}: {what} {got[what]} instead of {figure}")
            elif got["shape"] == expected["shape"]:
                away = float(np.abs(np.array(got[what]) - np.array(figure)).max(initial=0.0))
                if not away <= tolerance + 1e-5:
                    found.append(f"{name}: {what} off by {away:g} (tolerance {tolerance:g})")
    return found


def module_of(stage: Stage[Any]) -> str:
    return stage.compute.__module__.replace(".", "/") + ".py"


def held(stage: Stage[Any]) -> dict[str, Any]:
    path = FOLDER / f"{stage.name}.json"
    if not path.exists():
        pytest.fail(f"no figures for stage {stage.name}: run {REFRESH}=1 pytest tests/stages/test_golden.py")
    return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.fixture
def stage(request: pytest.FixtureRequest) -> Stage[Any]:
    found = registry()[request.param]
    if found.name == "pose":
        request.getfixturevalue("pose_weights")
    if found.name == "pose3d":
        request.getfixturevalue("monkeypatch").setenv(ENVIRONMENT, str(networks()))
    return found


@pytest.mark.parametrize("stage", list(registry()), indirect=True)
def test_output_is_what_it_was(stage: Stage[Any], tmp_path: Path) -> None:
    path = FOLDER / f"{stage.name}.json"
    info, data = fixed_input(stage, tmp_path)
    if os.environ.get(REFRESH):
        old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"version": None}
        params = stage.params.model_validate(PARAMS.get(stage.name, {})).model_dump(mode="json")
        if old["version"] == stage.version:
            params = old["params"]
        arrays = made(stage, params, info, data)
        if old["version"] == stage.version and not differences(stage, old, arrays):
            return
        assert old["version"] != stage.version, (
            f"stage {stage.name}: its output changed, but not its version ({stage.version}); "
            f"raise `version` in {module_of(stage)} first"
        )
        new = {"stage": stage.name, "version": stage.version, "params": params}
        new["arrays"] = {name: fingerprint(values) for name, values in arrays.items()}
        path.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")
        return
    golden = held(stage)
    assert golden["version"] == stage.version, (
        f"stage {stage.name} is version {stage.version}, the figures are of version {golden['version']}: "
        f"run {REFRESH}=1 pytest tests/stages/test_golden.py and commit tests/stages/golden/{stage.name}.json"
    )
    found = differences(stage, golden, made(stage, golden["params"], info, data))
    assert not found, (
        f"the output of stage {stage.name} changed ({'; '.join(found)}). Files of version {stage.version} in "
        f"users' stores would be taken for valid: raise `version` in {module_of(stage)}, "
        f"then run {REFRESH}=1 pytest tests/stages/test_golden.py "
        f"and commit tests/stages/golden/{stage.name}.json"
    )


def test_no_figures_are_left_of_stages_that_are_gone() -> None:
    assert {p.stem for p in FOLDER.glob("*.json")} <= set(registry())


# -- a changed constant is noticed -------------------------------------------------------------

Patch = Callable[[pytest.MonkeyPatch], None]


def constant(module: Any, name: str, value: Any) -> Patch:
    return lambda patch: patch.setattr(module, name, value)


CHANGES: list[tuple[str, dict[str, Any], Patch | None]] = [
    ("frames", {"fit": "crop"}, None),
    (
        "frames",
        {},
        constant(
            stages.frames.rotation_and_fit,
            "_COEFFICIENTS",
            {**stages.frames.rotation_and_fit._COEFFICIENTS, 1: (0.2126, 0.0732)},
        ),
    ),
    ("frames", {}, constant(cv2, "INTER_AREA", cv2.INTER_LINEAR)),
    ("foreground", {"var_threshold": 15.0}, None),
    ("foreground", {"history": 50}, None),
    ("foreground", {"dilate": 1}, None),
    ("foreground", {"learning_rate": 0.01}, None),
    ("foreground", {}, constant(stages.foreground, "LEAST_WARMUP", 65)),
    ("foreground", {}, constant(stages.foreground, "_FOREGROUND", 127)),
    ("flow", {"alpha": 0.0126}, None),
    ("flow", {"ratio": 0.74}, None),
    ("flow", {"n_outer": 6}, None),
    ("flow", {"n_sor": 10}, None),
    ("flow", {"min_width": 40}, None),
    ("flow", {"ksize": 1}, None),
    ("flow", {"ksize": 5}, None),
    ("roi", {"alpha": 0.59}, None),
    ("roi", {"smoothing": "siamese"}, None),
    ("roi", {"smoothing": "none"}, None),
    ("roi", {"crop_height": 70}, None),
    ("statistics", {}, constant(stages.statistics, "QUANTUM", 1 / 63)),
    ("pose", {"scale": 1.5}, None),
    ("kinematics", {"half_window": 0.15}, None),
    ("kinematics", {"turn": 0.5}, None),
    ("kinematics", {"least_score": 0.01}, None),
    ("kinematics", {"hand": "right"}, None),
    ("kinematics", {"motion": "joints"}, None),
    ("kinematics", {"drift_window": 0.2}, None),
    ("kinematics", {}, constant(stages.kinematics.motion, "SPREAD", 0.3)),
    ("kinematics", {}, constant(stages.kinematics.course, "POWER", 4)),
    ("kinematics", {}, constant(stages.kinematics.hand, "REACH", 6.0)),
    ("kinematics", {}, constant(stages.kinematics.hand, "CLEAR_SPEED", 90.0)),
    ("kinematics", {}, constant(stages.kinematics.phases, "CUTOFF", 6.0)),
    ("kinematics", {}, constant(stages.kinematics.phases, "BACKSWING_SHARE", 0.4)),
    ("pose", {"min_pose_score": 0.9}, None),
    ("pose3d", {"crop": "detector"}, None),
    ("pose3d", {"model": "lite"}, None),
    ("pose3d", {}, constant(stages.pose3d.player, "REACH", 1.8)),
    ("cuboids", {"translation": 0.11}, None),
    ("quality", {"step_seconds": 0.2}, None),
    ("quality", {"crop_width": 50}, None),
    ("quality", {}, constant(stages.quality.pictures, "BLUR_WIDTH", 7)),
    ("quality", {}, constant(stages.quality.pictures, "CELL", 20)),
    ("quality", {}, constant(stages.quality.people, "ROOM", 0.3)),
    ("people", {"max_gap": 0.1}, None),
    ("people", {}, constant(stages.people.sides, "PADDING", 0.8)),
    ("people", {}, constant(stages.people.sides, "PLACE_SECONDS", 0.1)),
    ("people", {}, constant(stages.people.tracking, "GATE_MOST", 0.1)),
    ("player", {"least_stay": 10}, None),
    ("player", {}, constant(stages.player, "REACH", 0.1)),
    ("player", {}, constant(stages.player, "SWING_SECONDS", 0.01)),
    ("start", {"picture": 50}, None),
    ("start", {"joints": 0.1}, None),
    ("start", {"still_seconds": 0.5}, None),
    ("start", {"growing_seconds": 0.4}, None),
    ("start", {"crop": 80}, None),
    ("cuboids", {"rotation": 12}, None),
    ("cuboids", {"crop_height": 48}, None),
    ("untrimmed", {"crop_width": 58}, None),
]


@pytest.mark.parametrize(
    ("stage", "change", "patch"), CHANGES, indirect=["stage"], ids=[f"{s}-{c}" for s, c, _ in CHANGES]
)
def test_a_changed_constant_is_noticed(
    stage: Stage[Any],
    change: dict[str, Any],
    patch: Patch | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    golden = held(stage)
    info, data = fixed_input(stage, tmp_path)
    if patch:
        patch(monkeypatch)
    found = differences(stage, golden, made(stage, {**golden["params"], **change}, info, data))
    assert found != [], "the figures are too coarse"


def shifted(name: str, by: float) -> Callable[[Arrays], Arrays]:
    return lambda data: {**data, name: (data[name] + by).astype(data[name].dtype)}


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("descriptor", shifted("roi.centre", 0.5)),
        ("descriptor", shifted("pose.keypoints", 0.01)),
        ("untrimmed", shifted("roi.centre", 1)),
        ("cuboids", shifted("roi.centre", 0.01)),
        ("flow", lambda data: {**data, "frames.rgb": data["frames.rgb"] // 2}),
        ("roi", shifted("flow.flow", 1)),
    ],
    indirect=["stage"],
)
def test_a_changed_input_is_noticed(
    stage: Stage[Any], change: Callable[[Arrays], Arrays], tmp_path: Path
) -> None:
    """For stages without constants of their own."""
    golden = held(stage)
    info, data = fixed_input(stage, tmp_path)
    found = differences(stage, golden, made(stage, golden["params"], info, change(data)))
    assert found != [], "the figures are too coarse"


def spec_is_mask(stage: Stage[Any], name: str) -> bool:
    return stage.output(name).kind == "mask"


@pytest.mark.parametrize("stage", [s for s in registry() if s != "pose"], indirect=True)
def test_noise_of_other_machines_is_not_noticed(stage: Stage[Any], tmp_path: Path) -> None:
    """Rounding differences in a few values pass."""
    golden = held(stage)
    info, data = fixed_input(stage, tmp_path)
    arrays = made(stage, golden["params"], info, data)
    rng = np.random.default_rng(0)
    for name, values in arrays.items():
        tolerance = TOLERANCE.get(f"{stage.name}.{name}", 0.0)
        if tolerance and values.dtype.kind == "f":
            arrays[name] = values + (tolerance / 20 * rng.choice([-1, 1], values.shape)).astype(values.dtype)
        elif tolerance:
            off = (rng.random(values.shape) < 1e-3) * rng.choice([-1, 1], values.shape)
            top = 1 if spec_is_mask(stage, name) else np.iinfo(values.dtype).max
            arrays[name] = np.clip(values + off, 0 if top < 256 else -top, top).astype(values.dtype)
    found = differences(stage, golden, arrays)
    assert found == []


@pytest.mark.parametrize("stage", ["statistics"], indirect=True)
def test_the_message_says_what_to_do(
    stage: Stage[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages.statistics, "QUANTUM", 1 / 63)
    monkeypatch.delenv(REFRESH, raising=False)
    with pytest.raises(AssertionError, match=r"raise `version` in stages/statistics.py, then run TTPREP_"):
        test_output_is_what_it_was(stage, tmp_path)
    # and the figures cannot be refreshed around it
    held_ = (FOLDER / "statistics.json").read_text(encoding="utf-8")
    (tmp_path / "statistics.json").write_text(held_, encoding="utf-8")
    monkeypatch.setattr(f"{__name__}.FOLDER", tmp_path)
    monkeypatch.setenv(REFRESH, "1")
    with pytest.raises(AssertionError, match="its output changed, but not its version"):
        test_output_is_what_it_was(stage, tmp_path)
    assert (tmp_path / "statistics.json").read_text(encoding="utf-8") == held_
    raised = dataclasses.replace(stage, version=stage.version + 1)
    test_output_is_what_it_was(raised, tmp_path)
    monkeypatch.delenv(REFRESH)
    test_output_is_what_it_was(raised, tmp_path)
    with pytest.raises(AssertionError, match=r"the figures are of version \d+: run TTPREP_REFRESH_GOLDEN=1"):
        test_output_is_what_it_was(stage, tmp_path)
