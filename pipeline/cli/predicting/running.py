"""Options of all commands that run a network over videos."""

from __future__ import annotations

import click

from pipeline.cli.options import PATH

BATCH = click.option(
    "--batch", type=click.IntRange(1), default=10, show_default=True, help="Windows at once."
)
DEVICE = click.option(
    "--device", metavar="NAME", help="cpu, cuda, cuda:1 ...; default: a GPU where there is one."
)
WORKERS = click.option(
    "--workers", type=click.IntRange(0),
    help="Number of processes that prepare the videos; 0: this one. Default: one per core.",
)  # fmt: skip
WEIGHTS = click.option(
    "--pose-weights", type=PATH, help="Folder of PoseNet weights (manifest.json + raw files)."
)
