"""A progress bar for rendering, and one line for settings that the renderer refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import USAGE, UserError


@contextmanager
def rendering(stderr: Console) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar while a demo is rendered.

    Parameters
    ----------
    stderr : Console
        No bar is shown if it is no terminal.

    Yields
    ------
    callable
        To be called with the number of frames done and of all frames.

    Raises
    ------
    UserError
        The block raised a ValueError: the renderer refuses these settings.
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
