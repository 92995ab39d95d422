"""Record what a reader finds in one file: intervals, events and findings, with their lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

from pipeline.annotations.label_mapping import LabelTranslation, canonical
from pipeline.annotations.options import AnnotationOptions, LabelPart
from pipeline.annotations.parsing.text import MAX_FRAME, BadField, frame_number, safe_name, shown
from pipeline.annotations.parsing.video_names import VideoNames, first_match, last_part, stem, told_video
from pipeline.annotations.records import SUGGESTED, Annotation, Event, Issue, VideoFacts
from stages.base import Params

#: characters of a label, or of a person's name
LONGEST_NAME = 500

P = TypeVar("P", bound=Params)


class Recorder:
    """Intervals, events and findings of one file, in the order of the file.

    Parameters
    ----------
    file : str
        Its name, as messages show it.
    options : AnnotationOptions
    videos : mapping of str to VideoFacts
    names : VideoNames
        Over ``videos``.
    video : str or None
        The known video that the file as a whole belongs to; None if it is not known.
    annotator : str
        Who annotated the file, for entries that do not say.
    own_options : Params, optional
        The parsed options of a format of another package.
    uncounted : collection of str
        Further known videos, whose frames are not counted yet; what is recorded of them is not used.

    Attributes
    ----------
    unplaced : list of Annotation
        Entries whose frames nobody knows, since their video is unknown; they have no interval.
    """

    def __init__(
        self,
        file: str,
        options: AnnotationOptions,
        videos: Mapping[str, VideoFacts],
        names: VideoNames,
        video: str | None = None,
        annotator: str = "",
        own_options: Params | None = None,
        uncounted: Collection[str] = (),
    ) -> None:
        self.file = file
        self.options = options
        self.videos = videos
        self.names = names
        self._video = stem(file) if video is None else video
        self.video_used = False
        self.annotator = annotator
        self.annotations: list[Annotation] = []
        self.events: list[Event] = []
        self.unplaced: list[Annotation] = []
        self.issues: list[Issue] = []
        self._own_options = own_options
        self.uncounted = uncounted
        self._predicted: Counter[str] = Counter()
        self._first_predicted = 0
        self._suggested = self._first_suggested = 0
        self._told: set[tuple[str, str]] = set()
        self._labels = LabelTranslation(options.labels)

    @property
    def video(self) -> str:
        """Return the video that the file as a whole belongs to: the known one, else the file's stem."""
        self.video_used = True
        return self._video

    def options_as(self, kind: type[P]) -> P:
        """Return the options of a format of another package in their declared type.

        Raises
        ------
        TypeError
            The format declares another type of options, or none.
        """
        if not isinstance(self._own_options, kind):
            raise TypeError(f"the format declares no options of type {kind.__name__}")
        return self._own_options

    def issue(self, line: int, kind: str, message: str) -> None:
        """Report a finding."""
        self.issues.append(Issue(self.file, line, kind, message))

    def issue_once(self, line: int, kind: str, message: str, about: str) -> None:
        """Report a finding of a kind only the first time it is about something: every row would repeat it."""
        if (kind, about) not in self._told:
            self._told.add((kind, about))
            self.issue(line, kind, message)

    def frame(self, line: int, what: str, value: object) -> int | None:
        """Parse a frame number; report a finding and return None if it is not one."""
        try:
            return frame_number(value)
        except BadField as error:
            self.issue(line, error.kind, f"{what}: {error.message}")
            return None

    def frame_at(self, line: int, video: str, seconds: Fraction) -> int | None:
        """Return the frame of a video that begins nearest to a time of its file's timeline.

        Returns
        -------
        int or None
            None if the video is not known, so that the entry is unplaced, or, with a finding, if it has no
            such frame by far. 0 where the frames are not counted yet.
        """
        facts = self.videos.get(video)
        if video in self.uncounted:
            return 0
        if facts is None:
            self._unknown(line, video)
            return None
        if facts.timeline is not None and not facts.timeline.real:
            self.issue_once(
                line,
                "doubtful-time",
                f"seconds are those of the file as it plays, {1 / facts.timeline.step:.6g} frames/s, although"
                f" the manifest gives {video} {float(facts.fps):g}; if they were counted at that rate, write"
                " frames instead",
                video,
            )
        frame = facts.frame_at(seconds)
        if abs(frame) > MAX_FRAME:
            self.issue(line, "bad-number", f"{float(seconds):g} s is no time in any video")
            return None
        return frame

    def around(
        self, line: int, video: str, frame: int, before: Fraction, after: Fraction
    ) -> tuple[int, int] | None:
        """Return the interval about an instant.

        Parameters
        ----------
        line : int
        video : str
        frame : int
            Of the instant, from 0.
        before, after : Fraction
            What belongs to the interval, s.

        Returns
        -------
        (int, int) or None
            First frame, first frame after; None if the video and so its frame rate is not known: the entry
            is unplaced. The frame itself where the frames are not counted yet.
        """
        facts = self.videos.get(video)
        if video in self.uncounted:
            return frame, frame
        if facts is None:
            self._unknown(line, video)
            return None
        return facts.frame_after(frame, -before), facts.frame_after(frame, after)

    def _unknown(self, line: int, video: str) -> None:
        self.unplaced.append(Annotation(video, 0, 0, None, self.annotator, self.file, line))

    def describe_unplaced(self, line: int, label: str | None, annotator: str = "", player: str = "") -> None:
        """Say what an entry is that could not be placed; nothing if the one read last could be."""
        if self.unplaced and self.unplaced[-1].line == line:
            self.unplaced[-1] = replace(
                self.unplaced[-1],
                label=self._labels.translate(label),
                annotator=annotator.strip() or self.annotator,
                player=player.strip(),
            )

    def named_video(self, line: int, name: str) -> str | None:
        """Find the known video that a name in the file stands for.

        Returns
        -------
        str or None
            The name as written if no video or more than one fits; None if the name is unsafe, in
            which case the entry must not be used.
        """
        told = told_video(name.strip(), self.options.videos)
        known = self.names.at(name) if told is None else None
        if known is not None:
            return known
        try:
            name = safe_name(name if told is None else told)
        except BadField as error:
            self.issue(line, error.kind, error.message)
            return None
        try:
            return self.names.find(name) or name
        except BadField as error:
            self.issue(line, error.kind, error.message)
            return name

    def is_known(self, video: str) -> bool:
        """Tell whether a video is known, be its frames counted or not."""
        return video in self.videos or video in self.uncounted

    def fps(self, video: str) -> Fraction | None:
        """Return the frame rate of a video in 1/s, or None if the video is not known."""
        facts = self.videos.get(video)
        return facts.fps if facts else None

    def composed(self, line: int, parts: tuple[LabelPart, ...], cells: Mapping[str, str]) -> str | None:
        """Compose a label from columns or attributes; None if all of them are empty."""
        words = []
        for part in parts:
            cell = cells.get(part.column, "")
            word = part.translate(cell)
            if word is None:
                self.issue(
                    line, "unknown-value", f"{part.column}: no translation for {shown(cell)}; kept as it is"
                )
                word = cell
            words.append(word)
        return " ".join(word for word in words if word) or None

    def add(
        self,
        line: int,
        video: str,
        begin: int,
        end: int,
        label: str | None,
        annotator: str = "",
        player: str = "",
        clip: bool = False,
        predicted_by: str = "",
        focus: str = "",
    ) -> None:
        """Add an interval; its label is translated and put into the canonical spelling.

        One with a label or name of more than 500 characters is reported and left out.

        Parameters
        ----------
        line : int
            Where the entry begins, from 1.
        video : str
            From :attr:`video` or :meth:`named_video`.
        begin, end : int
            First frame, first frame after, counted from 0.
        label : str or None
            As written; None or empty: a stroke without a label.
        annotator, player : str
            Empty if the entry does not say.
        clip : bool
            Whether the video was cut to this interval.
        predicted_by : str
            The network of which the interval is, where nobody has looked at it since. It is counted and left
            out, unless the option ``reviewed`` names the file.
        focus : str
            Where the player is, as written; a player's name, where the video has several.
        """
        if canonical(label or "") == SUGGESTED:
            self.suggested(line)
            return
        if predicted_by and not self.is_reviewed:
            self.predicted(line, predicted_by)
            return
        longest = max((label or "", annotator, player, focus), key=len)
        if len(longest) > LONGEST_NAME:
            self.issue(
                line,
                "malformed",
                f"a label or name of {len(longest)} characters, {shown(longest)}; "
                f"shorten it to {LONGEST_NAME}",
            )
            return
        self.annotations.append(
            Annotation(
                video=video,
                begin=begin,
                end=end,
                label=self._labels.translate(label),
                annotator=annotator.strip() or self.annotator,
                file=self.file,
                line=line,
                player=player.strip(),
                clip=clip,
                focus=focus.strip(),
            )
        )

    @property
    def is_reviewed(self) -> bool:
        """Tell whether the user says that a person has gone through the predictions of this file."""
        return first_match(self.file, dict.fromkeys(self.options.reviewed, "yes")) is not None

    @property
    def has_predictions(self) -> bool:
        """Tell whether predictions were left out."""
        return bool(self._predicted or self._suggested)

    def predicted(self, line: int, network: str) -> None:
        """Count a prediction that nobody has looked at and that is not used."""
        self._first_predicted = self._first_predicted or line
        self._predicted[network.strip()] += 1

    def suggested(self, line: int) -> None:
        """Count a mark of ``ttprep suggest``, which says where to look and is no stroke."""
        self._first_suggested = self._first_suggested or line
        self._suggested += 1

    def report_predictions(self) -> None:
        """Report how many predictions and marks were left out; called once, when the file has been read."""
        if self._suggested:
            marks = f"{self._suggested} {'mark' if self._suggested == 1 else 'marks'} {SUGGESTED!r}"
            text = f"{marks} of ttprep suggest say where to look and are no strokes; not used"
            self.issue(self._first_suggested, "prediction", text)
        if not self._predicted:
            return
        count = self._predicted.total()
        remedy = f"annotation_options: {{reviewed: [{json.dumps(last_part(self.file), ensure_ascii=False)}]}}"
        self.issue(
            self._first_predicted,
            "prediction",
            f"{count} {'stroke' if count == 1 else 'strokes'} that {shown(min(self._predicted))} predicted"
            f" and nobody has looked at; not used. If a person has gone through this file: {remedy}",
        )

    def add_clip(self, line: int, video: str, label: str, annotator: str = "") -> None:
        """Add a video that was cut to one stroke, from its first to its last frame."""
        facts = self.videos.get(video)
        self.add(line, video, 0, facts.n_frames if facts else 0, label, annotator, clip=True)
