"""Annotated samples as a data set for ``torch.utils.data.DataLoader``: map-style and picklable.

What leaves a worker is what is stored, as integers; conversion, augmentation and normalisation happen
on the device (:mod:`tttrain.data.prepare`). Only the random numbers are drawn here, from the run's seed,
the epoch and the sample alone, so that neither the number of workers nor a restart changes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from tttrain.data.augmentation import draw_colour, draw_crop, draw_transform
from tttrain.data.cache import PIXELS, Keeper, take
from tttrain.data.crop import crop_corner
from tttrain.data.dataset_file import Array, DatasetInfo, Reader
from tttrain.data.view import View, reduce_area
from tttrain.data.window_positions import STARTS, centre_start, sample_rng

#: stored values of one window, or of a batch of them; see :meth:`StrokeDataset.__getitem__`
Clip = dict[str, Tensor]
Mode = Literal["train", "centre", "tests", "whole"]


class StrokeDataset(Keeper, Dataset[Clip]):
    """Samples of a dataset file.

    Parameters
    ----------
    info : DatasetInfo
    rows : array of int
        Rows of ``/samples``.
    view : View
    modalities : sequence of str
        Which of ``rgb``, ``flow``, ``pose`` to read.
    mode : {"train", "centre", "tests", "whole"}
        train: a window at a random place with a random transform, or a training sample of the view's
        sampling method. centre: the window in the middle, or the method's first test sample. tests: all
        K test samples of the method, as a first axis. whole: all stored frames (``every`` is then left
        to the reader).
    sampling : {"normal", "siamese", "uniform"}
        Distribution of the window's place in mode ``train``; see :mod:`tttrain.data.window_positions`. A
        sampling method needs none.
    augmentation : {"roi", "colour"}, optional
        In mode ``train``: about the ROI [3S §2.6], or a random crop and colours [GRU §IV-B], or none.
    flip : bool
        About the ROI, mirror every other sample [3S §2.6]; [SSTC §IV-C] mirrors none.
    seed : int
    """

    def __init__(
        self,
        info: DatasetInfo,
        rows: Array,
        view: View,
        modalities: Sequence[str],
        mode: Mode = "centre",
        *,
        sampling: str = "normal",
        augmentation: str | None = "roi",
        flip: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(Reader(info.path))
        self.info = info
        self.rows = np.asarray(rows)
        self.view = view
        self.modalities = tuple(modalities)
        self.mode = mode
        self.sampling = sampling
        self.augmentation = augmentation
        self.flip = flip
        self.seed = seed

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def bytes(self) -> int:
        """Bytes that all samples need in memory, reduced to the view."""
        k, (width, height) = self.view.reduce, self.info.window
        pixel = (width // k) * (height // k) * sum({"rgb": 3, "flow": 4}.get(m, 0) for m in self.modalities)
        return int(self.info.samples.rows[self.rows].sum()) * pixel

    def _everything(self) -> Iterator[tuple[int, dict[str, Array]]]:
        for row in self.rows.tolist():
            yield row, self._read(row, 0, int(self.info.samples.rows[row]))

    def __getitem__(self, item: int | tuple[int, int]) -> Clip:
        """Read one sample.

        Parameters
        ----------
        item : int or (int, int)
            Its index in ``rows``; or the epoch and its index.

        Returns
        -------
        dict of Tensor
            ``rgb`` (T, h, w, 3) uint8, ``flow`` (T, h, w, 2) int16 (both reduced by ``view.reduce``),
            ``pose`` (T, J, 3) float32, as far as read; ``corner`` (T, 2) int64: first pixel of the
            crop in the window, px; ``window`` (T, 2) int16: first pixel of the window in the frame,
            px; ``label`` int64; ``row`` int64: row of ``/samples``; in mode ``train``, where
            augmented, ``transform`` (5,) float32 and ``colour`` (4,) float32, as drawn by
            :mod:`tttrain.data.augmentation`. In mode ``tests`` (K, T, …).
        """
        epoch, index = item if isinstance(item, tuple) else (0, item)
        row = int(self.rows[index])
        rng = sample_rng(self.seed, epoch, row)
        if self.mode == "whole":
            stored = self._stored(row, 0, None)
            rows = np.arange(int(self.info.samples.rows[row]))
        else:
            start, rows = self._choose(rng, row)
            stored = self._stored(row, start, self.view.span)
        clip = {name: take(values, rows) for name, values in stored.items()}
        roi, window = clip.pop("roi").numpy(), clip["window"].numpy()
        corner = crop_corner(roi, window, self.info.window, self.info.crop)
        clip["corner"] = torch.from_numpy(corner + self.view.inset)
        clip["label"] = torch.tensor(int(self.info.samples.label[row]))
        clip["row"] = torch.tensor(row)
        if self.mode == "train" and self.augmentation == "roi":
            drawn = draw_transform(rng, self.info.limits, self.view.crop, flip=self.flip)
            clip["transform"] = torch.from_numpy(drawn)
        elif self.mode == "train" and self.augmentation == "colour":
            clip["transform"] = torch.from_numpy(draw_crop(rng, self.view.crop))
            clip["colour"] = torch.from_numpy(draw_colour(rng))
        return clip

    def _choose(self, rng: np.random.Generator, row: int) -> tuple[int, NDArray[np.intp]]:
        """Choose the first row of the span to read, and which of the rows from there on are shown."""
        view, method, place = self.view, self.view.method, self.info.place_of(row)
        if method is not None:  # a trial's interval begins where the sample does
            if self.mode == "tests":
                return 0, view.rows(method.tests)
            return 0, view.rows(method.draw(rng)) if self.mode == "train" else view.offsets
        if self.mode == "train":
            return STARTS[self.sampling](rng, place, view.span), view.offsets
        rows = view.offsets if self.mode == "centre" else view.offsets[None]
        return centre_start(place, view.span), rows

    def _stored(self, row: int, start: int, count: int | None) -> dict[str, Array | Tensor]:
        """Read rows [start, start + count) of one sample, reduced; all rows where count is None."""
        if self._kept is not None:
            stop = None if count is None else start + count
            return {name: values[start:stop] for name, values in self._kept[row].items()}
        n = int(self.info.samples.rows[row]) if count is None else count
        return dict(self._read(row, start, n))

    def _read(self, row: int, start: int, count: int) -> dict[str, Array]:
        first = int(self.info.samples.first[row]) + start
        out = {}
        for name in (*self.modalities, "roi", "window"):
            values = self._reader.rows(f"cuboids/{name}", first, count)
            out[name] = reduce_area(values, self.view.reduce) if name in PIXELS else values
        return out


def merged(clip: Clip) -> tuple[Clip, int]:
    """Merge the windows of samples in mode ``tests`` into one batch.

    Parameters
    ----------
    clip : dict of Tensor
        (N, K, T, …).

    Returns
    -------
    (dict of Tensor, int)
        (N·K, T, …), without ``label`` and ``row``; K.
    """
    windows = {name: values for name, values in clip.items() if name not in ("label", "row")}
    return {name: values.flatten(0, 1) for name, values in windows.items()}, windows["corner"].shape[1]
