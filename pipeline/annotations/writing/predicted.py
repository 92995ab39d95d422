"""Define what is written: strokes that a network predicted, or stretches that it asks for, of one video."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from pipeline.annotations.parsing.video_names import spellings
from pipeline.annotations.records import NEGATIVE, VideoFacts
from pipeline.errors import UserError

#: what neither XML nor a table can hold
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class PredictedStroke:
    """One stroke of a video.

    Attributes
    ----------
    begin, end : int
        First frame, first frame after; inside the video.
    label : str
        As the network's classes name it.
    score : float
        Of the label, 0 to 1.
    player : str
        Who plays it; empty if unknown.
    box : (float, float, float, float) or None
        Where the player is: left, top, right, bottom, in shares of the picture; None: not known.
    note : str
        Why a person should look at it; empty in predictions.
    """

    begin: int
    end: int
    label: str
    score: float
    player: str = ""
    box: tuple[float, float, float, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class PredictedVideo:
    """A video with its strokes.

    Attributes
    ----------
    name : str
        As the manifest knows it: the key of its annotations.
    path : str
        Where its file lies; ELAN opens it there. Empty: ``name``.
    facts : VideoFacts
        Length, frame rate and the times of the frames: seconds are those of the file as a player shows it.
    width, height : int
        Of the source's picture, px.
    strokes : tuple of PredictedStroke
        In any order.
    model : str
        What predicted them, as the name of a run.
    labels : tuple of str
        What a person may choose from; those of the strokes belong to them in any case.
    """

    name: str
    facts: VideoFacts
    width: int
    height: int
    strokes: tuple[PredictedStroke, ...]
    model: str
    path: str = ""
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for stroke in self.strokes:
            if not 0 <= stroke.begin < stroke.end <= self.facts.n_frames:
                raise ValueError(
                    f"{self.name}: {stroke.begin}-{stroke.end} is not in its {self.facts.n_frames} frames"
                )
            if not (math.isfinite(stroke.score) and 0 <= stroke.score <= 1):
                raise ValueError(f"{self.name}: the score {stroke.score} is not between 0 and 1")

    @property
    def ordered(self) -> list[PredictedStroke]:
        """Return the strokes by their begin."""
        return sorted(self.strokes, key=lambda s: (s.begin, s.end, s.player, s.label))

    def seconds(self, frame: int) -> Fraction:
        """Return the time of the file's timeline at which a frame begins, s."""
        return self.facts.time_of(frame)

    def require_read_back(self, frame: int, seconds: Fraction, tool: str) -> None:
        """Make sure that a time which a format can express means the frame that it was made of.

        Raises
        ------
        UserError
            The format is too coarse for the frame rate.
        """
        if self.facts.frame_at(seconds) != frame:
            raise UserError(
                f"{self.name}: frame {frame} cannot be told from its neighbours in the times of a file for"
                f" {tool}; write CSV, JSON or CVAT, which count frames"
            )


def choices(videos: Iterable[PredictedVideo]) -> list[str]:
    """Return what a person may choose from, in the order of the classes; without the negative class."""
    videos = list(videos)
    given = [label for video in videos for label in video.labels]
    used = sorted(stroke.label for video in videos for stroke in video.strokes)
    return [label for label in dict.fromkeys(map(clean, [*given, *used])) if label and label != NEGATIVE]


def players(videos: Iterable[PredictedVideo]) -> list[str]:
    """Return the players in alphabetical order."""
    return sorted({clean(s.player) for video in videos for s in video.strokes} - {""})


def clean(text: str) -> str:
    """Return a text that every format can hold: what XML forbids becomes a replacement character.

    A name that is not UTF-8 is written in the spelling in which readers look for it, too.
    """
    return _UNWRITABLE.sub("\ufffd", spellings(text)[-1])


def origin(video: PredictedVideo) -> str:
    """Return what marks strokes as predicted, in every format: the name of the model, never empty."""
    return clean(video.model).strip() or "a network"


def rounded(score: float) -> float:
    """Return a score with four digits, which is more than it means."""
    return round(float(score), 4)
