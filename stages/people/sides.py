"""The two people of a match at every time, and who of them stands left, right, near and far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.base import Array
from stages.people.tracking import sizes_of

Floats = NDArray[np.float64]

#: columns of what is written for each side
SIDES = ("left", "right", "near", "far")
#: wrists among PoseNet's keypoints, and how many of these the trunk and arms are
WRISTS, N_JOINTS = (9, 10), 13
#: seconds before and after a frame that decide who the two people of the match are
MATCH_SECONDS = 5.0
#: seconds before and after a frame over which places and sizes are averaged
PLACE_SECONDS = 0.5
#: seconds over which the speed of a wrist is taken, so that what a joint trembles counts alike at all rates
SPEED_SECONDS = 0.1
#: of the weight of the first of the two, what the second must have
LEAST_SHARE = 0.15
#: what is added to the body on each side of its box, in body sizes: a racket, and what PoseNet cut off
PADDING = 0.75
#: keypoints below it do not widen the box
LEAST_SCORE = 0.1


@dataclass
class Person:
    """Somebody from first to last sighting, one row a frame, interpolated where not seen.

    Attributes
    ----------
    number : int
    first : int
        Frame of row 0.
    poses : (m,) int8
        Index of the pose, -1 where not seen.
    centre : (m, 2) float64
        Mean of the 13 joints, px.
    size : (m,) float64
        Body size, px, averaged.
    box : (m, 4) float64
        left, top, right, bottom, px, padded.
    speed : (m,) float64
        Of the wrists against the body, mean of both, px/s.
    """

    number: int
    first: int
    poses: NDArray[np.int8]
    centre: Floats
    size: Floats
    box: Floats
    speed: Floats

    @property
    def rows(self) -> slice:
        """Frames from first to last sighting."""
        return slice(self.first, self.first + len(self.poses))


def boxes_of(keypoints: Array, scores: Array) -> Floats:
    """Return left, top, right, bottom of bodies (k, 17, 2) with scores (k, 17), padded, px: (k, 4)."""
    seen = scores >= LEAST_SCORE
    seen[~seen.any(axis=1)] = True
    points = keypoints.astype(np.float64)
    low = np.where(seen[..., None], points, np.inf).min(axis=1)
    high = np.where(seen[..., None], points, -np.inf).max(axis=1)
    padding = PADDING * sizes_of(points[:, :N_JOINTS])[:, None]
    return np.concatenate([low - padding, high + padding], axis=1)


def person_of(
    number: int, frames: NDArray[np.intp], poses: NDArray[np.intp], bodies: Array, boxes: Array, fps: float
) -> Person:
    """Put together one person's sightings.

    Parameters
    ----------
    number : int
    frames, poses : (k,) int
        Where the person was seen, in order.
    bodies : (k, 7) float
        x, y of centre and both wrists, size, px.
    boxes : (k, 4) float
    fps : float
    """
    first = int(frames[0])
    every = np.arange(first, int(frames[-1]) + 1)
    dense = np.stack([np.interp(every, frames, column) for column in np.hstack([bodies, boxes]).T], axis=1)
    index = np.full(len(every), -1, np.int8)
    index[frames - first] = poses
    wrists = dense[:, 2:6].reshape(-1, 2, 2) - dense[:, None, :2]
    lag = max(1, round(SPEED_SECONDS * fps))
    before, after = np.maximum(np.arange(len(every)) - lag // 2, 0), np.arange(len(every)) + lag - lag // 2
    after = np.minimum(after, len(every) - 1)
    path = np.linalg.norm(wrists[after] - wrists[before], axis=2).mean(axis=1)
    speed = path * fps / np.maximum(after - before, 1)
    return Person(
        number,
        first,
        index,
        dense[:, :2],
        windowed_mean(dense[:, 6], PLACE_SECONDS * fps),
        dense[:, 7:],
        speed,
    )


def windowed_mean(values: Floats, reach: float) -> Floats:
    """Average along time over ``reach`` frames before and after, fewer at the ends."""
    n, k = len(values), round(reach)
    total = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
    first, last = np.maximum(np.arange(n) - k, 0), np.minimum(np.arange(n) + k + 1, n)
    count = (last - first).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray((total[last] - total[first]) / count)


def weight_of(person: Person, fps: float) -> Floats:
    """How much somebody counts as one of the two people of the match, at each of the person's frames, px/s.

    The speed of the wrists and a body size a second, over ten seconds around: who is large and moves. Who is
    in the picture for a part of them has that part.
    """
    total = np.concatenate([[0.0], np.cumsum(person.speed + person.size)])
    reach, n = round(MATCH_SECONDS * fps), len(person.poses)
    at = np.arange(n)
    sums = total[np.minimum(at + reach + 1, n)] - total[np.maximum(at - reach, 0)]
    return np.asarray(sums / (2 * reach + 1))


@dataclass
class Sided:
    """Who stands where, one row a frame and one column for each of :data:`SIDES`.

    Attributes
    ----------
    track : (n, 4) int32
        Number of the person, -1: nobody.
    pose : (n, 4) int8
        Index of the pose, -1 where not seen.
    box : (n, 4, 4) float32
        left, top, right, bottom, px.
    size : (n, 4) float32
        Body size, px.
    names : dict
        Number of the person → (left minus right, near minus far) in frames beside somebody else.
    """

    track: NDArray[np.int32]
    pose: NDArray[np.int8]
    box: NDArray[np.float32]
    size: NDArray[np.float32]
    names: dict[int, tuple[int, int]]


def sides(people: Sequence[Person], n: int, fps: float, width: int, height: int) -> Sided:
    """Say for every frame who of the two people of the match stands on which side.

    The two are those with the largest :func:`weight_of` among who is there. Left is whose place, averaged
    over a second, lies further left; near is whose body, averaged over ten, reaches further down. Where one
    is alone, it is on the side where it was when both were there (never: in that half of the picture). A box
    is held until somebody is on that side again; before the first, it is that one's; without any, the
    picture.
    """
    first, second = _two(people, n, fps)
    place = [windowed_mean(p.centre, PLACE_SECONDS * fps) for p in people]
    # left to right, and far to near: how far down the body reaches
    down = [windowed_mean(p.centre[:, 1] + p.size, MATCH_SECONDS * fps) for p in people]
    values = [(c[:, 0], low) for c, low in zip(place, down, strict=True)]
    out = np.full((n, 4), -1, np.int32)
    names: dict[int, tuple[int, int]] = {p.number: (0, 0) for p in people}
    both, alone = (first >= 0) & (second >= 0), (first >= 0) & (second < 0)
    for axis, middle in ((0, width / 2), (1, height / 2)):
        lower, upper = (0, 1) if axis == 0 else (3, 2)
        at = np.zeros((2, n))
        for which, who in enumerate((first, second)):
            for k, person in enumerate(people):
                here = person.rows
                mine = who[here] == k
                at[which, here][mine] = values[k][axis][mine]
        swapped = (at[0] > at[1]) | ((at[0] == at[1]) & (first > second))
        out[both, lower] = np.where(swapped, second, first)[both]
        out[both, upper] = np.where(swapped, first, second)[both]
        beside = [np.bincount(out[both, 2 * axis + k], minlength=len(people)) for k in (0, 1)]
        for k, person in enumerate(people):
            balance = int(beside[0][k]) - int(beside[1][k])
            old = names[person.number]
            names[person.number] = (balance, old[1]) if axis == 0 else (old[0], balance)
            mine = np.flatnonzero(alone[person.rows] & (first[person.rows] == k)) + person.first
            if balance:
                column = 2 * axis + (balance < 0)
            else:
                column = upper if float(place[k][:, axis].mean()) >= middle else lower
            out[mine, column] = k
    return _written(people, out, names, width, height)


def _two(people: Sequence[Person], n: int, fps: float) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The two who count most at each frame, as indices of ``people``, -1: none."""
    weights, who = np.zeros((2, n)), np.full((2, n), -1, np.int32)
    for k, person in enumerate(people):
        here, mine = person.rows, weight_of(person, fps)
        w, i = weights[:, here], who[:, here]
        top, next_ = mine > w[0], (mine <= w[0]) & (mine > w[1])
        w[1] = np.where(top, w[0], np.where(next_, mine, w[1]))
        i[1] = np.where(top, i[0], np.where(next_, k, i[1]))
        w[0], i[0] = np.where(top, mine, w[0]), np.where(top, k, i[0])
    who[1, weights[1] < LEAST_SHARE * weights[0]] = -1
    return who[0], who[1]


def _written(
    people: Sequence[Person],
    who: NDArray[np.int32],
    names: dict[int, tuple[int, int]],
    width: int,
    height: int,
) -> Sided:
    n = len(who)
    track, pose = np.full((n, 4), -1, np.int32), np.full((n, 4), -1, np.int8)
    box, size = np.zeros((n, 4, 4), np.float32), np.zeros((n, 4), np.float32)
    for k, person in enumerate(people):
        for side in range(4):
            mine = np.flatnonzero(who[person.rows, side] == k)
            rows = mine + person.first
            track[rows, side], pose[rows, side] = person.number, person.poses[mine]
            box[rows, side], size[rows, side] = person.box[mine], person.size[mine]
    for side in range(4):
        known = np.flatnonzero(track[:, side] >= 0)
        if not len(known):
            box[:, side], size[:, side] = (0, 0, width, height), height
            continue
        last = np.maximum(np.searchsorted(known, np.arange(n), side="right") - 1, 0)
        box[:, side], size[:, side] = box[known[last], side], size[known[last], side]
    return Sided(track, pose, box, size, names)


def table_of(people: Sequence[Person], names: dict[int, tuple[int, int]], most: int) -> list[dict[str, Any]]:
    """Describe those who are seen longest, at most so many, by number."""
    kept = sorted(people, key=lambda p: (-int((p.poses >= 0).sum()), p.number))[:most]
    rows = []
    for person in sorted(kept, key=lambda p: p.number):
        across, deep = names[person.number]
        words = ("right", "", "left")[np.sign(across) + 1], ("far", "", "near")[np.sign(deep) + 1]
        x, y = person.centre.mean(axis=0)
        rows.append(
            {
                "track": person.number, "name": " ".join(filter(None, words)), "first": person.first,
                "last": person.first + len(person.poses) - 1, "frames": int((person.poses >= 0).sum()),
                "x": round(float(x), 1), "y": round(float(y), 1), "size": round(float(person.size.mean()), 1),
                "motion": round(float((person.speed / person.size).mean()), 2),
            }
        )  # fmt: skip
    return rows
