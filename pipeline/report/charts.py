"""The flow diagram and colours: numbers only, so that templates escape every text themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.annotations import Step

@dataclass(frozen=True)
class FlowStep:
    """One step of the flow diagram, with the band that leads to it.

    Attributes
    ----------
    name, unit : str
    count : int
    y : float
        Top of its bar.
    width : float
    band : str
        ``d`` of the band from the step before; empty for the first.
    dropped : tuple of (str, int)
    loss : str
        ``d`` of the band that leaves; empty where nothing is dropped.
    """

    name: str
    unit: str
    count: int
    y: float
    width: float
    band: str
    dropped: tuple[tuple[str, int], ...]
    loss: str


#: geometry of the flow diagram, in its own units
LEFT, BROAD, BAR, PITCH = 12.0, 300.0, 22.0, 74.0


def flow_diagram(steps: Sequence[Step]) -> tuple[list[FlowStep], float]:
    """Lay out the waterfall of a cleaning as a flow from top to bottom; its height is the second value.

    Bars are as wide as the counts; what a rule drops leaves to the right. Counts of annotations, actions and
    negatives share one scale.
    """
    most = max((s.count for s in steps), default=0) or 1
    out: list[FlowStep] = []
    for i, step in enumerate(steps):
        y, width = 20 + i * PITCH, BROAD * step.count / most
        band, loss = "", ""
        before = out[-1] if out else None
        lost = sum(step.dropped.values())
        if before is not None and step.unit != "negatives":
            top = before.y + BAR
            gone = min(BROAD * lost / most, before.width)
            stays = before.width - gone
            band = _band(LEFT, LEFT + stays, top, LEFT, LEFT + width, y)
            if lost:
                out_x = LEFT + BROAD + 14
                loss = (
                    f"M{LEFT + stays:.1f} {top:.1f} L{LEFT + before.width:.1f} {top:.1f}"
                    f" C{LEFT + before.width:.1f} {top + 26:.1f} {out_x:.1f} {top + 10:.1f} {out_x:.1f} {top + 20:.1f}"
                    f" L{out_x:.1f} {top + 20 + min(max(gone / 3, 3), 22):.1f}"
                    f" C{out_x - 10:.1f} {top + 44:.1f} {LEFT + stays:.1f} {top + 40:.1f} {LEFT + stays:.1f} {top:.1f}Z"
                )
        out.append(FlowStep(step.name, step.unit, step.count, y, width, band, tuple(step.dropped.items()), loss))
    return out, 20 + len(steps) * PITCH


def _band(a: float, b: float, top: float, c: float, d: float, bottom: float) -> str:
    middle = (top + bottom) / 2
    return (
        f"M{a:.1f} {top:.1f} L{b:.1f} {top:.1f} C{b:.1f} {middle:.1f} {d:.1f} {middle:.1f} {d:.1f} {bottom:.1f}"
        f" L{c:.1f} {bottom:.1f} C{c:.1f} {middle:.1f} {a:.1f} {middle:.1f} {a:.1f} {top:.1f}Z"
    )


def hues(names: Sequence[str]) -> dict[str, int]:
    """Return a hue in degrees for each name; neighbours differ much."""
    return {name: round(137.508 * i + 210) % 360 for i, name in enumerate(names)}
