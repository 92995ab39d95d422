"""Render a folder of clips in one or several processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ttdemo.processes import render_all
from ttdemo.strokes.clip import ClipJob, DemoClip, Progress, render_job
from ttdemo.strokes.movements import DEFAULT_CLASSES


@dataclass(frozen=True)
class DemoSet:
    """What :func:`make_demo` wrote.

    Attributes
    ----------
    folder : Path
    clips : tuple of DemoClip
    classes : tuple of str
        The stroke classes that may occur.
    """

    folder: Path
    clips: tuple[DemoClip, ...]
    classes: tuple[str, ...]

    @property
    def videos(self) -> list[Path]:
        """Paths of the clips."""
        return [c.video for c in self.clips]

    @property
    def n_frames(self) -> int:
        """Frames of all clips."""
        return sum(c.n_frames for c in self.clips)

    @property
    def n_strokes(self) -> int:
        """Labelled strokes of all clips."""
        return sum(len(c.strokes) for c in self.clips)


def demo_jobs(
    folder: Path | str,
    *,
    clips: int = 3,
    strokes_per_clip: int = 2,
    classes: Sequence[str] = DEFAULT_CLASSES,
    seed: int = 0,
    size: tuple[int, int] = (1920, 1080),
    fps: float | Fraction = 120,
    **settings: Any,
) -> list[ClipJob]:
    """Return the jobs of a set of clips, for :func:`make_demo` or another executor.

    Parameters
    ----------
    folder : path-like
    clips, strokes_per_clip : int
    classes : sequence of str
        Dealt in turn, so that all occur equally often (± 1), then shuffled within each clip.
    seed : int
        Clip i does not depend on the number of clips.
    size, fps, **settings
        As for :class:`ttdemo.strokes.clip.ClipJob`.

    Returns
    -------
    list of ClipJob

    Raises
    ------
    ValueError
        There is no clip or no class, or the number of strokes is negative.
    """
    if clips < 1 or strokes_per_clip < 0 or not classes:
        raise ValueError(
            f"a demo of {clips} clips with {strokes_per_clip} strokes of {len(classes)} classes: "
            "at least one clip and one class are needed"
        )
    jobs = []
    for i in range(clips):
        dealt = [classes[(i * strokes_per_clip + j) % len(classes)] for j in range(strokes_per_clip)]
        order = np.random.default_rng((seed, i, 2)).permutation(strokes_per_clip)
        name = f"demo_{i + 1:02d}.mp4"
        rate = Fraction(fps).limit_denominator(1001)
        jobs.append(
            ClipJob(Path(folder) / name, (seed, i), tuple(dealt[k] for k in order), rate, size, **settings)
        )
    return jobs


def make_demo(
    folder: Path | str,
    *,
    clips: int = 3,
    strokes_per_clip: int = 2,
    classes: Sequence[str] = DEFAULT_CLASSES,
    seed: int = 0,
    size: tuple[int, int] = (1920, 1080),
    fps: float | Fraction = 120,
    workers: int = 1,
    progress: Progress | None = None,
    **settings: Any,
) -> DemoSet:
    """Render a set of clips, with MediaEval annotations beside them and the truth under ``truth/``.

    Parameters
    ----------
    folder : path-like
        Made if it is not there; clips of the same names are replaced.
    clips, strokes_per_clip, classes, seed, size, fps, **settings
        As for :func:`demo_jobs`.
    workers : int
        Number of processes. The files do not depend on it.
    progress : callable, optional
        Called with the number of frames done and of all frames; with several workers after each clip.

    Returns
    -------
    DemoSet

    Raises
    ------
    ValueError
        Settings are out of range.
    OSError
        The folder cannot be written.
    """
    jobs = demo_jobs(
        folder,
        clips=clips,
        strokes_per_clip=strokes_per_clip,
        classes=classes,
        seed=seed,
        size=size,
        fps=fps,
        **settings,
    )
    Path(folder).mkdir(parents=True, exist_ok=True)
    lengths = [job.plan().n_frames for job in jobs]
    total, done = sum(lengths), 0
    made: list[DemoClip] = []
    if workers <= 1 or len(jobs) == 1:
        for job, length in zip(jobs, lengths, strict=True):
            before = done

            def within(frames: int, _: int, before: int = before) -> None:
                if progress is not None:
                    progress(before + frames, total)

            made.append(render_job(job, within))
            done += length
        return DemoSet(Path(folder), tuple(made), tuple(classes))
    found: dict[int, DemoClip] = {}
    for number, clip in render_all(render_job, jobs, workers):
        found[number] = clip
        done += clip.n_frames
        if progress is not None:
            progress(done, total)
    return DemoSet(Path(folder), tuple(found[i] for i in range(len(jobs))), tuple(classes))
