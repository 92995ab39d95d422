"""Draw the waterfall of the cleaning as a PNG picture.

matplotlib is imported when a picture is drawn and not before: planning never needs it.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.annotations.records import KINDS
from pipeline.annotations.waterfall import UNNAMED, Step, Waterfall

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK = "#282c34"
_FAINT = "#6b7280"
_COLOURS = {"annotations": "#3f6fb0", "actions": "#2e8b6f", "negatives": "#8b8f98"}
_LOST = "#efd3c4"
_TRACK = "#f3f4f6"

#: pixels
WIDTH = 1200
_MARGIN = 28
_LEFT = 268
_BAR = 580
_NOTE = _LEFT + _BAR + 14
_STEP_ROW = 60
_ROW = 24
_HEADING = 52

#: annotators drawn, those with the most annotations
_PEOPLE = 40
_DPI = 100

#: the first draws Latin, Greek and Cyrillic; the others, where installed, names in other scripts
_FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans",
    "Malgun Gothic",
)


def draw_waterfall(waterfall: Waterfall) -> bytes:
    """Draw what is left after each rule, the samples of each class, and the work of each annotator.

    Parameters
    ----------
    waterfall : Waterfall

    Returns
    -------
    bytes
        A PNG file, 1200 pixels wide; its height grows with steps, classes and annotators. The
        same waterfall gives the same bytes.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager

    classes = _samples_by_class(waterfall)
    people = _annotators(waterfall)
    shown = dict(list(people.items())[:_PEOPLE])
    height = 2 * _MARGIN + _HEADING + _STEP_ROW * len(waterfall.steps)
    height += _HEADING + _ROW * max(1, len(classes))
    height += _HEADING + _ROW * (len(shown) + (len(people) > len(shown))) if people else 0
    installed = {font.name for font in fontManager.ttflist}
    with matplotlib.rc_context(), warnings.catch_warnings():
        # a user's settings must not change the picture; a script without a font is drawn as boxes
        matplotlib.rcdefaults()
        warnings.filterwarnings("ignore", message=r"Glyph \d+")
        matplotlib.rcParams["font.family"] = [name for name in _FONTS if name in installed]
        figure = Figure(figsize=(WIDTH / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        axes.axis("off")
        page = _Page(axes, _MARGIN)
        page.heading("From annotations to samples", {_LOST: "dropped by the rule"}, size=15)
        largest = max((s.count for s in waterfall.steps), default=0)
        before: Step | None = None
        for step in waterfall.steps:
            page.step(step, before, largest)
            before = step
        page.heading(f"Samples per class ({waterfall.taxonomy})", {})
        page.bars({name: (count, count) for name, count in classes.items()}, _COLOURS["actions"])
        if people:
            legend = {_LOST: "read", _COLOURS["annotations"]: "left after the rules for single annotations"}
            page.heading("Annotations per annotator", legend)
            page.bars(shown, _COLOURS["annotations"])
            if len(people) > len(shown):
                page.text(
                    f"and {len(people) - len(shown)} more annotators", _MARGIN, page.y + 12, 9.5, _FAINT
                )
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return file.getvalue()


@dataclass
class _Page:
    """A page in pixels, filled from top to bottom.

    Attributes
    ----------
    axes : Axes
        Over the whole figure; x to the right, y down.
    y : float
        Where the next row begins.
    """

    axes: Axes
    y: float

    def text(
        self,
        text: str,
        x: float,
        y: float,
        size: float,
        colour: str = _INK,
        *,
        room: float = 0,
        bold: bool = False,
    ) -> float:
        """Write a line around the height ``y``, shortened to ``room`` pixels; return its width."""
        text = " ".join(text.split())
        room = room or WIDTH - _MARGIN - x
        # names come from files: a dollar sign in one does not begin a formula
        artist = self.axes.text(
            x,
            y,
            text,
            color=colour,
            fontsize=size,
            fontweight="bold" if bold else "normal",
            va="center_baseline",
            parse_math=False,
        )
        fits, too_long = 0, len(text)
        if artist.get_window_extent().width > room:
            while too_long - fits > 1:
                half = (fits + too_long) // 2
                artist.set_text(text[:half].rstrip() + "…")
                if artist.get_window_extent().width > room:
                    too_long = half
                else:
                    fits = half
            artist.set_text(text[:fits].rstrip() + "…")
        return float(artist.get_window_extent().width)

    def bar(self, y: float, height: float, count: int, largest: int, colour: str) -> None:
        """Draw a bar whose length is proportional to a count; a count above 0 is always visible."""
        from matplotlib.patches import Rectangle

        if count:
            length = max(1.0, _BAR * count / largest)
            self.axes.add_patch(Rectangle((_LEFT, y), length, height, facecolor=colour, linewidth=0))

    def heading(self, title: str, legend: dict[str, str], size: float = 12) -> None:
        """Write the title of a section, with the meaning of its colours at the right."""
        from matplotlib.patches import Rectangle

        y = self.y + 20
        x = _MARGIN + self.text(title, _MARGIN, y, size, bold=True) + 28
        for colour, meaning in legend.items():
            self.axes.add_patch(Rectangle((x, y - 7), 13, 13, facecolor=colour, linewidth=0))
            x += 20 + self.text(meaning, x + 20, y, 9, _FAINT) + 22
        self.y += _HEADING - 8

    def step(self, step: Step, before: Step | None, largest: int) -> None:
        """Draw one rule: what is left, over what there was before it."""
        comparable = before is not None and before.unit == step.unit
        self.text(step.name, _MARGIN, self.y + 15, 11, room=_LEFT - _MARGIN - 14)
        self.text(step.unit, _MARGIN, self.y + 34, 9, _FAINT, room=_LEFT - _MARGIN - 14)
        self.bar(self.y + 4, 24, largest, largest, _TRACK)
        # grouping drops nothing, although there are fewer actions than annotations
        if before is not None and comparable:
            self.bar(self.y + 4, 24, before.count, largest, _LOST)
        self.bar(self.y + 4, 24, step.count, largest, _COLOURS[step.unit])
        width = self.text(str(step.count), _NOTE, self.y + 16, 11, bold=True)
        note = ""
        if before is not None and comparable and before.count:
            note = f"{step.count / before.count:.1%} of {before.count}"
        elif before is not None and not comparable and step.unit == "actions":
            note = f"from {before.count} {before.unit}"
        self.text(note, _NOTE + width + 12, self.y + 16, 9.5, _FAINT)
        reasons = ", ".join(f"{count} {_reason(kind)}" for kind, count in step.dropped.items())
        if reasons:
            self.text(f"dropped: {reasons}", _LEFT, self.y + 40, 9, _FAINT)
        self.y += _STEP_ROW

    def bars(self, rows: dict[str, tuple[int, int]], colour: str) -> None:
        """Draw one row per name: the second number as a part of the first."""
        if not rows:
            self.text("none", _MARGIN, self.y + 12, 9.5, _FAINT)
            self.y += _ROW
        largest = max((whole for whole, _ in rows.values()), default=0)
        for name, (whole, part) in rows.items():
            self.text(name, _MARGIN, self.y + 12, 9.5, room=_LEFT - _MARGIN - 14)
            self.bar(self.y + 4, 16, largest, largest, _TRACK)
            self.bar(self.y + 4, 16, whole, largest, _LOST)
            self.bar(self.y + 4, 16, part, largest, colour)
            note = str(whole) if whole == part else f"{whole} read, {part} left"
            self.text(note, _NOTE, self.y + 12, 9.5)
            self.y += _ROW
        self.y += 8


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
    """Map annotators to annotations read and left; empty if nobody is named."""
    counted = [s.by_annotator for s in waterfall.steps if s.unit == "annotations"]
    if not counted or not set(counted[0]) - {UNNAMED}:
        return {}
    people = sorted(counted[0].items(), key=lambda item: (-item[1], item[0]))
    return {name: (count, counted[-1].get(name, 0)) for name, count in people}
