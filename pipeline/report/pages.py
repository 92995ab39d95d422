"""Write the pages: templates, filters, and JSON inside a page."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline.report.folder import ASSETS, MARK, Folder
from pipeline.terminal import valid_value

#: characters that end a script, begin a comment or a line in JavaScript
_ESCAPED = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def embedded(value: Any) -> Markup:
    """Return a value as JSON that can stand in a ``script`` element, whatever texts it holds."""
    text = json.dumps(valid_value(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(_ESCAPED))


def duration(seconds: float) -> str:
    """Return seconds as people say them: ``4.2 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Return bytes with a unit of thousands: ``312 B``, ``4.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} TB"


def ticks(text: str) -> Markup:
    """Return a text, escaped, in which what stands between backticks is code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


@cache
def environment() -> Environment:
    """Return the templates; every text in them is escaped, and a name that is missing is an error."""
    made = Environment(
        loader=PackageLoader("pipeline.report"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"duration": duration, "size": size, "ticks": ticks}
    made.globals["mark"] = MARK
    return made


def render(template: str, context: dict[str, Any]) -> str:
    """Return a page.

    Parameters
    ----------
    template : str
        ``index.html`` or ``video.html``.
    context : dict
    """
    return environment().get_template(template).render(valid_value(context))


def write_assets(folder: Folder) -> None:
    """Write what all pages share: style and scripts."""
    for file in sorted(resources.files("pipeline.report").joinpath(ASSETS).iterdir(), key=lambda f: f.name):
        folder.write(f"{ASSETS}/{file.name}", file.read_text(encoding="utf-8"))
