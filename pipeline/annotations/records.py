"""Define what annotations become: intervals, point events, facts about videos, findings and samples.

Frame convention, for every format: frames count from 0, ``begin`` is the first frame of the
interval and ``end`` the first frame after it, so ``end - begin`` is the length and ``end`` may
equal the number of frames of the video. Each reader states how its format maps to this convention.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from pipeline.annotations.timeline import Timeline

#: the label of an interval in which nobody plays a stroke
NEGATIVE = "Negative"
#: marks a stretch that somebody is asked to look at; it is no stroke, and never read as one
SUGGESTED = "Suggested"

#: kinds of finding after which nothing of the file was used
REFUSALS = frozenset({
    "unreadable", "too-large", "encoding", "hostile", "broken-file", "no-entries", "unknown-format",
    "reader-failed",
})  # fmt: skip

#: every kind of :class:`Issue` and what it means
KINDS: dict[str, str] = {
    "unreadable": "the file cannot be opened or read",
    "too-large": "the file is larger than the limit of the options",
    "encoding": "the file is not text in the expected encoding",
    "hostile": "the file has what no annotation needs: DOCTYPE, entities, NUL bytes, deep nesting",
    "broken-file": "the file is not well-formed",
    "no-entries": "the file is empty, or a table with a header and no rows",
    "unknown-format": "the content is of no format that is read, or is no annotation",
    "reader-failed": "the reader of a format from another package failed; nothing of the file was used",
    "unusable-format": "a format from another package cannot be loaded",
    "duplicate-file": "the same bytes were read under another name too",
    "empty": "the file is of a known format but has nothing in it, or the folder no annotation file",
    "left-out": "files or folders in the given folder that were not read, by kind",
    "malformed": "an entry lacks a field or has one that cannot be understood",
    "bad-number": "a number is absurdly large",
    "unsafe-name": "a name is absolute, climbs out of its folder or has control characters",
    "unsupported": "an entry of a kind that is not an interval with a label; not used",
    "unknown-event": "an OpenTTGames event that is neither a stroke nor a listed event",
    "unknown-value": "a cell has a value for which its column mapping has no translation",
    "prediction": "strokes that a network predicted and nobody has looked at; not used",
    "several-labels": "one interval with more than one label; read once for each",
    "unknown-video": "no video of that name is known; its entries are dropped",
    "ambiguous-video": "more than one known video fits the name",
    "video-inferred": "the video was found through a part of the file's or folder's name",
    "doubtful-time": "times or frame numbers contradict the video, or rest on a rate that nobody gave",
    "reversed": "an interval that ends where or before it begins",
    "out-of-range": "an interval outside its video",
    "duplicate": "the same interval with the same label by the same annotator again",
    "overlap": "an interval overlaps another one of the same file and annotator",
    "unsorted": "an interval begins before the one in front of it in the file",
    "starts-at-0": "dropped: begins at frame 0, the annotation tool's default",
    "outside-video": "dropped: not inside its video",
    "too-short": "dropped: shorter than the cleaning allows",
    "too-long": "dropped: longer than the cleaning allows",
    "chained": "an action of which two annotations do not overlap enough without a third between",
    "labels-disagree": "dropped: the annotations of one action name different strokes",
    "unknown-player": "dropped: one of several players is meant, and the entry does not say which",
    "focus-differs": "the annotations of one action say different places to look at; the video's counts",
    "unknown-label": "dropped: the label has no class in the taxonomy",
}


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """Facts about a video that the cleaning needs.

    Attributes
    ----------
    n_frames : int
        Number of frames that can be decoded.
    fps : Fraction
        Frame rate in 1/s.
    content_id : str
        Hash of the content, so that renaming a file moves no sample to another split; if empty, the
        name is used instead.
    player : str
        The player on whom the video is centred; empty if unknown.
    timeline : Timeline or None
        When each frame is shown; None: at its number divided by ``fps``.
    variable : bool
        Whether the time from frame to frame changes.
    group : str
        What the video was taken from, as a match or a channel; empty if unknown.
    view : str
        The player, where the video has several and these are the facts for one of them.
    """

    n_frames: int
    fps: Fraction
    content_id: str = ""
    player: str = ""
    timeline: Timeline | None = None
    variable: bool = False
    group: str = ""
    view: str = ""

    def frame_at(self, seconds: Fraction) -> int:
        """Return the frame that begins nearest to a time of the file's timeline; halves go up.

        ``n_frames`` is the end of the last frame; what lies further out has a number further out.
        """
        if self.timeline is None:
            return math.floor(seconds * self.fps + Fraction(1, 2))
        return self.timeline.frame_at(seconds)

    def time_of(self, frame: int) -> Fraction:
        """Return the time of the file's timeline at which a frame begins, s."""
        if self.timeline is None:
            return frame / self.fps
        return _to_microseconds(self.timeline.time_of(frame))

    def duration(self, begin: int, end: int) -> Fraction:
        """Return how long the frames from ``begin`` to before ``end`` last, s."""
        if self.timeline is None or not self.timeline.real:
            return (end - begin) / self.fps
        return _to_microseconds(self.timeline.time_of(end) - self.timeline.time_of(begin))

    def frame_after(self, frame: int, seconds: Fraction) -> int:
        """Return the frame that begins nearest to some seconds after another one; before it, if negative."""
        if self.timeline is None or not self.timeline.real:
            shift = abs(seconds) * self.fps + Fraction(1, 2)
            return frame + (math.floor(shift) if seconds >= 0 else -math.floor(shift))
        return self._frame_near(self.timeline, self.timeline.time_of(frame) + float(seconds))

    def _frame_near(self, timeline: Timeline, seconds: float) -> int:
        first = timeline.time_of(0)
        if seconds < first:
            return -math.floor((first - seconds) / timeline.step + 0.5)
        return timeline.frame_at(Fraction(seconds))


def _to_microseconds(seconds: float) -> Fraction:
    return Fraction(round(seconds * 1_000_000), 1_000_000)


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotated interval, as it was read from a file.

    Attributes
    ----------
    video : str
        Key in the mapping of known videos, or the name as written if no known video matches.
    begin, end : int
        First frame, first frame after. They may be in the wrong order or outside the video.
    label : str or None
        Canonical label (see :func:`pipeline.annotations.label_mapping.canonical`); None: a stroke
        without a label.
    annotator : str
        Empty if the file does not say.
    file : str
    line : int
        From 1; 0 for a clip whose folder is its annotation.
    player : str
        Who plays the stroke; empty if the file does not say.
    clip : bool
        Whether the video was cut to the interval, which therefore begins at frame 0 by design.
    focus : str
        Where the player is, as written; empty if the file does not say.
    """

    video: str
    begin: int
    end: int
    label: str | None
    annotator: str
    file: str
    line: int
    player: str = ""
    clip: bool = False
    focus: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at one frame and is not a stroke, such as a bounce.

    Attributes
    ----------
    video : str
    frame : int
    name : str
    file : str
    line : int
    """

    video: str
    frame: int
    name: str
    file: str
    line: int


@dataclass(frozen=True, slots=True, order=True)
class Issue:
    """A finding that a person should see; the data are not changed.

    Attributes
    ----------
    file : str
    line : int
        From 1; 0 if the finding concerns the file as a whole.
    kind : str
        One of :data:`KINDS`.
    message : str
    """

    file: str
    line: int
    kind: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.kind}: {self.message}"


@dataclass(frozen=True)
class AnnotationSet:
    """Everything that was read.

    Attributes
    ----------
    annotations : tuple of Annotation
        Sorted by video, begin, end, file, line: the order of the paths does not matter.
    issues : tuple of Issue
        Sorted by file and line.
    events : tuple of Event
        Sorted by video and frame.
    waiting : mapping of str to int
        Video whose frames are not counted yet → number of its entries, which stand nowhere else.
    unplaced : tuple of Annotation
        Entries in seconds whose video is unknown: nobody knows their frames, and both are 0.
    """

    annotations: tuple[Annotation, ...]
    issues: tuple[Issue, ...]
    events: tuple[Event, ...] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)
    unplaced: tuple[Annotation, ...] = ()

    def counts(self) -> dict[str, int]:
        """Count the findings of each kind that occurs."""
        return count_kinds(self.issues)


def count_kinds(issues: Iterable[Issue]) -> dict[str, int]:
    """Count findings by kind, in alphabetical order."""
    return dict(sorted(Counter(issue.kind for issue in issues).items()))


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of the dataset: an agreed action, or a negative.

    Attributes
    ----------
    id : str
        ``"<content id or name of the video>:<begin>-<end>"``, of a video with several players
        ``"<content id>/<player>:<begin>-<end>"``. The label is not part of it, so
        correcting a label does not move the sample to another split.
    video : str
    begin, end : int
        First frame, first frame after; inside the video.
    label : str or None
        Canonical label; None: a stroke without a label.
    annotators : tuple of str
        Sorted; unnamed annotators are left out.
    player : str
        From the annotations if they agree, otherwise from the video; empty if unknown.
    group : str
        Of the video.
    view : str
        The player, where the video has several.
    focus : str
        Where the player is, as its annotations say; empty if they do not.
    """

    id: str
    video: str
    begin: int
    end: int
    label: str | None
    annotators: tuple[str, ...] = ()
    player: str = ""
    group: str = ""
    view: str = ""
    focus: str = ""

    @property
    def source(self) -> str:
        """Return the identity of the video's view: the part of ``id`` before the interval."""
        return self.id.rpartition(":")[0]

    @property
    def footage(self) -> str:
        """Return the identity of the video, whichever of its players is looked at."""
        return self.source.removesuffix(f"/{self.view}") if self.view else self.source


def sample_id(identity: str, begin: int, end: int) -> str:
    """Return the identity of a sample, made of that of its video and its interval.

    Parameters
    ----------
    identity : str
        The video's, from :func:`identity_of`.
    begin, end : int
        First frame, first frame after.
    """
    return f"{identity}:{begin}-{end}"


def identity_of(video: str, facts: VideoFacts) -> str:
    """Return the content id of a video, or its name if it has none."""
    return facts.content_id or video


def annotation_order(a: Annotation) -> tuple[str, int, int, str, int, str, str]:
    """Return a sort key that does not depend on the order in which files were read."""
    return a.video, a.begin, a.end, a.file, a.line, a.label or "", a.annotator


def rank(seed: int, key: str) -> int:
    """Return a number that puts keys into a random order, the same on every machine and for ever.

    Parameters
    ----------
    seed : int
    key : str
        Identity of a sample or of a group of samples.

    Returns
    -------
    int
        In [0, 2²⁵⁶).
    """
    return int.from_bytes(hashlib.sha256(f"{seed}\0{key}".encode()).digest(), "big")
