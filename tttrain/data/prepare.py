"""Prepare the inputs of a network: convert, augment and normalise stored windows on the device."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tttrain.data.colour import change_colour
from tttrain.data.crop import cut
from tttrain.data.dataset_file import DatasetInfo
from tttrain.data.normalisation import TRUNK, body_units, normalise_flow, normalise_pose, normalise_rgb
from tttrain.data.view import View
from tttrain.data.warp import make_warp, mirrored_rows, move_joints, sample, turn_vectors
from tttrain.errors import TrainError

#: modality → input of a network; (batch, channel, frame, y, x) or, for pose, (batch, channel, frame)
Inputs = dict[str, Tensor]


class Preparer:
    """Turns batches of stored windows into inputs of a network.

    Parameters
    ----------
    info : DatasetInfo
    view : View
    device : torch.device
    window : (int, int), optional
        (width, height) of the stored windows, px; default: those of ``/cuboids``. For
        ``/untrimmed`` it is the crop.
    flow_divisor : (float, float), optional
        x, y; px; default: that over all videos [3S §2.4].
    pixels : {"unit", "standard", "imagenet"}
        Normalisation of RGB; see :func:`tttrain.data.normalisation.normalise_rgb`.
    joints : {"frame", "body"}
        Joints as shares of the frame [3S], or relative to the body.

    Raises
    ------
    TrainError
        Relative to the body, and the file lacks a joint of the trunk.
    """

    def __init__(
        self,
        info: DatasetInfo,
        view: View,
        device: torch.device,
        *,
        window: tuple[int, int] | None = None,
        flow_divisor: tuple[float, float] | None = None,
        pixels: str = "unit",
        joints: str = "frame",
    ) -> None:
        self.pixels = pixels
        self.view = view
        self.device = device
        self.window = window or info.window
        divisor = flow_divisor or info.flow_divisor
        self._flow_unit = torch.tensor([info.flow_scale / d for d in divisor], device=device)
        self._frame = torch.tensor([*info.frame_size, 1], dtype=torch.float32, device=device)
        self._mirrored = torch.from_numpy(mirrored_rows(info.joints)).to(device)
        self._trunk: Tensor | None = None
        if joints == "body":
            lacking = [name for name in TRUNK if name not in info.joints]
            if lacking:
                raise TrainError(f"{info.path}: has no joint {lacking[0]!r}; take --joints frame")
            self._trunk = torch.tensor([info.joints.index(name) for name in TRUNK], device=device)

    @torch.no_grad()
    def __call__(self, batch: Mapping[str, Tensor]) -> Inputs:
        """Prepare a batch.

        Parameters
        ----------
        batch : mapping
            As :class:`tttrain.data.samples.StrokeDataset` yields it, on any device: ``rgb`` (N, T, h, w, 3)
            uint8, ``flow`` (N, T, h, w, 2) int16, ``pose`` (N, T, J, 3) float32, as far as there;
            ``corner`` (N, T, 2), ``window`` (N, T, 2) and, where augmented, ``transform`` (N, 5)
            and ``colour`` (N, 4).

        Returns
        -------
        dict
            ``rgb`` (N, 3, T, H, W) in 0…1 or as ``pixels`` says, ``flow`` (N, 2, T, H, W) in −1…1,
            ``pose`` (N, 3·J, T) in shares of the frame and scores; float32.
        """
        here = {
            name: values.to(self.device, non_blocking=True)
            for name, values in batch.items()
            if name in ("rgb", "flow", "pose", "corner", "window", "transform", "colour")
        }
        plain = "transform" not in here and self.view.full
        out = self._plain(here) if plain else self._moved(here)
        if "rgb" in out:
            if "colour" in here:
                out["rgb"] = change_colour(out["rgb"], here["colour"])
            out["rgb"] = normalise_rgb(out["rgb"], self.pixels)
        return out

    def _plain(self, batch: Mapping[str, Tensor]) -> Inputs:
        """Take the crop itself, to the bit: no pixel is interpolated."""
        out: Inputs = {}
        if "rgb" in batch:
            pixels = cut(batch["rgb"], batch["corner"], self.view.crop)
            out["rgb"] = _channels_first(pixels.to(torch.float32) / 255)
        if "flow" in batch:
            flow = cut(batch["flow"], batch["corner"], self.view.crop)
            out["flow"] = _channels_first(normalise_flow(flow.to(torch.float32), self._flow_unit))
        if "pose" in batch:
            out["pose"] = self._joints(batch["pose"])
        return out

    def _joints(self, pose: Tensor) -> Tensor:
        if self._trunk is None:
            return normalise_pose(pose, self._frame)
        return normalise_pose(body_units(pose, self._trunk), torch.ones_like(self._frame))

    def _moved(self, batch: Mapping[str, Tensor]) -> Inputs:
        n = len(batch["corner"])
        transform = batch.get("transform")
        if transform is None:
            transform = torch.tensor([0.0, 1, 0, 0, 1], device=self.device).expand(n, 5)
        warp = make_warp(transform, batch["corner"], self.view, self.window)
        out: Inputs = {}
        if "rgb" in batch:
            frames = batch["rgb"].permute(0, 1, 4, 2, 3).to(torch.float32)
            pixels = sample(frames, warp, self.view, self.window)
            out["rgb"] = _channels_first(pixels.permute(0, 1, 3, 4, 2) / 255)
        if "flow" in batch:
            frames = batch["flow"].permute(0, 1, 4, 2, 3).to(torch.float32)
            flow = turn_vectors(sample(frames, warp, self.view, self.window), warp)
            out["flow"] = _channels_first(normalise_flow(flow.permute(0, 1, 3, 4, 2), self._flow_unit))
        if "pose" in batch:
            pose = move_joints(batch["pose"], warp, batch["window"], self._mirrored, transform[:, 4])
            out["pose"] = self._joints(pose)
        return out


def _channels_first(pixels: Tensor) -> Tensor:
    """(N, T, H, W, C) → (N, C, T, H, W), left in memory as it is: channels last."""
    return pixels.permute(0, 4, 1, 2, 3).contiguous(memory_format=torch.channels_last_3d)
