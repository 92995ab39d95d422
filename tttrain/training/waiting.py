"""How long a training waits for its batches: what a faster feed could save at most."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class Waiting:
    """Adds up the time in which the device had no batch to work on.

    On the CPU that is the time until a batch is there. A GPU works on what was launched before while the next
    batch is fetched; so there it is the time on the GPU's own clock from the end of one micro-batch until the
    next one's first kernel can start.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device: torch.device) -> None:
        self._gpu = device.type == "cuda"
        self._spent = 0.0
        self._gaps: list[tuple[Any, Any]] = []

    @contextmanager
    def fetching(self) -> Iterator[None]:
        """Time what fetches a batch."""
        began = time.perf_counter()
        before = self._mark() if self._gpu else None
        yield
        if self._gpu:
            self._gaps.append((before, self._mark()))
        else:
            self._spent += time.perf_counter() - began

    def seconds(self) -> float:
        """Return the sum, s; a GPU finishes its work first."""
        if self._gaps:
            torch.cuda.synchronize()
            self._spent += sum(a.elapsed_time(b) for a, b in self._gaps) / 1000
            self._gaps = []
        return self._spent

    @staticmethod
    def _mark() -> Any:
        event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event
