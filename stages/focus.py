"""Focus: where in the picture the player is, or whom to follow; the region of interest and the pose obey it.

A focus is given for each video, by people who know where their player stands. It comes as a word, a box or a
polygon; without one, the stages look at the whole picture, as published.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_serializer, model_validator

from stages.base import Params

Box = tuple[float, float, float, float]
Points = tuple[tuple[float, float], ...]
#: of two people: the one on that side of the picture, the one nearer to the camera, the one farther off
Side = Literal["left", "right", "near", "far"]

#: halves of the picture by name; of two players filmed from behind one of them, the near one stands below
HALVES: dict[str, Box] = {
    "left": (0.0, 0.0, 0.5, 1.0),
    "right": (0.5, 0.0, 1.0, 1.0),
    "near": (0.0, 0.5, 1.0, 1.0),
    "far": (0.0, 0.0, 1.0, 0.5),
}
#: follows the person who moves most while others rest
AUTO = "auto"
_FORMS = (
    f"give {', '.join(HALVES)}, {AUTO}, {', '.join(f'{AUTO}-{side}' for side in HALVES)}, a box "
    "[left, top, right, bottom] or a polygon [[x, y], …] in shares of the picture, 0 to 1"
)


class Focus(Params):
    """Where to look, or whom to follow.

    Attributes
    ----------
    box : (left, top, right, bottom) or None
        In shares of the stored frame.
    polygon : tuple of (x, y) or None
        Its corners in order, likewise.
    follow : {"", "most", "left", "right", "near", "far"}
        Which of the people that are followed through time; ``most``: who moves most while others rest.
        Empty: nobody is followed, the place alone decides.
    """

    box: Box | None = None
    polygon: Points | None = Field(None, min_length=3, max_length=1000)
    follow: Literal["", "most", "left", "right", "near", "far"] = ""

    @model_validator(mode="before")
    @classmethod
    def _from_what_people_write(cls, value: Any) -> Any:
        if isinstance(value, str):
            word = value.strip().lower()
            if word in HALVES:
                return {"box": HALVES[word]}
            head, _, side = word.partition("-")
            if head == AUTO and (side in HALVES or word == AUTO):
                return {"follow": side or "most"}
            raise ValueError(_FORMS)
        if isinstance(value, list | tuple):
            if value and all(isinstance(corner, list | tuple) for corner in value):
                return {"polygon": value}
            if len(value) == 4:
                return {"box": value}
            raise ValueError(_FORMS)
        return value

    @model_validator(mode="after")
    def _holds_something(self) -> Focus:
        if sum((self.box is not None, self.polygon is not None, self.follow != "")) != 1:
            raise ValueError(_FORMS)
        if self.box is not None:
            left, top, right, bottom = self.box
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError("give [left, top, right, bottom] in 0 to 1; [0, 0, 0.5, 1] is the left half")
        if self.polygon is not None:
            if not all(0 <= share <= 1 for corner in self.polygon for share in corner):
                raise ValueError("the corners of a polygon are [x, y] in shares of the picture, 0 to 1")
            if cv2.contourArea(np.array(self.polygon, np.float32)) <= 0:
                raise ValueError("a polygon's corners must not lie on one line")
        return self

    @model_serializer(mode="plain")
    def written(self) -> str | list[Any]:
        """Return it as people write it: a word where there is one, else the numbers; equal ones alike."""
        if self.follow:
            return AUTO if self.follow == "most" else f"{AUTO}-{self.follow}"
        if self.polygon is not None:
            return [list(corner) for corner in self.polygon]
        word = next((word for word, box in HALVES.items() if box == self.box), "")
        return word or list(self.box or ())

    def mask(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return which pixels belong to the place, (height, width) bool, at least one; all, if followed.

        The array is shared between calls and cannot be written to.
        """
        return _mask(self, width, height)

    def holds(self, points: NDArray[np.floating], width: int, height: int) -> NDArray[np.bool_]:
        """Tell which points lie in the place.

        Parameters
        ----------
        points : (..., 2) float
            x, y in px of the frame; the middle of pixel 0 lies at 0. One outside the frame counts as the
            pixel at its border.
        width, height : int
            Of the frame, px.

        Returns
        -------
        (...) bool
        """
        at = np.floor(points + 0.5)
        x = np.clip(at[..., 0], 0, width - 1).astype(np.intp)
        y = np.clip(at[..., 1], 0, height - 1).astype(np.intp)
        return np.asarray(self.mask(width, height)[y, x])


@lru_cache(maxsize=64)
def _mask(focus: Focus, width: int, height: int) -> NDArray[np.bool_]:
    if focus.polygon is None:
        inside = np.zeros((height, width), bool)
        inside[pixels_of(focus.box, width, height)] = True
    else:
        inside = _filled(np.array(focus.polygon) * (width, height), width, height)
    inside.flags.writeable = False
    return inside


def _filled(corners: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """Pixels whose middle lies in a polygon (even-odd rule), else the one at the mean of its corners.

    ``cv2.fillPoly`` would take every pixel that the outline touches, too.
    """
    middles = np.arange(height) + 0.5
    (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, axis=0).T
    crossed = (y0 <= middles[:, None]) != (y1 <= middles[:, None])
    at = x0 + (middles[:, None] - y0) / np.where(crossed, y1 - y0, 1) * (x1 - x0)
    inside = np.zeros((height, width), bool)
    for row, edges in enumerate(crossed):
        # a pixel's middle is inside where it has passed an odd number of edges
        passed = np.searchsorted(np.sort(at[row, edges]), np.arange(width) + 0.5, side="right")
        inside[row] = passed % 2 == 1
    if not inside.any():
        x, y = corners.mean(axis=0)
        inside[min(int(y), height - 1), min(int(x), width - 1)] = True
    return inside


def pixels_of(box: Box | None, width: int, height: int) -> tuple[slice, slice]:
    """Return the rows and columns of a box in shares of the frame, at least one of each; None: all."""
    left, top, right, bottom = box or (0.0, 0.0, 1.0, 1.0)
    columns, rows = ((int(a * n), max(int(a * n) + 1, round(b * n)))
                     for a, b, n in ((left, right, width), (top, bottom, height)))  # fmt: skip
    return slice(*rows), slice(*columns)
