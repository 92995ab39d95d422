"""Map labels: from the words of an annotator to a canonical label, and from there to a class.

A label goes through two mappings. While a file is read, :class:`LabelTranslation` puts it into the
canonical spelling and applies the manifest's ``annotation_options.labels``. Afterwards a
:class:`Taxonomy` (the manifest's ``taxonomy``) maps labels to classes by patterns. The same annotations
serve every taxonomy: no sample moves, appears or vanishes from the store when only the taxonomy changes.

The 20 strokes and the negative class are those of [3S] §3.1, in that order.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from pydantic import Field, model_validator

from pipeline.annotations.records import NEGATIVE
from stages.base import Params

#: classes of a taxonomy; a table of more was not meant to be one
MOST_CLASSES = 1000

STROKES: tuple[str, ...] = (
    "Serve Forehand Backspin",
    "Serve Forehand Loop",
    "Serve Forehand Sidespin",
    "Serve Forehand Topspin",
    "Serve Backhand Backspin",
    "Serve Backhand Loop",
    "Serve Backhand Sidespin",
    "Serve Backhand Topspin",
    "Offensive Forehand Hit",
    "Offensive Forehand Loop",
    "Offensive Forehand Flip",
    "Offensive Backhand Hit",
    "Offensive Backhand Loop",
    "Offensive Backhand Flip",
    "Defensive Forehand Push",
    "Defensive Forehand Block",
    "Defensive Forehand Backspin",
    "Defensive Backhand Push",
    "Defensive Backhand Block",
    "Defensive Backhand Backspin",
)


def canonical(label: str) -> str:
    """Return the one spelling of a label: ``serve_forehand  LOOP`` → ``Serve Forehand Loop``.

    Parameters
    ----------
    label : str

    Returns
    -------
    str
        Unicode NFC; underscores and hyphens are spaces; one space between words, each with a
        capital first letter. Empty if nothing remains.
    """
    text = unicodedata.normalize("NFC", label).replace("_", " ").replace("-", " ")
    return " ".join(word.capitalize() for word in text.split())


class LabelTranslation:
    """Replace whole labels by others, for annotators who used their own words.

    Parameters
    ----------
    labels : mapping of str to (str or None)
        Label → the label that it means, compared in the canonical spelling; None: a stroke without a
        label.
    """

    def __init__(self, labels: Mapping[str, str | None]) -> None:
        self._labels = {canonical(label): meaning for label, meaning in labels.items()}

    def translate(self, label: str | None) -> str | None:
        """Return the canonical label that a label means; None: a stroke without a label."""
        name = canonical(label or "")
        if name in self._labels:
            name = canonical(self._labels[name] or "")
        return name or None


class Taxonomy(Params):
    """Define classes by the labels that belong to them.

    Attributes
    ----------
    name : str
        What ``taxonomy`` of the manifest calls it.
    classes : dict of str to tuple of str
        Class → patterns (``*``, ``?``) of the labels in it, compared in the canonical spelling
        ignoring case. The order of the classes is that of their indices. If patterns of several
        classes match, the first class counts.
    unlabelled : str or None
        The class of strokes without a label; None: they have no class.
    """

    name: str
    classes: dict[str, tuple[str, ...]] = Field(min_length=1, max_length=MOST_CLASSES)
    unlabelled: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        """Accept a list of class names for classes of one label each, and a string for one pattern."""
        if isinstance(data, dict) and isinstance(data.get("classes"), list | tuple):
            data = {**data, "classes": {str(name): [str(name)] for name in data["classes"]}}
        if isinstance(data, dict) and isinstance(data.get("classes"), dict):
            classes = {k: [v] if isinstance(v, str) else v for k, v in data["classes"].items()}
            data = {**data, "classes": classes}
        return data

    @model_validator(mode="after")
    def _known_class(self) -> Taxonomy:
        if self.unlabelled is not None and self.unlabelled not in self.classes:
            raise ValueError(
                f"taxonomy {self.name!r} puts unlabelled strokes into {self.unlabelled!r}, which is "
                f"none of its classes; name one of {', '.join(self.classes)}"
            )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Return the class names; the position is the class index."""
        return tuple(self.classes)

    def class_of(self, label: str | None) -> str | None:
        """Map a label to its class.

        Parameters
        ----------
        label : str or None
            In any spelling; None: a stroke without a label.

        Returns
        -------
        str or None
            None if the taxonomy has no class for it.
        """
        if label is None:
            return self.unlabelled
        key = canonical(label).casefold()
        for name, patterns in self.classes.items():
            if any(fnmatchcase(key, _pattern(p)) for p in patterns):
                return name
        # a class's own name, as a network writes it that knows no finer label
        return next((name for name in self.classes if canonical(name).casefold() == key), None)


@cache
def _pattern(text: str) -> str:
    """Return a pattern in the spelling in which labels are compared; only ``*`` and ``?`` are special."""
    return canonical(text).casefold().replace("[", "[[]")


def _view(name: str, unlabelled: str | None = None, **classes: str) -> Taxonomy:
    patterns = {key.replace("_", " "): (pattern,) for key, pattern in classes.items()}
    return Taxonomy(name=name, classes={**patterns, NEGATIVE: (NEGATIVE,)}, unlabelled=unlabelled)


#: the taxonomies that come with ttprep; a manifest may add its own
TAXONOMIES: dict[str, Taxonomy] = {
    t.name: t
    for t in (
        Taxonomy(name="strokes", classes={s: (s,) for s in (*STROKES, NEGATIVE)}),
        _view("families", Serve="serve *", Offensive="offensive *", Defensive="defensive *"),
        _view("hands", Forehand="*forehand*", Backhand="*backhand*"),
        _view(
            "families-hands",
            Serve_Forehand="serve forehand*",
            Serve_Backhand="serve backhand*",
            Offensive_Forehand="offensive forehand*",
            Offensive_Backhand="offensive backhand*",
            Defensive_Forehand="defensive forehand*",
            Defensive_Backhand="defensive backhand*",
        ),
        # Negative must come before the pattern that matches everything, so _view cannot be used
        Taxonomy(
            name="detection",
            classes={NEGATIVE: (NEGATIVE,), "Stroke": ("*",)},
            unlabelled="Stroke",
        ),
    )
}
