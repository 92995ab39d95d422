"""Follow remedies as they are written: a call that fails, what its message says to do, the call again.

A test writes ``Says("take --cache {}")`` for the part of a message that it follows; ``test_complete.py``
compares these with all that the packages say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
import yaml
from click.testing import CliRunner

HOLE = "{}"
Words = tuple[object, ...]


class Says(str):
    """A part of a message, with ``{}`` for what differs."""

    __slots__ = ()

    def of(self, text: str) -> tuple[str, ...]:
        """Assert that a line of a text has this part; what stands in its holes (a last one: to the end)."""
        pattern = as_pattern(self)
        lines = (re.sub("^(?:error|failed):? ", "", line) for line in text.splitlines())
        found = next((m for line in lines if (m := pattern.search(line))), None)
        assert found, f"{self!s} is not in:\n{text}"
        return found.groups()


@cache
def as_pattern(part: str) -> re.Pattern[str]:
    """Return what finds a part of a message, with a group for each hole."""
    pieces = [re.escape(piece) for piece in part.split(HOLE)]
    return re.compile("(.*?)".join(pieces) + ("$" if part.endswith(HOLE) else ""))


def nothing(*_: object) -> None:
    """Prepare, or follow, without a change of files: the words of the call differ."""


@dataclass(frozen=True)
class Case:
    """A call that is refused.

    Attributes
    ----------
    words : tuple
        The call.
    says : Says
        What of its message is followed.
    again : tuple or callable
        The call that must succeed then, maybe made of what stands in the holes; default: the same.
    follow : callable
        Does what the message says, given what stands in its holes.
    prepare : callable
        Makes the bad input.
    """

    words: Words
    says: Says
    again: Words | Callable[..., Words] = ()
    follow: Callable[..., object] = nothing
    prepare: Callable[[], object] = nothing


def call(command: click.Command, *words: object) -> tuple[int, str]:
    """Call a command line in this process; its exit code and all that it says."""
    done = CliRunner(env={"COLUMNS": "1000"}).invoke(command, [str(w) for w in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, done.output


def check(command: click.Command, case: Case, before: Words = ()) -> None:
    """Assert that a call fails, and succeeds once its message is followed.

    Parameters
    ----------
    command : click.Command
    case : Case
    before : tuple
        Words that both calls begin with.
    """
    case.prepare()
    code, text = call(command, *before, *case.words)
    assert code != 0, text
    holes = case.says.of(text)
    case.follow(*holes)
    again = case.again(*holes) if callable(case.again) else case.again or case.words
    code, text = call(command, *before, *again)
    assert code == 0, text


def both(*steps: Callable[[], object]) -> Callable[..., None]:
    """Return a step that takes some after another."""

    def step(*_: object) -> None:
        for one in steps:
            one()

    return step


def write(path: str, content: str | bytes) -> Callable[..., object]:
    """Return a step that writes a file."""

    def step(*_: object) -> None:
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    return step


def manifest(**value: Any) -> None:
    """Write a manifest."""
    Path("data_manifest.yaml").write_text(yaml.safe_dump(value))


def nested(key: str, value: Any) -> dict[str, Any]:
    """Return what ``a.b: value`` in a message means."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


@contextmanager
def nobody() -> Iterator[None]:
    """Become a user whom permissions bind."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
