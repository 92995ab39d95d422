"""Classification of samples with known bounds: centre window, vote and average over windows [SSTC §V-A]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tttrain import atomic, mediaeval
from tttrain.checks import majority_share
from tttrain.data import Clip, StrokeDataset, batches, loader
from tttrain.dataset import DatasetInfo, read_info
from tttrain.device import autocast, set_precision
from tttrain.errors import USAGE, TrainError
from tttrain.memory import is_out_of_memory
from tttrain.metrics import class_report, confusion_matrix
from tttrain.models.outputs import probabilities
from tttrain.prepare import Preparer
from tttrain.rules import Stroke
from tttrain.runfolder import RunRecord, load_best, read_run, view_of
from tttrain.sampling import centre_start, sliding_starts
from tttrain.view import View

Scores = NDArray[np.float64]

#: frames from one window to the next [SSTC §V-A]
STEP = 10


@dataclass(frozen=True)
class Network:
    """A trained network and how to feed it.

    Attributes
    ----------
    record : RunRecord
    info : DatasetInfo
    view : View
    model : torch.nn.Module
    device : torch.device
    """

    record: RunRecord
    info: DatasetInfo
    view: View
    model: nn.Module
    device: torch.device

    def preparer(self, window: tuple[int, int] | None = None) -> Preparer:
        """Makes its inputs; see :class:`tttrain.prepare.Preparer`."""
        divisor = self.record.data.flow_divisor
        return Preparer(self.info, self.view, self.device, window=window, flow_divisor=divisor)

    @torch.no_grad()
    def scores(self, prepare: Preparer, clip: Clip) -> Scores:
        """Class scores of a batch of windows, (N, C)."""
        try:
            with autocast(self.device, self.record.config.precision):
                logits = self.model(prepare(clip))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            n = len(clip["corner"])
            raise TrainError(
                f"{self.device}: out of memory with {n} windows at once; use a smaller --batch"
            ) from None
        return probabilities(logits).double().cpu().numpy()


def load_network(folder: Path, dataset: Path | None, device: torch.device) -> Network:
    """The best state of a run, on the dataset it was trained on or another.

    Raises
    ------
    TrainError
        No run, no checkpoint, or a dataset that does not fit it.
    """
    record = read_run(folder)
    info = read_info(dataset or record.data.path, record.data.taxonomy)
    view = view_of(record, info)
    set_precision(device, record.config.precision)
    return Network(record, info, view, load_best(folder, record, view, device), device)


@dataclass(frozen=True)
class SampleScores:
    """What a network says of one sample.

    Attributes
    ----------
    row : int
        Row of ``/samples``.
    centre : (C,) float
        Scores of the window in the middle.
    windows : (n, C) float
        Scores of the windows that slide through it.
    """

    row: int
    centre: Scores
    windows: Scores


def sample_scores(
    network: Network, rows: NDArray[np.intp], *, step: int = STEP, batch: int = 10, workers: int = 0
) -> Iterator[SampleScores]:
    """Scores of samples, one after the other.

    Parameters
    ----------
    network : Network
    rows : array of int
        Rows of ``/samples``.
    step : int
        Frames between windows.
    batch : int
        Windows at once.
    workers : int
        Processes that read.
    """
    view = network.view
    data = StrokeDataset(network.info, rows, view, network.record.inputs, "whole")
    prepare = network.preparer()
    for clip in batches(loader(data, None, workers=workers, pin=network.device.type == "cuda")):
        available = len(clip["corner"])
        sliding = sliding_starts(available, view.span, step)
        starts = np.concatenate([[centre_start(available, view.span)], sliding])
        parts = []
        for at in range(0, len(starts), batch):
            frames = torch.from_numpy(starts[at : at + batch, None] + view.offsets)
            part = {n: v[frames] for n, v in clip.items() if n not in ("label", "row")}
            parts.append(network.scores(prepare, part))
        scores = np.concatenate(parts)
        yield SampleScores(int(clip["row"]), scores[0], scores[1:])


def majority(windows: Scores) -> int:
    """Class that most windows vote for; a tie goes to the one with more score."""
    votes = np.bincount(windows.argmax(axis=1), minlength=windows.shape[1])
    return int(np.argmax(votes + windows.mean(axis=0) / 2))


#: decision on a sample, in the order of [SSTC] Table II
DECISIONS: dict[str, Callable[[SampleScores], int]] = {
    "centre": lambda s: int(s.centre.argmax()),
    "vote": lambda s: majority(s.windows),
    "average": lambda s: int(s.windows.mean(axis=0).argmax()),
}


def add_scores(parts: Sequence[SampleScores]) -> SampleScores:
    """Late fusion of several networks: their scores, averaged [SSTC §V]."""
    return SampleScores(
        parts[0].row, np.mean([p.centre for p in parts], axis=0), np.mean([p.windows for p in parts], axis=0)
    )


def evaluate(
    networks: Sequence[Network],
    split: str,
    folder: Path,
    *,
    step: int = STEP,
    batch: int = 10,
    workers: int = 0,
    tell: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Classify the samples of a split and write what came of it.

    Parameters
    ----------
    networks : sequence of Network
        Several decide together: their scores are added.
    split : str
    folder : Path
        Made. Gets ``report.json``, ``confusion-<decision>.png`` and ``<decision>/*.xml``.
    step, batch, workers : int
        As for :func:`sample_scores`.
    tell : callable, optional
        Told the number of samples done and of all.

    Returns
    -------
    dict
        The report: for each decision accuracy with and without the negative class, precision, recall
        and F of every class; ``majority``: accuracy of always naming the most frequent class.

    Raises
    ------
    TrainError
        The split has no samples, or the networks cannot decide together.
    """
    info = networks[0].info
    rows = info.rows_of(split)
    if not len(rows):
        raise TrainError(f"{info.path}: split {split!r} has no sample of taxonomy {info.taxonomy}")
    _check_alike(networks)
    scored: list[SampleScores] = []
    streams = [sample_scores(n, rows, step=step, batch=batch, workers=workers) for n in networks]
    for parts in zip(*streams, strict=True):
        scored.append(add_scores(parts))
        if tell is not None:
            tell(len(scored), len(rows))
    folder.mkdir(parents=True, exist_ok=True)
    true = info.samples.label[rows]
    report: dict[str, Any] = {
        "split": split,
        "samples": len(rows),
        "windows": sum(len(s.windows) for s in scored),
        "classes": list(info.classes),
        "majority": majority_share(info, split),
        "decisions": {},
        "predictions": [],
    }
    chosen = {name: np.array([decide(s) for s in scored]) for name, decide in DECISIONS.items()}
    for name, predicted in chosen.items():
        matrix = confusion_matrix(true, predicted, len(info.classes))
        found = class_report(matrix, info.classes, info.negative)
        report["decisions"][name] = {**found, "confusion": matrix.tolist()}
        _picture(matrix, info, folder / f"confusion-{name}.png", f"{split}, {name}: {found['accuracy']:.1%}")
        _submission(info, rows, predicted, folder / name, split)
    for i, row in enumerate(rows):
        report["predictions"].append(
            {
                "id": str(info.samples.id[row]),
                "true": info.classes[true[i]],
                **{name: info.classes[predicted[i]] for name, predicted in chosen.items()},
                "scores": [round(float(v), 6) for v in scored[i].windows.mean(axis=0)],
            }
        )
    atomic.write_json(folder / "report.json", report)
    return report


def _check_alike(networks: Sequence[Network]) -> None:
    first = networks[0]
    for other in networks[1:]:
        if (other.info.classes, other.info.fingerprint) != (first.info.classes, first.info.fingerprint):
            raise TrainError("the runs are of different datasets or taxonomies; name runs of one", USAGE)
        if other.view.span != first.view.span:
            raise TrainError(
                f"the runs see windows of {first.view.span} and {other.view.span} frames; their votes cannot "
                "be added: name runs with the same length × every",
                USAGE,
            )


def _picture(matrix: NDArray[np.int64], info: DatasetInfo, path: Path, title: str) -> None:
    from tttrain import plots

    kept = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    plots.confusion(matrix[np.ix_(kept, kept)], [info.classes[i] for i in kept], path, title)


def _submission(
    info: DatasetInfo, rows: NDArray[np.intp], predicted: NDArray[np.intp], folder: Path, split: str
) -> None:
    """Predictions as MediaEval's XML: of clips where each video is one sample, else of segments."""
    folder.mkdir(exist_ok=True)
    samples, names = info.samples, info.videos.name
    video = samples.video[rows]
    if len(np.unique(video)) == len(rows) and len(np.unique(samples.video)) == len(samples):
        clips = [(str(names[v]), info.classes[p]) for v, p in zip(video, predicted, strict=True)]
        mediaeval.write_clips(folder / f"{split}.xml", clips)
        return
    for v in np.unique(video):
        strokes = [
            Stroke(int(samples.begin[row]), int(samples.end[row]), int(p))
            for row, p in zip(rows[video == v], predicted[video == v], strict=True)
        ]
        mediaeval.write_actions(folder / mediaeval.file_name(str(names[v])), strokes, info.classes)
