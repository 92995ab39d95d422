"""``tttrain attention``: draw the soft masks of the attention blocks."""

from __future__ import annotations

from pathlib import Path

import click

from tttrain import errors
from tttrain.cli import options as shared
from tttrain.cli.output import echo, say, stderr


@click.command()
@click.argument("run", type=shared.PATH)
@click.argument("sample", required=False)
@shared.DATASET
@click.option(
    "--frame",
    type=click.IntRange(0, shared.MOST),
    help="Show this frame of the input; default: the middle one.",
)
@click.option(
    "--split", help="Give the range of the masks over all samples of this split; a SAMPLE may be left out."
)
@click.option("-o", "--output", type=shared.PATH, help="Write this PNG; default: attention.png in RUN.")
@shared.DEVICE
def attention(
    run: Path, sample: str | None, dataset: Path | None, frame: int | None, split: str | None,
    output: Path | None, device: str | None,
) -> int:  # fmt: skip
    """Draw where the attention blocks look in a SAMPLE (its id, or its row in /samples)."""
    if sample is None and split is None:
        raise click.UsageError("name a SAMPLE to draw, or a split, e.g. --split train, to measure")
    from tttrain.evaluation.attention_maps import draw_attention_maps, mask_ranges
    from tttrain.evaluation.trained_network import load_network
    from tttrain.training.device import choose_device

    where = output or run / "attention.png"
    network = load_network(run, dataset, choose_device(device))
    if split is not None:
        for note in network.notes(network.info.samples_of(split), tests=False):
            say(stderr(), f"note: {note}")
        for name, (low, high) in mask_ranges(network, split).items():
            echo(f"{name}: soft mask between {low:.3f} and {high:.3f} over all samples of {split}")
    if sample is not None:
        for name, (low, high) in draw_attention_maps(network, sample, where, frame).items():
            echo(f"{name}: soft mask between {low:.3f} and {high:.3f}")
        echo(where)
    return errors.OK
