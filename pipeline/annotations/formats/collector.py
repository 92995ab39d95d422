"""Where the readers put what they find in one file."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from pipeline.annotations.formats.text import BadField, VideoNames, frame_number, safe_name, shown, stem
from pipeline.annotations.options import AnnotationOptions, LabelPart
from pipeline.annotations.records import Annotation, Event, Issue, VideoFacts
from pipeline.annotations.taxonomy import canonical


class Collector:
    """Findings, intervals and events of one file, in the order of the file.

    Parameters
    ----------
    file : str
        Its name, as it is to appear in messages.
    options : AnnotationOptions
    videos : mapping of str to VideoFacts
    names : VideoNames
        Over ``videos``.
    video : str or None
        The known video that the file as a whole belongs to, None where it is not known.
    annotator : str
        Who annotated the file, for entries that do not tell.
    """

    def __init__(
        self,
        file: str,
        options: AnnotationOptions,
        videos: Mapping[str, VideoFacts],
        names: VideoNames,
        video: str | None = None,
        annotator: str = "",
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
        self.issues: list[Issue] = []
        self._labels = {canonical(key): value for key, value in options.labels.items()}

    @property
    def video(self) -> str:
        """Video that the file as a whole belongs to: the known one, else the file's stem."""
        self.video_used = True
        return self._video

    def issue(self, line: int, kind: str, message: str) -> None:
        """Report a finding."""
        self.issues.append(Issue(self.file, line, kind, message))

    def frame(self, line: int, what: str, value: object) -> int | None:
        """A frame number; None, and a finding, where it is none."""
        try:
            return frame_number(value)
        except BadField as error:
            self.issue(line, error.kind, f"{what}: {error.message}")
            return None

    def named_video(self, line: int, name: str) -> str | None:
        """The known video of a name from within the file.

        Returns
        -------
        str or None
            The name as it stands where no video or more than one fits; None where it is unsafe,
            and the entry then not to be used.
        """
        try:
            name = safe_name(name)
        except BadField as error:
            self.issue(line, error.kind, error.message)
            return None
        try:
            return self.names.find(name) or name
        except BadField as error:
            self.issue(line, error.kind, error.message)
            return name

    def fps(self, video: str) -> Fraction | None:
        """Frame rate of a known video."""
        facts = self.videos.get(video)
        return facts.fps if facts else None

    def composed(self, line: int, parts: tuple[LabelPart, ...], cells: Mapping[str, str]) -> str | None:
        """A label out of columns or attributes; None where all are empty."""
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
    ) -> None:
        """Add an interval; its label is brought to the canonical spelling and translated."""
        name = canonical(label) if label is not None else ""
        if name in self._labels:
            name = canonical(self._labels[name] or "")
        self.annotations.append(
            Annotation(
                video=video,
                begin=begin,
                end=end,
                label=name or None,
                annotator=annotator.strip() or self.annotator,
                file=self.file,
                line=line,
                player=player.strip(),
                clip=clip,
            )
        )

    def add_clip(self, line: int, video: str, label: str, annotator: str = "") -> None:
        """Add a video that was cut to one stroke, from its first to its last frame."""
        facts = self.videos.get(video)
        self.add(line, video, 0, facts.n_frames if facts else 0, label, annotator, clip=True)
