"""Demo clips: bytes, container, annotations, and whether the pictures show what the truth says."""

from __future__ import annotations

import hashlib
import os
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.annotations import STROKES, TAXONOMIES, VideoFacts, clean, read_annotations
from ttdemo import (
    DEFAULT_CLASSES,
    MOTIONS,
    Change,
    ClipJob,
    DemoClip,
    Truth,
    demo_jobs,
    load_truth,
    make_demo,
    plan_clip,
    render_clip,
)
from ttdemo.strokes.clip import write_annotations
from ttdemo.strokes.scene import flicker_gain, render
from ttdemo.strokes.truth import truth_of
from ttdemo.world.body import JOINTS, POINT
from ttdemo.world.camera import Camera
from ttdemo.world.script import ClipPlan

Array = NDArray[Any]

SMALL: dict[str, Any] = {"size": (320, 180), "duration": (0.7, 0.9), "gap": (0.2, 0.3)}
LEFT, RIGHT = JOINTS.index("left_wrist"), JOINTS.index("right_wrist")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): digest(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def frames_of(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def still(plan: ClipPlan, **settings: float) -> Array:
    """All frames of a clip before encoding, luma only."""
    h = plan.camera.height
    frames = render(plan, np.random.default_rng(1), **{"noise": 0.0, "flicker": 0.0, **settings})
    return np.stack([frame[:h].copy() for frame in frames])


@pytest.fixture(scope="module")
def full_clip(tmp_path_factory: pytest.TempPathFactory) -> DemoClip:
    path = tmp_path_factory.mktemp("demo") / "a clip é.mp4"
    return render_clip(
        path, seed=4, strokes=["Offensive Forehand Hit"], duration=(0.7, 0.75), gap=(0.25, 0.3)
    )


def test_full_size_file_is_what_a_camera_would_give(full_clip: DemoClip) -> None:
    with av.open(str(full_clip.video)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.width, context.height) == (1920, 1080)
        assert stream.average_rate == stream.guessed_rate == 120
        tags = context.color_primaries, context.color_trc, context.colorspace, context.color_range
        assert tags == (1, 1, 1, 1)
        assert stream.frames == full_clip.n_frames
        times = [frame.time for frame in container.decode(stream)]
    assert len(times) == full_clip.n_frames
    np.testing.assert_allclose(times, np.arange(full_clip.n_frames) / 120, atol=1e-6)
    assert full_clip.video.stat().st_size < 60_000 * full_clip.n_frames


def test_decoded_picture_has_flicker_and_noise(full_clip: DemoClip) -> None:
    planes = [f.to_ndarray(format="yuv420p")[:150, :250].astype(float) for f in frames_of(full_clip.video)]
    stack = np.stack(planes)
    pixels = stack.std(axis=0)
    assert 0.5 < pixels.mean() < 4
    assert np.ptp(stack.mean(axis=(1, 2))) > 0.2


def test_same_seed_same_bytes_in_any_number_of_processes(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"clips": 2, "strokes_per_clip": 1, "seed": 3, **SMALL}
    make_demo(tmp_path / "a", **settings)
    make_demo(tmp_path / "b", workers=2, **settings)
    first = files(tmp_path / "a")
    assert files(tmp_path / "b") == first
    assert sorted(first) == [
        "demo_01.mp4", "demo_01.xml", "demo_02.mp4", "demo_02.xml", "truth/demo_01.npz", "truth/demo_02.npz",
    ]  # fmt: skip
    assert len(set(first.values())) == len(first)
    make_demo(tmp_path / "c", **{**settings, "seed": 4})
    assert not set(files(tmp_path / "c").values()) & set(first.values())


def test_returned_set_says_what_is_on_disk(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    demo = make_demo(
        tmp_path,
        clips=2,
        strokes_per_clip=2,
        progress=lambda done, total: calls.append((done, total)),
        **SMALL,
    )
    assert calls[-1] == (demo.n_frames, demo.n_frames)
    assert calls == sorted(calls)
    assert demo.n_strokes == 4
    assert demo.videos == sorted(tmp_path.glob("*.mp4"))
    for clip in demo.clips:
        assert len(frames_of(clip.video)) == clip.n_frames
        root = ElementTree.parse(clip.annotations).getroot()
        assert root.tag == "video"
        assert [(int(a.attrib["begin"]), int(a.attrib["end"]), a.attrib["move"]) for a in root] == [
            (s.begin, s.end, s.move) for s in clip.strokes
        ]
        truth = load_truth(clip.truth)
        assert truth.joints.shape == (clip.n_frames, 13, 2)
        assert list(truth.move) == [s.move for s in clip.strokes]
        assert list(truth.contact) == [s.contact for s in clip.strokes]


@pytest.mark.parametrize("seed", range(6))
def test_intervals_survive_the_cleaning_of_annotations(seed: int) -> None:
    moves = [list(MOTIONS)[(seed + k) % 20] for k in range(12)]
    plan = plan_clip(seed=seed, strokes=moves)
    assert [s.move for s in plan.strokes] == moves
    end = 0
    gaps = []
    for s in plan.strokes:
        assert 0 < s.begin < s.contact < s.end < plan.n_frames
        assert 0.6 <= (s.end - s.begin) / 120 <= 2.3
        gaps.append(s.begin - end)
        end = s.end
    assert min(gaps) > 0
    # negatives: at least 100 frames between strokes, in a video with at least 11 of them
    assert sum(g >= 100 for g in gaps[1:]) >= 3


def test_annotations_pass_the_pipelines_own_cleaning(tmp_path: Path) -> None:
    assert tuple(MOTIONS) == STROKES
    facts = {}
    for job in demo_jobs(tmp_path, clips=3, strokes_per_clip=12, classes=STROKES):
        plan = job.plan()
        write_annotations(job.path.with_suffix(".xml"), plan.strokes)
        facts[job.path.name] = VideoFacts(plan.n_frames, plan.fps)
    read = read_annotations([tmp_path], videos=facts)
    assert not read.issues
    cleaned = clean(read.annotations, facts, TAXONOMIES["strokes"])
    assert not cleaned.issues
    labels = [s.label for s in cleaned.samples]
    assert len(labels) - labels.count("Negative") == 36
    assert labels.count("Negative") >= 3
    assert set(labels) == {*STROKES, "Negative"}


@pytest.mark.parametrize("size", [(1920, 1080), (640, 480), (720, 1280)])
@pytest.mark.parametrize("seed", range(3))
def test_joints_and_racket_stay_in_the_picture(size: tuple[int, int], seed: int) -> None:
    plan = plan_clip(seed=seed, strokes=list(MOTIONS), size=size)
    truth = truth_of(plan)
    limit = np.array(size) - 1
    for points in (truth.joints, truth.racket, truth.centre):
        assert (points >= 0).all()
        assert (points <= limit).all()
    assert (truth.box[:, :2] < truth.joints.min(1)).all()
    assert (truth.box[:, 2:] > truth.joints.max(1)).all()
    visible = np.isfinite(truth.ball[:, 0])
    assert 0.2 < visible.mean() < 0.9


def test_other_frame_rates_keep_seconds() -> None:
    for fps in (25, Fraction(30000, 1001), 60, 240):
        plan = plan_clip(seed=0, strokes=DEFAULT_CLASSES, fps=fps)
        assert plan.fps == fps
        assert 3.5 < plan.n_frames / float(fps) < 9.5
        for s in plan.strokes:
            assert 0.65 < (s.end - s.begin) / float(fps) < 1.55


def test_classes_are_dealt_evenly_and_clips_do_not_depend_on_their_number() -> None:
    jobs = demo_jobs("x", clips=10, strokes_per_clip=4, seed=1)
    moves = [m for job in jobs for m in job.strokes]
    assert {moves.count(m) for m in DEFAULT_CLASSES} == {10}
    assert len({job.strokes for job in jobs}) > 3
    assert demo_jobs("x", clips=3, strokes_per_clip=4, seed=1) == jobs[:3]


def trajectories(seeds: range) -> tuple[Array, Array]:
    """Wrists and racket relative to the player, 16 moments a stroke."""
    rows, labels = [], []
    for seed in seeds:
        plan = plan_clip(seed=seed, strokes=list(MOTIONS))
        truth = truth_of(plan)
        for k, s in enumerate(plan.strokes):
            at = np.linspace(s.begin, s.end - 1, 16).astype(int)
            limbs = np.stack([truth.joints[at, LEFT], truth.joints[at, RIGHT], truth.racket[at]], 1)
            rows.append((limbs - truth.centre[at, None]).ravel())
            labels.append(k)
    return np.array(rows), np.array(labels)


def test_classes_have_their_own_trajectories_and_no_two_strokes_are_alike() -> None:
    train, train_labels = trajectories(range(8))
    test, labels = trajectories(range(100, 106))
    means = np.stack([train[train_labels == k].mean(0) for k in range(20)])
    guess = np.linalg.norm(test[:, None] - means, axis=2).argmin(1)
    assert (guess == labels).mean() >= 0.95
    gap = np.linalg.norm(means[:, None] - means, axis=2)[np.triu_indices(20, 1)]
    spread = np.linalg.norm(train - means[train_labels], axis=1)
    assert gap.min() > spread.mean() * 0.5
    # px over 96 coordinates: strokes of a class vary by more than 10 px each
    assert np.median(spread) > 100


def test_forehand_and_backhand_start_on_their_side() -> None:
    plan = plan_clip(seed=2, strokes=list(MOTIONS))
    truth = truth_of(plan)
    for s in plan.strokes:
        swing = np.s_[s.begin : s.contact]
        reach = (truth.racket - truth.centre)[swing, 0]
        # the player faces us: his right is the picture's left
        if MOTIONS[s.move].side == "forehand":
            assert reach.min() < -120
        else:
            assert reach.max() > 15


@pytest.fixture(scope="module")
def quiet() -> tuple[ClipPlan, Truth, Array]:
    plan = plan_clip(
        seed=11,
        strokes=["Offensive Forehand Loop", "Defensive Backhand Push"],
        size=(640, 360),
        gap=(0.2, 0.3),
    )
    return plan, truth_of(plan), still(plan)


def test_only_player_and_ball_move(quiet: tuple[ClipPlan, Truth, Array]) -> None:
    plan, truth, luma = quiet
    ground = np.median(luma[::5], axis=0)
    for i in range(0, plan.n_frames, 9):
        x0, y0, x1, y1 = truth.box[i].astype(int)
        changed = np.abs(luma[i] - ground) > 12
        if np.isfinite(truth.ball[i, 0]):
            x, y = np.clip(truth.ball[i], 0, [639, 359]).astype(int)
            changed[max(y - 12, 0) : y + 13, max(x - 12, 0) : x + 13] = False
        legs = changed.copy()
        legs[y0 : y1 + 1, x0 : x1 + 1] = False
        # below the box only shorts may still show, above the table's far edge
        assert legs.sum() < 0.25 * max(changed.sum(), 400)
    corner = luma[:, 10:60, 10:60]
    assert (corner == corner[0]).all()


def test_table_hides_the_legs(quiet: tuple[ClipPlan, Truth, Array]) -> None:
    plan, _, luma = quiet
    feet = plan.camera.project(plan.points[:, [POINT["left_ankle"], POINT["right_ankle"]]])
    ground = np.median(luma, axis=0)
    ball = plan.camera.project(plan.ball)
    for i in range(0, plan.n_frames, 7):
        for x, y in np.rint(feet[i]).astype(int):
            if np.nan_to_num(np.abs(ball[i] - [x, y]).max(), nan=99) < 15:
                continue
            assert luma[i, y, x] == ground[y, x]


def test_racket_and_ball_are_drawn_where_the_truth_says() -> None:
    plan = plan_clip(seed=21, strokes=["Offensive Forehand Hit"], size=(960, 540))
    truth, h = truth_of(plan), 540
    contact, begin = int(truth.contact[0]), int(truth.begin[0])
    chroma = {}
    for i, frame in enumerate(render(plan, np.random.default_rng(1), noise=0, flicker=0)):
        if i in (contact - 8, contact - 25):
            chroma[i] = frame[h:].reshape(2, h // 2, -1)[1].copy(), frame[:h].copy()
    x, y = np.rint(truth.racket[contact - 8] / 2).astype(int)
    assert begin < contact - 25
    assert np.median(chroma[contact - 8][0][y - 2 : y + 3, x - 2 : x + 3]) > 170  # red rubber: high Cr
    x, y = np.rint(truth.ball[contact - 25]).astype(int)
    luma = chroma[contact - 25][1].astype(int)
    assert luma[y, x] > luma[y - 25 : y - 15, x - 5 : x + 5].mean() + 15


def test_noise_and_flicker_have_the_size_asked_for() -> None:
    plan = plan_clip(seed=5, strokes=[], size=(320, 180), gap=(0.5, 0.6))
    noisy = still(plan, noise=2.0)[:, :40, :80].astype(float)
    assert 1.8 < noisy.std(axis=0).mean() < 2.2
    calm = still(plan)[:, :40, :80].astype(float)
    assert abs(noisy.mean() - calm.mean()) < 0.2  # the unsigned noise leaves no bias
    lamp = still(plan, flicker=0.05)[:, :40, :80].astype(float).mean(axis=(1, 2))
    gain = (lamp - 16) / (calm.mean() - 16)
    assert 0.02 < np.abs(gain - 1).max() < 0.055
    gains = flicker_gain(np.random.default_rng(0), 1200, 120.0, 0.02)
    spectrum = np.abs(np.fft.rfft(gains - gains.mean()))
    # 100 Hz lamps seen at 120 fps beat at 20 Hz
    assert np.fft.rfftfreq(1200, 1 / 120)[spectrum[50:].argmax() + 50] == pytest.approx(20, abs=0.2)


def test_motion_is_smooth() -> None:
    plan = plan_clip(seed=8, strokes=DEFAULT_CLASSES)
    wrist = plan.points[:, POINT["right_wrist"]]
    speed = np.linalg.norm(np.diff(wrist, axis=0), axis=1) * 120
    assert 1.5 < speed.max() < 12  # m/s; a hand is no faster
    assert np.abs(np.diff(speed)).max() < 1.2
    for s in plan.strokes:
        assert speed[s.begin : s.end].max() > 3 * np.median(speed[: plan.strokes[0].begin])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strokes": ["Forehand Smash"]}, "no stroke is called 'Forehand Smash'"),
        ({"size": (321, 180)}, "must be even"),
        ({"size": (16, 16)}, "at least 32"),
        ({"fps": 5}, "at least 10 frames a second"),
        ({"duration": (1.0, 0.5)}, "duration 1.0…0.5 s"),
        ({"gap": (0.0, 0.5)}, "gap 0.0…0.5 s"),
    ],
)
def test_wrong_settings_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_clip(**{"seed": 0, "strokes": ["Offensive Forehand Hit"], **change})
    with pytest.raises(ValueError, match="at least one clip and one class"):
        demo_jobs("x", classes=[])


def test_a_job_is_small_and_travels() -> None:
    import pickle

    job = demo_jobs("folder", clips=1)[0]
    assert isinstance(job, ClipJob)
    assert len(pickle.dumps(job)) < 1000
    assert pickle.loads(pickle.dumps(job)) == job


@pytest.mark.skipif("TTPREP_SHARED" not in os.environ, reason="TTPREP_SHARED is not set: no PoseNet weights")
def test_posenet_takes_the_player_for_a_person() -> None:
    from stages.pose import PoseNet

    net = PoseNet.load(Path(os.environ["TTPREP_SHARED"]) / "posenet" / "mobilenet_v1_075")
    found, errors = [], []
    for seed in range(3):
        plan = plan_clip(seed=seed, strokes=DEFAULT_CLASSES[:2], size=(640, 360))
        truth = truth_of(plan)
        for i, frame in enumerate(render(plan, np.random.default_rng(seed))):
            if i % 24:
                continue
            rgb = av.VideoFrame.from_ndarray(frame, format="yuv420p").to_ndarray(format="rgb24")
            poses = net.detect(
                np.asarray(cv2.resize(rgb, (320, 180), interpolation=cv2.INTER_AREA), np.uint8)
            )
            near = [k for k in poses.keypoints[:, :13] if np.abs(k.mean(0) - truth.centre[i] / 2).max() < 20]
            found.append(len(near) > 0)
            if near:
                errors.append(np.linalg.norm(near[0] - truth.joints[i] / 2, axis=1))
    assert np.mean(found) >= 0.95
    median = np.median(errors, axis=0)
    assert median[:5].max() < 3  # the face, px of 320×180
    assert median.max() < 12


def angle_at(points: Array, first: str, vertex: str, last: str) -> Array:
    """Angle in space, degrees."""
    a, b = (points[:, POINT[n]] - points[:, POINT[vertex]] for n in (first, last))
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.asarray(np.degrees(np.arccos(cosine)))


ELBOW = ("right_shoulder", "right_elbow", "right_wrist")


@pytest.mark.parametrize("degrees", [-30.0, 25.0])
def test_a_changed_elbow_is_changed_by_so_many_degrees_during_the_swing_alone(degrees: float) -> None:
    moves = ["Offensive Backhand Hit", "Offensive Backhand Hit"]
    plain, other = (
        plan_clip(seed=5, strokes=moves, changes=c) for c in ((), (Change(), Change(elbow=degrees)))
    )
    first, second = other.strokes
    assert first == plain.strokes[0]
    np.testing.assert_array_equal(other.points[: first.end], plain.points[: first.end])
    difference = angle_at(other.points, *ELBOW) - angle_at(plain.points, *ELBOW)
    at = slice(second.back, second.follow + 1)
    # a nearly stretched arm opens no further
    room = 170 - angle_at(plain.points, *ELBOW)[at]
    np.testing.assert_allclose(difference[at], np.clip(degrees, None, np.maximum(room, 0)), atol=0.5)
    legs = [i for name, i in POINT.items() if name.endswith(("hip", "knee", "shoulder"))]
    np.testing.assert_array_equal(other.points[:, legs], plain.points[:, legs])


def test_a_hand_is_held_higher_and_hips_come_late() -> None:
    moves = ["Offensive Forehand Loop"]
    plain = plan_clip(seed=5, strokes=moves)
    high = plan_clip(seed=5, strokes=moves, changes=[Change(hand=0.08)])
    late = plan_clip(seed=5, strokes=moves, changes=[Change(hip=0.1)])
    (s,) = plain.strokes
    swing = slice(s.back, s.follow + 1)
    wrist, hip = POINT["right_wrist"], POINT["right_hip"]
    rise = (high.points - plain.points)[swing, wrist, 1]
    assert 0.06 < np.median(rise) < 0.09
    # where the player stands is not late, how deep the hips are is
    np.testing.assert_allclose(late.points[12:][swing, hip, 1], plain.points[swing, hip, 1], atol=0.004)
    assert np.abs(late.points - plain.points)[swing, hip].max() > 0.02


@pytest.mark.parametrize("facing", [0.0, 40.0, 90.0, 180.0])
def test_a_turned_player_is_the_same_player_seen_from_elsewhere(facing: float) -> None:
    plain, turned = (plan_clip(seed=1, strokes=["Offensive Forehand Hit"], facing=f) for f in (0.0, facing))
    truth = truth_of(turned)
    np.testing.assert_allclose(Camera(*truth.camera).project(truth.world), truth.joints, atol=1e-2)
    np.testing.assert_allclose(angle_at(turned.points, *ELBOW), angle_at(plain.points, *ELBOW), atol=1e-5)
    ahead = (turned.points[:, POINT["nose"]] - turned.points[:, POINT["head"]])[:, [2, 0]]
    direction = np.degrees(np.angle(np.exp(1j * (np.arctan2(ahead[:, 1], ahead[:, 0]) - np.deg2rad(facing)))))
    assert np.abs(np.median(direction)) < 25
    pictures = still(plan_clip(seed=1, strokes=["Offensive Forehand Hit"], facing=facing, **SMALL))
    assert len(np.unique(pictures[0])) > 50
