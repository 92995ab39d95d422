"""What decoding met: counts, rates, and the signs of damage that decoders only mutter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

import av.logging

#: faults kept one by one; a badly damaged hour has thousands
MOST_FAULTS = 20

#: level, speaker, text
Message = tuple[int, str, str]


@dataclass
class Report:
    """What decoding met; filled while ``decode`` runs, complete once it is exhausted.

    Attributes
    ----------
    codec, pixel_format : str
    fps : Fraction
        Nominal frame rate of the stream, 1/s.
    time_base : Fraction
        Seconds a tick of the stream's clock, 0 where it has none.
    pixel_aspect : Fraction
        Width of a pixel over its height.
    crop : (int, int, int, int)
        Coded pixels that the container asks not to show: left, top, right, bottom.
    stream : int
        Index of the stream that was decoded.
    streams : list of str
        All streams of the file.
    start : float
        Where the file's clock starts on the scale of the pictures' times, s.
    claimed : int
        Frames the container claims, 0 where it claims nothing.
    packets, discarded, frames : int
        Packets read, packets that an edit list hides, pictures decoded.
    unreferenced : int
        Packets in the beginning that refer to pictures before the first one there, and were left out.
    disordered : int
        Pictures whose own time stamp is not later than that of the one before.
    interlaced : int
        Pictures flagged as interlaced.
    faults : list of str
        The signs of damage in the order met; from the twentieth on only counted.
    notes : list of str
        What a user should know and what harms no picture, likewise.
    """

    codec: str = ""
    pixel_format: str = ""
    fps: Fraction = Fraction(0)
    time_base: Fraction = Fraction(0)
    pixel_aspect: Fraction = Fraction(1)
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    stream: int = 0
    streams: list[str] = field(default_factory=list)
    start: float = 0.0
    claimed: int = 0
    packets: int = 0
    discarded: int = 0
    frames: int = 0
    unreferenced: int = 0
    disordered: int = 0
    interlaced: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _unlisted: int = 0

    def fault(self, text: str) -> None:
        """Note a sign of damage."""
        if len(self.faults) < MOST_FAULTS - 1:
            self.faults.append(text)
            return
        self._unlisted += 1
        more = f"and {self._unlisted} more signs of damage"
        self.faults[MOST_FAULTS - 1 :] = [more]

    def note(self, text: str) -> None:
        """Note what harms no picture, once."""
        if text not in self.notes and len(self.notes) < MOST_FAULTS:
            self.notes.append(text)


def reason(error: Exception) -> str:
    """Return an error's reason in one line, without error numbers, which help nobody."""
    log = getattr(error, "log", None)
    text = log[2] if log else getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


def _severe(message: Message) -> bool:
    # decoders that hide a fault say so, and only so, at level INFO
    return message[0] <= av.logging.ERROR or message[2].startswith("concealing")


@contextmanager
def listening(messages: list[Message]) -> Iterator[None]:
    """Collect the errors that FFmpeg logs meanwhile.

    Only ever around one call into FFmpeg, never around a ``yield``: the capture belongs to the
    thread, and whoever consumes the pictures may be decoding another file in it.
    """
    with av.logging.Capture() as heard:
        yield
    messages += filter(_severe, heard)
