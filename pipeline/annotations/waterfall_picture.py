"""The waterfall of the cleaning as a picture, drawn with OpenCV alone."""

from __future__ import annotations

import unicodedata

import cv2
import numpy as np

from pipeline.annotations.records import KINDS
from pipeline.annotations.waterfall import UNNAMED, Step, Waterfall
from stages.base import Array

_INK = (40, 44, 52)
_FAINT = (120, 126, 136)
_COLOURS = {"annotations": (66, 114, 178), "actions": (46, 139, 111), "negatives": (150, 150, 150)}
_LOST = (226, 188, 170)
_FONT = cv2.FONT_HERSHEY_SIMPLEX

_WIDTH = 1200
_ROW = 58
_LEFT = 250
_BAR = 560
_CLASS_ROW = 22
_PEOPLE = 40  #: annotators drawn, those with most annotations
_MARGIN = 24


def draw_waterfall(waterfall: Waterfall) -> Array:
    """Draw how much is left after each rule, below it the samples of each class, and who annotated.

    Parameters
    ----------
    waterfall : Waterfall

    Returns
    -------
    array (H, W, 3), uint8
        RGB; axes row (down), column, channel. W = 1200, H grows with steps, classes and annotators.
    """
    classes = _samples_by_class(waterfall)
    people = _annotators(waterfall)
    top = _MARGIN + 40
    lists = [(f"Samples by class ({waterfall.taxonomy})", len(classes))]
    if people:
        lists.append(("Annotations by annotator: read, and left after the rules on time", len(people)))
    height = top + _ROW * len(waterfall.steps) + sum(70 + _CLASS_ROW * max(1, n) for _, n in lists)
    image = np.full((height, _WIDTH, 3), 255, dtype=np.uint8)
    _text(image, "Annotations to samples", (_MARGIN, _MARGIN + 14), 0.75)
    largest = max((s.count for s in waterfall.steps), default=0)
    before: Step | None = None
    for i, step in enumerate(waterfall.steps):
        _step(image, top + i * _ROW, step, before, largest)
        before = step
    y = top + _ROW * len(waterfall.steps) + _MARGIN
    _text(image, lists[0][0], (_MARGIN, y + 14), 0.55)
    _bars(image, y + 34, {name: (count, count) for name, count in classes.items()}, "actions")
    if people:
        y += 70 + _CLASS_ROW * max(1, len(classes))
        _text(image, lists[1][0], (_MARGIN, y + 14), 0.55)
        _bars(image, y + 34, people, "annotations")
    return image


def encode_png(image: Array) -> bytes:
    """A picture as the bytes of a PNG file.

    Parameters
    ----------
    image : array (H, W, 3), uint8
        RGB.

    Returns
    -------
    bytes
    """
    done, data = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    if not done:
        raise RuntimeError("OpenCV cannot encode PNG; install a build of it with PNG support")
    return bytes(data.tobytes())


def _step(image: Array, y: int, step: Step, before: Step | None, largest: int) -> None:
    _text(image, step.name, (_MARGIN, y + 20), 0.5)
    _text(image, step.unit, (_MARGIN, y + 38), 0.4, _FAINT)
    left, width = _LEFT, _length(step.count, largest)
    # grouping loses nothing, though it leaves fewer actions than there were annotations
    if before is not None and before.unit == step.unit:
        cv2.rectangle(image, (left, y + 6), (left + _length(before.count, largest), y + 30), _LOST, -1)
    if width:
        cv2.rectangle(image, (left, y + 6), (left + width, y + 30), _COLOURS[step.unit], -1)
    note = str(step.count)
    if before is not None and before.unit == step.unit and before.count:
        note += f"  ({step.count / before.count:.1%} of {before.count})"
    elif before is not None and step.unit == "actions":
        note += f"  (from {before.count} {before.unit})"
    _text(image, note, (left + _BAR + 16, y + 24), 0.5)
    reasons = ", ".join(f"{count} {_reason(kind)}" for kind, count in step.dropped.items())
    if reasons:
        _text(image, f"dropped: {reasons}", (left, y + 47), 0.4, _FAINT)


def _reason(kind: str) -> str:
    return kind.replace("-", " ") if kind in KINDS else kind


def _samples_by_class(waterfall: Waterfall) -> dict[str, int]:
    classes: dict[str, int] = {}
    for step in waterfall.steps:
        if step.name == "kept" or step.unit == "negatives":
            for name, count in step.by_class.items():
                classes[name] = classes.get(name, 0) + count
    return classes


def _annotators(waterfall: Waterfall) -> dict[str, tuple[int, int]]:
    """Annotator → annotations read and left; empty where nobody is named."""
    counted = [s.by_annotator for s in waterfall.steps if s.unit == "annotations"]
    if not counted or not set(counted[0]) - {UNNAMED}:
        return {}
    people = sorted(counted[0].items(), key=lambda item: (-item[1], item[0]))
    return {name: (count, counted[-1].get(name, 0)) for name, count in people[:_PEOPLE]}


def _bars(image: Array, y: int, rows: dict[str, tuple[int, int]], colour: str) -> None:
    """One bar a row: the second number of the first."""
    if not rows:
        _text(image, "none", (_MARGIN, y + 14), 0.45, _FAINT)
    largest = max((whole for whole, _ in rows.values()), default=0)
    for i, (name, (whole, part)) in enumerate(rows.items()):
        row = y + i * _CLASS_ROW
        _text(image, name, (_MARGIN, row + 14), 0.42)
        for count, shade in ((whole, _LOST), (part, _COLOURS[colour])):
            if count:
                corner = (_LEFT + _length(count, largest), row + 17)
                cv2.rectangle(image, (_LEFT, row + 3), corner, shade, -1)
        note = str(whole) if whole == part else f"{whole}, {part} left"
        _text(image, note, (_LEFT + _BAR + 16, row + 15), 0.42)


def _length(count: int, largest: int) -> int:
    return max(1, round(_BAR * count / largest)) if count else 0


def _text(
    image: Array, text: str, at: tuple[int, int], size: float, colour: tuple[int, int, int] = _INK
) -> None:
    """Write text, cut where the picture ends; the font has ASCII only, so accents come off."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(c if c.isascii() else "?" for c in plain if not unicodedata.combining(c))
    room = image.shape[1] - at[0] - 8
    if at[0] < _LEFT:
        room = min(room, _LEFT - at[0] - 8) if size < 0.55 else room
    while plain and cv2.getTextSize(plain, _FONT, size, 1)[0][0] > room:
        plain = plain[:-4] + "..." if len(plain) > 4 else ""
    cv2.putText(image, plain, at, _FONT, size, colour, 1, cv2.LINE_AA)
