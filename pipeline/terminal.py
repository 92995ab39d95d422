r"""What is printed: names as they are, on every terminal, one line each.

A user's file names are never taken for rich's markup (``[id]``) or emoji (``:car:``). Control characters, and
bytes that are not UTF-8, are shown as escapes (``\n``, ``\xfc``). A terminal that lacks a character gets one
of ASCII in its place.
"""

from __future__ import annotations

import codecs
import json
import sys
import unicodedata
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from store.names import valid_text

#: name under which :func:`_stand_in` is registered as a handler of encoding errors
HANDLER = "ttprep-stand-in"
_STAND_INS = {
    "–": "-", "—": "-", "‐": "-", "−": "-", "→": "->", "←": "<-", "↔": "<->", "×": "x", "·": "*", "•": "*",
    "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "≤": "<=", "≥": ">=", "≠": "!=", "±": "+-", "µ": "u",
    "μ": "u", "°": "deg", "ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "OE", "ł": "l",
    "Ł": "L", "đ": "d", "Đ": "D", "━": "-", "╸": "-", "╺": "-", "─": "-", "│": "|", "┃": "|",
}  # fmt: skip


def _ascii(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if 0x2800 <= code <= 0x28FF:  # Braille: a turning spinner
        return "*"
    if character in _STAND_INS:
        return _STAND_INS[character]
    plain = unicodedata.normalize("NFKD", character)
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    if plain.isascii():
        return plain
    return character.encode("ascii", "backslashreplace").decode() if character.isalnum() else "?"


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_ascii(c) for c in error.object[error.start : error.end]), error.end


codecs.register_error(HANDLER, _stand_in)


def prepare_streams() -> None:
    """Let stdout and stderr take any text, whatever their encoding."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=HANDLER)


def _escape(character: str) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(
        character, f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"
    )


#: control characters, and marks that turn the direction of what follows them
_CONTROLS = {
    code: _escape(chr(code))
    for code in (*range(32), *range(127, 160), 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}


def readable(text: object, lines: bool = False) -> str:
    """Return text that is safe to print.

    Parameters
    ----------
    text : object
        Its ``str`` is taken.
    lines : bool
        Whether it may have several lines; else a line feed too is shown as an escape.
    """
    parts = str(text).split("\n") if lines else [str(text)]
    return "\n".join(valid_text(part).translate(_CONTROLS) for part in parts)


def say(console: Console, text: object, mark: str = "", style: str = "") -> None:
    """Print one line on a console, never folded.

    Parameters
    ----------
    console : rich.console.Console
    text : object
        May hold what a user called a file.
    mark : str, optional
        Word in front of it.
    style : str, optional
        How the mark is shown.
    """
    line = Text(f"{mark} " if mark else "", style=style) + Text(readable(text))
    console.print(line, soft_wrap=True, highlight=False)


def echo(text: object, err: bool = False, lines: bool = False) -> None:
    """Print a line on stdout or stderr; with ``lines`` it may be several.

    Not by ``click.echo``: that writes UTF-8 where a terminal says that it is ASCII.
    """
    print(readable(text, lines), file=sys.stderr if err else sys.stdout, flush=True)


def valid_value(value: Any) -> Any:
    """Return a JSON value of which every text, keys too, is UTF-8 (:func:`store.names.valid_text`)."""
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, dict):
        return {valid_text(k) if isinstance(k, str) else k: valid_value(v) for k, v in value.items()}
    return [valid_value(v) for v in value] if isinstance(value, list | tuple) else value


def echo_json(value: Any, stream: TextIO | None = None) -> None:
    """Print one JSON document, by default on stdout; valid UTF-8 in every locale."""
    stream = stream or sys.stdout
    unicode = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    print(json.dumps(valid_value(value), indent=2, ensure_ascii=not unicode), file=stream, flush=True)
