"""Progress and messages, on stderr; results go to stdout."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from pipeline.execution.jobs import JobResult
from pipeline.terminal import say

#: without a terminal, a line of progress at most this often
QUIET_S = 10.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the frames per second."""
        return Text(f"{task.speed:.0f}/s" if task.speed else "", style="cyan")


class RunProgress:
    """Bars by stage on a terminal, now and then a line elsewhere; thread-safe.

    Parameters
    ----------
    console : rich.console.Console
        Writes to stderr.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._lock = threading.Lock()
        self._stages: dict[str, _Count] = {}
        self._said = time.monotonic()
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<11}", markup=False),
            TextColumn("{task.fields[files]:>9} videos"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("frames"),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def expect(self, stage: str, files: int = 0, rows: int = 0) -> None:
        """Take note that results of a stage, or rows of them, are to be made."""
        with self._lock:
            count = self._count(stage)
            count.files += files
            count.expected += rows
            self._bars.update(count.bar, files=count.text, total=count.expected or None)

    def advance(self, stage: str, rows: int) -> None:
        """Take note of rows just made."""
        with self._lock:
            count = self._count(stage)
            count.rows += rows
            self._bars.advance(count.bar, rows)
            self._say()

    def ended(self, result: JobResult) -> None:
        """Take note of a job's end; a failure is said at once."""
        with self._lock:
            count = self._count(result.stage)
            count.done += 1
            count.files = max(count.files, count.done)
            self._bars.update(count.bar, files=count.text)
            if count.done == count.files:
                self._bars.update(count.bar, total=count.rows, refresh=True)
            if result.state == "failed":
                say(self.console, result.reason, "failed", "red")
            self._say()

    def _count(self, stage: str) -> _Count:
        if stage not in self._stages:
            bar = self._bars.add_task(stage, total=None, files="")
            self._stages[stage] = _Count(bar)
        return self._stages[stage]

    def _say(self) -> None:
        if self.console.is_terminal or time.monotonic() - self._said <= QUIET_S:
            return
        self._said = time.monotonic()
        text = ", ".join(f"{s} {c.text} videos {c.rows} frames" for s, c in self._stages.items())
        say(self.console, f"progress: {text}")


@dataclass
class _Count:
    """What is to be made of one stage, and what is made."""

    bar: TaskID
    files: int = 0
    done: int = 0
    expected: int = 0  # rows, as far as videos are decoded
    rows: int = 0

    @property
    def text(self) -> str:
        """Results made, of those to be made."""
        return f"{self.done}/{self.files}"
