"""What goes wrong while data are collected, as it is simulated in [GRU] §V-F.

Three errors, each with a strength: the camera's rate is off, frames are missing, the person does not stand
in the centre. Functions here are pure: frame numbers, masks and pixels in, the same out.

What the paper leaves open and how it is read:

- *frame rate*: "a sequence with more … than 40 images (41 to 45) from the starting frame", of which "the
  extra images" are deleted at random: any of them may be, the first one too, each as likely as the others.
- *missing frames* are zero tensors as the network reads them, behind the normalisation.
- *a bias of 1 to 10 pixels*: all frames of a trial are off the centre by so many pixels of the 240×240 crop
  (rounded to whole stored ones), in a direction drawn for the trial. Where the crop then reaches over the
  border of the picture, the pixels of the border repeat.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tttrain.data.dataset_file import Array

#: side of the crop that offsets are given for, px
PAPER_CROP = 240


@dataclass(frozen=True)
class Perturbed:
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


def undisturbed(length: int) -> Perturbed:
    """A trial as it is: ``length`` frames from the start."""
    return Perturbed(np.arange(length), np.zeros(length, bool), (0, 0))


def frame_rate_error(rng: np.random.Generator, length: int, taken: int) -> Perturbed:
    """A camera that is too fast: of ``taken`` frames as many are deleted at random as are too many.

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
    return Perturbed(kept.astype(np.intp), plain.missing, plain.shift)


def missing_frames(rng: np.random.Generator, length: int, count: int) -> Perturbed:
    """A camera that loses frames: ``count`` of ``length``, all places alike.

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
    return Perturbed(plain.frames, missing, plain.shift)


def spatial_offset(rng: np.random.Generator, length: int, pixels: float) -> Perturbed:
    """A person off the centre by ``pixels``, in any direction, throughout the trial.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : int
    pixels : float
        1 to 10 in the paper, of a crop of 240 px; of a crop of another size as large a share.
    """
    plain = undisturbed(length)
    angle = rng.uniform(0, 2 * np.pi)
    shift = round(pixels * float(np.cos(angle))), round(pixels * float(np.sin(angle)))
    return Perturbed(plain.frames, plain.missing, shift)


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

    def apply(self, rng: np.random.Generator, length: int, strength: int, crop: int) -> Perturbed:
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
    """The random numbers of one trial in one repetition.

    They depend on nothing else: not on the order of trials, the network or which strengths are tried.

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
    """Pictures whose content is off its place; the pixels of the border repeat where nothing was seen.

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


def perturbed(frames: Array, change: Perturbed) -> Array:
    """The pictures that a network is given: those chosen, shifted.

    Parameters
    ----------
    frames : (n, h, w, c)
        From the start frame on; behind the last one it repeats.
    change : Perturbed
        Its ``missing`` is left to the network's input.

    Returns
    -------
    (T, h, w, c)
    """
    chosen: Array = frames[np.minimum(change.frames, len(frames) - 1)]
    return shifted(chosen, change.shift) if change.shift != (0, 0) else chosen
