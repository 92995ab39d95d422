"""What the demos share: a bar while they render, and settings that cannot be as an error of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import USAGE, UserError


@contextmanager
def rendering(stderr: Console) -> Iterator[Callable[[int, int], None]]:
    """Show a bar; yields what is to be told the frames done and all frames.

    Raises
    ------
    UserError
        In place of a ValueError of the block: the demo cannot be rendered so.
    """
    bar = Progress(
        TextColumn("rendering frames"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=stderr, disable=not stderr.is_terminal,
    )  # fmt: skip
    try:
        with bar:
            task = bar.add_task("", total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    except ValueError as e:
        raise UserError(f"the demo cannot be rendered so: {e}", USAGE) from e
