"""Labels and the views of them that a classifier may learn: the taxonomies, which are data.

The 20 strokes and the negative class are those of [3S] §3.1, in that order. A taxonomy maps labels
to classes by patterns, so that one set of annotations serves all of them: no sample moves, appears
or vanishes from the store when only the view changes.
"""

from __future__ import annotations

import unicodedata
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from pydantic import Field, model_validator

from pipeline.annotations.records import NEGATIVE
from stages.base import Params

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
    """One spelling for a label: ``serve_forehand  LOOP`` → ``Serve Forehand Loop``.

    Parameters
    ----------
    label : str

    Returns
    -------
    str
        Unicode NFC; underscores and hyphens are spaces; one space between words, each with a
        capital first letter. Empty where nothing remains.
    """
    text = unicodedata.normalize("NFC", label).replace("_", " ").replace("-", " ")
    return " ".join(word.capitalize() for word in text.split())


class Taxonomy(Params):
    """A view: which label belongs to which class.

    Attributes
    ----------
    name : str
    classes : dict of str to tuple of str
        Class → patterns (``*``, ``?``) of the labels in it, compared in the canonical spelling
        without regard to case. The order of the classes is that of their indices; the first
        pattern that fits decides.
    unlabelled : str or None
        The class of strokes that nobody named; None: they are in no class.
    """

    name: str
    classes: dict[str, tuple[str, ...]] = Field(min_length=1)
    unlabelled: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        """A list of class names stands for classes of one label each, a string for one pattern."""
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
        """Class names; the position is the class index."""
        return tuple(self.classes)

    def class_of(self, label: str | None) -> str | None:
        """The class of a label.

        Parameters
        ----------
        label : str or None
            In any spelling; None: a stroke that nobody named.

        Returns
        -------
        str or None
            None where the taxonomy has no class for it.
        """
        if label is None:
            return self.unlabelled
        key = canonical(label).casefold()
        for name, patterns in self.classes.items():
            if any(fnmatchcase(key, _pattern(p)) for p in patterns):
                return name
        return None


@cache
def _pattern(text: str) -> str:
    """A pattern in the spelling that labels are compared in; only ``*`` and ``?`` are special."""
    return canonical(text).casefold().replace("[", "[[]")


def _view(name: str, unlabelled: str | None = None, **classes: str) -> Taxonomy:
    patterns = {key.replace("_", " "): (pattern,) for key, pattern in classes.items()}
    return Taxonomy(name=name, classes={**patterns, NEGATIVE: (NEGATIVE,)}, unlabelled=unlabelled)


#: the views that come with ttprep; a manifest may add its own
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
        # Negative stands before the pattern that fits everything, hence not by _view
        Taxonomy(
            name="detection",
            classes={NEGATIVE: (NEGATIVE,), "Stroke": ("*",)},
            unlabelled="Stroke",
        ),
    )
}
