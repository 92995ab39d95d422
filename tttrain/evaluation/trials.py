"""Whole trials, and the scores of disturbed ones: robustness is measured with them.

A trial is an array of the frames of one sample from its first one on. The run's sampling method takes its
test samples from 40 of them, and the trial's score is the mean over these [GRU §IV-B].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from tttrain.data.crop import cut
from tttrain.data.prepare import Inputs
from tttrain.data.samples import Clip, StrokeDataset
from tttrain.data.sampling_methods import INTERVAL, SamplingMethod
from tttrain.data.view import reduce_area
from tttrain.errors import USAGE, TrainError
from tttrain.evaluation.decision_rules import ClassScores
from tttrain.evaluation.trained_network import TrainedNetwork
from tttrain.feeding.loader import batches, loader

Frames = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Trial:
    """The frames of one sample.

    Attributes
    ----------
    row : int
        Row of ``/samples``.
    id : str
    label : int
        Class index.
    frames : (n, h, w, 3) uint8
        Every ``every``-th frame from the trial's start on, as many as there are, at least
        :data:`~tttrain.data.sampling_methods.INTERVAL`: the dataset's crop, not scaled.
    """

    row: int
    id: str
    label: int
    frames: Frames


class TrialScorer:
    """ClassScores trials with the network of a run.

    Parameters
    ----------
    network : TrainedNetwork
        See :func:`tttrain.evaluation.trained_network.load_network`.
    batch : int
        Test samples per forward pass.

    Raises
    ------
    TrainError
        The run has no sampling method, or reads more than RGB.
    """

    def __init__(self, network: TrainedNetwork, batch: int = 16) -> None:
        if network.view.method is None or network.record.inputs != ("rgb",):
            config = network.record.config
            raise TrainError(
                f"model {config.model} with sampling {config.sampling} does not see trials of "
                f"{INTERVAL} frames; name a run of an RGB model trained with --sampling method-1 … method-7",
                USAGE,
            )
        self.network = network
        self.method: SamplingMethod = network.view.method
        self._batch = batch
        self._prepare = network.preparer(window=network.info.crop)

    def trials(self, split: str = "test") -> Iterator[Trial]:
        """Yield the trials of a split, in the order of the file.

        Raises
        ------
        TrainError
            No such split, or none of its samples has a class.
        """
        info, view = self.network.info, self.network.view
        rows = info.samples_of(split)
        unscaled = replace(view, size=view.crop)
        data = StrokeDataset(info, rows, unscaled, ("rgb",), "whole")
        for clip in batches(loader(data, None)):
            shown = torch.from_numpy(view.rows(np.arange(len(clip["rgb"]) // view.every)))
            corner = clip["corner"][shown] - torch.tensor(view.inset)
            frames = cut(clip["rgb"][shown][None], corner[None], info.crop)[0]
            row = int(clip["row"])
            yield Trial(row, str(info.samples.id[row]), int(clip["label"]), frames.numpy())

    def square(self, frames: Frames) -> Frames:
        """Cut out the part of the frames that the network sees; (n, h, w, 3) → (n, H, W, 3)."""
        (x, y), (width, height) = self.network.view.inset, self.network.view.crop
        return frames[:, y : y + height, x : x + width]

    def score(self, frames: Frames, missing: Mask | None = None) -> ClassScores:
        """Score one trial, (C,); as :meth:`score_many`."""
        return np.asarray(self.score_many([(frames, missing)])[0])

    def score_many(self, trials: Sequence[tuple[Frames, Mask | None]]) -> ClassScores:
        """Score trials: average the class scores over the method's test samples.

        For frames as stored, the scores equal those of ``tttrain evaluate`` (up to the rounding of
        reduced pixels, where the file's windows have a margin and the input is reduced).

        Parameters
        ----------
        trials : sequence of (frames, missing)
            ``frames`` (40, h, w, 3) uint8, of the size of :attr:`Trial.frames`; ``missing`` (40,)
            bool or None: these frames are zeros at the network's input, after the normalisation
            [GRU §V-F].

        Returns
        -------
        (n, C) float64
            Rows sum to 1.

        Raises
        ------
        ValueError
            The frames have another shape or dtype.
        """
        view, tests = self.network.view, self.method.tests
        expected = (INTERVAL, *self.network.info.crop[::-1], 3)
        windows: list[Clip] = []
        for frames, missing in trials:
            if frames.shape != expected or frames.dtype != np.uint8:
                raise ValueError(f"frames {frames.shape} of {frames.dtype}, expected {expected} of uint8")
            reduced = reduce_area(frames, view.reduce)
            gone = np.zeros(INTERVAL, bool) if missing is None else missing
            for chosen in tests:
                windows.append({
                    "rgb": torch.from_numpy(reduced[chosen]),
                    "corner": torch.tensor(view.inset).expand(len(chosen), 2),
                    "missing": torch.from_numpy(gone[chosen]),
                })  # fmt: skip
        parts = []
        for at in range(0, len(windows), self._batch):
            some = windows[at : at + self._batch]
            clip = {name: torch.stack([w[name] for w in some]) for name in some[0]}
            parts.append(self.network.scores(self._inputs, clip))
        return np.asarray(np.concatenate(parts).reshape(len(trials), len(tests), -1).mean(axis=1))

    def _inputs(self, clip: Clip) -> Inputs:
        inputs = self._prepare(clip)
        gone = clip["missing"].to(inputs["rgb"].device)
        inputs["rgb"] = inputs["rgb"].masked_fill(gone[:, None, :, None, None], 0)
        return inputs
