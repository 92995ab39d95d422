"""Demo throws: files, truth, and a difference that can be learnt though it is small."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.inputs.joints import read_joints
from ttdemo.throws.plan import N_TARGETS, plan_trial, target_name
from ttdemo.throws.scene import render_trial
from ttdemo.throws.trial_set import make_throws, throw_jobs
from ttdemo.world.body import JOINTS

SMALL = (96, 72)


def files(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_a_set_is_the_same_by_any_number_of_processes_and_grows_without_changing(tmp_path: Path) -> None:
    one = make_throws(tmp_path / "one", trials=1, players=2, size=SMALL)
    make_throws(tmp_path / "two", trials=2, players=2, size=SMALL, workers=2)
    small, large = files(tmp_path / "one"), files(tmp_path / "two")
    del small["labels.csv"], large["labels.csv"]
    assert small.items() < large.items()
    assert len(small) == 9 * (90 + 2)
    assert one.n_frames == 9 * 90


def test_files_of_a_trial_hold_what_is_true(tmp_path: Path) -> None:
    made = make_throws(tmp_path, trials=2, players=2, seed=3, size=SMALL, suffix=".png", noise=0.0)
    with (tmp_path / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["file"] for r in rows] == [job.name for job in made.jobs]
    assert [r["label"] for r in rows] == [target_name(k % 9) for k in range(18)]
    assert {r["player"] for r in rows} == {"p1", "p2"}
    job = made.jobs[13]
    plan = job.plan()
    with np.load(tmp_path / "truth" / f"{job.name}.npz") as truth:
        assert (int(truth["start"]), int(truth["contact"])) == (plan.start, plan.contact)
        assert int(truth["target"]) == 4
        joints = read_joints(tmp_path / "trials" / job.name / "joints.csv")
        error = np.abs(joints[..., :2] - truth["joints"])
    assert 0.05 < error.mean() < 0.3  # px: jitter of 0.0015 widths
    assert error.max() < 1
    pictures = sorted((tmp_path / "trials" / job.name).glob("*.png"))
    assert len(pictures) == 90
    shown = [np.asarray(cv2.imread(str(p)))[..., ::-1] for p in pictures]
    rng = np.random.default_rng((3, plan.player, 4, 0, 3))
    drawn = list(render_trial(plan, np.random.default_rng((3, plan.player, 1)), rng, noise=0.0))
    assert np.array_equal(np.array(shown), np.array(drawn))


@pytest.mark.parametrize("seed", range(5))
def test_everything_rests_up_to_the_start_and_then_moves(seed: int) -> None:
    plan = plan_trial(seed=seed, player=seed, target=seed, trial=0)
    joints = plan.clip.joints
    step = np.linalg.norm(np.diff(joints, axis=0), axis=2).max(axis=1)  # px, of the fastest joint
    assert step[: plan.start - 1].max() < 0.5
    assert step[plan.start - 1] > 4
    assert 13 <= plan.start <= 33
    assert plan.start + 20 < plan.contact < plan.start + 35
    ball = plan.clip.ball
    assert np.isfinite(ball[: plan.contact]).all()
    assert np.isnan(ball[plan.contact :]).all()


def test_the_joints_are_where_the_picture_moves() -> None:
    plan = plan_trial(seed=1, player=1, target=2, trial=0)
    frames = list(render_trial(plan, np.random.default_rng(0), np.random.default_rng(1), noise=1.0))
    rest, raised = (f.astype(int) for f in (frames[5], frames[plan.start + 12]))
    moved = np.abs(raised - rest).max(axis=2) > 40
    for side in ("left", "right"):
        x, y = plan.clip.joints[plan.start + 12, JOINTS.index(f"{side}_wrist")].round().astype(int)
        assert moved[y - 2 : y + 3, x - 2 : x + 3].mean() > 0.6, side
    assert moved.mean() < 0.1


def postures(target: int, players: int = 6) -> NDArray[np.float64]:
    """Joints from the start on, as shares of the frame, less where they rested; one row a player."""
    out = []
    for player in range(players):
        plan = plan_trial(seed=8, player=player, target=target, trial=0)
        joints = plan.clip.joints / (320, 240)
        out.append((joints[plan.start : plan.start + 45] - joints[plan.start - 1])[:, :])
    return np.stack(out)


def test_targets_differ_late_and_little() -> None:
    """The first half of the action tells nothing; at the end classes are apart by more than their spread."""
    every = np.stack([postures(target) for target in range(N_TARGETS)])  # target, player, frame, joint, xy
    between = every.mean(axis=1).std(axis=0).max(axis=(1, 2))
    motion = np.abs(every).mean(axis=(0, 1)).max(axis=(1, 2))
    assert between[:12].max() < 0.02
    assert between[26:36].max() > 0.04
    assert between.max() < 0.5 * motion.max()  # all of them play the same stroke


def test_pictures_before_the_contact_do_not_give_the_target_away_and_all_of_them_do() -> None:
    """A linear classifier on tiny pictures, trained on some trials and tried on others."""

    def look(target: int, trial: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        plan = plan_trial(seed=2, player=0, target=target, trial=trial, size=SMALL)
        rng = np.random.default_rng((target, trial))
        frames = list(render_trial(plan, np.random.default_rng(5), rng))
        small = [
            cv2.resize(
                cv2.cvtColor(frames[plan.start + k], cv2.COLOR_RGB2GRAY),
                (24, 18),
                interpolation=cv2.INTER_AREA,
            )
            for k in range(0, 40, 3)
        ]
        values = np.stack(small).astype(float).reshape(len(small), -1)
        return values[:5].ravel(), values[5:].ravel()

    trials = 8
    early, late = (
        np.stack(part).reshape(N_TARGETS, trials, -1)
        for part in zip(*(look(t, k) for t in range(N_TARGETS) for k in range(trials)), strict=True)
    )

    def accuracy(x: NDArray[np.float64]) -> float:
        train, test = x[:, : trials - 3].reshape(-1, x.shape[2]), x[:, trials - 3 :].reshape(-1, x.shape[2])
        centre = train.mean(axis=0)
        a, b = train - centre, test - centre
        wanted = np.eye(N_TARGETS).repeat(trials - 3, axis=0)
        weights = np.linalg.solve(a @ a.T + 1e4 * np.eye(len(a)), wanted)
        guess = (b @ a.T @ weights).argmax(axis=1)
        return float((guess == np.arange(N_TARGETS).repeat(3)).mean())

    assert accuracy(late) > 3 / N_TARGETS
    assert accuracy(early) < accuracy(late) - 0.2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target": 9}, "targets 0 to 8"),
        ({"size": (33, 20)}, "even and at least 32"),
        ({"frames": 40}, "lasts at least"),
        ({"fps": 5}, "10/s or more"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plan_trial(**{"seed": 0, "player": 0, "target": 0, "trial": 0, **settings})
    with pytest.raises(ValueError, match="at least one of each"):
        throw_jobs("x", trials=0)
