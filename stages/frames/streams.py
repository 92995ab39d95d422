"""Which of a file's streams is the film: never an attached picture, else the one that ffmpeg takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import Any

from av.stream import Discard, Disposition

from stages.frames.report import Report

#: not the film: cover art, pictures of chapters, still pictures beside a film
NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails
#: packets read to see which streams have any, where there are several
PROBED_PACKETS = 500
#: what a stream that is marked as the default counts more, px; as in FFmpeg's command
DEFAULT_BONUS = 5_000_000


@dataclass(frozen=True)
class Candidate:
    """A stream that holds pictures.

    Attributes
    ----------
    index : int
    default : bool
        Marked as the default.
    attached : bool
        Cover art or the like.
    codec : str
        Name of its decoder, empty where there is none.
    width, height : int
        0 where unknown.
    packets : int
        Found in the beginning of the file; 2 stands for more.
    """

    index: int
    default: bool
    attached: bool
    codec: str
    width: int
    height: int
    packets: int = 2

    @property
    def rank(self) -> tuple[int, int, int]:
        """The higher the better; among equals the first in the file is taken."""
        bonus = DEFAULT_BONUS if self.default else 0
        # one picture beside a film is a picture, whatever its tag says
        return bool(self.codec), min(self.packets, 2), self.width * self.height + bonus

    @property
    def text(self) -> str:
        """For attributes and notes."""
        size = f" {self.width}x{self.height}" if self.width else ""
        kind = ", attached picture" if self.attached else ", default" if self.default else ""
        return f"{self.index}: {self.codec or 'no decoder'}{size}{kind}"


def choose(container: Any, probe: Any, report: Report) -> Any:
    """Return the film's stream, make the demuxer skip all others, and record the choice.

    The demuxer must skip them: where a file is cut, the first sample missing of *any* stream ends reading.

    Parameters
    ----------
    container : av.container.InputContainer
    probe : callable
        Opens the same file once more.
    report : Report
        Gets ``stream``, ``streams`` and, where there was a choice, a note.

    Returns
    -------
    av.video.stream.VideoStream or None
        None: there is no film.
    """
    found = [_candidate(s) for s in container.streams.video]
    films = [c for c in found if not c.attached]
    if len(films) > 1:
        counts = _packets(probe)
        films = [
            Candidate(c.index, c.default, c.attached, c.codec, c.width, c.height, counts[c.index])
            for c in films
        ]
    known = {c.index: c for c in found}
    report.streams = [known[s.index].text if s.index in known else _other(s) for s in container.streams]
    if not films:
        return None
    best = max(films, key=lambda c: c.rank)  # max() keeps the first of equals
    report.stream = best.index
    if len(films) > 1:
        others = "; ".join(c.text for c in films if c is not best)
        report.note(f"{len(films)} video streams: {best.text} was taken, not {others}")
    for stream in container.streams:
        if stream.index != best.index:
            stream.discard = Discard.all
    return container.streams[best.index]


def _candidate(stream: Any) -> Candidate:
    context = stream.codec_context
    tags = stream.disposition
    return Candidate(
        stream.index,
        bool(tags & Disposition.default),
        bool(tags & NO_FILM),
        context.name if context is not None else "",
        context.width if context is not None else 0,
        context.height if context is not None else 0,
    )


def _other(stream: Any) -> str:
    context = stream.codec_context
    return f"{stream.index}: {stream.type}{f' {context.name}' if context is not None else ''}"


def _packets(probe: Any) -> Counter[int]:
    counts: Counter[int] = Counter()
    with probe() as container:
        for packet in islice(container.demux(), PROBED_PACKETS):
            if packet.size:
                counts[packet.stream_index] += 1
    return counts
