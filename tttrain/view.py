"""What a network is shown: which frames, which pixels, at what size; and where the crop lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tttrain.dataset import Array, DatasetInfo
from tttrain.errors import TrainError


@dataclass(frozen=True)
class View:
    """The cut through the data that a network sees.

    Attributes
    ----------
    size : (int, int)
        (width, height) of its input, px.
    length : int
        Frames of its input.
    every : int
        Every how many-th frame of the video is taken; ``length × every`` frames are spanned.
    crop : (int, int)
        (width, height) of the region around the ROI that it shows, px of the frame.
    """

    size: tuple[int, int]
    length: int
    every: int
    crop: tuple[int, int]

    @property
    def span(self) -> int:
        """Frames of the video that one input covers: the T of the papers."""
        return self.length * self.every

    @property
    def reduce(self) -> int:
        """Side of the blocks of pixels that are averaged before anything else.

        A crop of 120 px shown at 32 px would alias if it were only interpolated; blocks of 3×3 are
        averaged, the rest of the way (40 → 32) is interpolation.
        """
        return max(1, min(c // s for c, s in zip(self.crop, self.size, strict=True)))

    @property
    def offsets(self) -> NDArray[np.intp]:
        """Which of the ``span`` frames are shown: the middle one of every ``every``."""
        return np.arange(self.length) * self.every + self.every // 2

    @property
    def full(self) -> bool:
        """Whether pixels are shown as they are stored."""
        return self.size == self.crop


def make_view(
    info: DatasetInfo, size: tuple[int, int] | None = None, length: int | None = None, every: int = 1
) -> View:
    """A view of a dataset.

    Parameters
    ----------
    info : DatasetInfo
    size : (int, int), optional
        (width, height), px; default: the crop as it is.
    length : int, optional
        Frames; default: as many of the file's T as fit with ``every``.
    every : int
        Take every how many-th frame.

    Raises
    ------
    TrainError
        More frames or pixels than the file has for each sample.
    """
    frames = length if length is not None else info.length // every
    view = View(size or info.crop, frames, every, info.crop)
    if frames < 1 or view.span > info.length:
        raise TrainError(
            f"length {frames} with every {every} spans {view.span} frames, but {info.path} has only "
            f"T = {info.length} for each sample; take a smaller length, or export with a longer one"
        )
    if min(view.size) < 1 or any(s > c for s, c in zip(view.size, info.crop, strict=True)):
        raise TrainError(
            f"size {view.size[0]}x{view.size[1]} is more than the crop of {info.path}, "
            f"{info.crop[0]}x{info.crop[1]}; take at most that"
        )
    return view


def crop_corner(
    roi: NDArray[np.floating], window: NDArray[np.integer], size: tuple[int, int], crop: tuple[int, int]
) -> NDArray[np.int64]:
    """First pixels of the crops inside their windows, as the format prescribes.

    Parameters
    ----------
    roi : (n, 2) float
        ROI centres, px of the frame.
    window : (n, 2) int
        First pixels of the windows, px of the frame.
    size, crop : (int, int)
        (width, height) of window and crop, px.

    Returns
    -------
    (n, 2) int64
        x, y in px of the window; rounded to the nearest pixel, half to even.
    """
    half, room = np.asarray(crop) / 2, np.asarray(size) - np.asarray(crop)
    corner = np.rint(np.asarray(roi, np.float64) - half).astype(np.int64) - window
    return np.clip(corner, 0, np.maximum(room, 0))


def reduce_area(frames: Array, k: int) -> Array:
    """Mean over blocks of k×k pixels.

    Parameters
    ----------
    frames : (n, h, w, c)
        Integers.
    k : int
        Pixels at the borders that fill no block are left out, as many on either side.

    Returns
    -------
    (n, h // k, w // k, c)
        dtype of ``frames``, rounded half up.
    """
    if k == 1:
        return frames
    n, h, w, c = frames.shape
    rows, columns = h // k, w // k
    top, left = reduced_origin(h, k), reduced_origin(w, k)
    total = np.full((n, rows, columns, c), k * k // 2, np.int32)
    for i in range(k):
        for j in range(k):
            total += frames[:, top + i : top + i + rows * k : k, left + j : left + j + columns * k : k]
    return (total // (k * k)).astype(frames.dtype)


def reduced_origin(side: int, k: int) -> int:
    """First pixel of the first block along one side."""
    return (side - side // k * k) // 2
