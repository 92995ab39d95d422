"""Flags: what is wrong with a video or a stretch of it, seen from its measures; nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.inputs.quality import Quality

#: so many changes of the person are more than a detection that was missed
LEAST_CHANGES = 6


@dataclass(frozen=True)
class Flag:
    """One thing that is wrong.

    Attributes
    ----------
    name : str
        As ``few-poses``.
    seen : str
        What is seen, with the measured value.
    remedy : str
        What to do.
    value : float
        As measured.
    """

    name: str
    seen: str
    remedy: str
    value: float

    def __str__(self) -> str:
        return f"{self.name}: {self.seen}; {self.remedy}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"flag": self.name, "seen": self.seen, "remedy": self.remedy, "value": self.value}


Figures = Mapping[str, float]


@dataclass(frozen=True)
class Rule:
    """From which value of a figure on a flag is raised.

    Attributes
    ----------
    limit : str
        The key of the manifest's section ``quality``; with hyphens the name of the flag.
    figure : str
        See :func:`stages.quality.summary.summarise`.
    above : bool
        Whether the limit and what lies above it is flagged; else what lies below.
    seen : str
        For ``format``, with the value.
    remedy : str
    unless : tuple of str
        Limits whose flags make this one say nothing new.
    also : callable
        What must hold besides.
    """

    limit: str
    figure: str
    above: bool
    seen: str
    remedy: str
    unless: tuple[str, ...] = ()
    also: Callable[[Figures], bool] = lambda figures: True

    @property
    def name(self) -> str:
        """The name of its flag."""
        return self.limit.replace("_", "-")


#: where there is no picture, or nothing in it, nothing more can be told
_EMPTY = ("black", "nothing_moves")
_NOBODY = (*_EMPTY, "dark", "blurred", "no_person", "few_poses")

RULES: tuple[Rule, ...] = (
    Rule(
        "black", "black", True, "{:.0%} of the picture is black",
        "look whether the file is whole, or leave it out",
    ),
    Rule(
        "dark", "brightness", False, "the mean level is {:.0f} of 255",
        "film with more light, or leave it out: people are hardly found", ("black",),
    ),
    Rule(
        "overexposed", "clipped", True, "{:.0%} of the picture is burnt out",
        "film with less exposure, or leave it out",
    ),
    Rule(
        "blurred", "blur", True, "blur is {:.2f} (0 sharp, 1 blurred)",
        "focus the camera, or leave it out", ("black",),
    ),
    Rule(
        "repeated_pictures", "repeated", True, "{:.0%} of the frames repeat the one before",
        "use the file as the camera recorded it: flow is zero between repeated frames", _EMPTY,
    ),
    Rule(
        "camera_moves", "camera_moves", True, "the camera moves in {:.0%} of the time",
        "put it on a tripod: foreground and flow take what stands still for background", ("black",),
    ),
    Rule(
        "nothing_moves", "still", True, "nothing moves in {:.0%} of the time, or only something small",
        "leave it out, or use it for negatives alone", ("black",),
    ),
    Rule(
        "no_person", "found", False, "a person is found in {:.1%} of the frames",
        "film players from the side: from above nobody is recognised, and an empty table has nobody",
        ("black",),
    ),
    Rule(
        "few_poses", "found", False, "a person is found in {:.0%} of the frames",
        "film players larger and whole, or set `stages: {pose: {source: original}}`",
        ("black", "dark", "no_person"),
    ),
    Rule(
        "roi_far_from_pose", "shown", False,
        "the crop round the ROI shows the person of the pose in {:.1%} of the frames with one",
        "give a `focus`: the ROI follows something else", _NOBODY,
    ),
    Rule(
        "roi_jumps", "roi_speed", True, "the ROI moves by {:.1f} frame widths a second",
        "give a `focus`: it follows now one thing, now another", _NOBODY,
    ),
    Rule(
        "roi_at_border", "roi_border", True, "the crop touches the frame's border in {:.0%} of the frames",
        "film with room around the player",
    ),
    Rule(
        "person_changes", "changes", True, "the person of the pose changes {:.1f} times a second",
        "give a `focus`: it is now one, now another", _NOBODY,
        lambda figures: figures["changes"] * figures["seconds"] >= LEAST_CHANGES - 1e-6,
    ),
    Rule(
        "person_rests", "rests", True,
        "the person of the pose rests during {:.0%} of what moves in the picture",
        "give a `focus`: it is an umpire or a bystander", _NOBODY,
    ),
    Rule(
        "outside_focus", "outside", True, "{:.0%} of what moves lies outside the focus",
        "look whether the `focus` is where the player is", _EMPTY,
    ),
)  # fmt: skip

#: what says nothing of a stretch in which nobody plays: the player rests, others may move
AT_REST = (
    "nothing_moves", "few_poses", "roi_far_from_pose", "roi_jumps", "person_changes", "person_rests",
    "outside_focus",
)  # fmt: skip
#: the flag of a video that is another's copy
COPY = "copy-of"
#: every flag, in the order in which they are told
NAMES = (*(rule.name for rule in RULES), COPY)


def find_flags(figures: Figures, limits: Quality, *, resting: bool = False) -> tuple[Flag, ...]:
    """Compare measures with the limits.

    Parameters
    ----------
    figures : mapping
        See :func:`stages.quality.summary.summarise`; a figure that is not there raises no flag.
    limits : Quality
    resting : bool
        Whether nobody plays, as in a negative.
    """
    passed: dict[str, float] = {}
    for rule in RULES:
        if resting and rule.limit in AT_REST:
            continue
        limit, value = getattr(limits, rule.limit), figures.get(rule.figure)
        if limit is not None and value is not None:
            over = value >= limit if rule.above else value < limit
            if over and rule.also(figures):
                passed[rule.limit] = value
    return tuple(
        Flag(rule.name, rule.seen.format(passed[rule.limit]), rule.remedy, passed[rule.limit])
        for rule in RULES
        if rule.limit in passed and not passed.keys() & set(rule.unless)
    )


def copy_flag(other: str, likeness: float) -> Flag:
    """Return the flag of a copy of another video."""
    return Flag(
        COPY, f"it shows what {other} shows (correlation {likeness:.2f})",
        "keep one of them: in training and in test the same strokes tell nothing", likeness,
    )  # fmt: skip
