"""Count the intervals and actions that are left after each rule, per class and per annotator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.annotations.actions import Action
from pipeline.annotations.label_mapping import Taxonomy
from pipeline.annotations.records import Annotation

UNNAMED = "(unnamed)"
DISAGREE = "(labels disagree)"
NO_LABEL = "(no label)"


@dataclass(frozen=True, slots=True)
class Step:
    """The counts after one rule.

    Attributes
    ----------
    name : str
    unit : {"annotations", "actions", "negatives"}
        What is counted.
    count : int
        Number left.
    by_class : dict of str to int
        ``count`` per class; a label without a class is listed under its own name in parentheses.
    by_annotator : dict of str to int
        Annotations of each annotator; for actions, those in which each has a part, so the sum may
        exceed ``count``.
    dropped : dict of str to int
        Reason → number that this rule removed.
    """

    name: str
    unit: str
    count: int
    by_class: dict[str, int]
    by_annotator: dict[str, int]
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Waterfall:
    """The counts after all rules, in the order in which the rules apply.

    Attributes
    ----------
    steps : tuple of Step
    taxonomy : str
        Name of the taxonomy whose classes are counted.
    params : dict
        Parameters of the cleaning.
    """

    steps: tuple[Step, ...]
    taxonomy: str
    params: dict[str, Any]

    def counts(self) -> dict[str, int]:
        """Return the number left after each step."""
        return {step.name: step.count for step in self.steps}

    def to_json(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, numbers and strings, in a fixed order."""
        return {
            "taxonomy": self.taxonomy,
            "parameters": self.params,
            "steps": [
                {
                    "name": s.name,
                    "unit": s.unit,
                    "count": s.count,
                    "dropped": s.dropped,
                    "by_class": s.by_class,
                    "by_annotator": s.by_annotator,
                }
                for s in self.steps
            ],
        }


def _class(label: str | None, taxonomy: Taxonomy) -> str:
    known = taxonomy.class_of(label)
    if known is not None:
        return known
    return NO_LABEL if label is None else f"({label})"


def _sorted(counts: Counter[str], order: Sequence[str] = ()) -> dict[str, int]:
    place = {name: i for i, name in enumerate(order)}
    return dict(sorted(counts.items(), key=lambda item: (place.get(item[0], len(place)), item[0])))


def annotation_step(
    name: str,
    annotations: Sequence[Annotation],
    taxonomy: Taxonomy,
    dropped: dict[str, int] | None = None,
) -> Step:
    """Count annotations by class and annotator."""
    classes = Counter(_class(a.label, taxonomy) for a in annotations)
    annotators = Counter(a.annotator or UNNAMED for a in annotations)
    return Step(
        name,
        "annotations",
        len(annotations),
        _sorted(classes, taxonomy.names),
        _sorted(annotators),
        dropped or {},
    )


def action_step(
    name: str, actions: Sequence[Action], taxonomy: Taxonomy, dropped: dict[str, int] | None = None
) -> Step:
    """Count actions by class and annotator; an action whose labels disagree is in no class."""
    classes = Counter(_class(a.label, taxonomy) if a.agreed else DISAGREE for a in actions)
    annotators = Counter(who for a in actions for who in _who(m.annotator for m in a.members))
    return Step(
        name, "actions", len(actions), _sorted(classes, taxonomy.names), _sorted(annotators), dropped or {}
    )


def _who(names: Iterable[str]) -> set[str]:
    return {name or UNNAMED for name in names}
