"""Samples for a ``torch.utils.data.DataLoader``: map-style, picklable, opened once in each process.

What leaves a worker is what is stored, as integers; conversion, augmentation and normalisation happen
on the device
(:mod:`tttrain.data.prepare`). Only the random numbers are drawn here, from the run's seed, the epoch
and the sample alone, so that neither the number of workers nor a restart changes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from tttrain.data.augment import draw
from tttrain.data.colour import draw_colour, draw_crop
from tttrain.data.dataset_file import Array, DatasetInfo, Reader
from tttrain.data.view import View, reduce_area, shown_corner
from tttrain.data.window_positions import STARTS, centre_start, sample_rng
from tttrain.errors import TrainError

#: stored values of one window, or of a batch of them; see :meth:`StrokeDataset.__getitem__`
Clip = dict[str, Tensor]
Mode = Literal["train", "centre", "tests", "whole"]

#: reduced windows of all samples are kept in memory where they need no more than this
KEEP_BYTES = 1 << 30


class StrokeDataset(Dataset[Clip]):
    """The samples of some rows of a dataset file.

    Parameters
    ----------
    info : DatasetInfo
    rows : array of int
        Rows of ``/samples``.
    view : View
    modalities : sequence of str
        Which of ``rgb``, ``flow``, ``pose`` to read.
    mode : {"train", "centre", "tests", "whole"}
        A window at a drawn place with a drawn transform, or a training sample of the view's method;
        the window in the middle, or the method's first test sample; all its K test samples, as a
        first axis; all stored frames (``every`` is then left to the reader).
    sampling : {"normal", "uniform"}
        Law of the place in mode ``train``; see :mod:`tttrain.data.window_positions`. A method needs none.
    augmentation : {"roi", "colour"}, optional
        In mode ``train``: about the ROI [3S §2.6], or a random crop and colour [GRU §IV-B], or none.
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
        seed: int = 0,
    ) -> None:
        self.info = info
        self.rows = np.asarray(rows)
        self.view = view
        self.modalities = tuple(modalities)
        self.mode = mode
        self.sampling = sampling
        self.augmentation = augmentation
        self.seed = seed
        self._reader = Reader(info.path)
        self._kept: dict[int, dict[str, Array]] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def bytes(self) -> int:
        """What all samples need in memory, reduced to the view."""
        k, (width, height) = self.view.reduce, self.info.window
        pixel = (width // k) * (height // k) * sum({"rgb": 3, "flow": 4}.get(m, 0) for m in self.modalities)
        return int(self.info.samples.rows[self.rows].sum()) * pixel

    def keep(self) -> None:
        """Read every sample now and keep it, reduced, in memory."""
        self._kept = {int(row): self._stored(int(row), 0, None) for row in self.rows}
        self._reader.close()

    def __getitem__(self, item: int | tuple[int, int]) -> Clip:
        """One sample.

        Parameters
        ----------
        item : int or (int, int)
            Its place among ``rows``; or the epoch and its place.

        Returns
        -------
        dict of Tensor
            ``rgb`` (T, h, w, 3) uint8, ``flow`` (T, h, w, 2) int16 (both reduced by ``view.reduce``),
            ``pose`` (T, J, 3) float32, as far as read; ``corner`` (T, 2) int64: first pixel of the
            crop in the window, px; ``window`` (T, 2) int16: first pixel of the window in the frame,
            px; ``label`` int64; ``row`` int64: row of ``/samples``; in mode ``train``, where
            augmented, ``transform`` (5,) float32 (:func:`tttrain.data.augment.draw`) and ``colour``
            (4,) float32 (:func:`tttrain.data.colour.draw_colour`). In mode ``tests`` (K, T, …).
        """
        epoch, index = item if isinstance(item, tuple) else (0, item)
        row = int(self.rows[index])
        rng = sample_rng(self.seed, epoch, row)
        available = int(self.info.samples.rows[row])
        if self.mode == "whole":
            stored = self._stored(row, 0, None)
        else:
            start, rows = self._choose(rng, available)
            stored = {k: v[rows] for k, v in self._stored(row, start, self.view.span).items()}
        stored["corner"] = shown_corner(stored.pop("roi"), stored["window"], self.info, self.view)
        clip = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in stored.items()}
        clip["label"] = torch.tensor(int(self.info.samples.label[row]))
        clip["row"] = torch.tensor(row)
        if self.mode == "train" and self.augmentation == "roi":
            clip["transform"] = torch.from_numpy(draw(rng, self.info.limits, self.view.crop))
        elif self.mode == "train" and self.augmentation == "colour":
            clip["transform"] = torch.from_numpy(draw_crop(rng, self.view.crop))
            clip["colour"] = torch.from_numpy(draw_colour(rng))
        return clip

    def _choose(self, rng: np.random.Generator, available: int) -> tuple[int, NDArray[np.intp]]:
        """First row of the span that is read, and which rows from there on are shown."""
        view, method = self.view, self.view.method
        if method is not None:  # a trial's interval begins where the sample does
            if self.mode == "tests":
                return 0, view.rows(method.tests)
            return 0, view.rows(method.draw(rng)) if self.mode == "train" else view.offsets
        if self.mode == "train":
            return STARTS[self.sampling](rng, available, view.span), view.offsets
        rows = view.offsets if self.mode == "centre" else view.offsets[None]
        return centre_start(available, view.span), rows

    def _stored(self, row: int, start: int, count: int | None) -> dict[str, Array]:
        """Stored rows [start, start + count) of one sample, reduced; all rows where count is None."""
        if self._kept is not None:
            stop = None if count is None else start + count
            return {name: values[start:stop] for name, values in self._kept[row].items()}
        first = int(self.info.samples.first[row]) + start
        n = int(self.info.samples.rows[row]) if count is None else count
        out = {}
        for name in (*self.modalities, "roi", "window"):
            values = self._reader.rows(f"cuboids/{name}", first, n)
            out[name] = reduce_area(values, self.view.reduce) if name in ("rgb", "flow") else values
        return out


def merged(clip: Clip) -> tuple[Clip, int]:
    """A batch of samples in mode ``tests`` as a batch of windows.

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


#: one optimiser step on this process: its micro-batches, and the samples of the step on all processes
Step = tuple[list[list[int]], int]


def plan_epoch(
    n: int, batch: int, *, accumulate: int = 1, seed: int = 0, epoch: int = 0, rank: int = 0, world: int = 1
) -> list[Step]:
    """Deal the samples of an epoch out to steps, processes and micro-batches.

    Each sample is in exactly one step, steps are as even as can be (no small last batch), and no
    process goes without a sample in any of them.

    Parameters
    ----------
    n : int
        Samples; at least ``world``.
    batch : int
        Largest micro-batch on one process.
    accumulate : int
        Micro-batches whose gradients make one step.
    seed, epoch : int
        Decide the order.
    rank, world : int
        This process and their number.

    Raises
    ------
    TrainError
        More processes than samples.
    """
    if n < world:
        raise TrainError(f"{n} samples cannot occupy {world} processes; start fewer of them")
    order = np.random.default_rng((seed, epoch)).permutation(n)
    count = min(-(-n // (batch * accumulate * world)), n // world)
    steps: list[Step] = []
    for step in np.array_split(order, count):
        share = np.array_split(step, world)[rank]
        parts = np.array_split(share, -(-len(share) // batch))
        steps.append(([part.tolist() for part in parts], len(step)))
    return steps


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batch sampler over the micro-batches of one epoch; items are (epoch, place).

    The epoch travels with the items because workers that live on hold a copy of the data set.

    Parameters
    ----------
    n, batch, accumulate, seed, rank, world : int
        As for :func:`plan_epoch`.
    """

    def __init__(
        self, n: int, batch: int, *, accumulate: int = 1, seed: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        self._plan = partial(plan_epoch, n, batch, accumulate=accumulate, seed=seed, rank=rank, world=world)
        self.epoch = 0

    def steps(self) -> list[Step]:
        """The steps of the current epoch."""
        return self._plan(epoch=self.epoch)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for parts, _ in self.steps():
            for part in parts:
                yield [(self.epoch, i) for i in part]

    def __len__(self) -> int:
        return sum(len(parts) for parts, _ in self.steps())


def loader(
    data: Dataset[Clip],
    batches: Sampler[list[tuple[int, int]]] | None,
    *,
    workers: int = 0,
    pin: bool = False,
    start_method: str | None = None,
) -> DataLoader[Clip]:
    """A loader in the order of the batches; without them, one sample at a time, unbatched.

    Parameters
    ----------
    data : StrokeDataset or FrameDataset
    batches : Sampler, optional
    workers : int
        Processes; 0: this one.
    pin : bool
        Page-locked memory, for copies to a GPU that overlap with work.
    start_method : {"fork", "spawn", "forkserver"}, optional
    """
    # an own generator: the default would take a number from torch's global one at every epoch
    return DataLoader(
        data,
        batch_size=None if batches is None else 1,
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=pin,
        persistent_workers=workers > 0,
        multiprocessing_context=start_method if workers else None,
        generator=torch.Generator(),
    )


def batches(source: DataLoader[Clip]) -> Iterator[Clip]:
    """Batches of a loader; what goes wrong in a worker is told as it would be told here.

    Raises
    ------
    TrainError
        The file cannot be read, or a worker was killed.
    """
    try:
        yield from source
    except TrainError as error:
        # a worker's error comes wrapped in its traceback
        raise TrainError(str(error).rsplit("TrainError: ", 1)[-1].strip()) from None
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise TrainError(
            f"a data worker was killed ({str(error).splitlines()[0]}); too little memory, or too small a "
            "/dev/shm: use fewer --workers"
        ) from None
