"""Number what a video's focus may be, the people in it and the halves of the picture, and draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.pictures.draw import GREEN, GREY, ORANGE, Picture, caption, enlarge
from stages.focus import AUTO, HALVES, Box
from stages.people import SIDES

#: picture pixels per frame pixel; a stored frame is small
ZOOM = 3
#: who is seen in a smaller share of the frames is not offered
_SELDOM = 0.05
#: of those who are not the two of the match, so many are offered
_MOST_OTHERS = 4
#: half a person's width and height, in body sizes
_WIDE, _TALL = 1.5, 2.0
_WORDS = {
    "left": "on the left", "right": "on the right", "near": "nearer to the camera", "far": "farther off",
}  # fmt: skip
#: value, text, place, kind
_Found = list[tuple[str | list[float], str, Box | None, str]]


@dataclass(frozen=True)
class Candidate:
    """One focus to choose.

    Attributes
    ----------
    number : int
        From 1.
    value : str or list of float
        As the manifest has it.
    text : str
        What it means.
    box : Box or None
        Where it is, in shares of the stored frame; None: nowhere in particular.
    kind : {"person", "half", "auto"}
    """

    number: int
    value: str | list[float]
    text: str
    box: Box | None
    kind: str


@dataclass(frozen=True)
class People:
    """The result of the stage ``people``.

    Attributes
    ----------
    player : (n, 4) int
        Number of who stands on each side, −1: nobody.
    box : (n, 4, 4) float
        Left, top, right, bottom around each, px.
    tracks : sequence of mapping
        The table of people.
    """

    player: NDArray[np.integer[Any]]
    box: NDArray[np.floating[Any]]
    tracks: Sequence[Mapping[str, Any]]


def candidates(people: People | None, width: int, height: int) -> list[Candidate]:
    """Return what a focus may be: people first, then the halves of the picture.

    Parameters
    ----------
    people : People or None
        None: nobody was looked for.
    width, height : int
        Of the stored frame, px.
    """
    found: _Found = []
    if people is not None and len(people.player):
        found += _two(people, width, height) + _others(people, width, height)
        if any(kind == "person" for *_, kind in found):
            found.append((AUTO, "whoever moves most while others rest", None, "auto"))
    found += [(word, f"the {word} half of the picture", box, "half") for word, box in HALVES.items()]
    return [Candidate(number, *one) for number, one in enumerate(found, 1)]


def _two(people: People, width: int, height: int) -> _Found:
    """Return the two people of the match, by the sides on which they stand farther apart."""
    there = people.player >= 0
    centres = (people.box[..., :2] + people.box[..., 2:]) / 2
    spans = []
    for axis, (one, other, extent) in enumerate(((0, 1, width), (2, 3, height))):
        both = there[:, one] & there[:, other]
        gap = np.abs(centres[both, one, axis] - centres[both, other, axis])
        spans.append(float(np.median(gap)) / extent if both.any() else 0.0)
    first = 0 if spans[0] >= spans[1] else 2
    found: _Found = []
    for side in (first, first + 1):
        share = float(there[:, side].mean())
        if share >= _SELDOM:
            name = SIDES[side]
            text = f"the person {_WORDS[name]}, in {share:.0%} of the frames, followed wherever they go"
            box = _shares(np.median(people.box[there[:, side], side], axis=0), width, height)
            found.append((f"{AUTO}-{name}", text, box, "person"))
    return found


def _others(people: People, width: int, height: int) -> _Found:
    """Return who else is there for long, each by the place where they usually are."""
    known = set(np.unique(people.player).tolist())
    least = _SELDOM * len(people.player)
    rows = [t for t in people.tracks if t["track"] not in known and t["frames"] >= least]
    rows.sort(key=lambda t: (-int(t["frames"]), int(t["track"])))
    found: _Found = []
    for row in rows[:_MOST_OTHERS]:
        x, y, size = (float(row[k]) for k in ("x", "y", "size"))
        around = np.array([x - _WIDE * size, y - _TALL * size, x + _WIDE * size, y + _TALL * size])
        box = _shares(around, width, height)
        if box[0] < box[2] and box[1] < box[3]:
            share = float(row["frames"]) / len(people.player)
            text = f"the place of somebody else, in {share:.0%} of the frames"
            found.append((list(box), text, box, "person"))
    return found


def _shares(box: NDArray[Any], width: int, height: int) -> Box:
    left, top, right, bottom = (
        round(min(max(float(v) / extent, 0.0), 1.0), 3)
        for v, extent in zip(box, (width, height, width, height), strict=True)
    )
    return left, top, right, bottom


def telling_frame(people: People | None, n: int) -> int:
    """Return a frame in which as many as possible can be seen, as near to the middle as possible."""
    if people is None or not len(people.player):
        return n // 2
    seen = (people.player >= 0).sum(axis=1)
    best = np.flatnonzero(seen == seen.max())
    return int(best[np.argmin(np.abs(best - n // 2))])


def draw_candidates(rgb: Picture, offered: Sequence[Candidate]) -> Picture:
    """Draw a frame with the number of each candidate, and a line of text for each below it.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    offered : sequence of Candidate

    Returns
    -------
    (H', W · ZOOM, 3) uint8
        RGB.
    """
    picture = enlarge(rgb, ZOOM)
    height, width = picture.shape[:2]
    cv2.line(picture, (width // 2, 0), (width // 2, height), GREY, 1)
    cv2.line(picture, (0, height // 2), (width, height // 2), GREY, 1)
    for one in offered:
        if one.kind == "person" and one.box is not None:
            left, top, right, bottom = _pixels(one.box, width, height)
            cv2.rectangle(picture, (left, top), (right, bottom), GREEN, 2, cv2.LINE_AA)
            _badge(picture, str(one.number), left + 16, top + 16, GREEN)
    # halves at the edges of the picture, where no person's number stands in the way
    places = {"left": (0.03, 0.5), "right": (0.97, 0.5), "near": (0.5, 0.95), "far": (0.5, 0.05)}
    for one in offered:
        if one.kind == "half":
            x, y = places[str(one.value)]
            _badge(picture, str(one.number), round(x * width), round(y * height), ORANGE)
    lines = [caption(width, f"{one.number}: {one.text}") for one in offered]
    return np.vstack([picture, *lines])


def _pixels(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return round(left * width), round(top * height), round(right * width), round(bottom * height)


def _badge(picture: Picture, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    """Draw a number on a disc, inside the picture."""
    height, width = picture.shape[:2]
    x, y = min(max(x, 16), width - 16), min(max(y, 16), height - 16)
    cv2.circle(picture, (x, y), 15, colour, -1, cv2.LINE_AA)
    size, _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.7, 2)
    place = (x - size[0] // 2, y + size[1] // 2)
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 2, cv2.LINE_AA)
