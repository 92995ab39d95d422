"""The folder of a run: its settings, its curve, its checkpoints; and what evaluation needs of them.

``run.json`` settings and facts about the data · ``history.json`` one record per epoch ·
``curves.png`` · ``checkpoint.json``, ``last-*.pt``, ``best-*.pt`` (:mod:`tttrain.training.checkpoint`).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tttrain import atomic, owned
from tttrain.data.dataset_file import DatasetInfo
from tttrain.data.view import View, make_view
from tttrain.errors import USAGE, TrainError
from tttrain.models import InputShape, build, get_spec
from tttrain.training.checkpoint import (
    OVER,
    POINTER,
    Checkpoints,
    checkpoint_files,
    is_checkpoint_name,
    restore,
)
from tttrain.training.config import RunConfig
from tttrain.training.device import place
from tttrain.training.origin import read_origin

RUN = "run.json"
HISTORY = "history.json"
CURVES = "curves.png"


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
    train_frames : dict of str to str
        sha256 of a video → the frames of its training samples, ``"3:21 40:62"``; empty for runs that earlier
        versions began.
    rates : tuple of float
        Frame rates of the training videos, 1/s, ascending; likewise.
    stages : dict of str to dict
        Stage of ttprep → its parameters when the dataset was made, so that a new video is prepared as the
        training videos were; likewise.
    stage_versions : dict of str to int
        Stage → its version then; also empty where the dataset file does not say it.
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
    train_frames: dict[str, str] = {}
    rates: tuple[float, ...] = ()
    stages: dict[str, dict[str, Any]] = {}
    stage_versions: dict[str, int] = {}


class RunRecord(BaseModel):
    """``run.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: RunConfig
    data: DataFacts
    software: dict[str, str]

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, given: Any) -> Any:
        # runs begun before gradients were shortened go on as they began
        if isinstance(given, dict) and isinstance(given.get("config"), dict):
            return {**given, "config": {"clip": 0.0, **given["config"]}}
        return given

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the modalities that the model reads."""
        return get_spec(self.config.model).inputs


def make_record(config: RunConfig, info: DatasetInfo) -> RunRecord:
    """Make the record of a run on a dataset."""
    rows = info.rows_of(config.train_split)
    divisor = info.flow_divisor_train if config.statistics == "train" else info.flow_divisor
    origin = read_origin(info.path)
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
        train_frames=_frames(info, rows),
        rates=rates_of(info, rows),
        stages=origin.stages,
        stage_versions=origin.versions,
    )
    software = {"torch": torch.__version__, "numpy": np.__version__, "h5py": h5py.__version__}
    return RunRecord(config=config, data=facts, software=software)


def rates_of(info: DatasetInfo, rows: NDArray[np.intp]) -> tuple[float, ...]:
    """Return the frame rates of the videos of some samples, 1/s, ascending; unknown ones are left out."""
    rates = np.unique(info.videos.fps[info.samples.video[rows]])
    return tuple(float(rate) for rate in rates if rate > 0)


def _frames(info: DatasetInfo, rows: NDArray[np.intp]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    samples = info.samples
    for row in rows:
        video = str(info.videos.sha256[samples.video[row]])
        found.setdefault(video, []).append(f"{samples.begin[row]}:{samples.end[row]}")
    return {video: " ".join(places) for video, places in sorted(found.items())}


def is_changed(record: RunRecord, info: DatasetInfo) -> bool:
    """Tell whether a dataset has other samples, labels or splits than a run was trained on."""
    return info.samples_digest != record.data.samples_digest


def seen_in_training(record: RunRecord, info: DatasetInfo, rows: NDArray[np.intp]) -> int:
    """Count the samples that share frames of a video with samples that a run was trained on.

    Of a run that an earlier version began, and of other samples, those are counted whose videos it saw.
    """
    facts, samples = record.data, info.samples
    frames = facts.train_frames
    if not frames:
        if is_changed(record, info):
            return int(np.isin(info.videos.sha256[samples.video[rows]], facts.train_videos).sum())
        frames = _frames(info, info.rows_of(record.config.train_split))
    spans = {
        video: np.array([place.split(":") for place in places.split()], np.int64)
        for video, places in frames.items()
    }
    count = 0
    for row in rows:
        known = spans.get(str(info.videos.sha256[samples.video[row]]))
        if known is not None:
            begin, end = int(samples.begin[row]), int(samples.end[row])
            count += bool(((known[:, 0] < end) & (begin < known[:, 1])).any())
    return count


def as_begun(folder: Path, record: RunRecord) -> RunRecord:
    """Return a record with the ``clip`` that the run in a folder began with, unless it states another.

    Runs of versions that knew no such setting have 0, which is not today's default.

    Raises
    ------
    TrainError
        ``run.json`` cannot be read.
    """
    if "clip" in record.config.model_fields_set or not (folder / RUN).exists():
        return record
    began = {"clip": read_run(folder).config.clip}
    return record.model_copy(update={"config": record.config.model_copy(update=began)})


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
    if os.path.lexists(path):
        atomic.require_replaceable(path)
    goes_on = path.exists() and not force
    if goes_on:
        there = read_run(folder)
        differences = record.config.differences(there.config)
        if there.data.samples_digest != record.data.samples_digest:
            differences.append(f"dataset: {there.data.path} → {record.data.path}, other samples or labels")
        if differences and any(os.path.lexists(folder / name) for name in (POINTER, HISTORY)):
            raise TrainError(
                f"{folder}: holds a run with other settings ({'; '.join(differences)}); "
                "give the same ones to go on, another folder, or --force to start over",
                USAGE,
            )
        goes_on = not differences  # a run without an epoch holds nothing: it was refused, say, for its data
    if goes_on:
        owned.begin(folder, (CURVES,))
        owned.require((folder / CURVES,))
    elif folder.exists() and not folder.is_dir():
        raise TrainError(f"{folder}: is a file; give the name of a folder", USAGE)
    elif folder.exists() and any(folder.iterdir()) and not _is_run(folder):
        raise TrainError(f"{folder}: holds files, but no run; give another folder", USAGE)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        _clear(folder)
    for leftover in folder.glob(".*.tmp"):  # left by a killed process, and as large as a checkpoint
        if atomic.is_leftover(leftover, _is_name):
            leftover.unlink(missing_ok=True)
    atomic.write_checked_json(path, record.model_dump(mode="json", by_alias=True))
    owned.begin(folder, ())
    return record


def _is_name(name: str) -> bool:
    return name in (RUN, HISTORY, POINTER, CURVES, owned.RECEIPT) or is_checkpoint_name(name)


def _is_run(folder: Path) -> bool:
    """Tell whether a run was begun in a folder, even if its ``run.json`` is damaged."""
    try:
        head = (folder / RUN).read_bytes()[:200]
    except OSError:
        return False
    return head.split()[:2] == [b"{", b'"config":'] or (
        all((folder / name).is_file() for name in (POINTER, HISTORY)) and any(checkpoint_files(folder))
    )


def _clear(folder: Path) -> None:
    """Remove the run in a folder, and nothing else that lies there.

    Raises
    ------
    TrainError
        Something else lies where the run would write.
    """
    try:
        named = set(Checkpoints(folder, write=False).names.values())
    except TrainError:
        named = set()
    own = {p for p in folder.glob("*.pt") if p.name in named and p.is_file() and not p.is_symlink()}
    own |= set(checkpoint_files(folder))
    if os.path.lexists(folder / RUN) or own:
        owned.begin(folder, (CURVES,))
    owned.require((folder / CURVES,))
    for path in sorted(folder.iterdir()):
        if is_checkpoint_name(path.name) and path not in own:
            raise TrainError(
                f"{path}: bears the name of a checkpoint but is none; move it elsewhere and start again"
            )
        if path.name in (POINTER, HISTORY, CURVES):
            atomic.require_replaceable(path)
            own.add(path)
    for path in own:
        path.unlink(missing_ok=True)


def read_run(folder: Path) -> RunRecord:
    """Read ``run.json``.

    Raises
    ------
    TrainError
        There is no run, or it cannot be read.
    """
    path = folder / RUN
    try:
        return RunRecord.model_validate_json(json.dumps(atomic.read_checked_json(path)))
    except (FileNotFoundError, NotADirectoryError):
        raise TrainError(f"{folder}: no run there; `tttrain fit DATASET.h5 {folder}` makes one") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise TrainError(
            f"{path}: damaged, or of another version ({where}: {first['msg']}); {OVER}"
        ) from None
    except (OSError, ValueError) as error:
        raise TrainError(f"{path}: cannot be used ({error}); {OVER}") from None


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
    restore(model, Checkpoints(folder).load("best", torch.device("cpu"), mmap=True), str(folder))
    return place(model, device).eval()
