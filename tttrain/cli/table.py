"""Tables on stdout that fit the terminal; the one place that decides their layout.

A table that fits is printed as it is. Else its headings are folded at blanks; and what still does not fit is
stacked: an entry for each row, with its cells below. In a file or a pipe nothing is folded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tttrain.cli.output import readable

#: wide enough for any table
_UNFOLDED = 10_000


def print_table(
    titles: Sequence[str], rows: Sequence[Sequence[object]], console: Console | None = None
) -> None:
    """Print a table; the first column names the row.

    Parameters
    ----------
    titles : sequence of str
    rows : sequence of sequences
        Of as many cells as there are titles; names are printed as they are.
    console : rich.console.Console, optional
        Default: stdout, as wide as the terminal or ``COLUMNS``.
    """
    if console is None:
        told = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
        console = Console(highlight=False, markup=False, emoji=False, width=None if told else _UNFOLDED)
    heads = [readable(t) for t in titles]
    lines = [[readable(c) for c in row] for row in rows]
    content = [max([0, *(cell_len(line[i]) for line in lines)]) for i in range(len(heads))]
    room = console.width - 3 * len(heads) - 1
    widths = [max(w, cell_len(h)) for w, h in zip(content, heads, strict=True)]
    if sum(widths) > room:
        words = [max([0, *map(cell_len, h.split())]) for h in heads]
        widths = [max(w, longest) for w, longest in zip(content, words, strict=True)]
    if sum(widths) > room:
        _stack(console, heads, lines)
        return
    table = Table()
    for head, width in zip(heads, widths, strict=True):
        table.add_column(Text(head), width=width)
    for line in lines:
        table.add_row(*map(Text, line))
    console.print(table)


def _stack(console: Console, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    for line in lines:
        console.print(Text(line[0], style="bold"), soft_wrap=True)
        said = "; ".join(f"{head}: {text}" for head, text in zip(heads[1:], line[1:], strict=True) if text)
        for part in Text(said).wrap(console, max(console.width - 4, 20)):
            part.rstrip()
            console.print(Text("  ") + part, soft_wrap=True)
