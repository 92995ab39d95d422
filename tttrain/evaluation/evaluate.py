"""Classify samples with known bounds: by the centre window, and by vote and average over windows [SSTC §V-A].

For a run with a sampling method of [GRU] Table II, the windows are the method's test samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tttrain import owned
from tttrain.data.dataset_file import DatasetInfo
from tttrain.data.samples import StrokeDataset
from tttrain.data.view import View
from tttrain.data.window_positions import Place, centre_start, sliding_starts
from tttrain.errors import USAGE, TrainError
from tttrain.evaluation import mediaeval
from tttrain.evaluation.decision_rules import ClassScores, Stroke
from tttrain.evaluation.metrics import class_report, confusion_matrix, majority_share, temporal_consistency
from tttrain.evaluation.trained_network import TrainedNetwork
from tttrain.feeding.loader import batches, loader

#: frames from one window to the next [SSTC §V-A]
STEP = 10


@dataclass(frozen=True)
class SampleScores:
    """The scores of one sample.

    Attributes
    ----------
    row : int
        Row of ``/samples``.
    centre : (C,) float or None
        Scores of the window in the middle; None with a sampling method.
    windows : (n, C) float
        Scores of the windows that slide through it, or of the method's test samples.
    """

    row: int
    centre: ClassScores | None
    windows: ClassScores


def sample_scores(
    network: TrainedNetwork, rows: NDArray[np.intp], *, step: int = STEP, batch: int = 10, workers: int = 0
) -> Iterator[SampleScores]:
    """Score samples, one after the other.

    Parameters
    ----------
    network : TrainedNetwork
    rows : array of int
        Rows of ``/samples``.
    step : int
        Frames between windows.
    batch : int
        Windows per forward pass.
    workers : int
        Number of processes that read.
    """
    view = network.view
    data = StrokeDataset(network.info, rows, view, network.record.inputs, "whole")
    prepare = network.preparer()
    for clip in batches(loader(data, None, workers=workers, pin=network.device.type == "cuda")):
        row = int(clip["row"])
        frames = torch.from_numpy(_windows(view, network.info.place_of(row), step))
        parts = []
        for at in range(0, len(frames), batch):
            rows_of = frames[at : at + batch]
            part = {n: v[rows_of] for n, v in clip.items() if n not in ("label", "row")}
            parts.append(network.scores(prepare, part))
        scores = np.concatenate(parts)
        yield SampleScores(row, None, scores) if view.method else SampleScores(row, scores[0], scores[1:])


def _windows(view: View, place: Place, step: int) -> NDArray[np.intp]:
    """Return the rows of a sample in each window, the middle one first; or in its test samples."""
    if view.method:
        return view.rows(view.method.tests)
    starts = [centre_start(place, view.span), *sliding_starts(place, view.span, step)]
    return np.array(starts)[:, None] + view.offsets


def majority(windows: ClassScores) -> int:
    """Return the class that most windows vote for; a tie goes to the one with the higher score."""
    votes = np.bincount(windows.argmax(axis=1), minlength=windows.shape[1])
    return int(np.argmax(votes + windows.mean(axis=0) / 2))


#: decision on a sample, in the order of [SSTC] Table II
DECISIONS: dict[str, Callable[[SampleScores], int]] = {
    "centre": lambda s: -1 if s.centre is None else int(s.centre.argmax()),
    "vote": lambda s: majority(s.windows),
    "average": lambda s: int(s.windows.mean(axis=0).argmax()),
}


def add_scores(parts: Sequence[SampleScores]) -> SampleScores:
    """Fuse several networks late: average their scores [SSTC §V]."""
    centres = [p.centre for p in parts if p.centre is not None]
    return SampleScores(
        parts[0].row,
        np.mean(centres, axis=0) if centres else None,
        np.mean([p.windows for p in parts], axis=0),
    )


def evaluate(
    networks: Sequence[TrainedNetwork],
    split: str,
    folder: Path,
    *,
    step: int = STEP,
    batch: int = 10,
    workers: int = 0,
    tell: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Classify the samples of a split and write the results.

    Parameters
    ----------
    networks : sequence of TrainedNetwork
        Several networks decide together: their scores are added.
    split : str
    folder : Path
        Created. Gets ``report.json``, ``confusion-<decision>.png`` and ``<decision>/*.xml``.
    step, batch, workers : int
        As for :func:`sample_scores`.
    tell : callable, optional
        Called with the number of samples done, and of all.

    Returns
    -------
    dict
        The report: for each decision accuracy with and without the negative class, precision, recall
        and F of every class and their means; ``temporal_consistency``
        (:func:`tttrain.evaluation.metrics.temporal_consistency`); ``majority``: accuracy of always naming the
        most frequent class. With a sampling method there is no decision by the centre window, and
        ``average`` is the paper's.

    Raises
    ------
    TrainError
        The split has no samples, or the networks cannot decide together.
    """
    info = networks[0].info
    rows = info.samples_of(split)
    _check_alike(networks)
    files = list(_files(info, rows, folder, split))
    owned.adopt(files, folder.parent)
    owned.require(files)
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
        "sampling": networks[0].record.config.sampling,
        "samples": len(rows),
        "windows": sum(len(s.windows) for s in scored),
        "classes": list(info.classes),
        "majority": majority_share(info, split),
        "temporal_consistency": temporal_consistency(
            [s.windows.argmax(axis=1) for s in scored], true, info.classes
        ),
        "states": [{"run": n.name, "epoch": n.epoch, "epochs": n.epochs} for n in networks],
        "notes": list(dict.fromkeys(note for n in networks for note in n.notes(rows))),
        "decisions": {},
        "predictions": [],
    }
    chosen = {
        name: np.array([decide(s) for s in scored])
        for name, decide in DECISIONS.items()
        if name != "centre" or networks[0].view.method is None
    }
    for name, predicted in chosen.items():
        matrix = confusion_matrix(true, predicted, len(info.classes))
        found = class_report(matrix, info.classes, info.negative)
        report["decisions"][name] = {**found, "confusion": matrix.tolist()}
        _plot_confusion(
            matrix, info, folder / f"confusion-{name}.png", f"{split}, {name}: {found['accuracy']:.1%}"
        )
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
    owned.write_json(folder / "report.json", report)
    return report


def _check_alike(networks: Sequence[TrainedNetwork]) -> None:
    first = networks[0]
    for other in networks[1:]:
        if (other.info.classes, other.info.samples_digest) != (first.info.classes, first.info.samples_digest):
            raise TrainError("the runs are of different datasets or taxonomies; name runs of one", USAGE)
        if other.view.method != first.view.method:
            names = (run.record.config.sampling for run in (first, other))
            raise TrainError(
                f"the runs sample by {' and '.join(names)}; their test samples are not the same: name "
                "runs of one method",
                USAGE,
            )
        if other.view.span != first.view.span:
            raise TrainError(
                f"the runs see windows of {first.view.span} and {other.view.span} frames; their votes cannot "
                "be added: name runs with the same length × every",
                USAGE,
            )


def _plot_confusion(matrix: NDArray[np.int64], info: DatasetInfo, path: Path, title: str) -> None:
    from tttrain.evaluation import plots

    kept = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    plots.confusion(matrix[np.ix_(kept, kept)], [info.classes[i] for i in kept], path, title)


def _clips(info: DatasetInfo, rows: NDArray[np.intp]) -> bool:
    """Tell whether each video is one sample."""
    video = info.samples.video
    return len(np.unique(video[rows])) == len(rows) and len(np.unique(video)) == len(info.samples)


def _files(info: DatasetInfo, rows: NDArray[np.intp], folder: Path, split: str) -> list[Path]:
    """Name all files of an evaluation."""
    videos = np.unique(info.samples.video[rows])
    names = [mediaeval.file_name(str(info.videos.name[v])) for v in videos]
    if _clips(info, rows):
        names = [f"{split}.xml"]
    of_decisions = [f"{d}/{name}" for d in DECISIONS for name in names]
    return [folder / n for n in ("report.json", *(f"confusion-{d}.png" for d in DECISIONS), *of_decisions)]


def _submission(
    info: DatasetInfo, rows: NDArray[np.intp], predicted: NDArray[np.intp], folder: Path, split: str
) -> None:
    """Write predictions as MediaEval's XML: of clips if each video is one sample, otherwise of segments."""
    owned.make_folder(folder)
    samples, names = info.samples, info.videos.name
    video = samples.video[rows]
    if _clips(info, rows):
        clips = [(str(names[v]), info.classes[p]) for v, p in zip(video, predicted, strict=True)]
        mediaeval.write_clips(folder / f"{split}.xml", clips)
        return
    for v in np.unique(video):
        strokes = [
            Stroke(int(samples.begin[row]), int(samples.end[row]), int(p))
            for row, p in zip(rows[video == v], predicted[video == v], strict=True)
        ]
        mediaeval.write_actions(folder / mediaeval.file_name(str(names[v])), strokes, info.classes)
