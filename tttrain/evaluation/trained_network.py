"""A trained network with what its use needs: loading it, preparing its inputs, scoring windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tttrain.data.dataset_file import DatasetInfo, read_info
from tttrain.data.prepare import Inputs, Preparer
from tttrain.data.samples import Clip
from tttrain.data.view import View
from tttrain.errors import TrainError
from tttrain.evaluation.decision_rules import ClassScores
from tttrain.models.outputs import probabilities
from tttrain.training.checkpoint import Checkpoints
from tttrain.training.device import autocast, set_precision
from tttrain.training.memory import is_out_of_memory
from tttrain.training.run_folder import (
    RunRecord,
    is_changed,
    load_best,
    read_run,
    seen_in_training,
    view_of,
)


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, its run, and the dataset it is applied to.

    Attributes
    ----------
    record : RunRecord
    info : DatasetInfo
    view : View
    model : torch.nn.Module
    device : torch.device
    name : str
        Folder of the run, as it was named.
    epoch, epochs : int
        Epoch of the state that is used, and number of epochs done.
    """

    record: RunRecord
    info: DatasetInfo
    view: View
    model: nn.Module
    device: torch.device
    name: str
    epoch: int
    epochs: int

    def state(self) -> str:
        """Say which state of the training is used."""
        return f"state of epoch {self.epoch} of {self.epochs}"

    def notes(self, rows: NDArray[np.intp], *, tests: bool = True) -> list[str]:
        """Say what the reader of results on some samples must know.

        Parameters
        ----------
        rows : array of int
            Rows of ``/samples``.
        tests : bool
            The results are a test of the network.
        """
        found = []
        if is_changed(self.record, self.info):
            found.append(
                f"{self.info.path} has other samples, labels or splits than those that "
                f"{self.name} was trained on"
            )
        seen = seen_in_training(self.record, self.info, rows) if tests else 0
        if seen:
            found.append(
                f"this is no test of {self.name}, which was trained on frames of {seen} of the "
                f"{len(rows)} samples" + ("" if self.record.data.train_frames else ", or on their videos")
            )
        return found

    def preparer(self, window: tuple[int, int] | None = None) -> Preparer:
        """Return the preparer of its inputs; see :class:`tttrain.data.prepare.Preparer`."""
        return Preparer(
            self.info, self.view, self.device, window=window,
            flow_divisor=self.record.data.flow_divisor, pixels=self.record.config.pixels,
            joints=self.record.config.joints,
        )  # fmt: skip

    @torch.no_grad()
    def scores(self, prepare: Callable[[Clip], Inputs], clip: Clip) -> ClassScores:
        """Compute the class scores of a batch of windows, (N, C) float64."""
        try:
            inputs = prepare(clip)
            with autocast(self.device, self.record.config.precision):
                logits = self.model(inputs)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            n = len(clip["corner"])
            raise TrainError(
                f"{self.device}: out of memory with {n} windows at once; use a smaller --batch"
            ) from None
        return probabilities(logits).double().cpu().numpy()


def load_network(folder: Path, dataset: Path | None, device: torch.device) -> TrainedNetwork:
    """Load the best state of a run, with the dataset it was trained on or another one.

    Raises
    ------
    TrainError
        No run, no checkpoint, or a dataset that does not fit it.
    """
    record = read_run(folder)
    return open_network(folder, record, read_info(dataset or record.data.path, record.data.taxonomy), device)


def open_network(folder: Path, record: RunRecord, info: DatasetInfo, device: torch.device) -> TrainedNetwork:
    """Load the best state of a run for use on a dataset that is read already, perhaps split otherwise.

    Raises
    ------
    TrainError
        No checkpoint, or a dataset that does not fit the run.
    """
    view = view_of(record, info)
    set_precision(device, record.config.precision)
    epoch, epochs = Checkpoints(folder).epochs()
    model = load_best(folder, record, view, device)
    return TrainedNetwork(record, info, view, model, device, str(folder), epoch, epochs)
