"""What a network is shown: which frames, which pixels, at what size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tttrain.data.dataset_file import Array, DatasetInfo
from tttrain.data.sampling_methods import INTERVAL, METHODS, SamplingMethod
from tttrain.errors import USAGE, TrainError

#: sides of the network's input and of the central square that it shows [GRU §IV-B]
SHOWN, SQUARE = 224, 240


@dataclass(frozen=True)
class View:
    """The part of the data that a network sees.

    Attributes
    ----------
    size : (int, int)
        (width, height) of its input, px.
    length : int
        Frames of its input.
    every : int
        Every N-th frame of the video is read; the input spans ``length × every`` frames.
    crop : (int, int)
        (width, height) of the region around the ROI that it shows, px of the frame.
    inset : (int, int)
        First pixel of that region in the dataset's crop, px.
    method : SamplingMethod, optional
        Picks the frames out of the first :data:`~tttrain.data.sampling_methods.INTERVAL` of a sample,
        counting every ``every``-th; without one, frames are consecutive.
    """

    size: tuple[int, int]
    length: int
    every: int
    crop: tuple[int, int]
    inset: tuple[int, int] = (0, 0)
    method: SamplingMethod | None = None

    @property
    def span(self) -> int:
        """Number of frames of the video that one input spans: the T of the papers."""
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
        """Offsets of the frames shown within the span: the middle one of every ``every``.

        With a sampling method, those of its first test sample.
        """
        return self.rows(self.method.tests[0] if self.method else np.arange(self.length))

    def rows(self, frames: NDArray[np.intp]) -> NDArray[np.intp]:
        """Convert frame numbers that count every ``every``-th frame to rows of a sample; same shape."""
        return frames * self.every + self.every // 2

    @property
    def full(self) -> bool:
        """Whether pixels are shown as they are stored, without scaling."""
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
    """Make a view of a dataset.

    Parameters
    ----------
    info : DatasetInfo
    size : (int, int), optional
        (width, height), px; default: that of the region shown, or 224/240 of a square.
    length : int, optional
        Frames; default: as many as the file's T allows with ``every``, or what the method asks for.
    every : int
        Read every N-th frame.
    square : int, optional
        Show the square of this side in the middle of the crop, px, or the largest one in a smaller crop;
        default: the whole crop.
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
        key = f"`stages: {{cuboids: {{length: {max(view.span, info.length + 1)}}}}}`"
        raise TrainError(
            f"{what} with every {every} spans {view.span} frames, but {info.path} has only "
            f"T = {info.length} for each sample; take {'another one' if chosen else 'a smaller length'}, or "
            f"set {key} in the manifest, run and export again"
        )
    if min(view.size) < 1 or any(s > c for s, c in zip(view.size, region, strict=True)):
        raise TrainError(
            f"size {view.size[0]}x{view.size[1]} is more than the {'crop' if square is None else 'square'} "
            f"of {info.path}, {region[0]}x{region[1]}; take at most that"
        )
    return view


def reduce_area(frames: Array, k: int) -> Array:
    """Average blocks of k×k pixels.

    Parameters
    ----------
    frames : (n, h, w, c)
        Integers.
    k : int
        Side of a block. Pixels at the borders that fill no block are left out, as many on either side.

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
    """Return the first pixel of the first block along one side."""
    return (side - side // k * k) // 2
