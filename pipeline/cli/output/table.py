"""The one place that decides how a table is laid out, whatever the width of the terminal.

A table that fits is printed as it is. Else headings are folded at blanks, then paths are shortened from the
left, where their end still tells them apart. What fits in no such way is stacked: an entry for each row, with
its cells below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.terminal import readable

#: state → how it is shown
STYLES = {
    "done": "green",
    "stale": "yellow",
    "missing": "dim",
    "failed": "red",
    "damaged": "red",
    "skipped": "yellow",
    "kept": "dim",
    "–": "dim",
}
#: paths are not made shorter than this, in characters
LEAST = 16
#: a column of prose is not made narrower than this
LEAST_PROSE = 24


@dataclass(frozen=True)
class Column:
    """Declare a column.

    Attributes
    ----------
    title : str
    kind : {"text", "path", "state", "prose", "number"}
        ``path`` may be shortened from the left, ``prose`` may be folded. Columns of kind ``state`` are
        stacked by value: ``done: frames, flow``.
    """

    title: str
    kind: Literal["text", "path", "state", "prose", "number"] = "text"


def shorten(path: str, width: int) -> str:
    """Shorten a path from the left to ``width`` characters, at a folder where one is near.

    >>> shorten("matches/2024/final/left/match1.mp4", 24)
    '…/final/left/match1.mp4'
    """
    if cell_len(path) <= width:
        return path
    tail = path
    while tail and cell_len(tail) > width - 1:
        tail = tail[1:]
    slash = tail.find("/")
    if 0 <= slash < len(tail) / 2:
        tail = tail[slash:]
    return f"…{tail}"


class Grid:
    """A table; see the module.

    Parameters
    ----------
    *columns : Column
        The first one names the row.
    legend : mapping of str to str, optional
        Cell → what it stands for; said below the table where such a cell occurs.
    """

    def __init__(self, *columns: Column, legend: Mapping[str, str] | None = None) -> None:
        self.columns, self.legend = columns, legend or {}
        self.rows: list[list[str]] = []

    def add(self, *cells: object) -> None:
        """Add a row."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells in a table of {len(self.columns)} columns")
        self.rows.append([readable(c) for c in cells])

    def print(self, console: Console) -> None:
        """Print the table as the width of the console allows; nothing where there is no row."""
        if not self.rows:
            return
        widths = self._widths(console.width)
        if widths is None:
            self._stack(console)
        else:
            self._table(console, widths)
        used = {c for row in self.rows for c in row}
        said = [f"{mark}: {text}" for mark, text in self.legend.items() if mark in used]
        if said:
            _wrapped(console, Text("; ".join(said), style="dim"), 0)

    def _natural(self, at: int) -> int:
        return max((cell_len(row[at]) for row in self.rows), default=0)

    def _widths(self, room: int) -> list[int] | None:
        """Return the width of each column, or None where the table does not fit."""
        room -= 3 * len(self.columns) + 1
        content = [self._natural(i) for i in range(len(self.columns))]
        widths = [max(w, cell_len(c.title)) for w, c in zip(content, self.columns, strict=True)]
        if sum(widths) > room:  # headings are folded at blanks
            words = [max(map(cell_len, c.title.split() or [""])) for c in self.columns]
            widths = [max(w, longest) for w, longest in zip(content, words, strict=True)]
        for kind, least in (("prose", LEAST_PROSE), ("path", LEAST)):
            for at, column in enumerate(self.columns):
                if column.kind == kind and sum(widths) > room:
                    widths[at] = max(min(widths[at], least), widths[at] - (sum(widths) - room))
        return widths if sum(widths) <= room and self._told_apart(widths) else None

    def _told_apart(self, widths: Sequence[int]) -> bool:
        for at, column in enumerate(self.columns):
            if column.kind == "path":
                names = {row[at] for row in self.rows}
                if len({shorten(name, widths[at]) for name in names}) < len(names):
                    return False
        return True

    def _table(self, console: Console, widths: Sequence[int]) -> None:
        table = Table()
        for column, width in zip(self.columns, widths, strict=True):
            right = column.kind == "number"
            table.add_column(column.title, width=width, justify="right" if right else "left")
        for row in self.rows:
            cells = []
            for text, column, width in zip(row, self.columns, widths, strict=True):
                shown = shorten(text, width) if column.kind == "path" else text
                cells.append(Text(shown, style=STYLES.get(text, "") if column.kind == "state" else ""))
            table.add_row(*cells)
        console.print(table)

    def _stack(self, console: Console) -> None:
        for row in self.rows:
            first = shorten(row[0], console.width) if self.columns[0].kind == "path" else row[0]
            name = Text(first, style="bold")
            _wrapped(console, name, 0)
            pairs = list(zip(row[1:], self.columns[1:], strict=True))
            states: dict[str, list[str]] = {}
            for text, column in pairs:
                if column.kind == "state" and text != "–":
                    states.setdefault(text, []).append(column.title)
            for state, titles in states.items():
                line = Text(state, style=STYLES.get(state, "")) + Text(f": {', '.join(titles)}")
                _wrapped(console, line, 2)
            rest = [f"{c.title}: {text}" for text, c in pairs if c.kind != "state" and text]
            if rest:
                _wrapped(console, Text("; ".join(rest)), 2)


def _wrapped(console: Console, text: Text, indent: int) -> None:
    """Print text folded at blanks, with all lines indented and no blanks behind them."""
    lines = text.wrap(console, max(console.width - 2 * indent, 20))
    for number, line in enumerate(lines):
        line.rstrip()
        console.print(Text(" " * (indent + 2 * bool(number and indent))) + line, soft_wrap=True)


def columns_of(titles: Iterable[str], kind: Literal["state", "number", "text"]) -> list[Column]:
    """Return columns of one kind."""
    return [Column(title, kind) for title in titles]
