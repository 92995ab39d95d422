"""Render two players in one picture, each with annotations and truth of their own.

They stand in two halls, side by side; the right half is mirrored, so that they face each other and the right
player's racket is in the left hand. Nothing passes between the halves: the match is one for whoever must keep
two players apart, not one of tactics.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttdemo.render.video import encode
from ttdemo.replacing import replacing
from ttdemo.strokes.clip import ClipJob
from ttdemo.strokes.scene import render
from ttdemo.strokes.truth import Truth, truth_of
from ttdemo.world.body import JOINTS
from ttdemo.world.camera import Camera
from ttdemo.world.script import ClipPlan, Stroke, check_size

Array = NDArray[Any]

_SWAP = {"left_": "right_", "right": "left"}


@dataclass(frozen=True)
class DemoMatch:
    """A rendered match.

    Attributes
    ----------
    video, annotations : Path
        The .mp4, and a CSV with ``video``, ``begin``, ``end``, ``label`` and ``player``.
    n_frames : int
    fps : Fraction
        1/s.
    size : (int, int)
        Width, height in px.
    strokes : dict of str to tuple of Stroke
        By player, the left one first.
    truth : dict of str to Truth
        By player, in px of the whole picture.
    """

    video: Path
    annotations: Path
    n_frames: int
    fps: Fraction
    size: tuple[int, int]
    strokes: Mapping[str, tuple[Stroke, ...]]
    truth: Mapping[str, Truth]


def render_match(
    path: Path | str,
    *,
    seed: int,
    strokes: Mapping[str, Sequence[str]],
    fps: float | Fraction = 120,
    size: tuple[int, int] = (1920, 1080),
    **settings: Any,
) -> DemoMatch:
    """Render a match with its annotations and truth.

    Parameters
    ----------
    path : path-like
        The .mp4 to write; the annotations lie beside it (.csv), the truth in ``truth/``
        (``<name>-<player>.npz``).
    seed : int
        The same seed and libraries give the same bytes.
    strokes : mapping of str to sequence of str
        Two players, the left one first → their strokes in order. Who is done first stands still.
    fps : float or Fraction
        Frame rate, 1/s.
    size : (int, int)
        Width, height in px; the height is even, the width a multiple of four.
    **settings
        Further fields of :class:`ttdemo.strokes.clip.ClipJob`.

    Returns
    -------
    DemoMatch

    Raises
    ------
    ValueError
        There are not two players; otherwise, and OSError, as :func:`ttdemo.strokes.clip.render_job`.
    """
    if len(strokes) != 2:
        raise ValueError(f"{len(strokes)} players, not the two of a match")
    width, height = size
    half = (width // 2, height)
    check_size(half)
    path, rate = Path(path), Fraction(fps).limit_denominator(1001)
    jobs = [
        ClipJob(path, (seed, side), tuple(moves), rate, half, **settings)
        for side, moves in enumerate(strokes.values())
    ]
    plans = [job.plan() for job in jobs]
    n = max(plan.n_frames for plan in plans)
    halves = [_frames(job, plan, n) for job, plan in zip(jobs, plans, strict=True)]
    encode(path, _joined(*halves), fps=rate, size=size, preset=jobs[0].preset, crf=jobs[0].crf)
    truths = [_held(truth_of(plan), n) for plan in plans]
    truth = dict(zip(strokes, (truths[0], _mirrored(truths[1], width)), strict=True))
    folder = path.parent / "truth"
    folder.mkdir(parents=True, exist_ok=True)
    for player, own in truth.items():
        own.save(folder / f"{path.stem}-{player}.npz")
    played = {player: plan.strokes for player, plan in zip(strokes, plans, strict=True)}
    annotations = path.with_suffix(".csv")
    _write_annotations(annotations, path.name, played)
    return DemoMatch(path, annotations, n, rate, size, played, truth)


def _frames(job: ClipJob, plan: ClipPlan, n: int) -> Iterator[Array]:
    """Yield n frames of one player; the last is repeated."""
    frame = np.zeros(0, np.uint8)
    for frame in render(plan, np.random.default_rng((*job.seed, 1)), noise=job.noise, flicker=job.flicker):
        yield frame
    for _ in range(n - plan.n_frames):
        yield frame


def _joined(left: Iterable[Array], right: Iterable[Array]) -> Iterator[Array]:
    """Yield planar 4:2:0 frames of both halves, the right one mirrored."""
    for a, b in zip(left, right, strict=True):
        height, width = a.shape[0] * 2 // 3, a.shape[1]
        out = np.empty((height * 3 // 2, 2 * width), np.uint8)
        out[:height] = np.hstack([a[:height], b[:height, ::-1]])
        chroma = [part[height:].reshape(2, height // 2, width // 2) for part in (a, b)]
        out[height:].reshape(2, height // 2, width)[:] = np.concatenate(
            [chroma[0], chroma[1][:, :, ::-1]], axis=2
        )
        yield out


def _held(truth: Truth, n: int) -> Truth:
    """Return the truth of n frames; the last is repeated, without a ball."""

    def longer(rows: Array) -> Array:
        return np.concatenate([rows, np.repeat(rows[-1:], n - len(rows), axis=0)])

    ball = longer(truth.ball)
    ball[len(truth.ball) :] = np.nan
    frames = {name: longer(getattr(truth, name)) for name in ("joints", "centre", "box", "racket", "world")}
    return replace(truth, ball=ball, **frames)


def _mirrored(truth: Truth, width: int) -> Truth:
    """Return the truth of the right half in px of the whole picture."""

    def flip(points: Array) -> Array:
        out: Array = points.copy()
        out[..., 0] = width - 1 - points[..., 0]
        return out

    # what was the right wrist is the left one of whoever sees the picture
    sides = [JOINTS.index(_SWAP.get(n[:5], n[:5]) + n[5:]) for n in JOINTS]

    camera = Camera(*truth.camera)
    mirrored = replace(camera, x=-camera.x, cx=width - 1 - camera.cx)
    left, top, right, bottom = np.moveaxis(truth.box, -1, 0)
    return replace(
        truth,
        joints=flip(truth.joints)[:, sides],
        centre=flip(truth.centre),
        box=np.stack([width - 1 - right, top, width - 1 - left, bottom], axis=-1),
        racket=flip(truth.racket),
        ball=flip(truth.ball),
        world=(truth.world * np.array([-1, 1, 1], np.float32))[:, sides],
        camera=np.array(astuple(mirrored), np.float64),
    )


def _write_annotations(path: Path, video: str, strokes: Mapping[str, Sequence[Stroke]]) -> None:
    lines = [(s.begin, s.end, s.move, player) for player, own in strokes.items() for s in own]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("video", "begin", "end", "label", "player"))
    writer.writerows((video, *line) for line in sorted(lines))
    with replacing(path) as part:
        part.write_bytes(out.getvalue().encode())
