"""Attention maps: the soft masks of the attention blocks for one sample, as in figure 5 of [ATT]."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from tttrain.data.samples import StrokeDataset
from tttrain.errors import USAGE, TrainError
from tttrain.evaluation.sample_picture import SamplePicture
from tttrain.evaluation.trained_network import TrainedNetwork
from tttrain.feeding.loader import EpochBatches, batches, loader
from tttrain.models.attention import AttentionBlock

#: channels shown of each block
CHANNELS = 3


@torch.no_grad()
def soft_masks(model: nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the outputs of the mask branches for a batch.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : dict of Tensor
        A batch.

    Returns
    -------
    dict
        Name of the attention block in the model → (N, C, T, H, W) or (N, C, T), in 0…1, in the order
        of the model's layers.
    """
    masks: dict[str, Tensor] = {}
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, AttentionBlock):
            handles.append(module.mask.register_forward_hook(_keeper(masks, name)))
    try:
        model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return masks


def _keeper(masks: dict[str, Tensor], name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        masks[name] = output.float().cpu()

    return keep


def draw_attention_maps(
    network: TrainedNetwork, sample: str, path: Path, frame: int | None = None
) -> dict[str, tuple[float, float]]:
    """Draw the soft masks for the centre window of a sample.

    Each block of each image branch is a row: the input, then the channels of the mask that vary
    most over the image, enlarged to the input's size, each with its own scale and colour bar.

    Parameters
    ----------
    network : TrainedNetwork
    sample : str
        Id or row.
    path : Path
        PNG to write.
    frame : int, optional
        Frame of the input; default: the middle one.

    Returns
    -------
    dict
        Name of each block → smallest and largest value of its whole mask (not only of what is shown).

    Raises
    ------
    TrainError
        No such sample or frame, or a model without attention blocks.
    """
    view, picture = network.view, SamplePicture(network, sample)
    at = view.length // 2 if frame is None else frame
    if not 0 <= at < view.length:
        raise TrainError(f"no frame {at} in an input of {view.length} frames", USAGE)
    masks = soft_masks(network.model, picture.inputs)
    if not masks:
        _no_attention(network)
    shown = {name: mask[0] for name, mask in masks.items() if mask.dim() == 5}
    if not shown:
        raise TrainError("this model's attention is along time only; there is no picture of it", USAGE)
    figure = Figure(figsize=(2.3 + 2.75 * CHANNELS, 2.45 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), CHANNELS + 1, squeeze=False)
    for axes, (name, mask) in zip(grid, shown.items(), strict=True):
        picture.show(axes[0], name, at)
        here = mask[:, at * mask.shape[1] // view.length]
        chosen = here.flatten(1).std(dim=1).topk(CHANNELS).indices.sort().values
        for ax, channel in zip(axes[1:], chosen.tolist(), strict=True):
            values = here[channel].numpy()
            drawn = ax.imshow(
                values, cmap="inferno", extent=(0, view.size[0], view.size[1], 0), interpolation="bilinear"
            )
            bar = figure.colorbar(drawn, ax=ax, shrink=0.85)
            bar.ax.tick_params(labelsize=6)
            ax.set_title(f"{name.split('.')[0]} block {_block_number(name)}, channel {channel}", fontsize=8)
    picture.save(figure, path)
    return {name: (float(mask.min()), float(mask.max())) for name, mask in masks.items()}


def mask_ranges(
    network: TrainedNetwork, split: str, batch: int = 10, workers: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest value of each soft mask over the centre windows of a split.

    Returns
    -------
    dict
        Name of the attention block in the model → (smallest, largest).

    Raises
    ------
    TrainError
        The split has no sample, or the model has no attention blocks.
    """
    info, view = network.info, network.view
    rows = info.rows_of(split)
    if not len(rows):
        raise TrainError(f"{info.path}: split {split!r} has no sample of taxonomy {info.taxonomy}")
    data, prepare = StrokeDataset(info, rows, view, network.record.inputs), network.preparer()
    found: dict[str, tuple[float, float]] = {}
    for clip in batches(loader(data, EpochBatches(len(data), batch), workers=workers)):
        for name, mask in soft_masks(network.model, prepare(clip)).items():
            low, high = found.get(name, (float("inf"), -float("inf")))
            found[name] = min(low, float(mask.min())), max(high, float(mask.max()))
    return found or _no_attention(network)


def _no_attention(network: TrainedNetwork) -> NoReturn:
    raise TrainError(
        f"model {network.record.config.model} of this run has no attention blocks; train one with "
        "--option attention=3",
        USAGE,
    )


def _block_number(name: str) -> int:
    """Return the block's number in its branch: every fourth layer, after convolution, ReLU and pooling."""
    return int(name.split(".")[-1]) // 4 + 1
