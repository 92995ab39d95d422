"""One focus as people write it, and which one a stroke has."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from stages.focus import AUTO, HALVES, Focus


def read_focus(value: Any) -> Focus:
    """Read one focus: a word, a box, a polygon, or such a list as text.

    Raises
    ------
    ValueError
        It is none; the message says in one line what is.
    """
    if isinstance(value, str) and value.strip()[:1] == "[":
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            what = repr(value.strip()[:40])
            raise ValueError(
                f"{what} is no list of numbers; give [left, top, right, bottom] in 0 to 1"
            ) from None
    if not isinstance(value, str | list | tuple | dict | Focus):
        value = str(value)
    try:
        return Focus.model_validate(value)
    except ValidationError as error:
        text = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise ValueError(f"{text[:1].lower()}{text[1:]}, not {_shown(value)}") from None


def name_of(focus: Focus) -> str:
    """Write a focus as short as it can be read again: ``left``, ``auto-near``, ``[0, 0, 0.5, 1]``."""
    written = focus.written()
    return written if isinstance(written, str) else json.dumps(_short(written))


def _short(value: Any) -> Any:
    """Return numbers as people write them: 1, not 1.0."""
    if isinstance(value, list):
        return [_short(part) for part in value]
    return int(value) if value == int(value) else value


def picked(own: Focus | None, column: str, player: str) -> Focus | None:
    """Return the focus of one stroke, by what its annotation says.

    Parameters
    ----------
    own : Focus or None
        Of the video.
    column : str
        The annotation's own, as written; empty where it has none.
    player : str
        Who plays it. ``left``, ``right``, ``near`` and ``far`` say whom to follow, where the video's focus
        follows people; elsewhere they are names like any other.

    Raises
    ------
    ValueError
        ``column`` is no focus.
    """
    follows = own is not None and own.follow != ""
    for text in (column, player if follows else ""):
        word = text.strip().lower()
        if follows and word in HALVES:
            return read_focus(f"{AUTO}-{word}")
        if text is column and word:
            return read_focus(column)
    return own


def _shown(value: Any) -> str:
    return repr(value if len(str(value)) <= 60 else f"{str(value)[:60]}…")
