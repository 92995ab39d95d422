"""Pictures of what a network makes of one sample: its inputs, and the frame around the maps beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from tttrain.data.dataset_file import DatasetInfo
from tttrain.data.samples import StrokeDataset
from tttrain.errors import USAGE, TrainError
from tttrain.evaluation import plots
from tttrain.evaluation.trained_network import TrainedNetwork


def find_sample(info: DatasetInfo, name: str) -> int:
    """Return the row of a sample, given its id or the row itself.

    Raises
    ------
    TrainError
        There is no such sample.
    """
    found = np.flatnonzero(info.samples.id == name)
    if len(found):
        return int(found[0])
    if name.isdigit() and int(name) < len(info.samples):
        return int(name)
    raise TrainError(
        f"{info.path}: no sample {name!r}; name an id, e.g. {info.samples.id[0]}, or a row from 0 to "
        f"{len(info.samples) - 1}",
        USAGE,
    )


class SamplePicture:
    """One sample as a network sees it: its centre window, or its first test sample.

    Parameters
    ----------
    network : TrainedNetwork
    sample : str
        Id or row.

    Attributes
    ----------
    inputs : dict of Tensor
        A batch of one.
    title : str
        Id and class.

    Raises
    ------
    TrainError
        There is no such sample.
    """

    def __init__(self, network: TrainedNetwork, sample: str) -> None:
        info = network.info
        row = find_sample(info, sample)
        clip = StrokeDataset(info, np.array([row]), network.view, network.record.inputs)[0]
        self.inputs = network.preparer()({name: values[None] for name, values in clip.items()})
        label = info.classes[int(clip["label"])] if int(clip["label"]) >= 0 else "no class"
        self.title = f"{info.samples.id[row]}: {label}"

    def show(self, axes: Axes, layer: str, frame: int) -> None:
        """Show the frame that a layer of this name sees."""
        modality = "flow" if layer.startswith("flow") or "rgb" not in self.inputs else "rgb"
        axes.imshow(shown_input(self.inputs[modality][0, :, frame]))
        axes.set_title(f"{modality}, frame {frame}", fontsize=8)

    def save(self, figure: Figure, path: Path) -> None:
        """Write a figure of maps as PNG, without axes and under the sample's title."""
        for axes in figure.axes:
            if axes.get_label() != "<colorbar>":
                axes.set_axis_off()
        figure.suptitle(self.title, fontsize=9)
        plots.save(figure, path)


def shown_input(values: Tensor) -> NDArray[np.float32]:
    """Show RGB as it is, the direction of flow as hue and its strength as brightness.

    Standardised RGB is brought back to 0…1. (C, H, W) → (H, W, 3).
    """
    pixels = values.float().cpu().numpy()
    if len(pixels) == 3:
        low, high = min(0.0, float(pixels.min())), max(1.0, float(pixels.max()))  # standardised: beyond 0…1
        return np.asarray((pixels.transpose(1, 2, 0) - low) / (high - low))
    from matplotlib.colors import hsv_to_rgb

    hue = (np.arctan2(pixels[1], pixels[0]) / (2 * np.pi)) % 1
    strength = np.hypot(*pixels)
    strength /= max(float(strength.max()), 1e-6)
    return np.asarray(hsv_to_rgb(np.stack([hue, np.ones_like(hue), strength], axis=-1)))
