"""A trained network on videos that are in no dataset file: what it needs of them, and how it is opened.

A run records how its dataset was made; one that an earlier version began is asked for its dataset file.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tttrain.data.dataset_file import DatasetInfo, Limits, Samples, Videos, read_info
from tttrain.errors import TrainError
from tttrain.evaluation.trained_network import TrainedNetwork, open_network
from tttrain.training.checkpoint import Checkpoints
from tttrain.training.origin import Origin, read_origin
from tttrain.training.run_folder import RunRecord, rates_of, read_run

#: part by which a rate may differ from another and still be the same: 119.88 and 120 are
SAME_RATE = 0.01
#: pixels per stored unit of flow, in every version of the format
FLOW_SCALE = 1 / 64


@dataclass(frozen=True)
class Needs:
    """What a run says of the videos that its network reads.

    Attributes
    ----------
    record : RunRecord
    name : str
        Folder of the run, as it was named.
    stages : dict of str to dict
        Stage of ttprep → parameters.
    stage_versions : dict of str to int
        Empty where unknown.
    rates : tuple of float
        Frame rates of the training videos, 1/s, ascending; empty where unknown.
    length : int
        T of the dataset.
    checkpoint : str
        sha256 of the state that is used.
    """

    record: RunRecord
    name: str
    stages: dict[str, dict[str, Any]]
    stage_versions: dict[str, int]
    rates: tuple[float, ...]
    length: int
    checkpoint: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """The modalities that the network reads."""
        return self.record.inputs

    @property
    def every(self) -> int:
        """The network reads every N-th frame."""
        return self.record.config.every

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes."""
        return self.record.data.classes


def trained_rates(record: RunRecord) -> tuple[float, ...]:
    """Return the frame rates of a run's training videos, 1/s; of an old run, from its dataset file.

    Empty where neither says it.
    """
    if record.data.rates:
        return record.data.rates
    try:
        info = read_info(record.data.path, record.data.taxonomy)
        return rates_of(info, info.rows_of(record.config.train_split))
    except TrainError:
        return ()


def is_usual(rate: float, rates: tuple[float, ...]) -> bool:
    """Tell whether a rate is one of others, but for a hundredth; true where nothing is known."""
    return not rates or rate <= 0 or any(abs(rate / known - 1) <= SAME_RATE for known in rates)


def read_needs(run: Path) -> Needs:
    """Read what a run's network needs of a new video.

    Raises
    ------
    TrainError
        No run, no checkpoint, a network that reads trials from their start on, or a run that does not say
        how its dataset was made and whose dataset file is gone.
    """
    record = read_run(run)
    if record.config.method is not None:
        raise TrainError(
            f"{run}: this run sees trials from their start on ({record.config.method}), not windows that "
            "could slide through a video; train one with --sampling uniform"
        )
    origin = Origin(record.data.stages, record.data.stage_versions)
    if not origin.stages:
        origin = _from_dataset(run, record)
    length = origin.stages.get("cuboids", {}).get("length")
    if not isinstance(length, int):
        raise TrainError(
            f"{run}: its record says no length of cuboids; export its dataset again and train on it"
        )
    state = Checkpoints(run, write=False).digest("best")
    return Needs(record, str(run), origin.stages, origin.versions, trained_rates(record), length, state)


def _from_dataset(run: Path, record: RunRecord) -> Origin:
    """Read how the dataset of an old run was made."""
    path = Path(record.data.path)
    again = (
        f"put that file back, or train again on a new export: `tttrain fit DATASET.h5 {run}-new --model "
        f"{record.config.model}`"
    )
    what = f"{run}: was trained by an earlier version, which did not record how its dataset was made, and"
    if not path.exists():
        raise TrainError(f"{what} {path} is not there any more; {again}")
    origin = read_origin(path)
    if read_info(path, record.data.taxonomy).samples_digest != record.data.samples_digest:
        raise TrainError(f"{what} {path} holds other samples now; {again}")
    if not origin.stages:
        raise TrainError(f"{what} {path} does not say it either; {again}")
    return origin


def open_for(needs: Needs, device: torch.device) -> TrainedNetwork:
    """Load the best state of a run for videos that are in no dataset file.

    Raises
    ------
    TrainError
        No checkpoint, or a damaged one.
    """
    return open_network(Path(needs.name), needs.record, _no_samples(needs), device)


def _no_samples(needs: Needs) -> DatasetInfo:
    """Return a dataset without samples that has what a network reads, cut to the crop itself."""
    facts = needs.record.data
    numbers, texts = np.zeros(0, np.int64), np.zeros(0, np.str_)
    words = {"id", "label_name", "split", "name", "sha256", "group"}

    def empty(kind: Any) -> dict[str, Any]:
        return {f.name: texts if f.name in words else numbers for f in fields(kind)}

    return DatasetInfo(
        path=Path(needs.name),
        modalities=needs.inputs,
        frame_size=facts.frame_size,
        crop=facts.crop,
        window=facts.crop,
        length=needs.length,
        limits=Limits(0.0, 0.0, 0.0),
        taxonomy=facts.taxonomy,
        classes=facts.classes,
        splits=(),
        joints=facts.joints,
        flow_scale=FLOW_SCALE,
        flow_divisor=facts.flow_divisor,
        flow_divisor_train=facts.flow_divisor,
        samples=Samples(**empty(Samples)),
        videos=Videos(**empty(Videos)),
        untrimmed_label=None,
        samples_digest="",
    )
