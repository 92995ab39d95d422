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
LEFT, BROAD, BAR, PITCH = 2.0, 230.0, 22.0, 74.0


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
        if before is not None and step.unit != "negatives":
            top, right = before.y + BAR, LEFT + before.width
            gone = min(BROAD * sum(step.dropped.values()) / most, before.width)
            band = _band((LEFT, right - gone, top), (LEFT, LEFT + width, y))
            loss = _loss(right - gone, right, top) if gone else ""
        out.append(
            FlowStep(step.name, step.unit, step.count, y, width, band, tuple(step.dropped.items()), loss)
        )
    return out, 20 + len(steps) * PITCH


def _band(above: tuple[float, float, float], below: tuple[float, float, float]) -> str:
    """Return a band between two edges, each given by its left and right end and its height."""
    (a, b, top), (c, d, bottom) = above, below
    middle = (top + bottom) / 2
    sides = (
        f"M{a:.1f} {top:.1f} L{b:.1f} {top:.1f}",
        f"C{b:.1f} {middle:.1f} {d:.1f} {middle:.1f} {d:.1f} {bottom:.1f}",
        f"L{c:.1f} {bottom:.1f} C{c:.1f} {middle:.1f} {a:.1f} {middle:.1f} {a:.1f} {top:.1f}Z",
    )
    return " ".join(sides)


def _loss(left: float, right: float, top: float) -> str:
    """Return what leaves a bar to the right: from its lower edge to a stub beside the diagram."""
    end, thick = LEFT + BROAD + 14, min(max((right - left) / 3, 3), 22)
    upper = f"C{right:.1f} {top + 26:.1f} {end:.1f} {top + 10:.1f} {end:.1f} {top + 20:.1f}"
    lower = f"C{end - 10:.1f} {top + 44:.1f} {left:.1f} {top + 40:.1f} {left:.1f} {top:.1f}"
    return f"M{left:.1f} {top:.1f} L{right:.1f} {top:.1f} {upper} L{end:.1f} {top + 20 + thick:.1f} {lower}Z"


def hues(names: Sequence[str]) -> dict[str, int]:
    """Return a hue in degrees for each name; neighbours differ much."""
    return {name: round(137.508 * i + 210) % 360 for i, name in enumerate(names)}
