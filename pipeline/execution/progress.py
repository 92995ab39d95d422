"""Progress and messages, on stderr; results go to stdout."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from pipeline.execution.jobs import Outcome

#: without a terminal, a line of progress at most this often
QUIET_S = 10.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Frames a second."""
        return Text(f"{task.speed:.0f}/s" if task.speed else "", style="cyan")


class RunProgress:
    """Bars by stage on a terminal, now and then a line elsewhere; thread-safe.

    Parameters
    ----------
    console : rich.console.Console
        Writes to stderr.
    totals : mapping of str to (int, int)
        Stage → results to make, frames in them (an estimate until videos are decoded).
    """

    def __init__(self, console: Console, totals: Mapping[str, tuple[int, int]]) -> None:
        self.console = console
        self._lock = threading.Lock()
        self._files = {stage: [0, files] for stage, (files, _) in totals.items()}
        self._rows = dict.fromkeys(totals, 0)
        self._said = time.monotonic()
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<11}"),
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
        self._tasks = {
            stage: self._bars.add_task(stage, total=frames or None, files=f"0/{files}")
            for stage, (files, frames) in totals.items()
        }

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def listen(self, stage: str, rows: int, outcome: Outcome | None) -> None:
        """Take note of rows made, or of a job's end."""
        with self._lock:
            if stage not in self._tasks:
                self._files[stage], self._rows[stage] = [0, 1], 0
                self._tasks[stage] = self._bars.add_task(stage, total=None, files="0/1")
            self._rows[stage] += rows
            self._bars.advance(self._tasks[stage], rows)
            if outcome is not None:
                done, files = self._files[stage]
                self._files[stage][0] = done + 1
                self._bars.update(self._tasks[stage], files=f"{done + 1}/{files}")
                if done + 1 >= files:
                    self._bars.update(self._tasks[stage], total=self._rows[stage], refresh=True)
                if outcome.state == "failed":
                    self.console.print(f"[red]failed[/red] {escape(outcome.reason)}", soft_wrap=True)
            if not self.console.is_terminal and time.monotonic() - self._said > QUIET_S:
                self._said = time.monotonic()
                text = ", ".join(
                    f"{s} {f[0]}/{f[1]} videos {self._rows[s]} frames" for s, f in self._files.items()
                )
                self.console.print(f"progress: {text}", soft_wrap=True)
