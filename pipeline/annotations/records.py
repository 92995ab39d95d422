"""What the annotation readers hand out: intervals, point events, facts of videos, and findings.

Frame convention, for every format: frames count from 0, ``begin`` is the first frame of the
interval and ``end`` the first frame after it, so ``end - begin`` is the length and ``end`` may
equal the number of frames of the video. Each reader states how its format maps to this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

#: the label of an interval in which nobody plays a stroke
NEGATIVE = "Negative"

#: kinds of finding after which nothing of the file was used
REFUSALS = frozenset({"unreadable", "too-large", "encoding", "hostile", "broken-file", "unknown-format"})

#: every kind of :class:`Issue` and what it means
KINDS: dict[str, str] = {
    "unreadable": "the file cannot be opened or read",
    "too-large": "the file is larger than the limit of the options",
    "encoding": "the file is not text in the expected encoding",
    "hostile": "the file has what no annotation needs: DOCTYPE, entities, NUL bytes, deep nesting",
    "broken-file": "the file is not well-formed",
    "unknown-format": "the content is of no format that is read, or is no annotation",
    "duplicate-file": "the same bytes were read under another name too",
    "empty": "the file is of a known format but has nothing in it",
    "malformed": "an entry lacks a field or has one that cannot be understood",
    "bad-number": "a number is absurdly large",
    "unsafe-name": "a name is absolute, climbs out of its folder or has control characters",
    "unsupported": "an entry of a kind that is not an interval with a label; not used",
    "unknown-event": "an OpenTTGames event that is neither a stroke nor a listed event",
    "unknown-value": "a cell has a value for which its column mapping has no translation",
    "several-labels": "one interval with more than one label; read once for each",
    "unknown-video": "no video of that name is known",
    "ambiguous-video": "more than one known video fits the name",
    "video-inferred": "the video was found through a part of the file's or folder's name",
    "reversed": "an interval that ends where or before it begins",
    "out-of-range": "an interval outside its video",
    "duplicate": "the same interval with the same label by the same annotator again",
    "overlap": "an interval overlaps another one of the same file and annotator",
    "unsorted": "an interval begins before the one in front of it in the file",
    "starts-at-0": "dropped: begins at frame 0, the annotation tool's default",
    "outside-video": "dropped: not inside its video, or the video is unknown",
    "too-short": "dropped: shorter than the cleaning allows",
    "too-long": "dropped: longer than the cleaning allows",
    "chained": "an action of which two annotations do not overlap enough without a third between",
    "labels-disagree": "dropped: the annotations of one action name different strokes",
    "unknown-label": "dropped: the label has no class in the taxonomy",
}


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What cleaning must know of a video.

    Attributes
    ----------
    n_frames : int
        Frames really decoded.
    fps : Fraction
        Frame rate in 1/s.
    content_id : str
        Identity of the content (a hash), so that renaming a file moves no sample to another split;
        empty: the name stands in for it.
    player : str
        The player of a player-centred video; empty where unknown.
    """

    n_frames: int
    fps: Fraction
    content_id: str = ""
    player: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotated interval, as it stood in a file.

    Attributes
    ----------
    video : str
        Key in the mapping of known videos, or the name as it stood where none fits.
    begin, end : int
        First frame, first frame after; neither ordered nor inside the video for certain.
    label : str or None
        Canonical label (see :func:`pipeline.annotations.taxonomy.canonical`); None: a stroke that
        nobody named.
    annotator : str
        Empty where the file does not tell.
    file : str
    line : int
        From 1; 0 for a clip whose folder is its annotation.
    player : str
        Who plays the stroke; empty where the file does not tell.
    clip : bool
        The video was cut to the interval, which therefore begins at frame 0 by design.
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


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at one frame and is no stroke (a bounce, the ball over the net).

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
    """A finding that a person should see; the data stay as they are.

    Attributes
    ----------
    file : str
    line : int
        From 1; 0 where the finding is of the file as a whole.
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
    """All that was read.

    Attributes
    ----------
    annotations : tuple of Annotation
        Sorted by video, begin, end, file, line: the order of the paths does not matter.
    issues : tuple of Issue
        Sorted by file and line.
    events : tuple of Event
        Sorted by video and frame.
    """

    annotations: tuple[Annotation, ...]
    issues: tuple[Issue, ...]
    events: tuple[Event, ...] = ()

    def counts(self) -> dict[str, int]:
        """Number of findings by kind, for the kinds that occur."""
        return count_kinds(self.issues)


def count_kinds(issues: Iterable[Issue]) -> dict[str, int]:
    """Number of findings by kind, in alphabetical order."""
    return dict(sorted(Counter(issue.kind for issue in issues).items()))


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of the dataset: an agreed action, or a negative.

    Attributes
    ----------
    id : str
        ``"<content id or name of the video>:<begin>-<end>"``. The label is no part of it: a
        corrected label leaves the sample where it is.
    video : str
    begin, end : int
        First frame, first frame after; inside the video.
    label : str or None
        Canonical label; None: a stroke that nobody named.
    annotators : tuple of str
        Sorted; without the unnamed.
    player : str
        From the annotations where they agree, else from the video; empty where unknown.
    """

    id: str
    video: str
    begin: int
    end: int
    label: str | None
    annotators: tuple[str, ...] = ()
    player: str = ""

    @property
    def source(self) -> str:
        """Identity of the video, the part of ``id`` before the interval."""
        return self.id.rpartition(":")[0]


def sample_id(identity: str, begin: int, end: int) -> str:
    """Identity of a sample: that of its video and its interval.

    Parameters
    ----------
    identity : str
        :func:`identity_of` the video.
    begin, end : int
        First frame, first frame after.
    """
    return f"{identity}:{begin}-{end}"


def identity_of(video: str, facts: VideoFacts) -> str:
    """The content id of a video, its name where it has none."""
    return facts.content_id or video
