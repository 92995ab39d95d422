"""Slide a network's window through a whole video, whoever holds its rows [3S §3.3]."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from tttrain.data.dataset_file import Array
from tttrain.data.samples import Clip
from tttrain.data.view import reduce_area
from tttrain.evaluation.decision_rules import ClassScores, spread
from tttrain.evaluation.trained_network import TrainedNetwork

#: number of frames read at once
BLOCK = 512
#: name of an array of ``/untrimmed``, first row of the video, number of rows → these rows
ReadRows = Callable[[str, int, int], Array]


def window_scores(
    network: TrainedNetwork,
    read: ReadRows,
    n: int,
    *,
    step: int = 1,
    batch: int = 10,
    borders: bool = False,
    tell: Callable[[int, int], None] | None = None,
) -> ClassScores:
    """Compute the class scores of every frame of a video.

    A window of T frames gives the scores of the frame in its middle; other frames take those of the
    nearest window; where the last step leaves some of the last frames out, a window that ends with the video
    follows. A video shorter than T repeats its last frame.

    Parameters
    ----------
    network : TrainedNetwork
    read : callable
        Gives rows of ``rgb``, ``flow``, ``pose`` and ``window`` as ``/untrimmed`` holds them.
    n : int
        Frames of the video.
    step : int
        Frames from one window to the next.
    batch : int
        Windows per forward pass.
    borders : bool
        Slide half a window beyond both ends, where the first and the last frame are repeated, so that
        every frame is in the middle of a window of its own. Otherwise the first and last T/2 frames take
        the scores of the first and last whole window.
    tell : callable, optional
        Called with the number of windows done, and of all.

    Returns
    -------
    (F, C) float64
    """
    view = network.view
    begin, room = 0, max(n - view.span, 0)
    if borders:
        begin, room = -(view.span // 2), n - 1 - view.span // 2
    starts = np.union1d(np.arange(begin, room + 1, step), [room])  # the last one ends with the video
    prepare = network.preparer(window=network.info.crop)
    parts: list[ClassScores] = []
    done = 0
    for first, block, rows in _blocks(network, read, n, starts):
        for at in range(0, len(block), batch):
            frames = np.clip(block[at : at + batch, None] + view.offsets, 0, n - 1) - first
            clip = {name: values[torch.from_numpy(frames)] for name, values in rows.items()}
            parts.append(network.scores(prepare, clip))
            done += len(frames)
            if tell is not None:
                tell(done, len(starts))
    return spread(np.concatenate(parts), starts + view.span // 2, n)


def _blocks(
    network: TrainedNetwork, read: ReadRows, n: int, starts: NDArray[np.intp]
) -> Iterator[tuple[int, NDArray[np.intp], Clip]]:
    """Yield runs of windows and the rows they need; read the next rows while these are worked on."""
    view = network.view
    groups = np.split(starts, np.flatnonzero(np.diff(starts // BLOCK)) + 1)

    def load(group: NDArray[np.intp]) -> Clip:
        first = int(np.clip(group[0], 0, n - 1))
        count = int(np.clip(group[-1] + view.span, first + 1, n)) - first
        rows = {}
        for name in (*network.record.inputs, "window"):
            values = read(name, first, count)
            if name in ("rgb", "flow"):
                values = reduce_area(values, view.reduce)
            rows[name] = torch.from_numpy(np.ascontiguousarray(values))
        rows["corner"] = torch.zeros_like(rows["window"]) + torch.tensor(view.inset)
        return rows

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(load, groups[0])
        for i, group in enumerate(groups):
            rows = coming.result()
            if i + 1 < len(groups):
                coming = pool.submit(load, groups[i + 1])
            yield int(np.clip(group[0], 0, n - 1)), group, rows
