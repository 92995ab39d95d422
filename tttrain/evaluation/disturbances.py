"""Simulated disturbances: what goes wrong while data are recorded [GRU] §V-F.

There are three, each with a strength: the camera's frame rate is off, frames are missing, the person stands
off the centre. Functions here are pure: frame numbers, masks and pixels in, the same out.

What the paper leaves open, and how it is read here:

- *frame rate*: "a sequence with more … than 40 images (41 to 45) from the starting frame", of which "the
  extra images" are deleted at random: any frame may be deleted, even the first, all equally likely.
- *missing frames* are zero tensors at the network's input, after the normalisation.
- *a bias of 1 to 10 pixels*: all frames of a trial are off the centre by that many pixels of the 240×240 crop
  (rounded to whole stored ones), in a direction drawn for the trial. Where the crop then reaches over the
  border of the frame, the border's pixels repeat.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: side of the crop that offsets are given for, px
PAPER_CROP = 240


@dataclass(frozen=True)
class Disturbed:
    """How one trial is disturbed.

    Attributes
    ----------
    frames : (T,) int
        Frames counted from the start frame, ascending.
    missing : (T,) bool
        Which of them are zero tensors.
    shift : (int, int)
        x, y in px by which the person is off the centre.
    """

    frames: NDArray[np.intp]
    missing: NDArray[np.bool_]
    shift: tuple[int, int]


def undisturbed(length: int) -> Disturbed:
    """Return a trial as it is: ``length`` frames from the start."""
    return Disturbed(np.arange(length), np.zeros(length, bool), (0, 0))


def frame_rate_error(rng: np.random.Generator, length: int, taken: int) -> Disturbed:
    """Simulate a camera that is too fast: of ``taken`` frames, delete the surplus at random.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : int
        T, frames that remain; 40 in the paper.
    taken : int
        41 to 45 in the paper; at least ``length``.
    """
    plain = undisturbed(length)
    kept = np.sort(rng.choice(taken, length, replace=False))
    return Disturbed(kept.astype(np.intp), plain.missing, plain.shift)


def missing_frames(rng: np.random.Generator, length: int, count: int) -> Disturbed:
    """Simulate a camera that loses ``count`` of ``length`` frames, all equally likely.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : int
    count : int
        1 to 5 of 40 in the paper; at most ``length``.
    """
    plain = undisturbed(length)
    missing = plain.missing.copy()
    missing[rng.choice(length, count, replace=False)] = True
    return Disturbed(plain.frames, missing, plain.shift)


def spatial_offset(rng: np.random.Generator, length: int, pixels: float) -> Disturbed:
    """Simulate a person ``pixels`` off the centre, in any direction, throughout the trial.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : int
    pixels : float
        1 to 10 in the paper, for a crop of 240 px; for another crop, in proportion.
    """
    plain = undisturbed(length)
    angle = rng.uniform(0, 2 * np.pi)
    shift = round(pixels * float(np.cos(angle))), round(pixels * float(np.sin(angle)))
    return Disturbed(plain.frames, plain.missing, shift)


@dataclass(frozen=True)
class Disturbance:
    """One of the three experiments.

    Attributes
    ----------
    name : str
    title : str
        Of its curves.
    axis : str
        What its strength is.
    strengths : tuple of int
        Those of the paper.
    figure : str
        Where the paper shows it.
    """

    name: str
    title: str
    axis: str
    strengths: tuple[int, ...]
    figure: str

    def apply(self, rng: np.random.Generator, length: int, strength: int, crop: int) -> Disturbed:
        """Disturb a trial of ``length`` frames, of which the central ``crop`` px are seen."""
        if self.name == "frame-rate":
            return frame_rate_error(rng, length, strength)
        if self.name == "missing-frames":
            return missing_frames(rng, length, strength)
        return spatial_offset(rng, length, strength * crop / PAPER_CROP)


DISTURBANCES: dict[str, Disturbance] = {
    d.name: d
    for d in (
        Disturbance(
            "frame-rate", "frame rate off", "frames from the start, cut to 40 at random",
            tuple(range(41, 46)), "Fig. 10",
        ),
        Disturbance(
            "missing-frames", "frames missing", "frames of 40 set to zero", tuple(range(1, 6)), "Fig. 11"
        ),
        Disturbance(
            "spatial-offset", "person off the centre", "offset, px of a crop of 240", tuple(range(1, 11)),
            "Fig. 12",
        ),
    )
}  # fmt: skip


def trial_rng(seed: int, disturbance: str, strength: int, repeat: int, trial: str) -> np.random.Generator:
    """Make the random generator of one trial in one repetition.

    Its numbers depend on nothing else: not on the order of trials, the network or which strengths are tried.

    Parameters
    ----------
    seed : int
    disturbance : str
    strength, repeat : int
    trial : str
        Identity of the sample.
    """
    text = f"{disturbance}\0{strength}\0{repeat}\0{trial}"
    words = np.frombuffer(hashlib.sha256(text.encode()).digest(), "<u4")
    return np.random.default_rng([seed, *words.tolist()])


def shifted(frames: Array, shift: tuple[int, int]) -> Array:
    """Shift frames; the pixels of the border repeat where nothing was seen.

    Parameters
    ----------
    frames : (n, h, w, c)
    shift : (int, int)
        x, y in px; what was at the centre comes to lie there.

    Returns
    -------
    (n, h, w, c)
    """
    _, h, w, _ = frames.shape
    x = np.clip(np.arange(w) - shift[0], 0, w - 1)
    y = np.clip(np.arange(h) - shift[1], 0, h - 1)
    return frames[:, y[:, None], x[None, :]]


def disturb_frames(frames: Array, change: Disturbed) -> Array:
    """Return the frames that a network is given: those chosen, shifted.

    Parameters
    ----------
    frames : (n, h, w, c)
        From the start frame on; the last frame repeats where more are needed.
    change : Disturbed
        Its ``missing`` frames are set to zero later, at the network's input.

    Returns
    -------
    (T, h, w, c)
    """
    chosen: Array = frames[np.minimum(change.frames, len(frames) - 1)]
    return shifted(chosen, change.shift) if change.shift != (0, 0) else chosen
