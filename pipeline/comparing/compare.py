"""Compare one stroke with references, and find the strokes that are unlike their class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.comparing.measuring.band import FEWEST, make_band
from pipeline.comparing.measuring.findings import Judged, References, judge, learn
from pipeline.comparing.measuring.outliers import FEWEST as FEWEST_OF_CLASS
from pipeline.comparing.measuring.outliers import Unlike, apart, find_unlike
from pipeline.comparing.strokes import Stroke
from pipeline.errors import USAGE, UserError

#: a part that is seen in a smaller share of a stroke is named
SEEN = 0.9
#: strokes of a class that are looked at: the work grows with their square
MOST_OF_CLASS = 300


@dataclass(frozen=True)
class Comparison:
    """A stroke beside others.

    Attributes
    ----------
    stroke : Stroke
    references : tuple of Stroke
    learned : References
    judged : Judged
    notes : tuple of str
        What limits the result.
    """

    stroke: Stroke
    references: tuple[Stroke, ...]
    learned: References
    judged: Judged
    notes: tuple[str, ...]

    @property
    def template(self) -> Stroke:
        """The reference in the middle of the others."""
        return self.references[self.learned.band.middle]

    @property
    def verdict(self) -> str:
        """What the score says, in one line."""
        judged, count = self.judged, len(self.references)
        if not len(judged.usual):
            names = "one reference" if count == 1 else f"{count} references"
            return f"differences only: {names} cannot say how much is usual (from {FEWEST} on they do)"
        if math.isnan(judged.score):
            return "no score: nothing was seen that could be compared"
        low, high = judged.usual.min(), judged.usual.max()
        above = int((judged.usual < judged.score).sum())
        return (
            f"score {judged.score:.1f}, above {above} of {count} references "
            f"(each against the others: {low:.1f} to {high:.1f})"
        )

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        judged = self.judged
        return {
            "stroke": told(self.stroke),
            "references": [told(s) for s in self.references],
            "aligned_to": self.template.name,
            "band": bool(len(judged.usual)),
            "score": _number(judged.score),
            "scores_of_references": [round(float(v), 3) for v in judged.usual],
            "verdict": self.verdict,
            "findings": [f.to_json() for f in judged.findings],
            "distances": {
                part: {
                    window: {"distance": _number(own), "usual": _number(usual)}
                    for window, (own, usual) in row.items()
                }
                for part, row in judged.distances.items()
            },
            "explained_by": {joint: _number(v) for joint, v in judged.explained.items()},
            "not_compared": {part: round(share, 3) for part, share in judged.unseen.items()},
            "notes": list(self.notes),
        }


def told(stroke: Stroke) -> dict[str, Any]:
    """Return what names a stroke, as JSON values."""
    return {
        "name": stroke.name, "video": stroke.source.name, "begin": stroke.begin, "end": stroke.end,
        "class": stroke.kind, "player": stroke.player, "hand": stroke.described.hand,
        "mirrored": stroke.described.mirrored,
    }  # fmt: skip


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)


def compare(stroke: Stroke, references: Sequence[Stroke]) -> Comparison:
    """Compare a stroke with others.

    Parameters
    ----------
    stroke : Stroke
    references : sequence of Stroke
        One or more; those of which no joint is known are left out.

    Raises
    ------
    UserError
        Nobody was seen in the stroke, or in any of the references; or dtaidistance is not installed.
    """
    if not stroke.movement.seen.any():
        raise UserError(
            f"{stroke.name}: no joint was seen, so nothing can be compared; choose another stroke"
        )
    usable = [s for s in references if s.movement.seen.any()]
    if not usable:
        raise UserError("in none of the references a joint was seen; choose others by --with")
    learned = learn(make_band([s.movement for s in usable]))
    judged = judge(learned, stroke.movement)
    return Comparison(
        stroke, tuple(usable), learned, judged, tuple(_notes(stroke, usable, references, judged))
    )


def _notes(
    stroke: Stroke, usable: Sequence[Stroke], references: Sequence[Stroke], judged: Judged
) -> list[str]:
    out = []
    if len(usable) < len(references):
        out.append(f"{len(references) - len(usable)} references are left out: no joint was seen")
    if judged.unseen:
        parts = ", ".join(
            f"{part} (seen in {share:.0%} of the stroke)" for part, share in judged.unseen.items()
        )
        out.append(f"not compared, for want of joints in the stroke or the references: {parts}")
    if not stroke.movement.edges:
        out.append("the phases of the stroke are unknown: the playing wrist or the hips are not seen")
    hands = {s.movement.hand for s in usable} - {""}
    if stroke.movement.hand and hands and stroke.movement.hand not in hands:
        out.append(
            f"the {stroke.movement.hand} hand plays, in the references the {' or the '.join(sorted(hands))} "
            "one: --mirror shows left-handers as right-handers"
        )
    other = sum(bool(s.movement.hand) and s.movement.hand != stroke.movement.hand for s in usable)
    if stroke.movement.hand in hands and other:
        out.append(
            f"{other} of {len(usable)} references are played by the other hand: --mirror shows left-handers "
            "as right-handers"
        )
    kinds = {s.kind for s in usable}
    if stroke.kind not in kinds:
        out.append(f"the stroke is a {stroke.kind or 'stroke without a label'}, no reference is")
    return out


@dataclass(frozen=True)
class Outlier:
    """A stroke that is unlike its class.

    Attributes
    ----------
    stroke : Stroke
    unlike : Unlike
    """

    stroke: Stroke
    unlike: Unlike

    @property
    def reason(self) -> str:
        """Why it is listed, in words."""
        u = self.unlike
        away = (
            f"{u.distance:.2f} body lengths from its class, where {u.usual:.2f} is usual "
            f"({u.spreads:+.1f} spreads)"
        )
        if u.margin > 1:
            nearer = f"nearer to {u.nearest} than to {self.stroke.kind} ({u.margin:.2f} times)"
            return f"{nearer}: wrong label? {away}"
        return away

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        u = self.unlike
        return told(self.stroke) | {
            "distance": round(u.distance, 4), "usual": round(u.usual, 4), "spreads": round(u.spreads, 2),
            "nearest_class": u.nearest, "margin": round(u.margin, 4), "told": u.told, "reason": self.reason,
        }  # fmt: skip


def outliers(strokes: Sequence[Stroke]) -> tuple[list[Outlier], list[str]]:
    """Return every stroke of a class of four or more, the least like its class first; and what limits that.

    Raises
    ------
    UserError
        No class has four strokes in which joints were seen; or dtaidistance is not installed.
    """
    notes = []
    named = [s for s in strokes if s.kind]
    seen = [s for s in named if s.movement.seen.any()]
    if len(named) < len(strokes):
        notes.append(f"{len(strokes) - len(named)} strokes without a label are left out")
    if len(seen) < len(named):
        notes.append(f"{len(named) - len(seen)} strokes are left out: no joint was seen")
    kept: list[Stroke] = []
    for kind in dict.fromkeys(s.kind for s in seen):
        own = [s for s in seen if s.kind == kind]
        if len(own) < FEWEST_OF_CLASS:
            notes.append(f"{kind}: {len(own)} strokes, fewer than {FEWEST_OF_CLASS}, tell nothing")
            continue
        if len(own) > MOST_OF_CLASS:
            rows = np.random.default_rng(0).choice(len(own), MOST_OF_CLASS, replace=False)
            notes.append(f"{kind}: {MOST_OF_CLASS} of {len(own)} strokes are looked at, drawn by chance")
            own = [own[i] for i in sorted(rows)]
        kept += own
    if not kept:
        raise UserError(
            f"no class has {FEWEST_OF_CLASS} strokes in which somebody was seen; "
            "name more videos in the manifest",
            USAGE,
        )
    found = find_unlike(apart([s.movement for s in kept]), [s.kind for s in kept])
    return [Outlier(kept[u.number], u) for u in found], notes
