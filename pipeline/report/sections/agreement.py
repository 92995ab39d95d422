"""How well annotators agree on the strokes that they both saw."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.annotations import Action, Annotation


@dataclass(frozen=True)
class Agreement:
    """Two annotators compared.

    Attributes
    ----------
    first, second : str
    actions : int
        Actions in which both have a part.
    labelled : int
        Those that both gave a label.
    same : float or None
        Share of these with the same label; None where there are none.
    kappa : float or None
        Cohen's kappa [Cohen 1960]; None where it is not defined, because both used one label only.
    overlap : float
        Mean intersection over union of their intervals.
    """

    first: str
    second: str
    actions: int
    labelled: int
    same: float | None
    kappa: float | None
    overlap: float


def agreements(actions: Iterable[Action]) -> list[Agreement]:
    """Compare every two named annotators, those with most actions in common first."""
    pairs: dict[tuple[str, str], list[tuple[Annotation, Annotation]]] = defaultdict(list)
    for action in actions:
        by_name = {m.annotator: m for m in reversed(action.members) if m.annotator}
        for a, b in itertools.combinations(sorted(by_name), 2):
            pairs[a, b].append((by_name[a], by_name[b]))
    found = [_compare(names, both) for names, both in pairs.items()]
    return sorted(found, key=lambda a: (-a.actions, a.first, a.second))


def _compare(names: tuple[str, str], both: list[tuple[Annotation, Annotation]]) -> Agreement:
    labels = [(a.label, b.label) for a, b in both if a.label is not None and b.label is not None]
    n = len(labels)
    same = sum(a == b for a, b in labels) / n if n else None
    kappa = None
    if same is not None:
        firsts, seconds = [a for a, _ in labels], [b for _, b in labels]
        chance = sum(firsts.count(c) * seconds.count(c) for c in {*firsts, *seconds}) / n**2
        kappa = (same - chance) / (1 - chance) if chance < 1 else None
    overlap = sum(_overlap(a, b) for a, b in both) / len(both)
    return Agreement(*names, len(both), n, same, kappa, overlap)


def _overlap(a: Annotation, b: Annotation) -> float:
    """Return the intersection over union of two intervals."""
    shared = max(0, min(a.end, b.end) - max(a.begin, b.begin))
    return shared / (max(a.end, b.end) - min(a.begin, b.begin)) if shared else 0.0
