"""Which of FFmpeg's complaints concern the pictures that are shown, and which do not.

Demuxers and decoders complain, on one channel, about broken sound, maker's notes that break a rule, pictures
before the first one that can be decoded, and about real damage. What is known to concern no shown picture
becomes a note; whatever is not known counts as damage.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import av

from stages.frames.report import Message, Report

#: side information of a picture that carries none of its samples: messages, captions, EXIF, profiles
_BESIDE = {
    "h264": r"\bSEI\b|user data|[Cc]losed caption|\bA53\b|\bGOP timecode\b",
    "hevc": r"\bSEI\b|user data|[Cc]losed caption|\bA53\b",
    "mpeg2video": r"user data|[Cc]losed caption|\bA53\b",
    "mjpeg": r"EXIF|TIFF|APP ?fields|\bAPP\d|\bICC\b|\bCOM\b|JFIF|thumbnail",
    "png": r"EXIF|TIFF|\bICC\b|iCCP|tEXt|zTXt|iTXt",
}
#: of pictures that refer to others before the first one that is there
_NOTHING_TO_REFER_TO = re.compile(
    r"[Mm]issing reference|reference picture missing|co located POCs unavailable|unref short failure"
    r"|[Cc]ould not find ref|Error constructing the frame RPS|RASL|first frame is no keyframe"
    r"|number of reference frames|Frame num gap|reference count overflow|illegal short term"
)
#: the same of a picture that is itself whole: it frees a reference that never was
_NOTHING_TO_FREE = re.compile(r"unref short failure")
_STREAM = re.compile(r"\bstream (?:#?\d+:)?(\d+)\b|\bstream = (\d+)\b", re.IGNORECASE)
_BLOCK = 1 << 20


class Complaints:
    """Sorts the messages of one file.

    Parameters
    ----------
    report : Report
        Gets the faults and notes when :meth:`close` is called.
    decoder : str
        Name of the decoder of the pictures.
    stream : int
        Index of their stream.
    """

    def __init__(self, report: Report, decoder: str, stream: int) -> None:
        self._report = report
        self._decoder = decoder
        self._stream = stream
        beside = next((p for name, p in _BESIDE.items() if decoder.startswith(name)), "")
        self._beside = re.compile(beside) if beside else None
        self._severe: list[Message] = []
        self._harmless: dict[tuple[str, str], str] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def opening(self, messages: list[Message]) -> None:
        """Hear what was said while the file was opened; what decoders said then, they will say again."""
        for message in messages:
            if message[1] != self._decoder:
                self.hear([message])

    def hear(self, messages: list[Message], leading: bool = False, opening: bool = False) -> bool:
        """Hear what was said around one packet.

        Parameters
        ----------
        messages : list of Message
        leading : bool
            Whether the packet may refer to pictures before the first one in the file.
        opening : bool
            Whether it may free such pictures.

        Returns
        -------
        bool
            Whether the packet's picture refers to such pictures, and must not be shown.
        """
        unshown = False
        for message in messages:
            _, speaker, text = message
            ours = speaker == self._decoder
            if ours and leading and _NOTHING_TO_REFER_TO.search(text):
                unshown = True
            elif ours and opening and _NOTHING_TO_FREE.search(text):
                continue
            elif why := self._beside_the_pictures(speaker, text):
                self._counts[speaker, why] += 1
                self._harmless.setdefault((speaker, why), " ".join(text.split()))
            else:
                self._severe.append(message)
        return unshown

    def _beside_the_pictures(self, speaker: str, text: str) -> str:
        if speaker == self._decoder:
            if self._beside and self._beside.search(text):
                return "about what is stored beside the pictures"
            return ""
        if _is_codec(speaker):
            return "not about the pictures"
        if (named := _STREAM.search(text)) and int(named[1] or named[2]) != self._stream:
            return "not about the pictures"
        return ""

    def close(self) -> None:
        """Pass on what was heard."""
        for (speaker, why), text in self._harmless.items():
            count = self._counts[speaker, why]
            more = f" (and {count - 1} more)" if count > 1 else ""
            self._report.note(f"{speaker}: {text}{more}: {why}")
        if self._severe:
            more = f" (and {len(self._severe) - 1} more messages)" if len(self._severe) > 1 else ""
            _, speaker, text = self._severe[0]
            self._report.fault(f"{speaker} decoder: {' '.join(text.split())}{more}")


def _is_codec(name: str) -> bool:
    try:
        av.Codec(name, "r")
    except ValueError:
        return False
    return True


def end_of_content(path: Path) -> int:
    """Return the position behind the last byte of a file that is not zero.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OSError
        The file cannot be read.
    """
    with path.open("rb") as file:
        at = os.fstat(file.fileno()).st_size
        while at:
            start = max(0, at - _BLOCK)
            file.seek(start)
            if block := file.read(at - start).rstrip(b"\0"):
                return start + len(block)
            at = start
    return 0
