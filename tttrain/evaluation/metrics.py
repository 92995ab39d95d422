"""Metrics of predictions for samples, frames and intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tttrain.data.dataset_file import DatasetInfo
from tttrain.evaluation.decision_rules import Stroke

Labels = NDArray[np.integer[Any]]

#: overlaps at which MediaEval's Sports task counts a stroke as found
THRESHOLDS = tuple(0.5 + i / 20 for i in range(10))


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision, recall and their harmonic mean; 0 where there is nothing to divide by."""

    precision: float
    recall: float
    f: float

    @classmethod
    def of(cls, hits: float, predicted: float, true: float) -> PrecisionRecall:
        """Compute them from counts."""
        precision = hits / predicted if predicted else 0.0
        recall = hits / true if true else 0.0
        both = precision + recall
        return cls(precision, recall, 2 * precision * recall / both if both else 0.0)


def confusion_matrix(true: Labels, predicted: Labels, n: int) -> NDArray[np.int64]:
    """Count predictions: rows are the truth, columns the prediction. Entries with a truth of −1 are left out.

    Parameters
    ----------
    true, predicted : (m,) int
    n : int
        Classes.

    Returns
    -------
    (n, n) int64
    """
    known = np.asarray(true) >= 0
    flat = np.asarray(true)[known].astype(np.int64) * n + np.asarray(predicted)[known]
    return np.bincount(flat, minlength=n * n).reshape(n, n).astype(np.int64)


def majority_share(info: DatasetInfo, split: str, *, frames: bool = False) -> float:
    """Return the accuracy of always naming the most frequent class of a split.

    Parameters
    ----------
    info : DatasetInfo
    split : str
    frames : bool
        Count the frames of whole videos instead of samples.
    """
    rows = info.rows_of(split)
    label = info.samples.label[rows]
    if frames and info.untrimmed_label is not None:
        first, count = info.videos.first, info.videos.rows
        parts = [
            info.untrimmed_label[first[v] : first[v] + count[v]] for v in np.unique(info.samples.video[rows])
        ]
        label = np.concatenate(parts)
    counts = np.bincount(label[label >= 0])
    return float(counts.max() / counts.sum()) if len(counts) else math.nan


def class_report(matrix: NDArray[np.int64], classes: Sequence[str], negative: int) -> dict[str, Any]:
    """Compute accuracy, precision, recall and F from a confusion matrix.

    Parameters
    ----------
    matrix : (C, C) int
    classes : sequence of str
    negative : int
        −1 where there is none.

    Returns
    -------
    dict
        ``accuracy``; ``accuracy_without_negative``: over what truly is a stroke; ``macro``: means
        of ``precision``, ``recall`` and ``f`` over the classes that occur or are predicted;
        ``negative`` and ``classes`` name → ``precision``, ``recall``, ``f`` (and ``support``).
    """
    hits, predicted, true = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    by_class = {
        name: {
            **vars(PrecisionRecall.of(int(hits[i]), int(predicted[i]), int(true[i]))),
            "support": int(true[i]),
        }
        for i, name in enumerate(classes)
        if true[i] or predicted[i]
    }
    stroke = np.arange(len(classes)) != negative
    return {
        "accuracy": _share(hits.sum(), matrix.sum()),
        "accuracy_without_negative": _share(hits[stroke].sum(), true[stroke].sum()),
        "macro": {k: _mean([v[k] for v in by_class.values()]) for k in ("precision", "recall", "f")},
        "negative": by_class.get(classes[negative]) if negative >= 0 else None,
        "classes": by_class,
    }


def temporal_consistency(windows: Sequence[Labels], true: Labels, classes: Sequence[str]) -> dict[str, Any]:
    """Measure how far the predictions for one clip agree along time.

    [LSTM] Table 2 has an index of that name and does not define it. Here the index of a clip is the
    share of its windows (test samples) whose predicted class is the one that most of them have, right
    or wrong: 1 where all agree, 1/C where they are spread evenly. Clips of a single window have none.

    Parameters
    ----------
    windows : sequence of (n,) int
        Classes predicted for the windows of each clip.
    true : (m,) int
        True classes of the clips.
    classes : sequence of str

    Returns
    -------
    dict
        ``overall``: mean over the clips that have an index, None if none has; ``clips``: how many have
        one; ``classes``: true class → mean over its clips.
    """
    indices: dict[int, list[float]] = {}
    for predicted, label in zip(windows, true, strict=True):
        if len(predicted) > 1:
            share = np.bincount(predicted).max() / len(predicted)
            indices.setdefault(int(label), []).append(float(share))
    every = [share for shares in indices.values() for share in shares]
    return {
        "overall": _mean(every),
        "clips": len(every),
        "classes": {classes[label]: _mean(indices[label]) for label in sorted(indices)},
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _share(part: Any, whole: Any) -> float | None:
    return float(part / whole) if whole else None


def overlap(a: Stroke, b: Stroke) -> float:
    """Return the intersection over union of two intervals."""
    common = min(a.end, b.end) - max(a.begin, b.begin)
    return max(common, 0) / (a.end - a.begin + b.end - b.begin - max(common, 0)) if common > 0 else 0.0


@dataclass(frozen=True)
class Detections:
    """The strokes found in one video, and the true ones.

    Attributes
    ----------
    n_frames : int
    true, found : sequence of Stroke
    """

    n_frames: int
    true: Sequence[Stroke]
    found: Sequence[Stroke]


def interval_report(videos: Sequence[Detections]) -> dict[str, Any]:
    """Score detections as MediaEval's Sports task does (2021 on); classes play no part.

    ``iou`` takes each frame as an object: over all videos, frames in both a true and a found stroke,
    over frames in either. ``map`` takes each stroke as an object: at each overlap threshold 0.50,
    0.55 … 0.95 found strokes are matched in their order, a true stroke once at most; the
    "average precision" of the task's own evaluation is precision × recall there, and their mean over
    the thresholds is its mAP. (No ranking by confidence takes place: submissions carry none.)

    Returns
    -------
    dict
        ``iou``, ``map`` (None if nothing is annotated), ``at`` threshold → ``precision``, ``recall``,
        ``f``; ``true``, ``found``: numbers of strokes.
    """
    both = either = 0
    hits = np.zeros(len(THRESHOLDS), int)
    for video in videos:
        true, found = _frames(video.true, video.n_frames), _frames(video.found, video.n_frames)
        both += int((true & found).sum())
        either += int((true | found).sum())
        hits += [_matched(video, threshold) for threshold in THRESHOLDS]
    n_true, n_found = sum(len(v.true) for v in videos), sum(len(v.found) for v in videos)
    scores = [PrecisionRecall.of(int(h), n_found, n_true) for h in hits]
    return {
        "iou": both / either if either else None,
        "map": float(np.mean([s.precision * s.recall for s in scores])) if n_true else None,
        "at": {f"{t:.2f}": vars(s) for t, s in zip(THRESHOLDS, scores, strict=True)},
        "true": n_true,
        "found": n_found,
    }


def _frames(intervals: Sequence[Stroke], n: int) -> NDArray[np.bool_]:
    out = np.zeros(n, bool)
    for interval in intervals:
        out[interval.begin : interval.end] = True
    return out


def _matched(video: Detections, threshold: float) -> int:
    free = list(video.true)
    hits = 0
    for stroke in video.found:
        match = next((t for t in free if overlap(stroke, t) >= threshold), None)
        if match is not None:
            free.remove(match)
            hits += 1
    return hits
