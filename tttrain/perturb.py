"""What goes wrong while data are collected, as it is simulated in [GRU] §V-F.

Three errors, each with a strength: the camera's rate is off, frames are missing, the person does not stand
in the centre. Functions here are pure: frame numbers, masks and pixels in, the same out.

What the paper leaves open and how it is read:

- *frame rate*: "a sequence with more … than 40 images (41 to 45) from the starting frame", of which "the
  extra images" are deleted at random: any of them may be, the first one too, each as likely as the others.
- *missing frames* are zero tensors as the network reads them, behind the normalisation.
- *a bias of 1 to 10 pixels*: all frames of a trial are off the centre by so many pixels (rounded to whole
  ones), in a direction drawn for the trial. Where the crop then reaches over the border of the picture, the
  pixels of the border repeat.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tttrain.dataset import Array

#: frames and pixels of crop that the strengths of the paper refer to
PAPER_FRAMES, PAPER_CROP = 40, 240


@dataclass(frozen=True)
class Perturbed:
    """What a network sees of one trial.

    Attributes
    ----------
    frames : (T,) int
        Frames counted from the start frame, ascending.
    missing : (T,) bool
        Which of them are zero tensors.
    shift : (int, int)
        x, y in px by which the crop is off its place.
    """

    frames: NDArray[np.intp]
    missing: NDArray[np.bool_]
    shift: tuple[int, int]


def undisturbed(length: int) -> Perturbed:
    """A trial as it is: ``length`` frames from the start."""
    return Perturbed(np.arange(length), np.zeros(length, bool), (0, 0))


def frame_rate_error(rng: np.random.Generator, length: int, extra: int) -> Perturbed:
    """A camera that is too fast: of ``length + extra`` frames as many are deleted at random as are too many.

    Parameters
    ----------
    rng : numpy.random.Generator
    length : int
        T, frames that remain.
    extra : int
        1 to 5 of 40 in the paper.
    """
    plain = undisturbed(length)
    kept = np.sort(rng.choice(length + extra, length, replace=False))
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
        1 to 10 in the paper, of a crop of 240 px.
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
        Of its curve.
    axis : str
        What its strength is.
    strengths : tuple of int
        Those of the paper.
    make : callable
        Random numbers, T, strength → :class:`Perturbed`.
    figure : str
        Where the paper shows it.
    """

    name: str
    title: str
    axis: str
    strengths: tuple[int, ...]
    make: Callable[[np.random.Generator, int, int], Perturbed]
    figure: str

    def scaled(self, strength: int, length: int, crop: int) -> int:
        """A strength of the paper for ``length`` frames, or a crop of ``crop`` px; at least 1."""
        share = crop / PAPER_CROP if self.name == "spatial-offset" else length / PAPER_FRAMES
        return max(1, round(strength * share))


DISTURBANCES: dict[str, Disturbance] = {
    d.name: d
    for d in (
        Disturbance(
            "frame-rate", "frame rate off", "extra frames deleted at random", tuple(range(1, 6)),
            frame_rate_error, "[GRU] Fig. 10",
        ),
        Disturbance(
            "missing-frames", "frames missing", "frames set to zero", tuple(range(1, 6)),
            missing_frames, "[GRU] Fig. 11",
        ),
        Disturbance(
            "spatial-offset", "person off the centre", "offset, px", tuple(range(1, 11)),
            spatial_offset, "[GRU] Fig. 12",
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


def cut(frames: Array, corner: tuple[int, int], size: tuple[int, int]) -> Array:
    """A crop that may reach over the border, where the pixels of the border repeat.

    Parameters
    ----------
    frames : (n, h, w, c)
    corner : (int, int)
        x, y of its first pixel.
    size : (int, int)
        (width, height), px.

    Returns
    -------
    (n, height, width, c)
    """
    _, h, w, _ = frames.shape
    x = np.clip(np.arange(corner[0], corner[0] + size[0]), 0, w - 1)
    y = np.clip(np.arange(corner[1], corner[1] + size[1]), 0, h - 1)
    return frames[:, y[:, None], x[None, :]]


def reach_over(corner: tuple[int, int], size: tuple[int, int], picture: tuple[int, int]) -> int:
    """By how many pixels at most a crop reaches over the border of a picture; 0: it lies inside."""
    over = [max(-c, c + s - p, 0) for c, s, p in zip(corner, size, picture, strict=True)]
    return max(over)
