"""Measures of where the region of interest, the people and the movement lie to each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.base import Array
from stages.descriptor import JOINTS

#: a person's box is enlarged on each side by this part of its larger side: racket, hair, shoes
ROOM = 0.25
#: keypoints with a lower score are guesses
SURE = 0.1

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class People:
    """The people of some frames.

    Attributes
    ----------
    count : (n,) uint8
        People found in each frame.
    keypoints : (n, P, 17, 2) float32
        x, y in px.
    scores : (n, P, 17) float32
    chosen : (n,) int8
        Which of them the descriptor took; -1 for none.
    """

    count: Array
    keypoints: Array
    scores: Array
    chosen: Array

    def box(self, t: int, person: int, room: float) -> Floats:
        """Return the box of a person of frame t: left, top, right, bottom in px, (4,) float64.

        Parameters
        ----------
        t, person : int
        room : float
            By which it is enlarged on each side, in parts of its larger side.
        """
        sure = self.scores[t, person] >= SURE
        points = self.keypoints[t, person].astype(np.float64)
        points = points[sure] if sure.sum() > 1 else points
        low, high = points.min(axis=0), points.max(axis=0)
        more = room * max(float((high - low).max()), 1.0)
        return np.concatenate([low - more, high + more])

    def boxes(self, t: int) -> Floats:
        """Return the boxes of all people of frame t, (people, 4) float64."""
        return np.array([self.box(t, p, ROOM) for p in range(int(self.count[t]))]).reshape(-1, 4)

    def centres(self) -> Floats:
        """Return the mean of the 13 joints of the chosen person, (n, 2) px; NaN where there is none."""
        out = np.full((len(self.chosen), 2), np.nan)
        has = self.chosen >= 0
        who = self.keypoints[np.flatnonzero(has), self.chosen[has]][:, : len(JOINTS)]
        out[has] = who.astype(np.float64).mean(axis=1)
        return out

    def in_window(self, centre: Array, size: tuple[int, int]) -> Floats:
        """Return the share of the chosen person's 13 joints that a crop round the ROI shows.

        Parameters
        ----------
        centre : (n, 2)
            Of the ROI, px.
        size : (int, int)
            Width and height of the crop, px.

        Returns
        -------
        (n,) float64
            NaN where there is no person.
        """
        out = np.full(len(self.chosen), np.nan)
        for t in np.flatnonzero(self.chosen >= 0):
            joints = self.keypoints[t, self.chosen[t], : len(JOINTS)].astype(np.float64)
            inside = np.abs(joints - centre[t].astype(np.float64)) <= np.array(size) / 2
            out[t] = inside.all(axis=1).mean()
        return out


def inside(box: Floats, width: int, height: int) -> tuple[slice, slice]:
    """Return the rows and columns of a frame that lie in a box, maybe none."""
    left, top, right, bottom = box
    columns = slice(max(0, int(np.ceil(left))), max(0, min(width, int(np.floor(right)) + 1)))
    return slice(max(0, int(np.ceil(top))), max(0, min(height, int(np.floor(bottom)) + 1))), columns


def liveliness(mask: Array, box: Floats) -> float:
    """Return the share of a box's pixels that move; NaN where it lies outside the frame."""
    part = mask[inside(box, mask.shape[1], mask.shape[0])]
    return float(np.count_nonzero(part) / part.size) if part.size else float("nan")


def shares_of_movement(
    mask: Array, boxes: Floats, chosen: int, outside: Bools | None
) -> tuple[float, float, float, float]:
    """Tell where the moving pixels of one frame are.

    Parameters
    ----------
    mask : (H, W)
        Not zero where something moves.
    boxes : (people, 4)
        See :meth:`People.boxes`.
    chosen : int
        The descriptor's person; -1 for none.
    outside : (H, W) bool or None
        What the focus leaves out.

    Returns
    -------
    moving : float
        Share of the picture.
    of_person, of_people, of_outside : float
        Shares of the moving pixels in the chosen person's box, in anybody's, and outside the focus; NaN where
        nothing moves, there is nobody, or there is no focus.
    """
    moving = mask != 0
    count = int(np.count_nonzero(moving))
    nan = float("nan")
    if not count:
        return 0.0, nan, nan, nan
    height, width = mask.shape
    person = people = nan
    if len(boxes):
        held = np.zeros(mask.shape, bool)
        for box in boxes:
            held[inside(box, width, height)] = True
        people = np.count_nonzero(moving & held) / count
        if chosen >= 0:
            person = np.count_nonzero(moving[inside(boxes[chosen], width, height)]) / count
    off = np.count_nonzero(moving & outside) / count if outside is not None else nan
    return count / mask.size, person, people, off


def at_border(centre: Array, crop: tuple[int, int], size: tuple[int, int]) -> Bools:
    """Tell where the ROI's crop touches the border of the frame.

    Parameters
    ----------
    centre : (n, 2)
        px.
    crop, size : (int, int)
        Width and height of the crop and of the frame, px; an axis on which the crop is as large as the frame
        does not count.
    """
    touches = np.zeros(len(centre), bool)
    for axis, (c, extent) in enumerate(zip(crop, size, strict=True)):
        if c < extent:
            touches |= (centre[:, axis] <= c / 2 + 0.5) | (centre[:, axis] >= extent - c / 2 - 0.5)
    return touches
