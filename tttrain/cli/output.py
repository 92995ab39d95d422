"""Results on stdout: tables for people, JSON for programs, and how figures are written in both."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console


def echo_json(value: Any) -> None:
    """Print a result as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def stdout() -> Console:
    """Return the console that tables are printed on."""
    # a table in a file or a pipe should not be folded to 80 columns
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def stderr() -> Console:
    """Return the console for progress and messages."""
    return Console(stderr=True, highlight=False)


def percent(value: float | None) -> str:
    """Format a share as a percentage; a dash stands for None."""
    return "–" if value is None else f"{value:.1%}"


def number(value: float | None) -> str:
    """Format a figure with three decimals; a dash stands for None."""
    return "–" if value is None else f"{value:.3f}"


def precision_recall_f(scores: dict[str, Any] | None) -> str:
    """Format precision, recall and F; a dash where they are undefined."""
    if scores is None or scores["f"] is None:
        return "–"
    return " / ".join(f"{scores[k]:.2f}" for k in ("precision", "recall", "f"))
