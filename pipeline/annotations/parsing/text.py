"""Turn bytes into text, and text into numbers and names, refusing everything hostile."""

from __future__ import annotations

import math
import re
from fractions import Fraction

#: no video has more frames: 10⁹ frames are 96 days at 120 fps
MAX_FRAME = 10**9

_INTEGER = re.compile(r"([+-]?)0*([0-9]*)(?:\.0*)?", re.ASCII)
_DECIMAL = re.compile(r"[+-]?[0-9]*(?:[.,][0-9]*)?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Refused(Exception):
    """Raised to refuse a whole file; carries the finding.

    Attributes
    ----------
    kind : str
        One of :data:`pipeline.annotations.records.REFUSALS`.
    message : str
    line : int
    """

    def __init__(self, kind: str, message: str, line: int = 0) -> None:
        super().__init__(kind, message, line)
        self.kind = kind
        self.message = message
        self.line = line


class BadField(Exception):
    """Raised for one field that cannot be understood; carries the kind of the finding and the reason."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


def decode(data: bytes, encoding: str = "utf-8") -> str:
    """Decode the bytes of a file and drop the byte order mark.

    Raises
    ------
    Refused
        NUL bytes, or bytes that are not text in ``encoding``.
    """
    # UTF-16 is full of NUL bytes; its mark distinguishes it from a hostile file
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Refused("encoding", "the file is UTF-16; save it as UTF-8")
    nul = data.find(0)
    if nul >= 0:
        raise Refused("hostile", "a NUL byte; this is no text file", data.count(b"\n", 0, nul) + 1)
    try:
        return data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refused(
            "encoding",
            f"byte 0x{data[error.start]:02x} is not {encoding}; save the file as UTF-8"
            " (for CSV, the mapping may name latin-1 or cp1252 as its encoding)",
            line,
        ) from None


def table_delimiter(text: str) -> tuple[str, str]:
    """Return the delimiter that a table's first line names, and that line; both empty where it names none.

    Spreadsheets write and understand such a line: ``sep=;``.
    """
    match = re.match(r'"?sep=(?:([^"\r\n])"?|"?)[,;\t ]*(?:\r\n|\r|\n)', text, re.IGNORECASE)
    return (match[1] or "", match[0]) if match else ("", "")


def shown(value: object) -> str:
    """Quote a value for a message, cut to 40 characters."""
    # a text of a megabyte need not be quoted as a whole
    text = repr(value[:80] if isinstance(value, str) else value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def frame_number(value: object) -> int:
    """Parse a frame number as it is written in a file.

    Parameters
    ----------
    value : int, float or str
        A whole number; ``"120.0"`` is one.

    Raises
    ------
    BadField
        Not a whole number, or one above :data:`MAX_FRAME`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadField("malformed", f"{shown(value)} is no frame number")
    if isinstance(value, str):
        match = _INTEGER.fullmatch(value.strip())
        if match is None or not any(c.isdigit() for c in value):
            raise BadField("malformed", f"{shown(value)} is no frame number")
        if len(match[2]) > 10:
            raise BadField("bad-number", f"{shown(value)} is no frame of any video")
        value = int(match[1] + (match[2] or "0"))
    if isinstance(value, float):
        if not math.isfinite(value) or abs(value) > MAX_FRAME:
            raise BadField("bad-number", f"{shown(value)} is no frame of any video")
        if value != int(value):
            raise BadField("malformed", f"{shown(value)} is no whole frame number")
    if abs(value) > MAX_FRAME:
        raise BadField("bad-number", f"{shown(value)} is no frame of any video")
    return int(value)


def time_in_seconds(value: str) -> Fraction:
    """Parse a time as it is written in a file, with decimal point or comma.

    Raises
    ------
    BadField
        Not a number, or more seconds than any video has frames.
    """
    text = value.strip()
    if not _DECIMAL.fullmatch(text) or not any(c.isdigit() for c in text):
        raise BadField("malformed", f"{shown(value)} is no time in seconds")
    seconds = Fraction(text.replace(",", ".")) if len(text) <= 24 else Fraction(MAX_FRAME + 1)
    if abs(seconds) > MAX_FRAME:
        raise BadField("bad-number", f"{shown(value)} is no time in any video")
    return seconds


def safe_name(name: str) -> str:
    """Return a relative name from an annotation file in a form that is safe to look up.

    Raises
    ------
    BadField
        The name is empty, absolute, leaves its folder, or has control characters.
    """
    text = name.strip().replace("\\", "/")
    if not text:
        raise BadField("malformed", "the name of the video is empty")
    if _CONTROL.search(text) or len(text) > 1024:
        raise BadField("unsafe-name", f"{shown(name)} is no file name")
    if text.startswith("/") or re.match(r"[A-Za-z]:", text):
        raise BadField(
            "unsafe-name", f"{shown(name)} is absolute, and no known video lies there; give its name alone"
        )
    if ".." in text.split("/"):
        raise BadField("unsafe-name", f"{shown(name)} climbs out of its folder")
    return text
