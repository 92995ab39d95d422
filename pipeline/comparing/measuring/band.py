"""How far a stroke is from a set of reference strokes, beside how far these are from one another.

Every reference is aligned to the one in their middle (the medoid), so that the set has a mean course and a
spread at each of its moments: the *band*. What a stroke's deviation means is told by leaving one out: each
reference is compared with the mean of the others in the same way as the stroke is with the mean of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.comparing.measuring.measures import windows
from pipeline.comparing.measuring.movement import Movement
from pipeline.comparing.measuring.warping import carried, distance, path
from stages.base import Array
from stages.kinematics.course import Floats

#: references from which on their spread says something
FEWEST = 3
#: a part is compared where both are known in this share of the moments of a phase
ENOUGH = 0.5


def mean(values: Floats, axis: int) -> Floats:
    """Return the mean of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def unusual(value: float, usual: Floats, error: float) -> float:
    """Return how many spreads a value lies above the mean of the references; NaN where too little is known.

    The spread is that of a prediction from few values, with the error of measurement:
    ``sqrt(s^2 (1 + 1/R) + error^2)``, s their standard deviation.

    Parameters
    ----------
    value : float
    usual : (R,) float64
        The references' own values; those that are NaN do not count.
    error : float
        Below which a difference is none. One value has no spread, so that only this remains.
    """
    usual = usual[np.isfinite(usual)]
    if not np.isfinite(value) or not len(usual):
        return float("nan")
    variance = float(usual.var(ddof=1)) * (1 + 1 / len(usual)) if len(usual) > 1 else 0.0
    return (value - float(usual.mean())) / float(np.sqrt(variance + error**2))


@dataclass(frozen=True)
class Aligned:
    """A movement at the moments of the reference in the middle.

    Attributes
    ----------
    movement : Movement
    pairs : list of (int, int)
        Its moments and those of the reference in the middle.
    places : (M, 9, 2) float64
        Body lengths.
    angles : (M, S) float64
    confidence : (M, 9) float64
    """

    movement: Movement
    pairs: list[tuple[int, int]]
    places: Floats
    angles: Floats
    confidence: Floats


@dataclass(frozen=True)
class Band:
    """Reference strokes, aligned.

    Attributes
    ----------
    references : tuple of Movement
    middle : int
        Which of them the others are aligned to.
    aligned : tuple of Aligned
    """

    references: tuple[Movement, ...]
    middle: int
    aligned: tuple[Aligned, ...]

    @property
    def template(self) -> Movement:
        """The reference in the middle."""
        return self.references[self.middle]

    @property
    def certain(self) -> bool:
        """Whether there are enough references for a spread."""
        return len(self.references) >= FEWEST

    @cached_property
    def places(self) -> Floats:
        """Places of all references at the template's moments, (R, M, 9, 2)."""
        return np.stack([a.places for a in self.aligned])

    @cached_property
    def angles(self) -> Floats:
        """Angles of all references at the template's moments, (R, M, S)."""
        return np.stack([a.angles for a in self.aligned])

    @cached_property
    def windows(self) -> dict[str, Array]:
        """Which moments belong to each window of the template, (M,) bool."""
        return windows(self.template.edges)

    @cached_property
    def within(self) -> Array:
        """Which moments belong to any of them, (M,) bool: annotators differ in what lies around."""
        return np.asarray(np.any([*self.windows.values()], axis=0))

    def align(self, movement: Movement) -> Aligned:
        """Bring a movement to the moments of the template."""
        pairs = path(movement, self.template)
        places, angles, confidence = (
            carried(values, pairs) for values in (movement.places, movement.angles, movement.confidence)
        )
        return Aligned(movement, pairs, places, angles, np.nan_to_num(confidence))


def make_band(references: Sequence[Movement]) -> Band:
    """Align reference strokes to the one that is nearest to all others.

    Raises
    ------
    ValueError
        There is none.
    UserError
        dtaidistance is not installed.
    """
    if not references:
        raise ValueError("no reference")
    apart = np.zeros((len(references), len(references)))
    for i, one in enumerate(references):
        for j in range(i):
            apart[i, j] = apart[j, i] = distance(one, references[j])
    # two strokes without a part in common are as far apart as any
    apart = np.where(np.isfinite(apart), apart, np.nanmax(apart) if np.isfinite(apart).any() else 0)
    middle = int(apart.sum(axis=0).argmin())
    bare = Band(tuple(references), middle, ())
    return Band(bare.references, middle, tuple(bare.align(one) for one in references))


def deviations(places: Floats, others: Floats) -> Floats:
    """Return how far places are from the mean of others, (M, 9, 2) body lengths.

    Parameters
    ----------
    places : (M, 9, 2)
    others : (R, M, 9, 2)

    Returns
    -------
    (M, 9, 2) float64
        NaN where the part is unknown, or known in fewer than half of the others.
    """
    known = np.isfinite(others).mean(axis=0) >= ENOUGH
    return np.where(known, places - mean(others, 0), np.nan)


def size(differences: Floats, inside: Array) -> Floats:
    """Return the root of the mean square of differences over some moments, for each part.

    Parameters
    ----------
    differences : (M, 9, 2)
    inside : (M,) bool

    Returns
    -------
    (9,) float64
        Body lengths; NaN where fewer than half of the moments are known.
    """
    squares = (differences[inside] ** 2).sum(axis=-1)
    enough = np.isfinite(squares).mean(axis=0) >= ENOUGH
    return np.where(enough, np.sqrt(mean(squares, 0)), np.nan)
