"""Detect and classify strokes: slide windows over whole videos, smooth scores by decision rules [3S §3.3]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tttrain import owned
from tttrain.data.dataset_file import Array, DatasetInfo, Reader
from tttrain.errors import USAGE, TrainError
from tttrain.evaluation import mediaeval
from tttrain.evaluation.along_time.new_video import is_usual, trained_rates
from tttrain.evaluation.along_time.sliding_window import window_scores
from tttrain.evaluation.decision_rules import (
    NAMES,
    ClassScores,
    Stroke,
    decisions,
    strokes,
    windows_at,
)
from tttrain.evaluation.metrics import Detections, class_report, confusion_matrix, interval_report
from tttrain.evaluation.trained_network import TrainedNetwork


def choose_videos(info: DatasetInfo, names: Sequence[str] = (), split: str = "all") -> list[int]:
    """Return the rows of ``/videos`` whose whole video is in the file.

    Parameters
    ----------
    info : DatasetInfo
    names : sequence of str
        Choose only these.
    split : str
        Choose only videos with samples of this split; ``all``: also those without samples.

    Raises
    ------
    TrainError
        There is no such video.
    """
    there = [v for v in range(len(info.videos.name)) if info.videos.first[v] >= 0]
    if not there:
        raise TrainError(
            f"{info.path}: holds no untrimmed videos; set `untrimmed: true` in the manifest, run and "
            "export again"
        )
    if split != "all":
        inside = set(info.samples.video[info.rows_of(split)].tolist())
        there = [v for v in there if v in inside]
        if not there:
            raise TrainError(
                f"{info.path}: no untrimmed video has samples of split {split!r}; take another one"
            )
    known = {str(info.videos.name[v]): v for v in there}
    for name in names:
        if name not in known:
            raise TrainError(
                f"{info.path}: no untrimmed video {name!r}; there are: {', '.join(known)}", USAGE
            )
    return [known[name] for name in names] if names else there


def video_scores(
    network: TrainedNetwork,
    video: int,
    *,
    step: int = 1,
    batch: int = 10,
    tell: Callable[[int, int], None] | None = None,
) -> ClassScores:
    """Compute the class scores of every frame of a video of the dataset file; see :func:`window_scores`.

    Parameters
    ----------
    network : TrainedNetwork
    video : int
        Row of ``/videos``.
    step, batch : int
    tell : callable, optional

    Returns
    -------
    (F, C) float64
    """
    info = network.info
    reader, offset = Reader(info.path), int(info.videos.first[video])

    def read(name: str, first: int, count: int) -> Array:
        return reader.rows(f"untrimmed/{name}", offset + first, count)

    return window_scores(network, read, int(info.videos.rows[video]), step=step, batch=batch, tell=tell)


def true_strokes(info: DatasetInfo, video: int) -> list[Stroke]:
    """Return the annotated strokes of a video, ordered by their begin."""
    s = info.samples
    rows = np.flatnonzero((s.video == video) & (s.label >= 0) & (s.label != info.negative))
    found = [Stroke(int(s.begin[r]), int(s.end[r]), int(s.label[r])) for r in rows]
    return sorted(found, key=lambda stroke: (stroke.begin, stroke.end))


def detect(
    network: TrainedNetwork,
    folder: Path,
    *,
    videos: Sequence[str] = (),
    split: str = "all",
    step: int = 1,
    batch: int = 10,
    window: int | None = None,
    gauss_window: int | None = None,
    shortest: int | None = None,
    tell: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Detect and classify strokes in whole videos and write the results.

    Parameters
    ----------
    network : TrainedNetwork
    folder : Path
        Created. Gets ``report.json``; for each video ``<video>.png`` (classes along time) and
        ``<video>.npz`` (scores (F, C)); and ``<rule>/<video>.xml``.
    videos : sequence of str
        Names; default: all whole videos of the file.
    split : str
        Only videos with samples of this split.
    step, batch : int
        As for :func:`video_scores`.
    window, gauss_window : int, optional
        Windows of vote and average, and of the Gaussian, along time; frames. Default: of each video's rate
        (:func:`tttrain.evaluation.decision_rules.windows_at`).
    shortest : int, optional
        Drop detections of fewer frames than this.
    tell : callable, optional
        Called with the video and the number of its windows done, and of all.

    Returns
    -------
    dict
        The report: for each decision rule, over all videos, frame-wise accuracy with and without the
        negative class and its precision, recall and F, and the interval scores; the strokes found;
        ``majority``: accuracy of always naming the most frequent class.
    """
    if gauss_window is not None and gauss_window % 2 == 0:
        raise TrainError(f"a Gaussian over {gauss_window} frames has no middle; take an odd number", USAGE)
    if network.view.method is not None:
        raise TrainError(
            f"this run sees trials from their start on ({network.view.method.name}), not windows that "
            "could slide through a video; train one with --sampling uniform",
            USAGE,
        )
    info = network.info
    chosen = choose_videos(info, videos, split)
    files = list(_files(info, chosen, folder))
    owned.adopt(files, folder.parent)
    owned.require(files)
    folder.mkdir(parents=True, exist_ok=True)
    pooled = {rule: np.zeros((len(info.classes),) * 2, np.int64) for rule in NAMES}
    intervals: dict[str, list[Detections]] = {rule: [] for rule in NAMES}
    details = []
    for video in chosen:
        name = str(info.videos.name[video])
        said = partial(tell, name) if tell is not None else None
        scores = video_scores(network, video, step=step, batch=batch, tell=said)
        usual = windows_at(float(info.videos.fps[video]))
        vote, gauss, least = (
            u if given is None else given
            for u, given in zip(usual, (window, gauss_window, shortest), strict=True)
        )
        labels = decisions(scores, vote, gauss)
        true = _frame_labels(info, video)
        expected = true_strokes(info, video)
        detail: dict[str, Any] = {"video": name, "frames": len(scores), "strokes": {}}
        detail |= {"window": vote, "gauss_window": gauss, "shortest": least}
        for rule, predicted in labels.items():
            pooled[rule] += confusion_matrix(true, predicted, len(info.classes))
            found = strokes(predicted, info.negative, least)
            intervals[rule].append(Detections(len(scores), expected, found))
            detail["strokes"][rule] = [
                {"begin": s.begin, "end": s.end, "class": info.classes[s.label]} for s in found
            ]
            owned.make_folder(folder / rule)
            mediaeval.write_actions(folder / rule / mediaeval.file_name(name), found, info.classes)
        detail["trained_on"] = str(info.videos.sha256[video]) in network.record.data.train_videos
        details.append(detail)
        _outputs(info, video, folder, scores, {"truth": true, **labels})
    report = {
        "step": step,
        **{name: _common(details, name) for name in ("window", "gauss_window", "shortest")},
        "majority": _majority(pooled[NAMES[0]]),
        "classes": list(info.classes),
        "state": {"epoch": network.epoch, "epochs": network.epochs},
        "notes": [*network.notes(info.rows_of("all"), tests=False), *_other_rates(network, chosen)],
        "rules": {
            rule: {
                **class_report(pooled[rule], info.classes, info.negative),
                "confusion": pooled[rule].tolist(),
                "intervals": interval_report(intervals[rule]),
            }
            for rule in NAMES
        },
        "videos": details,
    }
    owned.write_json(folder / "report.json", report)
    return report


def _other_rates(network: TrainedNetwork, chosen: Sequence[int]) -> list[str]:
    """Say in a line which videos have another frame rate than those that the network was trained on."""
    rates, videos = trained_rates(network.record), network.info.videos
    odd = [v for v in chosen if not is_usual(float(videos.fps[v]), rates)]
    if not odd:
        return []
    first = f"{videos.name[odd[0]]} has {videos.fps[odd[0]]:g} frames/s"
    more = f" (and {len(odd) - 1} more videos)" if len(odd) > 1 else ""
    usual = " and ".join(f"{rate:g}" for rate in rates)
    return [
        f"{first}{more}, {network.name} was trained at {usual}: its windows last longer or shorter than "
        "those it learned (`ttprep predict` resamples)"
    ]


def _common(details: Sequence[dict[str, Any]], name: str) -> int | None:
    """Return what is the same for all videos, None where it differs."""
    values = {detail[name] for detail in details}
    return int(values.pop()) if len(values) == 1 else None


def _majority(matrix: NDArray[np.int64]) -> float | None:
    """Return the share of the most frequent true class; None if nothing is annotated."""
    true = matrix.sum(axis=1)
    return float(true.max() / true.sum()) if true.any() else None


def _frame_labels(info: DatasetInfo, video: int) -> NDArray[np.int64]:
    first, rows = int(info.videos.first[video]), int(info.videos.rows[video])
    if info.untrimmed_label is None:
        return np.full(rows, -1)
    return info.untrimmed_label[first : first + rows].astype(np.int64)


def _files(info: DatasetInfo, chosen: Sequence[int], folder: Path) -> list[Path]:
    """Name all files of a detection."""
    names = [mediaeval.file_name(str(info.videos.name[video])) for video in chosen]
    pictures = [name.removesuffix(".xml") + suffix for name in names for suffix in (".png", ".npz")]
    return [folder / n for n in ("report.json", *pictures, *(f"{r}/{n}" for r in NAMES for n in names))]


def _outputs(
    info: DatasetInfo, video: int, folder: Path, scores: ClassScores, rows: dict[str, NDArray[Any]]
) -> None:
    from tttrain.evaluation import plots

    name = str(info.videos.name[video])
    stem = mediaeval.file_name(name).removesuffix(".xml")
    plots.timeline(rows, info.classes, float(info.videos.fps[video]), folder / f"{stem}.png", name)
    owned.write(
        folder / f"{stem}.npz", lambda file: np.savez_compressed(file, scores=scores.astype(np.float32))
    )
