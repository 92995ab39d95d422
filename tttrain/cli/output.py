"""Results on stdout: tables for people, JSON for programs, and how figures are written in both.

Names of classes, videos and folders are printed as they are on every terminal: never taken for rich's markup,
control characters as escapes, ASCII for what a terminal lacks. ``ttprep`` does likewise.
"""

from __future__ import annotations

import codecs
import json
import sys
import unicodedata
from typing import Any

import click
from rich.console import Console
from rich.text import Text

#: key of a command's context
_QUIET = "tttrain.quiet"
HANDLER = "tttrain-stand-in"
_STAND_INS = {
    "–": "-",
    "—": "-",
    "→": "->",
    "×": "x",
    "·": "*",
    "…": "...",
    "−": "-",
    "━": "-",
    "╸": "-",
    "╺": "-",
}
#: control characters, and marks that turn the direction of what follows them
_CONTROLS = {
    code: {10: "\\n", 13: "\\r", 9: "\\t"}.get(code, f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
    for code in (*range(32), *range(127, 160), 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}


def _ascii(character: str) -> str:
    if 0xDC80 <= ord(character) <= 0xDCFF:  # a byte of a name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    plain = unicodedata.normalize("NFKD", _STAND_INS.get(character, character))
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


def readable(text: object) -> str:
    """Return one line that is safe to print."""
    return str(text).translate(_CONTROLS)


def echo(*lines: object, err: bool = False) -> None:
    """Print lines on stdout or stderr; a line feed within one is an escape.

    Not by ``click.echo``: that writes UTF-8 where a terminal says that it is ASCII.
    """
    print("\n".join(map(readable, lines)), file=sys.stderr if err else sys.stdout, flush=True)


def say(console: Console, text: object) -> None:
    """Print one line on a console, never folded."""
    console.print(Text(readable(text)), soft_wrap=True, highlight=False)


def echo_json(value: Any) -> None:
    """Print a result as JSON, valid in every locale."""
    unicode = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    print(json.dumps(value, indent=2, ensure_ascii=not unicode), flush=True)


def _note_quiet(ctx: click.Context, param: click.Parameter, given: bool) -> None:
    ctx.meta[_QUIET] = given


def with_quiet(command: click.Command) -> click.Command:
    """Give a command the option ``--quiet``."""
    text = "No progress and no notes; only the result, and what failed."
    option = click.Option(
        ["--quiet", "-q"], is_flag=True, expose_value=False, callback=_note_quiet, help=text
    )
    command.params.append(option)
    return command


def stderr() -> Console:
    """Return the console for progress and messages; silent with ``--quiet``."""
    context = click.get_current_context(silent=True)
    quiet = bool(context and context.meta.get(_QUIET))
    return Console(stderr=True, highlight=False, quiet=quiet)


def percent(value: float | None) -> str:
    """Format a share as a percentage; a dash stands for None."""
    return "–" if value is None else f"{value:.1%}"


def number(value: float | None) -> str:
    """Format a figure with three decimals; a dash stands for None."""
    return "–" if value is None else f"{value:.3f}"


def precision_recall_f(scores: dict[str, Any] | None) -> str:
    """Format precision, recall and F; a dash where they are undefined."""
    if scores is None or scores["f"] is None:
        return "–"
    return " / ".join(f"{scores[k]:.2f}" for k in ("precision", "recall", "f"))
