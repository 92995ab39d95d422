"""Options of all commands that run a network over videos."""

from __future__ import annotations

import click

BATCH = click.option(
    "--batch", type=click.IntRange(1), default=10, show_default=True, help="Windows at once."
)
DEVICE = click.option(
    "--device", metavar="NAME", help="cpu, cuda, cuda:1 ...; default: a GPU where there is one."
)
