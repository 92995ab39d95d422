"""Lay out the panels of one or several frames under the video's name and a legend."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np

from pipeline.pictures.draw import GREEN, GREY, ORANGE, Picture, caption, panels, wheel
from store.names import valid_text

#: heights of the strips of text, px; letters are half as high
NAME, TEXT = 40, 28
#: between the panels, px
GAP = 4
#: pixels of the padding that stay around a picture that was fitted into the frame
AROUND = 6
#: picture pixels per frame pixel at most: small frames are enlarged so that text has room
MOST = 4
_DARK = 30
_HEADS = ("frame", "foreground", "optical flow", "region of interest, joints")


class Sheet:
    """The layout of one video's preview.

    Parameters
    ----------
    name, length : str
        Of the video.
    crop : (int, int)
        Width and height of the ROI's crop, px.
    largest : float
        Length of flow that gets full colour, px.
    place : (int, int, int, int)
        Where the picture lies in the stored frame: x, y, width, height, px; padding is left out.
    width : int
        The sheet is at most this wide, px.
    """

    def __init__(
        self,
        name: str,
        length: str,
        crop: tuple[int, int],
        largest: float,
        place: tuple[int, int, int, int],
        width: int,
    ) -> None:
        self.crop, self.largest = crop, largest
        x, y, w, h = place
        self._x, self._y = max(x - AROUND, 0), max(y - AROUND, 0)
        self._right, self._bottom = x + w + AROUND, y + h + AROUND
        self._most = max((width - 3 * GAP) // 4, 64)
        self._name, self._length = valid_text(name), length
        self._top: Picture | None = None

    def picture(self, frames: Iterable[tuple[str, dict[str, Any]]]) -> Picture:
        """Draw frames below each other.

        Parameters
        ----------
        frames : iterable of (str, dict)
            Title, and what :func:`pipeline.pictures.draw.panels` takes.

        Returns
        -------
        (H, W, 3) uint8
            RGB.
        """
        rows = [part for title, frame in frames for part in self._row(title, frame)]
        if self._top is None:  # the same over all frames of a film
            self._top = np.vstack(list(self._head(rows[-1].shape[1])))
        return np.vstack([self._top, *rows])

    def _row(self, title: str, frame: dict[str, Any]) -> Iterator[Picture]:
        height, width = frame["rgb"].shape[:2]
        top, left = self._y, self._x
        tall, wide = min(self._bottom, height) - top, min(self._right, width) - left
        room = min(self._most / wide, self._most / tall)  # a portrait is no wider than it is high here
        zoom = min(max(int(room), 2), MOST)
        cut = [
            p[top * zoom : (top + tall) * zoom, left * zoom : (left + wide) * zoom]
            for p in panels(frame, self.crop, self.largest, zoom)
        ]
        if zoom > room:
            size = round(wide * room), round(tall * room)
            cut = [np.asarray(cv2.resize(p, size, interpolation=cv2.INTER_AREA), np.uint8) for p in cut]
        gap = np.full((len(cut[0]), GAP, 3), _DARK, np.uint8)
        picture = np.hstack([part for p in cut for part in (p, gap)][:-1])
        yield caption(picture.shape[1], title, TEXT)
        yield picture

    def _head(self, width: int) -> Iterator[Picture]:
        """Yield the strips above: the name and length, the legend, the heads of the panels."""
        room = int(width / (NAME * 0.42)) - len(self._length) - 3
        name = self._name if len(self._name) <= room else f"...{self._name[3 - max(room, 12) :]}"
        yield caption(width, f"{name}   {self._length}", NAME)
        yield from self._legend(width)
        side = (width - 3 * GAP) // 4
        heads = [caption(side + GAP, head, TEXT) for head in _HEADS]
        yield np.hstack(heads)[:, :width]

    def _legend(self, width: int) -> Iterator[Picture]:
        said: list[tuple[Picture, str]] = [
            (_swatch(ORANGE), "foreground's outline; region of interest, its centre"),
            (_swatch(GREEN), "skeleton of the player"),
            (_swatch(GREY), "others"),
            (wheel(TEXT - 6), f"flow: the hue is the direction, full colour {self.largest:.1f} px per frame"),
        ]
        line, used = np.full((TEXT, width, 3), _DARK, np.uint8), 6
        for mark, text in said:
            (across, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, TEXT * 0.45 / 22, 1)
            wide = mark.shape[1] + across + 30
            if used > 6 and used + wide > width:
                yield line
                line, used = np.full((TEXT, width, 3), _DARK, np.uint8), 6
            top, end = (TEXT - len(mark)) // 2, min(used + mark.shape[1], width)
            line[top : top + len(mark), used:end] = mark[:, : end - used]
            if end < width:
                line[:, end:] = caption(width - end, text, TEXT)
            used += wide
        yield line


def _swatch(colour: tuple[int, int, int]) -> Picture:
    return np.full((12, 18, 3), colour, np.uint8)
