"""Rank stretches of videos by what a label there would teach: the network's doubt, and how new they look.

Doubt is that of uncertainty sampling [Settles §3.1]; newness the distance from the nearest stretch that is
labelled or chosen already, as greedy k-centre covers a set [Core-set §4.2]. The two find different things:
what a network has never seen it often takes for something else without any doubt. So they take turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: rows from one candidate to the next, as a part of a stretch
_STEP = 4


@dataclass(frozen=True)
class Scored:
    """What is known of one video, or of one player in it.

    Attributes
    ----------
    name : str
        Its own; of a player in a video where several are looked at.
    scores : (F, C) float
        Class scores of each row, 0 to 1.
    features : (W, D) float
        Of windows, in front of the network's last layer.
    centres : (W,) int
        Row in the middle of each window.
    labelled : sequence of (int, int)
        Rows [begin, end) that carry labels.
    film : str
        What it shows, where others may show the same: the video of several players. Empty: its name.
    """

    name: str
    scores: Floats
    features: Floats
    centres: NDArray[np.int64]
    labelled: Sequence[tuple[int, int]] = ()
    film: str = ""


@dataclass(frozen=True)
class Stretch:
    """A stretch to label.

    Attributes
    ----------
    rank : int
        From 1.
    video : str
    begin, end : int
        Rows [begin, end).
    why : {"doubt", "new"}
        What it was chosen for.
    doubt : float
        Mean doubt of its rows, 0 (one class has all of the score) to 1 (all classes have the same).
    doubt_share : float
        Share of the candidates with less doubt.
    new_share : float
        Share of the candidates that were nearer to something labelled or chosen when it was chosen.
    classes : (int, int)
        Those with the highest mean scores.
    class_scores : (float, float)
    """

    rank: int
    video: str
    begin: int
    end: int
    why: str
    doubt: float
    doubt_share: float
    new_share: float
    classes: tuple[int, int]
    class_scores: tuple[float, float]


def entropy(scores: Floats) -> Floats:
    """Return the entropy of each row's scores over that of equal scores, (F,) in 0 to 1."""
    count = scores.shape[1]
    if count < 2:
        return np.zeros(len(scores))
    shares = scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-12)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    found: Floats = np.clip(-(shares * logs).sum(axis=1) / np.log(count), 0.0, 1.0)
    return found


def rank(
    videos: Sequence[Scored],
    count: int,
    length: int,
    *,
    known: Floats | None = None,
    weight: float = 0.5,
) -> list[Stretch]:
    """Choose stretches to label, the most useful first.

    Parameters
    ----------
    videos : sequence of Scored
    count : int
        Of stretches; fewer are returned where no more fit.
    length : int
        Of a stretch, rows. A video that is shorter is one stretch.
    known : (K, D) float, optional
        Features of labelled windows elsewhere, as of the training set.
    weight : float
        Share of the stretches that are chosen for the network's doubt, 0 to 1; the others are for newness.

    Returns
    -------
    list of Stretch
        No two of a film overlap, and none has a row with a label. Where nothing is labelled, the first one
        is chosen for doubt.
    """
    spots = [spot for at, video in enumerate(videos) for spot in _candidates(at, video, length)]
    if not spots or count < 1:
        return []
    doubt = np.array([spot.doubt for spot in spots])
    scale = _scale(videos, known)
    features = np.stack([spot.feature for spot in spots]) / scale
    nearest = np.full(len(spots), np.inf)
    for labelled in _labelled(videos, known):
        nearest = np.minimum(nearest, _distances(features, labelled / scale))
    free = np.ones(len(spots), bool)
    turn = 0.0
    doubt_share = _shares(doubt)
    chosen: list[Stretch] = []
    while len(chosen) < count and free.any():
        finite = bool(np.isfinite(nearest).all())
        new_share = _shares(nearest) if finite else np.zeros(len(spots))
        turn += weight
        doubting = turn >= 1 - 1e-9 or not finite
        turn -= doubting
        # of equal ones, the other share decides
        value = doubt_share + 1e-3 * new_share if doubting else new_share + 1e-3 * doubt_share
        best = int(np.flatnonzero(free)[np.argmax(value[free])])  # of equal ones the first in the order given
        spot = spots[best]
        video = videos[spot.video]
        means = video.scores[spot.begin : spot.end].mean(axis=0)
        order = np.argsort(-means, kind="stable")
        first, second = int(order[0]), int(order[min(1, len(order) - 1)])
        chosen.append(
            Stretch(
                len(chosen) + 1, video.name, spot.begin, spot.end, "doubt" if doubting else "new", spot.doubt,
                float(doubt_share[best]), float(new_share[best]), (first, second),
                (float(means[first]), float(means[second])),
            )
        )  # fmt: skip
        nearest = np.minimum(nearest, _distances(features, features[best : best + 1]))
        free &= [s.film != spot.film or s.end <= spot.begin or spot.end <= s.begin for s in spots]
    return chosen


@dataclass(frozen=True)
class _Spot:
    video: int
    begin: int
    end: int
    doubt: float
    feature: Floats
    film: str


def _candidates(at: int, video: Scored, length: int) -> Iterable[_Spot]:
    """Yield the stretches of a video that have no labelled row."""
    n = len(video.scores)
    length = min(length, n)
    if length < 1 or not len(video.features):
        return
    taken = np.zeros(n + 1, np.int64)
    for begin, end in video.labelled:
        taken[max(begin, 0) : max(min(end, n), 0)] = 1
    sums = np.concatenate([[0], np.cumsum(taken[:n])])
    doubts = np.concatenate([[0.0], np.cumsum(entropy(video.scores))])
    step = max(length // _STEP, 1)
    for begin in np.union1d(np.arange(0, n - length + 1, step), _after(video.labelled, n - length)):
        end = int(begin) + length
        if sums[end] > sums[begin]:
            continue
        middle = int(begin) + length / 2
        window = int(np.argmin(np.abs(video.centres - middle)))
        doubt = float(doubts[end] - doubts[begin]) / length
        yield _Spot(
            at,
            int(begin),
            end,
            doubt,
            np.asarray(video.features[window], np.float64),
            video.film or video.name,
        )


def _after(labelled: Sequence[tuple[int, int]], last: int) -> NDArray[np.int64]:
    """Return begins right behind labels, and the last possible one: short gaps hold a stretch, too."""
    begins = [end for _, end in labelled] + [last]
    return np.array([b for b in begins if 0 <= b <= last], np.int64)


def _labelled(videos: Sequence[Scored], known: Floats | None) -> Iterable[Floats]:
    """Yield the features of windows whose middle is labelled, and those known from elsewhere."""
    if known is not None and len(known):
        yield np.asarray(known, np.float64)
    for video in videos:
        inside = np.zeros(len(video.centres), bool)
        for begin, end in video.labelled:
            inside |= (video.centres >= begin) & (video.centres < end)
        if inside.any():
            yield np.asarray(video.features[inside], np.float64)


def _scale(videos: Sequence[Scored], known: Floats | None) -> Floats:
    """Return the spread of each feature, by which none decides for its size; 1 where it never changes."""
    parts = [np.asarray(v.features, np.float64) for v in videos if len(v.features)]
    if known is not None and len(known):
        parts.append(np.asarray(known, np.float64))
    spread: Floats = np.concatenate(parts).std(axis=0)
    return np.where(spread > 1e-9, spread, 1.0)


def _distances(features: Floats, others: Floats) -> Floats:
    """Return the distance of each row from the nearest of others, (N,)."""
    nearest = np.full(len(features), np.inf)
    for at in range(0, len(others), 64):  # in parts: a table of all distances may not fit into memory
        part = others[at : at + 64]
        squares = (features**2).sum(axis=1)[:, None] - 2 * features @ part.T + (part**2).sum(axis=1)[None, :]
        nearest = np.minimum(nearest, np.sqrt(np.maximum(squares, 0.0)).min(axis=1))
    return nearest


def _shares(values: Floats) -> Floats:
    """Return for each value the share of values that are smaller, 0 to 1."""
    values = values.round(9)  # sums in another order differ in their last digits, and are the same
    below = np.searchsorted(np.sort(values), values, side="left")
    return below / max(len(values) - 1, 1)
