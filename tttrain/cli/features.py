"""``tttrain features``: draw the feature maps of the first convolution."""

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
@click.option("-o", "--output", type=shared.PATH, help="Write this PNG; default: features.png in RUN.")
@shared.DEVICE
def features(run: Path, sample: str, dataset: Path | None, output: Path | None, device: str | None) -> int:
    """Draw what the first convolution answers to a SAMPLE (its id, or its row in /samples)."""
    from tttrain.evaluation.feature_maps import draw_feature_maps
    from tttrain.evaluation.trained_network import load_network
    from tttrain.training.device import choose_device

    where = output or run / "features.png"
    network = load_network(run, dataset, choose_device(device))
    for name, channels in draw_feature_maps(network, sample, where).items():
        echo(f"{name}: channels {', '.join(map(str, channels))}")
    echo(where)
    return errors.OK
