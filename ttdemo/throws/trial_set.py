"""Render a folder of trials: pictures, joint positions, labels and the truth."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ttdemo.processes import render_all
from ttdemo.replacing import replacing
from ttdemo.throws.plan import N_TARGETS, TrialPlan, plan_trial, target_name
from ttdemo.throws.scene import render_trial
from ttdemo.world.body import JOINTS

Array = NDArray[Any]

#: standard deviation of the given joint positions, as a share of the width; a depth camera is no better
JITTER = 0.0015
#: name of the file of joint positions in each trial's folder
JOINTS_FILE = "joints.csv"


@dataclass(frozen=True)
class TrialJob:
    """Everything that decides a trial; small, picklable, the same on every machine.

    Attributes
    ----------
    root : Path
        Folder of the set: pictures and joints are written to ``trials/<name>/``, the truth to
        ``truth/<name>.npz``.
    seed, player, target, trial : int
        See :func:`ttdemo.throws.plan.plan_trial`.
    size : (int, int)
        Width, height in px.
    fps : Fraction
        Frame rate, 1/s.
    frames : int
        Number of frames.
    suffix : {".jpg", ".png"}
        Format of the pictures; PNG keeps the noise exactly and is five times as large.
    quality : int
        Quality of JPEG, 0 … 100.
    noise : float
        Standard deviation of the sensor noise, grey levels.
    """

    root: Path
    seed: int
    player: int
    target: int
    trial: int
    size: tuple[int, int] = (320, 240)
    fps: Fraction = Fraction(30)
    frames: int = 90
    suffix: str = ".jpg"
    quality: int = 95
    noise: float = 2.0

    @property
    def name(self) -> str:
        """Name of the trial's folder: player, target and trial, counted from 1."""
        return f"p{self.player + 1}_t{self.target + 1}_{self.trial + 1:02d}"

    def plan(self) -> TrialPlan:
        """Plan the trial; cheap."""
        return plan_trial(
            seed=self.seed, player=self.player, target=self.target, trial=self.trial,
            size=self.size, fps=self.fps, frames=self.frames,
        )  # fmt: skip


@dataclass(frozen=True)
class ThrowSet:
    """What :func:`make_throws` wrote.

    Attributes
    ----------
    root : Path
    jobs : tuple of TrialJob
        One per trial.
    labels : Path
        CSV with the columns file, label, player.
    """

    root: Path
    jobs: tuple[TrialJob, ...]
    labels: Path

    @property
    def n_frames(self) -> int:
        """Frames of all trials."""
        return sum(job.frames for job in self.jobs)


def render_trial_job(job: TrialJob) -> Path:
    """Render one trial; apart from the files it writes this is a pure function of the job.

    Returns
    -------
    Path
        The trial's folder. An old one of that name is replaced once the new one is complete.

    Raises
    ------
    ValueError
        Settings of the job are out of range, see :func:`ttdemo.throws.plan.plan_trial`.
    OSError
        The folder cannot be written.
    """
    plan = job.plan()
    identity = (job.seed, job.player, job.target, job.trial)
    folder = job.root / "trials" / job.name
    part = folder.with_name(f".{job.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    person, rng = np.random.default_rng((job.seed, job.player, 1)), np.random.default_rng((*identity, 3))
    options = [cv2.IMWRITE_JPEG_QUALITY, job.quality] if job.suffix == ".jpg" else []
    for number, rgb in enumerate(render_trial(plan, person, rng, noise=job.noise)):
        ok, data = cv2.imencode(job.suffix, np.ascontiguousarray(rgb[..., ::-1]), options)
        if not ok:
            raise OSError(f"OpenCV cannot encode {job.suffix}")
        (part / f"{number:03d}{job.suffix}").write_bytes(data.tobytes())
    jitter = np.random.default_rng((*identity, 9)).normal(0, JITTER * job.size[0], plan.clip.joints.shape)
    (part / JOINTS_FILE).write_text(_joints_csv(plan.clip.joints + jitter))
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
    _write_truth(job, plan)
    return folder


def _joints_csv(joints: Array) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["frame", *(f"{name}_{axis}" for name in JOINTS for axis in "xy")])
    for t, row in enumerate(joints):
        writer.writerow([t, *(f"{v:.2f}" for v in row.ravel())])
    return out.getvalue()


def _write_truth(job: TrialJob, plan: TrialPlan) -> None:
    path = job.root / "truth" / f"{job.name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("wb") as file:
        np.savez(
            file,
            joints=plan.clip.joints.astype(np.float32),
            start=np.int64(plan.start),
            contact=np.int64(plan.contact),
            target=np.int64(plan.target),
            landing=plan.landing,
        )


def throw_jobs(
    root: Path | str, *, trials: int = 3, players: int = 6, seed: int = 0, **settings: Any
) -> list[TrialJob]:
    """Return the jobs of a set of trials, for :func:`make_throws` or another executor.

    Parameters
    ----------
    root : path-like
    trials : int
        Number of trials for each of the nine targets; players take turns.
    players : int
        Number of players.
    seed : int
        A trial does not depend on the number of trials.
    **settings
        Further fields of :class:`TrialJob`.

    Raises
    ------
    ValueError
        There is no trial or no player.
    """
    if trials < 1 or players < 1:
        raise ValueError(f"{trials} trials of {players} players: at least one of each is needed")
    return [
        TrialJob(Path(root), seed, k % players, target, k // players, **settings)
        for k in range(trials)
        for target in range(N_TARGETS)
    ]


def make_throws(
    root: Path | str,
    *,
    trials: int = 3,
    players: int = 6,
    seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> ThrowSet:
    """Render a set of trials, with joints, labels and truth.

    Parameters
    ----------
    root : path-like
        Made if it is not there; trials of the same names are replaced.
    trials, players, seed, **settings
        As for :func:`throw_jobs`.
    workers : int
        Number of processes. The files do not depend on it.
    progress : callable, optional
        Called after each trial with the number of frames done and of all frames.

    Raises
    ------
    ValueError
        Settings are out of range.
    OSError
        The folder cannot be written.
    """
    jobs = throw_jobs(root, trials=trials, players=players, seed=seed, **settings)
    total, done = sum(job.frames for job in jobs), 0
    jobs[0].plan()  # settings out of range fail before anything is written
    Path(root).mkdir(parents=True, exist_ok=True)
    for number, _ in render_all(render_trial_job, jobs, workers):
        done += jobs[number].frames
        if progress is not None:
            progress(done, total)
    labels = Path(root) / "labels.csv"
    lines = ["file,label,player", *(f"{j.name},{target_name(j.target)},p{j.player + 1}" for j in jobs)]
    labels.write_text("\n".join(lines) + "\n")
    return ThrowSet(Path(root), tuple(jobs), labels)
