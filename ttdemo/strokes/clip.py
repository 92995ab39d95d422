"""Render one clip: video, annotations and truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ttdemo.render.video import encode
from ttdemo.replacing import replacing
from ttdemo.strokes.changes import Change
from ttdemo.strokes.plan import plan_clip
from ttdemo.strokes.scene import render
from ttdemo.strokes.truth import truth_of
from ttdemo.world.script import ClipPlan, Stroke

Array = NDArray[Any]
#: frames done, frames in all
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ClipJob:
    """Everything that decides a clip; small, picklable, the same on every machine.

    Attributes
    ----------
    path : Path
        The .mp4 to write. The annotations are written beside it (.xml), the truth to ``truth/`` (.npz).
    seed : tuple of int
    strokes : tuple of str
        Classes in the order in which they are played.
    fps : Fraction
        Frame rate, 1/s.
    size : (int, int)
        Width, height in px.
    duration, gap : (float, float)
        Ranges in s, see :func:`ttdemo.strokes.plan.plan_clip`.
    noise : float
        Standard deviation of the sensor noise, luma levels.
    flicker : float
        Largest deviation of the lamps from their mean, as a share.
    preset : str
        Of libx264. At ``ultrafast`` a clip encodes twice as fast as at ``superfast`` and decodes several
        times as fast.
    crf : float
        Of libx264.
    changes : tuple of Change
        What is wrong with the strokes in order, see :func:`ttdemo.strokes.plan.plan_clip`.
    facing : float
        Degrees by which the player is turned away from the camera, to their left.
    """

    path: Path
    seed: tuple[int, ...]
    strokes: tuple[str, ...]
    fps: Fraction = Fraction(120)
    size: tuple[int, int] = (1920, 1080)
    duration: tuple[float, float] = (0.7, 1.5)
    gap: tuple[float, float] = (0.3, 0.6)
    noise: float = 2.0
    flicker: float = 0.02
    preset: str = "ultrafast"
    crf: float = 20.0
    changes: tuple[Change, ...] = ()
    facing: float = 0.0

    def plan(self) -> ClipPlan:
        """Plan the clip; cheap."""
        return plan_clip(
            seed=self.seed,
            strokes=self.strokes,
            fps=self.fps,
            size=self.size,
            duration=self.duration,
            gap=self.gap,
            changes=self.changes,
            facing=self.facing,
        )


@dataclass(frozen=True)
class DemoClip:
    """A rendered clip.

    Attributes
    ----------
    video, annotations, truth : Path
        The .mp4, the MediaEval .xml and the .npz of :class:`ttdemo.strokes.truth.Truth`.
    n_frames : int
    fps : Fraction
        1/s.
    size : (int, int)
        Width, height in px.
    strokes : tuple of Stroke
    """

    video: Path
    annotations: Path
    truth: Path
    n_frames: int
    fps: Fraction
    size: tuple[int, int]
    strokes: tuple[Stroke, ...]


def write_annotations(path: Path, strokes: Sequence[Stroke]) -> None:
    """Write the MediaEval detection XML of one video; frames, ``end`` one past the last."""
    root = ElementTree.Element("video")
    for s in strokes:
        ElementTree.SubElement(root, "action", begin=str(s.begin), end=str(s.end), move=s.move)
    ElementTree.indent(root)
    with replacing(path) as part:
        part.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def render_job(job: ClipJob, progress: Progress | None = None) -> DemoClip:
    """Render one clip; apart from the files it writes this is a pure function of the job.

    Parameters
    ----------
    job : ClipJob
    progress : callable, optional
        Called about twice per second with the number of frames done and of all frames.

    Returns
    -------
    DemoClip

    Raises
    ------
    ValueError
        Settings of the job are out of range, see :func:`ttdemo.strokes.plan.plan_clip`.
    OSError
        The folder cannot be written.
    """
    plan = job.plan()
    n = plan.n_frames

    def counted() -> Iterator[Array]:
        frames = render(plan, np.random.default_rng((*job.seed, 1)), noise=job.noise, flicker=job.flicker)
        for i, frame in enumerate(frames):
            yield frame
            if progress is not None and ((i + 1) % 40 == 0 or i + 1 == n):
                progress(i + 1, n)

    truth = job.path.parent / "truth" / f"{job.path.stem}.npz"
    truth.parent.mkdir(parents=True, exist_ok=True)
    encode(job.path, counted(), fps=plan.fps, size=job.size, preset=job.preset, crf=job.crf)
    annotations = job.path.with_suffix(".xml")
    write_annotations(annotations, plan.strokes)
    truth_of(plan).save(truth)
    return DemoClip(job.path, annotations, truth, n, plan.fps, job.size, plan.strokes)


def render_clip(
    path: Path | str,
    *,
    seed: int,
    strokes: Sequence[str],
    fps: float | Fraction = 120,
    size: tuple[int, int] = (1920, 1080),
    progress: Progress | None = None,
    **settings: Any,
) -> DemoClip:
    """Render one clip with its annotations and truth.

    Parameters
    ----------
    path : path-like
        The .mp4 to write.
    seed : int
        The same seed and libraries give the same bytes.
    strokes : sequence of str
        Classes in the order in which they are played, of the 20 of TTStroke-21.
    fps : float or Fraction
        Frame rate, 1/s.
    size : (int, int)
        Width, height in px, both even.
    progress : callable, optional
        Called with the number of frames done and of all frames.
    **settings
        Further fields of :class:`ClipJob`: duration, gap, noise, flicker, preset, crf, changes, facing.

    Returns
    -------
    DemoClip

    Raises
    ------
    ValueError, OSError
        As :func:`render_job`.
    """
    rate = Fraction(fps).limit_denominator(1001)
    return render_job(ClipJob(Path(path), (seed,), tuple(strokes), rate, size, **settings), progress)
