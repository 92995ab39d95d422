"""Forward and backward of a micro-batch as one CUDA graph.

With attention blocks, a three-stream network launches 9 600 kernels per step, most of them shorter
than their launch: on an H200 the GPU worked 90 of the 200 ms of a step (docs/training.md). A graph is
launched as one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tttrain.data.prepare import Inputs

#: inputs, labels, samples of the whole step → (loss sum, hits); adds to the gradients
Step = Callable[[Inputs, Tensor, int], Tensor]
#: micro-batches of one shape that run before theirs is captured: libraries choose their kernels in them
WARM_UP = 3


class StepGraph:
    """Runs steps on a GPU, from the fourth micro-batch of one shape on by replaying a graph.

    Gradients must stay where they are: zero them, and do not set them to None. Micro-batches of other shapes,
    as an epoch's last one, run as they would without.

    Parameters
    ----------
    step : callable
        Reads nothing from the device and has no state besides the network's parameters and buffers.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._seen: dict[Any, int] = {}
        self._shape: Any = None
        self._graph: Any = None
        self._given: Inputs = {}
        self._labels = self._got = torch.empty(0)
        self._stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._needed = 0
        self._refused = False

    def __call__(self, inputs: Inputs, labels: Tensor, size: int) -> Tensor:
        """Add the gradients of a micro-batch.

        Parameters
        ----------
        inputs : dict of Tensor
        labels : (N,) int64
        size : int
            Samples of the whole step.

        Returns
        -------
        (2,) float64
            Loss, summed; hits.
        """
        shape = (size, *((name, tuple(v.shape)) for name, v in sorted(inputs.items())))
        if self._shape is None and not self._refused and self._seen.get(shape, 0) >= WARM_UP:
            self._capture(inputs, labels, size, shape)
        if shape == self._shape:
            for name, values in inputs.items():
                self._given[name].copy_(values)
            self._labels.copy_(labels)
            self._graph.replay()
            return self._got.clone()
        self._seen[shape] = self._seen.get(shape, 0) + 1
        return self._run(inputs, labels, size)

    def _run(self, inputs: Inputs, labels: Tensor, size: int) -> Tensor:
        """Take a step launch by launch, beside the stream of all else, as capturing demands."""
        here: Any = torch.cuda.current_stream()
        self._stream.wait_stream(here)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        with torch.cuda.stream(self._stream):
            got = self._step(inputs, labels, size)
        here.wait_stream(self._stream)
        self._needed = max(self._needed, torch.cuda.max_memory_allocated() - before)
        return got

    def _capture(self, inputs: Inputs, labels: Tensor, size: int, shape: Any) -> None:
        """Record the step. What a graph uses stays taken, so it needs room beside what runs without it."""
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        if 2.2 * self._needed > torch.cuda.mem_get_info()[0]:
            self._refused = True
            return
        self._given = {name: values.clone() for name, values in inputs.items()}
        self._labels = labels.clone()
        graph: Any = torch.cuda.CUDAGraph()
        try:
            # another thread may page-lock memory meanwhile
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                self._got = self._step(self._given, self._labels, size)
        except RuntimeError:  # a layer that cannot be captured; nothing has been computed
            self._refused, self._given = True, {}
            torch.cuda.synchronize()
            return
        self._graph, self._shape = graph, shape
