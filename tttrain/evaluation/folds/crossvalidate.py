"""Cross-validate models by group: train and test a fold at a time, and tabulate beside two baselines.

The baselines are the most frequent class of each fold's training samples, and, where the dataset holds poses,
a logistic regression on the joints alone (:mod:`tttrain.evaluation.folds.pose_baseline`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tttrain import owned
from tttrain.data.dataset_file import DatasetInfo
from tttrain.errors import USAGE, TrainError
from tttrain.evaluation.compare import Row, Training, prepare_on, train_and_test
from tttrain.evaluation.folds.dealing import TEST, TRAIN
from tttrain.evaluation.folds.pose_baseline import courses, fit_and_predict
from tttrain.evaluation.metrics import class_report, confusion_matrix
from tttrain.training.config import RunConfig
from tttrain.training.train import Listener, Runtime

MAJORITY, POSE = "most frequent class", "pose alone"

REPORT, TABLE = "report.json", "table.md"


@dataclass(frozen=True)
class Fold:
    """One fold.

    Attributes
    ----------
    groups : tuple of str
        Those that it tests.
    info : DatasetInfo
        The dataset as it splits it.
    """

    groups: tuple[str, ...]
    info: DatasetInfo


def plan(
    folder: Path, rows: Sequence[Row], folds: Sequence[Fold], configs: Mapping[str, RunConfig]
) -> list[tuple[Training, DatasetInfo]]:
    """Return all trainings, model by model, each on the dataset as its fold splits it.

    Raises
    ------
    TrainError
        Flow statistics of the training split were asked for: the file has those of its own split alone.
    """
    if any(config.statistics == "train" for config in configs.values()):
        raise TrainError(
            "--statistics train: the file holds flow statistics of its own training split, not of folds; "
            "take --statistics all",
            USAGE,
        )
    return [
        (Training(row.name, f"fold-{i + 1}", _place(folder, row, i), configs[row.name]), fold.info)
        for row in rows
        for i, fold in enumerate(folds)
    ]


def _place(folder: Path, row: Row, fold: int) -> Path:
    return folder / row.name.replace(":", "-").replace("=", "-") / f"fold-{fold + 1}"


def majority_confusion(info: DatasetInfo) -> NDArray[np.int64]:
    """Return the confusion matrix of naming the most frequent class of the training samples."""
    label, n = info.samples.label, len(info.classes)
    true = label[info.rows_of(TEST)]
    usual = int(np.bincount(label[info.rows_of(TRAIN)], minlength=n).argmax())
    return confusion_matrix(true, np.full(len(true), usual), n)


def pose_confusion(info: DatasetInfo, features: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the confusion matrix of the pose-only baseline, fitted to all that a fold does not test."""
    label, n = info.samples.label, len(info.classes)
    test = info.rows_of(TEST)
    train = np.setdiff1d(info.rows_of("all"), test)
    return confusion_matrix(label[test], fit_and_predict(features, label, train, test, n), n)


def summarise(name: str, matrices: Sequence[NDArray[np.int64]], classes: Sequence[str]) -> dict[str, Any]:
    """Sum up the confusion matrices of all folds.

    Parameters
    ----------
    name : str
    matrices : sequence of (C, C) int64
        Rows are the truth.
    classes : sequence of str

    Returns
    -------
    dict
        ``name``; ``accuracies`` of the folds, their ``mean`` and ``deviation`` (of a sample; None for one
        fold); ``pooled``: accuracy over all samples; ``macro_f``; ``recall`` by class; ``confusion``.
    """
    each = [float(np.trace(m) / m.sum()) for m in matrices]
    total = np.sum(matrices, axis=0)
    report = class_report(total, classes, -1)
    return {
        "name": name,
        "accuracies": each,
        "mean": float(np.mean(each)),
        "deviation": float(np.std(each, ddof=1)) if len(each) > 1 else None,
        "pooled": report["accuracy"],
        "macro_f": report["macro"]["f"],
        "recall": {name: found["recall"] for name, found in report["classes"].items()},
        "confusion": total.tolist(),
    }


def crossvalidate(
    folder: Path, trainings: Sequence[tuple[Training, DatasetInfo]], folds: Sequence[Fold],
    device: torch.device, runtime: Runtime, *, allow_absent: bool,
    listen: Callable[[int, Training], Listener],
) -> dict[str, Any]:  # fmt: skip
    """Carry out all trainings and write ``report.json`` and ``table.md``; what is done already is kept.

    Parameters
    ----------
    folder : Path
        Created.
    trainings : sequence of (Training, DatasetInfo)
        Of :func:`plan`; none: the baselines alone.
    folds : sequence of Fold
    device : torch.device
    runtime : Runtime
    allow_absent : bool
        Accept classes that a fold tests and does not train on.
    listen : callable
        (number, training) → the listener of that training.

    Returns
    -------
    dict
        What ``report.json`` holds.

    Raises
    ------
    TrainError
        One of the trainings cannot be done.
    """
    first = folds[0].info
    owned.require(folder / name for name in (REPORT, TABLE))
    ready = prepare_on(trainings, allow_absent=allow_absent)
    folder.mkdir(parents=True, exist_ok=True)
    baselines = [summarise(MAJORITY, [majority_confusion(f.info) for f in folds], first.classes)]
    if "pose" in first.modalities:
        features = courses(first)
        found = [pose_confusion(f.info, features) for f in folds]
        baselines.append(summarise(POSE, found, first.classes))
    matrices: dict[str, list[NDArray[np.int64]]] = {}
    for number, (training, info, record) in enumerate(ready):
        result = train_and_test(training, info, record, TEST, device, runtime, listen(number, training))
        matrices.setdefault(training.row, []).append(np.array(result["confusion"], np.int64))
    report = {
        "dataset": str(first.path),
        "taxonomy": first.taxonomy,
        "classes": list(first.classes),
        "samples": sum(len(f.info.rows_of(TEST)) for f in folds),
        "folds": [{"test": list(f.groups), "samples": len(f.info.rows_of(TEST))} for f in folds],
        "models": [summarise(name, found, first.classes) for name, found in matrices.items()],
        "baselines": baselines,
        "settings": {t.row: t.config.model_dump(mode="json") for t, _ in trainings},
    }
    owned.write_json(folder / REPORT, report)
    owned.write_text(folder / TABLE, markdown(report))
    return report


def markdown(report: Mapping[str, Any]) -> str:
    """Write the report as Markdown: accuracies, the folds, and a confusion matrix for each model."""
    count, width = len(report["folds"]), len(report["classes"])
    lines = [
        f"{report['samples']} samples tested, {count} folds; a network is tested on groups alone that it did "
        "not see in training. Mean and deviation are over the folds.",
        "",
        "| model | accuracy, mean ± deviation | by fold | over all samples | macro F |",
        "|---|---|---|---|---|",
    ]
    every = [*report["models"], *report["baselines"]]
    for row in every:
        spread = "" if row["deviation"] is None else f" ± {100 * row['deviation']:.1f}"
        each = " / ".join(f"{100 * a:.1f}" for a in row["accuracies"])
        f = "–" if row["macro_f"] is None else f"{row['macro_f']:.2f}"
        lines.append(
            f"| {row['name']} | {100 * row['mean']:.1f}{spread} | {each} | {100 * row['pooled']:.1f} | {f} |"
        )
    lines += ["", "| fold | samples | groups tested |", "|---|---|---|"]
    for i, fold in enumerate(report["folds"]):
        lines.append(f"| {i + 1} | {fold['samples']} | {', '.join(fold['test'])} |")
    for row in every[: len(report["models"])] + [r for r in report["baselines"] if r["name"] == POSE]:
        lines += ["", f"{row['name']}: rows are the truth, columns the prediction.", ""]
        lines += [f"| | {' | '.join(report['classes'])} | recall |", f"|---|{'---|' * (width + 1)}"]
        for name, counts in zip(report["classes"], row["confusion"], strict=True):
            recall = row["recall"].get(name)
            last = "–" if recall is None or not sum(counts) else f"{100 * recall:.0f} %"
            lines.append(f"| {name} | {' | '.join(map(str, counts))} | {last} |")
    return "\n".join(lines) + "\n"
