"""A progress bar that appears only where something takes long."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

#: s without a bar
PATIENCE_S = 2.0


class LateBar:
    """A bar on a terminal, after two seconds.

    Parameters
    ----------
    title : str
    console : rich.console.Console
        Writes to stderr.
    """

    def __init__(self, title: str, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(),
            TimeRemainingColumn(), console=console, transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task(title, total=0)
        self._begun = time.monotonic()
        self._shown, self._started = console.is_terminal, False
        self._total = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started:
            self._bar.stop()

    def advance(self, done: int, more: int = 0) -> None:
        """Take note of steps done, and of further steps to be done."""
        self._total += more
        self._bar.update(self._task, advance=done, total=self._total)
        if self._shown and not self._started and time.monotonic() - self._begun > PATIENCE_S:
            self._bar.start()
            self._started = True
