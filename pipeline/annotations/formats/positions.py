"""Turn positions of Label Studio's timeline, which has a rate of its own, into frames of a video."""

from __future__ import annotations

from fractions import Fraction

from pipeline.annotations.formats.recorder import Recorder
from pipeline.annotations.intervals import exact
from pipeline.annotations.parsing.json_lines import Node, Scalar
from pipeline.annotations.records import VideoFacts

#: positions a second where nobody gives a rate
DEFAULT = Fraction(24)
#: the option's word for positions that are frames of the video
OF_VIDEO = "video"
#: field in which the tasks of ``ttprep predict`` say the rate, to which their configuration refers
RATE = "ttprep_frame_rate"
#: two lengths are the same if they differ by less than this part, or by less than these seconds
_PART, _SECONDS = 0.02, 0.5


class Positions:
    """The positions of one task.

    Parameters
    ----------
    out : Recorder
        Its option ``label_studio.frame_rate`` gives the rate.
    video : str
    data : Node, optional
        The task's data, where the option names a field of them.
    """

    def __init__(self, out: Recorder, video: str, data: Node | None = None) -> None:
        self.video = video
        self._out = out
        self._data = data
        self._facts = out.videos.get(video)

    def frames(self, line: int, first: int, last: int) -> tuple[int, int] | None:
        """Return the first frame of a range, and the first one after it.

        Parameters
        ----------
        line : int
        first, last : int
            Positions, counted from 1; the last one belongs to the range.
        """
        rate = self._rate(line)
        if self._facts is None or rate is None:
            return first - 1, last
        begin = self._out.frame_at(line, self.video, (first - 1) / rate)
        end = None if begin is None else self._out.frame_at(line, self.video, last / rate)
        if begin is None or end is None:
            return None
        if end > self._facts.n_frames:
            if (last - 1) / rate < self._facts.time_of(self._facts.n_frames):
                return begin, self._facts.n_frames  # the last position lasts longer than the video
            self._beyond(line, last, rate, self._facts)
        return begin, end

    def compare(self, node: Node) -> None:
        """Report where the length that a result or value states contradicts the rate, or the video."""
        count = _number(node, "framesCount")
        seconds = _number(node, "duration") or _number(node, "original_length")
        facts = self._facts
        rate = self._rate(node.line) or (facts.fps if facts is not None else None)
        if count and seconds and rate and _differ(count / float(rate), seconds):
            self._doubt(
                node.line,
                f"{count:g} positions in {seconds:g} s are {count / seconds:.4g} a second, not"
                f" {float(rate):g}; set {remedy(round(count / seconds, 3))}",
                "told",
            )
        length = float(facts.time_of(facts.n_frames)) if facts is not None else 0.0
        stated = seconds or (count / float(rate) if rate else 0.0)
        if length and stated and _differ(stated, length):
            self._doubt(
                node.line,
                f"the export is of {stated:.2f} s, {self.video} has {length:.2f} s; check whether it is the"
                " video that was annotated, and the frame rate of annotation_options.label_studio",
                "length",
            )

    def _rate(self, line: int) -> Fraction | None:
        """Return the positions a second; None: positions are frames."""
        own = _number(self._data, RATE) if self._data is not None else 0.0
        if own:
            return exact(own)
        given = self._out.options.label_studio.frame_rate
        if given == OF_VIDEO:
            return None
        if isinstance(given, str):
            found = _number(self._data, given) if self._data is not None else 0.0
            if found:
                return exact(found)
            self._doubt(
                line,
                f"the task has no number under {given!r}, and 24 positions a second are assumed; give it in"
                " the task's data, or another frame_rate",
                "field",
            )
        elif given is not None:
            return exact(given)
        elif self._facts is not None and self._facts.fps != DEFAULT:
            self._doubt(
                line,
                f"24 positions a second are assumed, Label Studio's default, and {self.video} has"
                f" {float(self._facts.fps):g} frames/s; confirm it with {remedy(24)},"
                " or give the frameRate of the project, or video if positions are frames",
                "assumed",
            )
        return DEFAULT

    def _beyond(self, line: int, last: int, rate: Fraction, facts: VideoFacts) -> None:
        fits = (
            f", where a video of {float(facts.fps):g} frames/s may have it" if last <= facts.n_frames else ""
        )
        self._doubt(
            line,
            f"position {last} is at {float(last / rate):.2f} s with {float(rate):g} a second, behind the end"
            f" of {self.video} at {float(facts.time_of(facts.n_frames)):.2f} s{fits}; set {remedy(OF_VIDEO)}"
            " if positions are its frames, or give the frameRate of the project",
            "beyond",
        )

    def _doubt(self, line: int, message: str, what: str) -> None:
        self._out.issue_once(line, "doubtful-time", message, f"{what}: {self.video}")


def remedy(rate: float | str) -> str:
    """Return the setting that gives a rate, as it stands in a manifest."""
    value = rate if isinstance(rate, str) else f"{rate:g}"
    return f"annotation_options: {{label_studio: {{frame_rate: {value}}}}}"


def _number(node: Node, key: str) -> float:
    """Return a positive number under a key, also one written as text; 0 where there is none."""
    found = node.get(key)
    value: Scalar = found.scalar if found is not None else None
    try:
        number = float(value) if isinstance(value, int | float | str) and value is not True else 0.0
    except ValueError:
        return 0.0
    return number if 0 < number <= 10**9 else 0.0


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > max(_SECONDS, _PART * max(one, other))
