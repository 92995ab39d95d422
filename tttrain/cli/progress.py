"""Progress on stderr: a bar on a terminal, an occasional line elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tttrain.cli.output import readable, say

#: without a terminal, print a line at most this often
QUIET_S = 10.0


class Bar:
    """Shows a bar over a known number of steps.

    Parameters
    ----------
    console : rich.console.Console
        Writes to stderr.
    what : str
    """

    def __init__(self, console: Console, what: str) -> None:
        self.console = console
        self._said = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(what, total=None, note="")
        self._what = what

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, done: float, total: int, note: str = "") -> None:
        """Move the bar: ``done`` of ``total``."""
        self._progress.update(self._task, completed=done, total=total, note=readable(note))

    def line(self, text: str, *, always: bool = False) -> None:
        """Print a line: on a terminal always, elsewhere if asked to or after some seconds of silence."""
        if always or self.console.is_terminal or time.monotonic() - self._said > QUIET_S:
            self._said = time.monotonic()
            say(self.console, text)


def summary(history: list[dict[str, Any]]) -> str:
    """Summarise how a training stands after its last epoch."""
    text = f"loss {history[-1]['train_loss']:.3f}"
    now = history[-1]["validation_accuracy"]
    if now is None:
        return text
    return f"{text}, validation {now:.1%}, best {max(r['validation_accuracy'] for r in history):.1%}"


def reading(done: int, needed: int, place: str) -> str:
    """Say how much of what is kept has been read."""
    where = "the GPU" if place == "gpu" else "memory"
    return f"reading into {where}: {done / 2**30:.1f} of {needed / 2**30:.1f} GiB"


def duration(seconds: float) -> str:
    """Write a duration in the unit that suits it.

    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


class TrainingBar(Bar):
    """Follows a training; see :class:`tttrain.training.train.Listener`.

    Parameters
    ----------
    console : rich.console.Console
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console, "epochs")
        self._epochs = 0
        self._note = ""
        self._begun = (0.0, 0.0)  # when training began, and how many epochs were done then

    def begin(self, done: int, epochs: int) -> None:
        """Note that the run starts or continues."""
        self._epochs = epochs
        if done:
            self.line(f"going on after epoch {done} of {epochs}", always=True)
        self._begun = (0.0, done)
        self.update(done, epochs)

    def keep(self, done: int, needed: int, place: str) -> None:
        """Note how much of what is kept has been read."""
        self.update(0, self._epochs, reading(done, needed, place))

    def step(self, epoch: int, done: int, steps: int) -> None:
        """Note that a step of an epoch is done; without a terminal, say so after some seconds of silence."""
        reached = epoch + done / steps
        now = time.monotonic()
        if not self._begun[0]:  # what came before is reading, not training
            self._begun = (now, reached)
        place = f"epoch {epoch + 1}: step {done}/{steps}"
        self.update(reached, self._epochs, f"{place}, {self._note}" if self._note else place)
        if not self.console.is_terminal:
            self.line(
                f"epoch {epoch + 1} of {self._epochs}: step {done} of {steps}{self._left(now, reached)}"
            )

    def _left(self, now: float, reached: float) -> str:
        """Say how long the rest will take, once a part of this run tells."""
        since, first = self._begun
        if reached <= first:
            return ""
        return f", about {duration((now - since) * (self._epochs - reached) / (reached - first))} left"

    def end_of_epoch(self, history: list[dict[str, Any]]) -> None:
        """Note that an epoch is done."""
        last = history[-1]
        self._note = summary(history)
        self.update(len(history), self._epochs, self._note)
        if last["note"]:
            self.line(f"epoch {last['epoch']}: {last['note']}", always=True)
        elif not self.console.is_terminal:
            self.line(
                f"epoch {last['epoch']} of {self._epochs}: {self._note}", always=len(history) == self._epochs
            )
