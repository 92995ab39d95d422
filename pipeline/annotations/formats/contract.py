r"""Check that a format keeps the promises that reading relies on.

A test module of a package with a format derives a class from :class:`FormatContract`, gives it the format
and an example, and pytest runs one test per promise::

    class TestToy(FormatContract):
        format = FORMAT
        file = "game.toy"
        example = b"12-84 serve_forehand_loop\n"
        label = b"serve_forehand_loop"
        expected = ((1, 12, 84, "Serve Forehand Loop"),)
"""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import ClassVar

from pipeline.annotations.formats.annotation_format import AnnotationFile, AnnotationFormat
from pipeline.annotations.formats.recorder import Recorder
from pipeline.annotations.options import AnnotationOptions
from pipeline.annotations.parsing.text import MAX_FRAME, Refused
from pipeline.annotations.parsing.video_names import VideoNames, stem
from pipeline.annotations.records import KINDS, REFUSALS, VideoFacts

#: bytes of the label that is far too long
LONG = 1 << 20
#: what reading a file with it may take; a reader whose costs grow with the size needs far less
MAX_SECONDS = 30.0
MAX_MEMORY = 256 << 20
#: characters that a message may have: findings are printed, one per line
MAX_MESSAGE = 1000

#: content of other formats, and of none, by the name of the format
FOREIGN: Mapping[str, bytes] = {
    "mediaeval": b'<video><action begin="120" end="220" move="x"/></video>',
    "cvat": b'<annotations><track id="0" label="x"><box frame="1" outside="0"/></track></annotations>',
    "openttgames": b'{"90": "left_forehand_loop a b", "95": "bounce"}',
    "label_studio": b'[{"data": {"video": "game.mp4"}, "annotations": [{"result": []}]}]',
    "csv": b"video,begin,end,label\ngame,1,2,x\n",
    "": b"# A readme\n\nNothing of interest.\n",
    "XML": b"<html><body/></html>",
    "JSON": b'{"colour": "red"}',
    "PNG": b"\x89PNG\r\n\x1a\n\0\0",
}


class FormatContract:
    """Promises of a format, one test method each. Derive from it and set the class attributes.

    Attributes
    ----------
    format : AnnotationFormat
    example : bytes
        A valid file with at least one interval.
    label : bytes
        A label as it is written in ``example``.
    expected : tuple of (line, begin, end, label)
        The intervals of ``example`` in the order of the file: line from 1, first frame, first frame
        after, canonical label.
    file : str
        Name of the example.
    videos : mapping of str to VideoFacts
        The known videos; by default ``game.mp4`` with 6000 frames at 120 frames/s.
    options : AnnotationOptions
    """

    format: ClassVar[AnnotationFormat]
    example: ClassVar[bytes]
    label: ClassVar[bytes]
    expected: ClassVar[tuple[tuple[int, int, int, str | None], ...]]
    file: ClassVar[str] = "game"
    videos: ClassVar[Mapping[str, VideoFacts]] = {"game.mp4": VideoFacts(6000, Fraction(120))}
    options: ClassVar[AnnotationOptions] = AnnotationOptions()

    def read(self, data: bytes) -> Recorder | None:
        """Read a file as ttprep does; None if it is not recognised, or refused.

        Raises
        ------
        AssertionError
            The format refuses the file with a kind that is not one of a refusal.
        Exception
            Whatever else the format raises: it must not.
        """
        file = AnnotationFile(self.file, data, self.options)
        kind = self.format.options
        own = kind.model_validate(self.options.formats.get(self.format.name, {})) if kind else None
        names = VideoNames(self.videos)
        out = Recorder(
            self.file, self.options, self.videos, names, names.find(stem(self.file)), own_options=own
        )
        if file.is_empty or self.format.syntax not in (file.syntax, "text"):
            return None
        try:
            recognised = self.format.recognises(file)
            _require(isinstance(recognised, bool), f"recognises() returned {recognised!r}, not a bool")
            if not recognised:
                return None
            self.format.read(file, out)
        except Refused as error:
            _require(error.kind in REFUSALS, f"{error.kind!r} is not a kind of refusal; use one of REFUSALS")
            _require(len(error.message) <= MAX_MESSAGE, "the message of the refusal is too long to print")
            return None
        return out

    def test_the_example_is_read_with_its_lines(self) -> None:
        """Read the example; its intervals, labels and lines must be the expected ones."""
        out = self.read(self.example)
        _require(out is not None, "the example is not recognised, or refused")
        assert out is not None
        found = tuple((a.line, a.begin, a.end, a.label) for a in out.annotations)
        _require(found == self.expected, f"read {found}, expected {self.expected}")
        _require(len(self.expected) > 0, "the example has no interval; give it one")
        last = max(line for line, *_ in self.expected)
        _require(1 <= last <= self.example.count(b"\n") + 1, f"line {last} is not in the example")

    def test_reading_twice_gives_equal_records(self) -> None:
        """Read the example twice; nothing may be left over from the first time."""
        first, second = self.read(self.example), self.read(self.example)
        assert first is not None
        assert second is not None
        _require(first.annotations == second.annotations, "the intervals differ")
        _require(first.events == second.events, "the events differ")
        _require(first.issues == second.issues, "the findings differ")

    def test_other_content_is_not_recognised(self) -> None:
        """Show the format files of others: what it claims, nobody else gets to read."""
        for name, data in FOREIGN.items():
            if name == self.format.name or self.format.syntax not in (
                AnnotationFile("x", data).syntax,
                "text",
            ):
                continue
            try:
                claimed = self.format.recognises(AnnotationFile("game", data, self.options))
            except Refused:
                claimed = False
            _require(not claimed, f"a file of the format {name or 'none'} is claimed: {data[:40]!r}")

    def test_damaged_files_never_raise(self) -> None:
        """Read empty, truncated, byte-flipped and doubled files; the result is records and findings."""
        for data in self._damaged():
            self._check_result(self.read(data), data)

    def test_a_huge_label_stays_bounded(self) -> None:
        """Read a label of 1 MiB within bounds of time and memory."""
        _require(self.label in self.example, f"the label {self.label!r} is not in the example")
        data = self.example.replace(self.label, b"x" * LONG, 1)
        start = time.perf_counter()
        tracemalloc.start()
        try:
            out = self.read(data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        seconds = time.perf_counter() - start
        self._check_result(out, data)
        _require(peak <= MAX_MEMORY, f"{peak >> 20} MiB for a file of {len(data) >> 20} MiB")
        _require(seconds <= MAX_SECONDS, f"{seconds:.0f} s for a file of {len(data) >> 20} MiB")

    def _damaged(self) -> Iterator[bytes]:
        """Yield damaged versions of the example, the same ones each time."""
        example, chance = self.example, random.Random(0)
        yield from (b"", b"\n", b"\xef\xbb\xbf", example + example, b"\0" + example, example + b"\xff")
        for length in range(0, len(example), 7):
            yield example[:length]
            yield example[length:]
        for _ in range(200):
            flipped = bytearray(example)
            for _ in range(chance.randint(1, 4)):
                flipped[chance.randrange(len(flipped))] ^= chance.randrange(1, 256)
            yield bytes(flipped)

    def _check_result(self, out: Recorder | None, data: bytes) -> None:
        """Require records that the rest of ttprep can work with, from any content."""
        if out is None:
            return
        shown, lines = data[:80], data.count(b"\n") + data.count(b"\r") + 1
        entries = len(out.annotations) + len(out.events) + len(out.issues)
        _require(entries <= len(data) + 1, f"{entries} entries from {len(data)} bytes: {shown!r}")
        for a in out.annotations:
            _require(0 <= a.line <= lines, f"an interval on line {a.line} of {lines}: {shown!r}")
            for frame in (a.begin, a.end):
                _require(type(frame) is int, f"frame {frame!r} is not an int: {shown!r}")
                _require(abs(frame) <= 2 * MAX_FRAME, f"frame {frame} is in no video: {shown!r}")
            "".join((a.video, a.label or "", a.annotator, a.player)).encode()
        for e in out.events:
            _require(0 <= e.line <= lines, f"an event on line {e.line} of {lines}: {shown!r}")
            (e.video + e.name).encode()
        for i in out.issues:
            _require(i.kind in KINDS, f"{i.kind!r} is not a kind of finding; use one of KINDS")
            _require(0 <= i.line <= lines, f"a finding on line {i.line} of {lines}: {shown!r}")
            _require(len(i.message) <= MAX_MESSAGE, f"a message of {len(i.message)} characters: {shown!r}")
            i.message.encode()


def _require(met: bool, message: str) -> None:
    if not met:
        raise AssertionError(message)
