"""What a network knows of a window before it decides: the inputs of the layers that give its class scores."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tttrain.data.samples import Clip, StrokeDataset
from tttrain.evaluation.along_time.sliding_window import ReadRows, window_scores
from tttrain.evaluation.trained_network import TrainedNetwork
from tttrain.feeding.loader import batches, loader

Features = NDArray[np.float32]
#: samples of a training set that stand for all of them; more change distances little and take longer
MOST_SAMPLES = 500


class LastFeatures:
    """Keeps the features of every window that a network scores inside a ``with`` block.

    Of a bilinear layer both inputs count; one that several layers share counts once. Of a layer that is
    called for every step of a sequence the mean of the steps counts.

    Parameters
    ----------
    model : torch.nn.Module
    classes : int
        Number of outputs of the layers that are looked at.
    """

    def __init__(self, model: nn.Module, classes: int) -> None:
        self._model = model
        self._layers = [
            m for m in model.modules() if isinstance(m, nn.Linear | nn.Bilinear) and m.out_features == classes
        ]
        self._given: dict[int, list[tuple[Tensor, ...]]] = {}
        self._parts: list[Features] = []
        self._handles: list[Any] = []

    def __enter__(self) -> Self:
        for layer in self._layers:
            self._handles.append(layer.register_forward_pre_hook(self._keep))
        self._handles.append(self._model.register_forward_hook(self._end))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def _keep(self, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        self._given.setdefault(id(layer), []).append(given)

    def _end(self, model: nn.Module, inputs: Any, logits: Tensor) -> None:
        seen: dict[tuple[int, int], Tensor] = {}
        for calls in self._given.values():
            for place, tensors in enumerate(zip(*calls, strict=True)):
                key = (tensors[0].data_ptr(), 0 if len(tensors) == 1 else 1 + place)
                steps = [t.detach().float().reshape(len(t), -1, t.shape[-1]).mean(dim=1) for t in tensors]
                seen.setdefault(key, torch.stack(steps).mean(dim=0))
        if not seen:  # a network of another kind: what it says of the classes is what is known
            seen[0, 0] = logits.detach().float().flatten(1)
        self._parts.append(torch.cat(list(seen.values()), dim=1).cpu().numpy())
        self._given.clear()

    def take(self) -> Features:
        """Return the features of all windows so far, (W, D) float32, in the order of their scores."""
        return np.concatenate(self._parts)


def window_features(
    network: TrainedNetwork,
    read: ReadRows,
    n: int,
    *,
    step: int,
    batch: int = 10,
    tell: Callable[[int, int], None] | None = None,
) -> tuple[Features, NDArray[np.int64]]:
    """Compute the features of windows along a video.

    Parameters
    ----------
    network, read, n, step, batch, tell
        As for :func:`~tttrain.evaluation.along_time.sliding_window.window_scores`.

    Returns
    -------
    features : (W, D) float32
    centres : (W,) int64
        Row in the middle of each window.
    """
    with LastFeatures(network.model, len(network.info.classes)) as kept:
        window_scores(network, read, n, step=step, batch=batch, tell=tell)
    span = network.view.span
    room = max(n - span, 0)
    starts = np.union1d(np.arange(0, room + 1, step), [room])
    return kept.take(), np.minimum(starts + span // 2, n - 1).astype(np.int64)


def sample_features(network: TrainedNetwork, rows: NDArray[np.intp], batch: int = 10) -> Features:
    """Compute the features of the middle windows of samples of a dataset file.

    Parameters
    ----------
    network : TrainedNetwork
    rows : array of int
        Rows of ``/samples``; of more than :data:`MOST_SAMPLES`, so many evenly spaced ones.
    batch : int

    Returns
    -------
    (K, D) float32
    """
    if len(rows) > MOST_SAMPLES:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_SAMPLES).astype(np.intp)]
    data = StrokeDataset(network.info, rows, network.view, network.record.inputs, "centre")
    prepare = network.preparer()
    waiting: list[Clip] = []
    with LastFeatures(network.model, len(network.info.classes)) as kept:
        for number, clip in enumerate(batches(loader(data, None)), 1):
            waiting.append({k: v for k, v in clip.items() if k not in ("label", "row")})
            if len(waiting) == batch or number == len(data):
                network.scores(prepare, {k: torch.stack([c[k] for c in waiting]) for k in waiting[0]})
                waiting.clear()
    return kept.take()
