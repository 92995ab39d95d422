"""What a network is shown: which frames, which pixels, at what size; and where the crop lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tttrain.data.dataset_file import Array, DatasetInfo
from tttrain.data.sampling_methods import INTERVAL, METHODS, Method
from tttrain.errors import USAGE, TrainError

#: sides of the network's input and of the central square that it shows [GRU §IV-B]
SHOWN, SQUARE = 224, 240


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
    inset : (int, int)
        First pixel of that region in the dataset's crop, px.
    method : Method, optional
        Picks the frames out of the first :data:`~tttrain.data.sampling_methods.INTERVAL` of a sample, every
        ``every``-th; without one, frames are consecutive.
    """

    size: tuple[int, int]
    length: int
    every: int
    crop: tuple[int, int]
    inset: tuple[int, int] = (0, 0)
    method: Method | None = None

    @property
    def span(self) -> int:
        """Frames of the video from which one input is taken: the T of the papers."""
        return (INTERVAL if self.method else self.length) * self.every

    @property
    def reduce(self) -> int:
        """Side of the blocks of pixels that are averaged before anything else.

        A crop of 120 px shown at 32 px would alias if it were only interpolated; blocks of 3×3 are
        averaged, the rest of the way (40 → 32) is interpolation.
        """
        return max(1, min(c // s for c, s in zip(self.crop, self.size, strict=True)))

    @property
    def offsets(self) -> NDArray[np.intp]:
        """Which of the ``span`` frames are shown: the middle one of every ``every``.

        With a method, those of its first test sample.
        """
        return self.rows(self.method.tests[0] if self.method else np.arange(self.length))

    def rows(self, frames: NDArray[np.intp]) -> NDArray[np.intp]:
        """Rows of a sample behind frame numbers that count every ``every``-th frame; same shape."""
        return frames * self.every + self.every // 2

    @property
    def full(self) -> bool:
        """Whether pixels are shown as they are stored."""
        return self.size == self.crop


def make_view(
    info: DatasetInfo,
    size: tuple[int, int] | None = None,
    length: int | None = None,
    every: int = 1,
    *,
    square: int | None = None,
    method: str | None = None,
) -> View:
    """A view of a dataset.

    Parameters
    ----------
    info : DatasetInfo
    size : (int, int), optional
        (width, height), px; default: the region as it is, of a square 224/240 of it.
    length : int, optional
        Frames; default: as many of the file's T as fit with ``every``, or what the method asks for.
    every : int
        Take every how many-th frame.
    square : int, optional
        Show the square of that side in the middle of the crop (of a smaller crop: the largest one),
        px; default: the whole crop.
    method : str, optional
        A sampling method by name; see :data:`tttrain.data.sampling_methods.METHODS`.

    Raises
    ------
    TrainError
        More frames or pixels than the file has for each sample.
    """
    chosen = METHODS[method] if method else None
    region = info.crop if square is None else (min(square, *info.crop),) * 2
    usual = region if square is None else (max(1, round(region[0] * SHOWN / SQUARE)),) * 2
    inset = (info.crop[0] - region[0]) // 2, (info.crop[1] - region[1]) // 2
    if chosen is not None and length not in (None, chosen.length):
        raise TrainError(
            f"sampling {method} takes {chosen.length} frames, not {length}; leave --length out", USAGE
        )
    frames = chosen.length if chosen else length if length is not None else info.length // every
    view = View(size or usual, frames, every, region, inset, chosen)
    if frames < 1 or view.span > info.length:
        what = f"sampling {method}" if chosen else f"length {frames}"
        raise TrainError(
            f"{what} with every {every} spans {view.span} frames, but {info.path} has only "
            f"T = {info.length} for each sample; take {'another one' if chosen else 'a smaller length'}, "
            "or export with a longer one"
        )
    if min(view.size) < 1 or any(s > c for s, c in zip(view.size, region, strict=True)):
        raise TrainError(
            f"size {view.size[0]}x{view.size[1]} is more than the {'crop' if square is None else 'square'} "
            f"of {info.path}, {region[0]}x{region[1]}; take at most that"
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


def shown_corner(
    roi: NDArray[np.floating], window: NDArray[np.integer], info: DatasetInfo, view: View
) -> NDArray[np.int64]:
    """First pixels of what a view shows inside its windows, px; as :func:`crop_corner`."""
    return crop_corner(roi, window, info.window, info.crop) + view.inset


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
