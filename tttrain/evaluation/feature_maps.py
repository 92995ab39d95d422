"""Feature maps: what the first convolution answers to the frames of one sample, as in figure 9 of [GRU]."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from tttrain.errors import USAGE, TrainError
from tttrain.evaluation.sample_picture import SamplePicture
from tttrain.evaluation.trained_network import TrainedNetwork

#: frames (rows) and channels (columns) shown of each layer
FRAMES, CHANNELS = 5, 8


@torch.no_grad()
def first_responses(model: nn.Module, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the outputs of the convolutions that read the pixels, before any activation.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : dict of Tensor
        A batch of one.

    Returns
    -------
    dict
        Name of the layer in the model → (T, C, H, W).
    """
    found: dict[str, Tensor] = {}
    channels = [values.shape[1] for values in inputs.values() if values.dim() == 5]
    read = {*channels, sum(channels)}  # of one modality, or of both, stacked
    branches: set[str] = set()

    def keeper(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def keep(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            branch = name.rpartition(".features.")[0] or name.split(".")[0]
            if branch not in branches and given[0].shape[1] in read:
                branches.add(branch)
                # without channels that a GPU pads; a copy, for activations work in place
                kept = output.detach()[:, : module.out_channels].float().cpu().clone()
                found[name] = kept[0].transpose(0, 1) if kept.dim() == 5 else kept

        return keep

    convolutions = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    handles = [module.register_forward_hook(keeper(name)) for name, module in convolutions]
    try:
        model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


def draw_feature_maps(network: TrainedNetwork, sample: str, path: Path) -> dict[str, list[int]]:
    """Draw the first convolution's maps for the centre window of a sample, or its first test sample.

    Each row is a frame: the input, then the channels that vary most over all frames, each from its smallest
    value (black) to its largest (white).

    Parameters
    ----------
    network : TrainedNetwork
    sample : str
        Id or row.
    path : Path
        PNG to write.

    Returns
    -------
    dict
        Name of each layer → the channels shown.

    Raises
    ------
    TrainError
        No such sample, or a model without a convolution over pixels.
    """
    view, picture = network.view, SamplePicture(network, sample)
    layers = first_responses(network.model, picture.inputs)
    if not layers:
        raise TrainError(
            f"model {network.record.config.model} of this run has no convolution over pixels; name a run of "
            "another model (`tttrain models`)",
            USAGE,
        )
    frames = np.linspace(0, view.length - 1, min(FRAMES, view.length)).round().astype(int).tolist()
    figure = Figure(figsize=(1.5 * (CHANNELS + 1), 1.6 * len(frames) * len(layers)), layout="constrained")
    grid = figure.subplots(len(frames) * len(layers), CHANNELS + 1, squeeze=False)
    out: dict[str, list[int]] = {}
    rows = iter(grid)
    for name, maps in layers.items():
        spread = maps.transpose(0, 1).flatten(1).std(dim=1)
        out[name] = spread.topk(min(CHANNELS, len(spread))).indices.sort().values.tolist()
        for frame in frames:
            axes = next(rows)
            picture.show(axes[0], name, frame)
            # a 3D convolution keeps the frames, a 2D one sees each by itself
            for ax, channel in zip(axes[1:], out[name], strict=False):
                values = maps[:, channel]
                ax.imshow(maps[frame, channel].numpy(), cmap="gray", vmin=values.min(), vmax=values.max())
                ax.set_title(f"{name}, {channel}", fontsize=6)
    picture.save(figure, path)
    return out
