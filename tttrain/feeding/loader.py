"""Loading: which samples make up the batches of an epoch, and the DataLoader that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from tttrain.data.samples import Clip
from tttrain.errors import TrainError

#: one optimiser step of this process: its micro-batches, and the number of samples of all processes
Step = tuple[list[list[int]], int]


def plan_epoch(
    n: int, batch: int, *, accumulate: int = 1, seed: int = 0, epoch: int = 0, rank: int = 0, world: int = 1
) -> list[Step]:
    """Deal the samples of an epoch out to steps, processes and micro-batches.

    Each sample is in exactly one step, steps are as even as possible (no small last batch), and every
    process has a sample in every step.

    Parameters
    ----------
    n : int
        Samples; at least ``world``.
    batch : int
        Largest micro-batch on one process.
    accumulate : int
        Micro-batches whose gradients make one step.
    seed, epoch : int
        Determine the order.
    rank, world : int
        Number of this process, and of all processes.

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
    """Samples the micro-batches of one epoch; items are (epoch, index).

    The epoch travels with the items because persistent workers hold a copy of the data set.

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
        #: samples of the largest batch
        self.largest = min(n, batch)

    def steps(self) -> list[Step]:
        """Return the steps of the current epoch."""
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
    """Make a loader in the order of the batches; without them, of one sample at a time, unbatched.

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
    # a generator of its own: the default would draw from torch's global one in every epoch
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
    """Yield the batches of a loader; report an error in a worker as if it had happened here.

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
