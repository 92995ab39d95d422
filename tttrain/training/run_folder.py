"""The folder of a run: its settings, its curve, its checkpoints; and what evaluation needs of them.

``run.json`` settings and facts about the data · ``history.json`` one record per epoch ·
``curves.png`` · ``checkpoint.json``, ``last-*.pt``, ``best-*.pt`` (:mod:`tttrain.training.checkpoint`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tttrain import atomic
from tttrain.data.dataset_file import DatasetInfo
from tttrain.data.view import View, make_view
from tttrain.errors import USAGE, TrainError
from tttrain.models import InputShape, build, get_spec
from tttrain.training.checkpoint import Checkpoints
from tttrain.training.config import RunConfig
from tttrain.training.device import place

RUN = "run.json"
HISTORY = "history.json"


class DataFacts(BaseModel):
    """Facts about the training data that the use of a network depends on.

    Attributes
    ----------
    path : str
        Where the file was.
    samples_digest : str
        See :class:`tttrain.data.dataset_file.DatasetInfo`.
    taxonomy : str
    classes : tuple of str
    crop, frame_size : (int, int)
        (width, height), px.
    joints : tuple of str
    flow_divisor : (float, float)
        px; normalisation goes with the weights.
    train_videos : tuple of str
        sha256 of the videos with training samples: scores on these are not a test.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    path: str
    samples_digest: str = Field(alias="fingerprint")  # its name in run.json, as of old runs
    taxonomy: str
    classes: tuple[str, ...]
    crop: tuple[int, int]
    frame_size: tuple[int, int]
    joints: tuple[str, ...]
    flow_divisor: tuple[float, float]
    train_videos: tuple[str, ...]


class RunRecord(BaseModel):
    """``run.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: RunConfig
    data: DataFacts
    software: dict[str, str]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the modalities that the model reads."""
        return get_spec(self.config.model).inputs


def make_record(config: RunConfig, info: DatasetInfo) -> RunRecord:
    """Make the record of a run on a dataset."""
    rows = info.rows_of(config.train_split)
    divisor = info.flow_divisor_train if config.statistics == "train" else info.flow_divisor
    facts = DataFacts(
        path=str(info.path.resolve()),
        samples_digest=info.samples_digest,
        taxonomy=info.taxonomy,
        classes=info.classes,
        crop=info.crop,
        frame_size=info.frame_size,
        joints=info.joints,
        flow_divisor=divisor,
        train_videos=tuple(sorted(set(info.videos.sha256[info.samples.video[rows]].tolist()))),
    )
    software = {"torch": torch.__version__, "numpy": np.__version__, "h5py": h5py.__version__}
    return RunRecord(config=config, data=facts, software=software)


def open_run(folder: Path, record: RunRecord, *, force: bool) -> RunRecord:
    """Begin a run in a folder, or check that the folder holds this very run.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    record : RunRecord
    force : bool
        Start over, even if there is a run.

    Raises
    ------
    TrainError
        The folder holds another run, or something else.
    """
    path = folder / RUN
    if path.exists() and not force:
        there = read_run(folder)
        differences = record.config.differences(there.config)
        if there.data.samples_digest != record.data.samples_digest:
            differences.append(f"dataset: {there.data.path} → {record.data.path}, other samples or labels")
        if differences:
            raise TrainError(
                f"{folder}: holds a run with other settings ({'; '.join(differences)}); "
                "give the same ones to go on, another folder, or --force to start over",
                USAGE,
            )
    elif folder.exists() and any(folder.iterdir()) and not path.exists():
        raise TrainError(f"{folder}: holds files, but no run; give another folder", USAGE)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        for old in (*folder.glob("*.pt"), *(folder / n for n in ("checkpoint.json", HISTORY))):
            old.unlink(missing_ok=True)
    for leftover in folder.glob(".*.tmp"):  # left by a killed process, and as large as a checkpoint
        leftover.unlink(missing_ok=True)
    atomic.write_json(path, record.model_dump(mode="json", by_alias=True))
    return record


def read_run(folder: Path) -> RunRecord:
    """Read ``run.json``.

    Raises
    ------
    TrainError
        There is no run, or it cannot be read.
    """
    path = folder / RUN
    try:
        return RunRecord.model_validate_json(path.read_text())
    except FileNotFoundError:
        raise TrainError(f"{folder}: no run there; `tttrain fit DATASET.h5 {folder}` makes one") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TrainError(f"{path}: {where}: {first['msg']}; was it made by another version?") from None


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Write the curve: the records of all epochs."""
    atomic.write_json(folder / HISTORY, history)


def view_of(record: RunRecord, info: DatasetInfo) -> View:
    """Return the view that a run's network has of a dataset.

    Raises
    ------
    TrainError
        The dataset does not fit: another crop, other classes or joints, or a modality is missing.
    """
    facts = record.data
    for name, theirs, ours in (
        ("classes", info.classes, facts.classes),
        ("crop", info.crop, facts.crop),
        ("joints", info.joints, facts.joints),
    ):
        if theirs != ours:
            raise TrainError(
                f"{info.path}: its {name} are {theirs}, the network was trained with {ours}; "
                "export the dataset with the same settings"
            )
    check_modalities(info, record.config.model)
    config = record.config
    return make_view(
        info, config.size, config.length, config.every, square=config.square, method=config.method
    )


def check_modalities(info: DatasetInfo, model: str) -> None:
    """Check that the file has what the model reads.

    Raises
    ------
    TrainError
        A modality is missing.
    """
    missing = [m for m in get_spec(model).inputs if m not in info.modalities]
    if missing:
        raise TrainError(
            f"{info.path}: has no {' and no '.join(missing)}, which model {model} reads (it has: "
            f"{', '.join(info.modalities)}); switch it on in the manifest and export again, or take another "
            "model (`tttrain models`)"
        )


def make_model(record: RunRecord, view: View) -> torch.nn.Module:
    """Build the network of a run, with fresh weights."""
    shape = InputShape(view.size, view.length, len(record.data.joints))
    return build(record.config.model, shape, len(record.data.classes), record.config.options)


def load_best(folder: Path, record: RunRecord, view: View, device: torch.device) -> torch.nn.Module:
    """Load the network of a run in its best state, for evaluation.

    Raises
    ------
    TrainError
        No checkpoint yet, or a damaged one.
    """
    model = make_model(record, view)
    model.load_state_dict(Checkpoints(folder).load("best", torch.device("cpu"), mmap=True)["model"])
    return place(model, device).eval()
