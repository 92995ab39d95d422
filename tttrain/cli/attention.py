"""``tttrain attention``: draw the soft masks of the attention blocks."""

from __future__ import annotations

from pathlib import Path

import click

from tttrain import errors
from tttrain.cli import options as shared
from tttrain.cli.output import echo


@click.command()
@click.argument("run", type=shared.PATH)
@click.argument("sample")
@shared.DATASET
@click.option(
    "--frame",
    type=click.IntRange(0, shared.MOST),
    help="Show this frame of the input; default: the middle one.",
)
@click.option("-o", "--output", type=shared.PATH, help="Write this PNG; default: attention.png in RUN.")
@shared.DEVICE
def attention(
    run: Path, sample: str, dataset: Path | None, frame: int | None, output: Path | None, device: str | None
) -> int:
    """Draw where the attention blocks look in a SAMPLE (its id, or its row in /samples)."""
    from tttrain.evaluation.attention_maps import draw_attention_maps
    from tttrain.evaluation.trained_network import load_network
    from tttrain.training.device import choose_device

    where = output or run / "attention.png"
    network = load_network(run, dataset, choose_device(device))
    for name, (low, high) in draw_attention_maps(network, sample, where, frame).items():
        echo(f"{name}: soft mask between {low:.3f} and {high:.3f}")
    echo(where)
    return errors.OK
