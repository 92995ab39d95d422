"""Decision rules that smooth class scores along time [3S §3.3], and the strokes that follow from them.

Windows are cut off at the ends of a video, so that only frames of the video decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

ClassScores = NDArray[np.float64]
Labels = NDArray[np.intp]

#: windows of [3S] §3.3 for vote and average, and for the Gaussian; frames at 120 fps
VOTE, GAUSS = 150, 201
#: detected strokes of fewer frames than this are dropped
SHORTEST = 30


#: frames per second that these are meant for
RATE = 120.0


def windows_at(rate: float) -> tuple[int, int, int]:
    """Return :data:`VOTE`, :data:`GAUSS` (odd) and :data:`SHORTEST` at a rate.

    Parameters
    ----------
    rate : float
        1/s; 0: unknown, taken for 120.

    Examples
    --------
    >>> windows_at(119.88), windows_at(30)
    ((150, 201, 30), (38, 51, 8))
    """
    scale = rate / RATE if rate > 0 else 1.0
    odd = 2 * round((GAUSS * scale - 1) / 2) + 1
    return max(1, round(VOTE * scale)), max(1, odd), max(1, round(SHORTEST * scale))


@dataclass(frozen=True)
class Stroke:
    """A detected or annotated interval.

    Attributes
    ----------
    begin, end : int
        Frames [begin, end).
    label : int
        Class index.
    """

    begin: int
    end: int
    label: int


def spread(scores: ClassScores, centres: NDArray[np.intp], n_frames: int) -> ClassScores:
    """Give every frame the scores of the window that is centred nearest to it.

    Parameters
    ----------
    scores : (n, C) float
    centres : (n,) int
        Ascending; frame in the middle of each window.
    n_frames : int

    Returns
    -------
    (n_frames, C) float
    """
    between = (centres[1:] + centres[:-1]) / 2
    return scores[np.searchsorted(between, np.arange(n_frames))]


def _moving_sum(values: ClassScores, window: int) -> ClassScores:
    """Sum over [t − window//2, t − window//2 + window), as far as that exists."""
    n = len(values)
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    first = np.clip(np.arange(n) - window // 2, 0, n)
    last = np.clip(np.arange(n) - window // 2 + window, 0, n)
    return np.asarray(total[last] - total[first])


def _best(scores: ClassScores) -> Labels:
    best: Labels = np.argmax(scores, axis=1)
    return best


def gross(scores: ClassScores) -> Labels:
    """Decide for each frame by its own scores."""
    return _best(scores)


def vote(scores: ClassScores, window: int = VOTE) -> Labels:
    """Decide by the majority of the frames in a window; a tie goes to the class with the higher score in it.

    Parameters
    ----------
    scores : (F, C) float
        Class scores of the frames, at most 1 each.
    window : int
        Frames.

    Returns
    -------
    (F,) int
    """
    votes = np.eye(scores.shape[1])[gross(scores)]
    # rounded: these are sums of whole numbers, and a tie must stay a tie
    counts = np.rint(_moving_sum(votes, window))
    return _best(counts + _moving_sum(scores, window) / (2 * window))


def average(scores: ClassScores, window: int = VOTE) -> Labels:
    """Decide by the highest mean score in a window; as :func:`vote`."""
    return _best(_moving_sum(scores, window))


def gauss(scores: ClassScores, window: int = GAUSS) -> Labels:
    """Decide by the highest score weighted by a Gaussian; as :func:`vote`.

    σ = 0.3·((window − 1)·0.5 − 1) + 0.8, the papers' rule for kernels elsewhere [3S §2.2].
    """
    sigma = 0.3 * ((window - 1) * 0.5 - 1) + 0.8
    at = np.arange(window) - (window - 1) / 2
    kernel = np.exp(-0.5 * (at / sigma) ** 2)
    half = window // 2
    # "same" would return the kernel's length for a video shorter than it
    weighted = [np.convolve(column, kernel)[half : half + len(column)] for column in scores.T]
    return _best(np.stack(weighted, axis=1))


#: names of the rules, in the order of [3S] Table 2
NAMES = ("gross", "vote", "average", "gauss")


def decisions(scores: ClassScores, window: int = VOTE, gauss_window: int = GAUSS) -> dict[str, Labels]:
    """Apply every rule; return rule → (F,) int. Windows are in frames."""
    return {
        "gross": gross(scores),
        "vote": vote(scores, window),
        "average": average(scores, window),
        "gauss": gauss(scores, gauss_window),
    }


def strokes(labels: Labels, negative: int, shortest: int = SHORTEST) -> list[Stroke]:
    """Find the runs of frames of one stroke class.

    Parameters
    ----------
    labels : (F,) int
    negative : int
        Class that is no stroke; −1 if there is none.
    shortest : int
        Drop runs of fewer frames than this.
    """
    edges = np.flatnonzero(np.diff(labels)) + 1
    bounds = np.concatenate([[0], edges, [len(labels)]])
    found = [
        Stroke(int(begin), int(end), int(labels[begin])) for begin, end in pairwise(bounds) if end > begin
    ]
    return [s for s in found if s.label not in (negative, -1) and s.end - s.begin >= shortest]
