"""Feeding batches: from a cache, or from worker processes that write into shared, page-locked buffers.

A worker of a DataLoader hands a batch over in shared memory that is made, passed and torn down for each one,
and page-locking copies it once more. Here the buffers are made once: a worker writes its batch into a slot
and hands over the slot's number.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from tttrain.data.frame_windows import FrameDataset
from tttrain.data.samples import Clip, StrokeDataset
from tttrain.feeding.loader import EpochBatches, batches, loader

#: batches that each worker may be ahead
PREFETCH = 2
#: share of the shared memory that the slots may take
SHM_SHARE = 0.8
_SHM = Path("/dev/shm")

Source = StrokeDataset | FrameDataset
#: slot, or (epoch, index)
_Item = int | tuple[int, int]


class _Slots(Sampler[list[_Item]]):
    """Puts the number of a slot in front of each batch."""

    def __init__(self, order: EpochBatches, count: int) -> None:
        self._order, self._count = order, count

    def __iter__(self) -> Iterator[list[_Item]]:
        for number, batch in enumerate(self._order):
            yield [number % self._count, *batch]

    def __len__(self) -> int:
        return len(self._order)


class _Writer(Dataset[Any]):
    """Writes batches into their slots, in the worker."""

    def __init__(self, data: Source, slots: list[Clip]) -> None:
        self._data, self._slots = data, slots

    def __getitems__(self, batch: Sequence[_Item]) -> tuple[int, int]:
        slot, *items = batch
        assert isinstance(slot, int)
        for i, item in enumerate(items):
            for name, values in self._data[item].items():
                self._slots[slot][name][i].copy_(values)
        return slot, len(items)


def _as_it_is(batch: Any) -> Any:
    return batch


class Feed:
    """Batches of a data set on the device, in the order of its epochs.

    Parameters
    ----------
    data : StrokeDataset or FrameDataset
        With its windows kept or not; see :meth:`StrokeDataset.keep`.
    order : EpochBatches
    device : torch.device
    workers : int
        Processes that read; 0: this one. Nothing is left to read for them where windows are kept.
    start_method : {"fork", "spawn", "forkserver"}, optional
    """

    def __init__(
        self,
        data: Source,
        order: EpochBatches,
        device: torch.device,
        *,
        workers: int = 0,
        start_method: str | None = None,
    ) -> None:
        self._data, self._order, self._device = data, order, device
        self._slots: list[Clip] = []
        self._loader: DataLoader[Any] | None = None
        if data.kept:
            return
        count = workers * PREFETCH + 2
        if workers and len(data):
            self._slots = _make_slots(data, order.largest, count, device)
        if self._slots:
            self._loader = DataLoader(
                _Writer(data, self._slots),
                batch_sampler=_Slots(order, count),
                num_workers=workers,
                prefetch_factor=PREFETCH,
                collate_fn=_as_it_is,
                persistent_workers=True,
                multiprocessing_context=start_method,
                generator=torch.Generator(),
            )
        else:
            pin = device.type == "cuda"
            self._loader = loader(data, order, workers=workers, pin=pin, start_method=start_method)

    def __iter__(self) -> Iterator[Clip]:
        """Yield the batches of the current epoch.

        Yields
        ------
        dict of Tensor
            As of the data set, stacked; all on the device where it is a GPU. On the CPU a batch is
            overwritten once the next but one is asked for.

        Raises
        ------
        TrainError
            The file cannot be read, or a worker was killed.
        """
        source = self._kept() if self._loader is None else self._read()
        yield from source if self._device.type != "cuda" else _ahead(source, self._device)

    def _kept(self) -> Iterator[Clip]:
        for batch in self._order:
            clips = [self._data[item] for item in batch]
            yield {
                # windows first go where they are needed, and are put together there: page-locked memory
                # is copied without the CPU
                name: torch.stack([c[name].to(self._device, non_blocking=True) for c in clips])
                if clips[0][name].is_pinned() or clips[0][name].is_cuda
                else torch.stack([c[name] for c in clips])
                for name in clips[0]
            }

    def _read(self) -> Iterator[Clip]:
        assert self._loader is not None
        for got in batches(self._loader):
            if self._slots:
                slot, size = got
                yield {name: values[: int(size)] for name, values in self._slots[int(slot)].items()}
            else:
                yield got


def _make_slots(data: Source, batch: int, count: int, device: torch.device) -> list[Clip]:
    """Allocate the buffers; none where shared memory is too small for them."""
    example = data[0]
    data.close()  # workers open their own
    needed = count * batch * sum(v.nbytes for v in example.values())
    try:
        room = os.statvfs(_SHM)
    except OSError:
        return []
    if needed > SHM_SHARE * room.f_bavail * room.f_frsize:
        return []
    slots = [
        {name: _shared(torch.zeros((batch, *v.shape), dtype=v.dtype)) for name, v in example.items()}
        for _ in range(count)
    ]
    if device.type == "cuda":
        for values in (v for slot in slots for v in slot.values()):
            _lock_pages(values)
    return slots


def _shared(values: Tensor) -> Tensor:
    values.share_memory_()  # type: ignore[no-untyped-call]
    return values


def _lock_pages(values: Tensor) -> None:
    """Page-lock shared memory in place, so that copies to the GPU overlap with work."""
    if values.nbytes:
        runtime: Any = torch.cuda.cudart()  # type: ignore[no-untyped-call]
        torch.cuda.check_error(runtime.cudaHostRegister(values.data_ptr(), values.nbytes, 0))


def _ahead(source: Iterator[Clip], device: torch.device) -> Iterator[Clip]:
    """Copy each batch to the GPU while the one before is worked on.

    When a batch has been read, the slot of the last but one is written again; its copy has ended by then.
    """
    copying: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    before: tuple[Clip, Any] | None = None
    while True:
        with torch.cuda.stream(copying):
            clip = next(source, None)
            moved = {name: v.to(device, non_blocking=True) for name, v in (clip or {}).items()}
            event = copying.record_event()
        if before is not None:
            yield _arrived(*before, device)
            before[1].synchronize()
        if clip is None:
            return
        before = moved, event


def _arrived(clip: Clip, event: Any, device: torch.device) -> Clip:
    stream: Any = torch.cuda.current_stream(device)
    stream.wait_event(event)
    for values in clip.values():
        values.record_stream(stream)
    return clip
