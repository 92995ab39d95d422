"""Progress and messages, on stderr; results go to stdout."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.console import Console, RenderableType
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
from pipeline.planning.estimate import duration
from pipeline.terminal import say

#: without a terminal, a line of progress at most this often
QUIET_S = 10.0


#: core-seconds per row where neither this run nor the store tells yet: of 320×180 frames on a core of today
_USUAL = {"frames": 0.004, "foreground": 0.003, "flow": 0.02, "pose": 0.025}
_SMALL = 0.001


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the frames per second."""
        return Text(f"{task.speed:.0f}/s" if task.speed else "", style="cyan")


class _Bars(Progress):
    """Bars with one line below them that sums them up."""

    def __init__(self, overall: Callable[[], str], *columns: ProgressColumn, **options: Any) -> None:
        self._overall = overall
        super().__init__(*columns, **options)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the bars and the line."""
        yield from super().get_renderables()
        if self.tasks:
            yield Text(self._overall(), style="bold")


class RunProgress:
    """Bars by stage on a terminal, now and then a line elsewhere; thread-safe.

    Parameters
    ----------
    console : rich.console.Console
        Writes to stderr.
    costs : mapping of str to float, optional
        Stage → core-seconds per row of earlier runs, until this run tells.
    """

    def __init__(self, console: Console, costs: Mapping[str, float] | None = None) -> None:
        self.console, self._costs = console, costs or {}
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._stages: dict[str, _Count] = {}
        self._said = time.monotonic()
        self._bars = _Bars(
            self.overall,
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
            count.sized += bool(rows)
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
            count.ended += result.rows
            count.core += result.core_s
            count.files = max(count.files, count.done)
            self._bars.update(count.bar, files=count.text)
            if count.done == count.files:
                self._bars.update(count.bar, total=count.rows, refresh=True)
            if result.state == "failed":
                say(self.console, result.reason, "failed", "red")
            self._say()

    def overall(self) -> str:
        """Say how much of everything is made, and how long the rest will take."""
        counts = list(self._stages.items())
        text = f"{sum(c.done for _, c in counts)} of {sum(c.files for _, c in counts)} results"
        if all(c.done >= c.files for _, c in counts):
            return f"all: {text}"
        left = self._left(counts)
        return f"all: {text}, " + (
            f"about {duration(left)} left" if left is not None else "time left unknown yet"
        )

    def _left(self, counts: list[tuple[str, _Count]]) -> float | None:
        """Return the seconds that the rest takes at the speed so far; None where nothing tells."""
        spent = ahead = 0.0
        for stage, count in counts:
            total = count.total_rows()
            if total is None:
                return None
            cost = self._costs.get(stage, _USUAL.get(stage, _SMALL))
            if count.ended:
                cost = count.core / count.ended
            spent += cost * count.rows
            ahead += cost * max(total - count.rows, 0)
        return ahead * (time.monotonic() - self._began) / spent if spent else None

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
        say(self.console, f"progress: {text}; {self.overall()}")


@dataclass
class _Count:
    """What is to be made of one stage, and what is made."""

    bar: TaskID
    files: int = 0
    done: int = 0
    expected: int = 0  # rows, as far as videos are decoded
    rows: int = 0
    sized: int = 0  # results whose rows are among the expected
    ended: int = 0  # rows of finished results, and their core-seconds
    core: float = 0.0

    def total_rows(self) -> float | None:
        """Return the rows of all results, those of videos of unknown length being as long as the others."""
        if self.done >= self.files:
            return self.rows
        if self.sized:
            return self.expected * max(self.files, self.sized) / self.sized
        return self.ended * self.files / self.done if self.done else None

    @property
    def text(self) -> str:
        """Results made, of those to be made."""
        return f"{self.done}/{self.files}"
