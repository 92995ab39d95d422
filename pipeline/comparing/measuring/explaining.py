"""Which joint explains best how a stroke deviates from the references: an arm's elbow or hand, or late hips.

Several joints are elsewhere whichever of them is to blame: who bends the elbow moves the wrist, whose hips
are late moves the shoulders. So each joint's own movements are written down as courses of all parts
(:func:`movements_of`), with what is known of the size of a fault before one looks, and the joints compete by
how probable they make the deviation as a whole: the *evidence* of a Gaussian model with explicit basis
functions [GP §2.7, eq. 2.30].

What deviates anyway is in the same model: how the references differ, at each time and part, nearby times
together; how they differ as a whole; that moments may be aligned wrongly, which moves every part along its
own course; and that a joint with a low score may be anywhere near.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.comparing.measuring.band import ENOUGH, FEWEST, Aligned, Band
from pipeline.comparing.measuring.measures import INDEX, SIDES, TRUNK, whole
from pipeline.comparing.measuring.movement import MOMENTS, PARTS
from stages.base import Array
from stages.kinematics.course import Floats

#: times at which deviations are told, each the mean of four moments
TIMES = 16
_EACH = MOMENTS // TIMES
_SIZE = TIMES * len(PARTS) * 2
#: error of a place between two strokes, body lengths, and what a score of 0 adds. Found demo joints are off
#: by 0.1 where their score is 0.95 or more, by 0.33 where it is a half
ERROR, DOUBT = 0.03, 0.3
#: usual deviation, only to weigh doubtful moments against others, body lengths
USUAL = 0.1
#: share of the references' variance at one time that is replaced by the part's mean over the stroke
POOLED = 0.5
#: share of the covariance that is that of the references as a whole: 12 of them tell it badly
TOGETHER = 0.3
#: times after which two deviations of a part have little in common
MEMORY = 1.0
#: moments by which the alignment may be wrong, at six places of the stroke, each that wide
WARP, WARPS, WARP_WIDTH = 2.0, 6, 8.0
#: deviations beyond so many spreads are taken for that: accidents of a joint
MOST = 3.0
#: size of a fault before one looks: of a wrist on its line to the shoulder, an elbow across it, a hand's
#: height and side (body lengths), of late hips (moments)
ALONG, ACROSS, HEIGHT, SIDE, LATE = 0.2, 0.1, 0.3, 0.1, 6.0
#: by which the arm without racket is less likely to be meant, nats: 20 to 1
OTHER_ARM = 3.0
#: moments in which a fault comes and goes
EDGE = 4.0
#: references up to which each is held against a model of the others alone
APART = 30


def profiles(band: Band) -> list[Floats]:
    """Return how much of a fault shows over time, (M,) each: from the turn on, and in the backswing.

    The edges are medians over the references: those of one alone may be wrong. Without phases a fault is
    there all the time.
    """
    edges = []
    for one in band.aligned:
        if one.movement.edges and one.pairs:
            own, there = np.array(one.pairs, float).T
            edges.append(np.interp(one.movement.edges, own, there))
    if not edges:
        return [np.ones(MOMENTS)]
    start, turn, _, finish = np.median(edges, axis=0)
    at, out = np.arange(float(MOMENTS)), []
    for begin, end in ((turn, finish), (start, turn)):
        share = np.minimum(at - begin + EDGE, end + EDGE - at) / (2 * EDGE)
        share = share.clip(0, 1)
        out.append(share**2 * (3 - 2 * share))
    return out


def movements_of(usual: Floats, shares: list[Floats]) -> dict[str, Floats]:
    """Return what a fault of each joint does to all parts.

    Parameters
    ----------
    usual : (M, 9, 2)
        Mean course of the references, as :func:`~pipeline.comparing.measuring.measures.whole` gives it.
    shares : list of (M,)
        How much of a fault shows over time.

    Returns
    -------
    dict of str to (K, M, 9, 2)
        Joint → displacements, each as large as a fault usually is (one standard deviation). An elbow that
        bends moves the wrist along its line to the shoulder, or itself across it; a hand that is held
        elsewhere takes the elbow half the way, which may swing out; hips that are late take the trunk and the
        head along, but not the hands.
    """
    out: dict[str, Floats] = {}
    for side in SIDES:
        shoulder, elbow, wrist = (INDEX[f"{side} {part}"] for part in ("shoulder", "elbow", "wrist"))
        way, upper = usual[:, wrist] - usual[:, shoulder], usual[:, elbow] - usual[:, shoulder]
        length = np.linalg.norm(way, axis=-1, keepdims=True)
        along = way / np.maximum(length, 1e-6)
        across = np.stack([-along[:, 1], along[:, 0]], axis=-1)
        # how far the elbow is from that line: two equal bones give d(off)/d(length) = -length / (4 off)
        off = (upper * across).sum(axis=-1, keepdims=True)
        bend = np.clip(length * off / 4 / (off**2 + 0.05), -1, 1)

        def moved(
            size: float, of_elbow: Floats, of_wrist: Floats, elbow: int = elbow, wrist: int = wrist
        ) -> Floats:
            one = np.zeros_like(usual)
            one[:, elbow], one[:, wrist] = of_elbow, of_wrist
            return size * np.stack([one * share[:, None, None] for share in shares])

        still, up, right = np.zeros_like(way), np.array([0.0, 1.0]), np.array([1.0, 0.0])
        swing = moved(ACROSS, across, still)
        out[f"{side} elbow"] = np.concatenate([moved(ALONG, along / 2 - across * bend, along), swing])
        held = [moved(size, axis / 2, axis) for size, axis in ((HEIGHT, up), (SIDE, right))]
        out[f"{side} wrist"] = np.concatenate([*held, swing])
    slope, late = np.gradient(usual, axis=0), np.zeros_like(usual)
    late[:, TRUNK] = -slope[:, TRUNK]
    for side in SIDES:
        late[:, INDEX[f"{side} elbow"]] = -slope[:, INDEX[f"{side} shoulder"]] / 2
    out["hips"] = LATE * late[None]
    return out


@dataclass(frozen=True)
class Model:
    """What deviations of a stroke are usual, and what each joint would do.

    Attributes
    ----------
    usual : (M, 9, 2) float64
    known : (M, 9) bool
        Where enough references show a part.
    noise : (N, N) float64
        Covariance of the deviations at 16 times of 9 parts in 2 directions, N = 288, body lengths squared.
    faults : dict of str to (K, N)
        Joint → its displacements, one standard deviation each.
    hand : str
        Which one plays.
    """

    usual: Floats
    known: Array
    noise: Floats
    faults: Mapping[str, Floats]
    hand: str

    def explain(self, aligned: Aligned) -> dict[str, float]:
        """Return how much more probable the deviation is if a joint is to blame than if none is.

        Parameters
        ----------
        aligned : Aligned

        Returns
        -------
        dict of str to float
            Joint → natural logarithm of the ratio: 0 says nothing, 3 is 20 to 1.
        """
        places = np.where(self.known[..., None], whole(aligned.places), np.nan)
        apart, doubt = _deviations(places, aligned.confidence, self.usual)
        noise = self.noise + np.diag(doubt.ravel())
        most = MOST * np.sqrt(np.diag(noise))
        deviation = apart.ravel().clip(-most, most)
        inverse = np.linalg.inv(noise)
        out = {}
        for joint, faults in self.faults.items():
            weighed = faults @ inverse
            inner, fit = np.eye(len(faults)) + weighed @ faults.T, weighed @ deviation
            taken = float(fit @ np.linalg.solve(inner, fit)) - float(np.linalg.slogdet(inner)[1])
            other = bool(self.hand) and joint.startswith(SIDES) and not joint.startswith(self.hand)
            out[joint] = taken / 2 - OTHER_ARM * other
        return out


def _weights(places: Floats, confidence: Floats) -> Floats:
    """Return how much each place counts, (…, M, 9, 1): by the joint's score, 0 where it is unknown."""
    weight = 1 / (USUAL**2 + (DOUBT * (1 - confidence)) ** 2)
    return np.asarray((weight * np.isfinite(places).all(axis=-1))[..., None])


def _in_times(values: Floats) -> Floats:
    """Sum (…, M, 9, D) over the moments of each time."""
    *front, _, parts, axes = values.shape
    return np.asarray(values.reshape(*front, TIMES, _EACH, parts, axes).sum(axis=-3))


def _deviations(places: Floats, confidence: Floats, usual: Floats) -> tuple[Floats, Floats]:
    """Return mean deviations at each time, (…, 16, 9, 2), and the variance that low scores add to each."""
    weight = _weights(places, confidence)
    total = _in_times(weight)
    apart = _in_times(weight * (np.nan_to_num(places) - usual)) / np.maximum(total, 1e-9)
    doubt = np.where(total > 0, np.maximum(_EACH / np.maximum(total, 1e-9) - USUAL**2, 0), 1.0)
    return apart, np.broadcast_to(doubt, apart.shape)


def fit(band: Band, without: int | None = None) -> Model:
    """Learn from references what is usual.

    Parameters
    ----------
    band : Band
        One or two references have no spread: then only errors of joints and of the alignment are usual.
    without : int, optional
        A reference that is left out.
    """
    kept = [a for i, a in enumerate(band.aligned) if i != without]
    count = len(kept)
    places = whole(np.stack([a.places for a in kept]))
    confidence = np.stack([a.confidence for a in kept])
    weight = _weights(places, confidence)
    usual = (weight * np.nan_to_num(places)).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-9)
    known = (weight[..., 0] > 0).mean(axis=0) >= ENOUGH
    apart, doubt = _deviations(places, confidence, usual)
    trust = 1 / (USUAL**2 + doubt)
    growth = (1 + 1 / count) * count / max(count - 1, 1)  # of a prediction, from deviations of their own mean
    variance = growth * (trust * apart**2).sum(axis=0) / trust.sum(axis=0)
    variance = (1 - POOLED) * variance + POOLED * variance.mean(axis=0)
    spread = np.sqrt(variance + ERROR**2).reshape(TIMES, -1)
    at = np.arange(TIMES)
    near = np.exp(-np.abs(at[:, None] - at) / MEMORY)
    each = np.einsum("sk,st,tk,kl->sktl", spread, near, spread, np.eye(spread.shape[1])).reshape(_SIZE, -1)
    if count >= FEWEST:
        rows = (apart * np.sqrt(trust / trust.mean(axis=0))).reshape(count, -1)
        whole_of_them = growth * rows.T @ rows / count + ERROR**2 * np.eye(_SIZE)
        each = (1 - TOGETHER) * each + TOGETHER * whole_of_them
    warps = _warps(usual)
    faults = {
        joint: (_in_times(moves) / _EACH).reshape(len(moves), -1)
        for joint, moves in movements_of(usual, profiles(band)).items()
    }
    noise = each + warps.T @ warps + 1e-6 * np.eye(_SIZE)
    return Model(usual, known, noise, faults, band.template.hand)


def _warps(usual: Floats) -> Floats:
    """Return what a wrong alignment does about each of six moments, (6, N): parts move on their courses."""
    slope, at = np.gradient(usual, axis=0), np.arange(MOMENTS)
    around = [np.exp(-(((at - m) / WARP_WIDTH) ** 2) / 2) for m in np.linspace(0, MOMENTS - 1, WARPS)]
    courses = np.stack([WARP * slope * share[:, None, None] for share in around])
    return np.asarray((_in_times(courses) / _EACH).reshape(WARPS, -1))
