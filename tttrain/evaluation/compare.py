"""Compare models and sampling methods: train and test each pair, and tabulate [GRU Table III]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tttrain import atomic, owned
from tttrain.data.dataset_file import DatasetInfo, read_info
from tttrain.data.sampling_methods import METHODS
from tttrain.errors import USAGE, TrainError
from tttrain.evaluation.evaluate import evaluate
from tttrain.evaluation.metrics import majority_share
from tttrain.evaluation.trained_network import open_network
from tttrain.models.initial_weights import load_initial
from tttrain.models.registry import get_spec, make_options
from tttrain.training.config import RunConfig
from tttrain.training.preflight import check_classes
from tttrain.training.run_folder import (
    RunRecord,
    as_begun,
    check_modalities,
    make_model,
    make_record,
    open_run,
    view_of,
)
from tttrain.training.train import Listener, Runtime, Trainer

#: figures of a test that the table shows
FIGURES = ("accuracy", "precision", "recall", "f", "temporal_consistency")
#: file in a run folder: the test's result, and the state and data it belongs to
RESULT = "result.json"
TABLES = ("table.json", "table.md", "table.png")


@dataclass(frozen=True)
class Row:
    """A row of the table: a model with options.

    Attributes
    ----------
    name : str
        As given: a model's name, perhaps with options: ``2d-convgru:fusion=flat``.
    model : str
    options : dict of str to str
    """

    name: str
    model: str
    options: dict[str, str]


def parse_rows(text: str, common: Mapping[str, str]) -> list[Row]:
    """Parse the rows named on the command line.

    Parameters
    ----------
    text : str
        Names, separated by commas; the options of a row follow its name, separated by colons.
    common : mapping
        Options of every model that has them.

    Raises
    ------
    TrainError
        There is no such model, none of them has an option, or a row occurs twice.
    """
    rows = []
    for name in (part.strip() for part in text.split(",")):
        model, *pairs = name.split(":")
        known = get_spec(model).options.model_fields
        options = {k: v for k, v in common.items() if k in known}
        for pair in pairs:
            key, sep, value = pair.partition("=")
            if not sep:
                raise TrainError(f"--models {name}: write options as {model}:fusion=flat", USAGE)
            options[key.replace("-", "_")] = value
        make_options(get_spec(model), options)
        rows.append(Row(name, model, options))
    for key in common:
        if not any(key in get_spec(row.model).options.model_fields for row in rows):
            raise TrainError(f"--option {key}: none of the models has it (`tttrain models`)", USAGE)
    if len({row.name for row in rows}) < len(rows):
        raise TrainError(f"--models {text}: one of them is named twice", USAGE)
    return rows


def parse_sampling(text: str) -> list[str]:
    """Parse the sampling methods named on the command line: ``1,2,5`` or ``method-1,…``.

    Raises
    ------
    TrainError
        There is no such method, or one occurs twice.
    """
    names = [part.strip() for part in text.split(",")]
    names = [name if name.startswith("method-") else f"method-{name}" for name in names]
    for name in names:
        if name not in METHODS:
            raise TrainError(f"--sampling: no {name}; there are 1 to {len(METHODS)}", USAGE)
    if len(set(names)) < len(names):
        raise TrainError(f"--sampling {text}: one of them is named twice", USAGE)
    return names


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes
    ----------
    row, method : str
        Its cell of the table.
    folder : Path
        Run folder.
    config : RunConfig
    """

    row: str
    method: str
    folder: Path
    config: RunConfig


def prepare_trainings(
    dataset: Path,
    trainings: Sequence[Training],
    *,
    initial: Path | None,
    allow_absent: bool,
    note: Callable[[str], None],
) -> list[tuple[Training, DatasetInfo, RunRecord]]:
    """Check that every training can be done, before hours are spent on the first.

    Raises
    ------
    TrainError
        One of them cannot, or its folder holds another run.
    """
    infos = [read_info(dataset, training.config.taxonomy) for training in trainings]
    pairs = list(zip(trainings, infos, strict=True))
    return prepare_on(pairs, initial=initial, allow_absent=allow_absent, note=note)


def prepare_on(
    trainings: Sequence[tuple[Training, DatasetInfo]],
    *,
    allow_absent: bool,
    initial: Path | None = None,
    note: Callable[[str], None] | None = None,
) -> list[tuple[Training, DatasetInfo, RunRecord]]:
    """Check trainings, each on a dataset that is read already, and begin their folders.

    Raises
    ------
    TrainError
        As :func:`prepare_trainings`.
    """
    ready, found = [], {}
    for training, info in trainings:
        check_modalities(info, training.config.model)
        check_classes(info, training.config, allow_absent=allow_absent)
        record = as_begun(training.folder, make_record(training.config, info))
        with torch.device("meta"):
            model = make_model(record, view_of(record, info))
            if initial is not None:
                found[training.row] = load_initial(model, initial).text()
        ready.append((training, info, record))
    if note is not None:
        for row, text in found.items():
            note(f"{row}: {text}")
    for training, _, record in ready:
        open_run(training.folder, record, force=False)
    return ready


def train_and_test(
    training: Training, info: DatasetInfo, record: RunRecord, split: str, device: torch.device,
    runtime: Runtime, listener: Listener,
) -> dict[str, Any]:  # fmt: skip
    """Train, or continue training, and test; what is done already is not done again.

    Returns
    -------
    dict
        ``accuracy`` and the other :data:`FIGURES` on ``split``, deciding by the mean over test samples;
        ``seconds`` per epoch (mean [GRU Table III]), ``epochs``, ``best_epoch``, and the state and data
        (``of``).
    """
    path = training.folder / RESULT
    of = {"split": split, "epochs": training.config.epochs, "fingerprint": info.samples_digest}
    try:
        there = atomic.read_checked_json(path)
    except (OSError, ValueError):  # none yet, or a damaged one, which is made again
        there = {}
    if there.get("of") == of:
        return there
    history = Trainer(record, info, training.folder, device, runtime).run(listener)
    network = open_network(training.folder, record, info, device)
    report = evaluate([network], split, training.folder / f"evaluate-{split}", batch=record.config.batch)
    found = report["decisions"]["average"]
    result = {
        "accuracy": found["accuracy"],
        **found["macro"],
        "temporal_consistency": report["temporal_consistency"]["overall"],
        "seconds": float(np.mean([r["seconds"] for r in history])),
        "epochs": len(history),
        "best_epoch": [r["epoch"] for r in history if r["improved"]][-1],
        "confusion": found["confusion"],
        "of": of,
    }
    owned.write_checked_json(path, result)
    return result


def tabulate(
    rows: Sequence[str], methods: Sequence[str], results: Mapping[tuple[str, str], Sequence[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Fill the cells of the table, row by row, with means over repeated trainings.

    Parameters
    ----------
    rows, methods : sequence of str
    results : mapping
        (row, method) → results of :func:`train_and_test`, one per seed.

    Returns
    -------
    list of dict
        ``model``, ``sampling``, the figures, ``accuracies`` (one per seed), ``seconds``.
    """
    out = []
    for row in rows:
        for method in methods:
            found = results[row, method]
            means = {k: _mean([r[k] for r in found]) for k in (*FIGURES, "seconds")}
            accuracies = [r["accuracy"] for r in found]
            out.append({"model": row, "sampling": method, **means, "accuracies": accuracies})
    return out


def _mean(values: Sequence[float | None]) -> float | None:
    there = [v for v in values if v is not None]
    return float(np.mean(there)) if there else None


def write_table(folder: Path, table: dict[str, Any]) -> None:
    """Write ``table.json``, ``table.md`` and ``table.png``.

    Parameters
    ----------
    folder : Path
    table : dict
        ``places`` (:func:`tabulate`), ``rows``, ``methods``, ``split``, ``samples``, ``majority``,
        ``settings``.
    """
    from tttrain.evaluation import plots

    folder.mkdir(parents=True, exist_ok=True)
    owned.write_json(folder / "table.json", table)
    owned.write_text(folder / "table.md", markdown(table))
    accuracy = np.array([p["accuracy"] for p in table["places"]])
    plots.grid(
        accuracy.reshape(len(table["rows"]), -1),
        table["rows"],
        [name.replace("method-", "sampling ") for name in table["methods"]],
        folder / "table.png",
        f"accuracy on {table['samples']} samples of {table['split']}\n"
        f"(most frequent class: {table['majority']:.1%})",
    )


def markdown(table: Mapping[str, Any]) -> str:
    """Write the table as Markdown: accuracies by method, then all figures."""
    places = {(p["model"], p["sampling"]): p for p in table["places"]}
    methods = [m.replace("method-", "sampling ") for m in table["methods"]]
    lines = [
        f"Accuracy on {table['samples']} samples of the split {table['split']} (the most frequent class "
        f"alone: {table['majority']:.1%}); mean of {table['repeats']} training(s).",
        "",
        f"| model | {' | '.join(methods)} |",
        f"|---|{'---|' * len(methods)}",
    ]
    for row in table["rows"]:
        cells = [_percent(places[row, m]["accuracy"]) for m in table["methods"]]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    lines += ["", "| model | sampling | accuracy | macro precision | recall | F1 | temporal consistency | "
              "s per epoch |", "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for place in table["places"]:
        rest = ["–" if place[k] is None else f"{place[k]:.3f}" for k in FIGURES[1:]]
        cells = [place["model"], place["sampling"].replace("method-", ""), _percent(place["accuracy"]), *rest,
                 f"{place['seconds']:.2f}"]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def compare(
    dataset: Path, folder: Path, trainings: Sequence[Training], split: str, device: torch.device,
    runtime: Runtime, *, allow_absent: bool, listen: Callable[[int, Training], Listener],
    note: Callable[[str], None],
) -> dict[str, Any]:  # fmt: skip
    """Carry out all trainings and write the table.

    Parameters
    ----------
    dataset, folder : Path
        ``folder`` is created.
    trainings : sequence of Training
        All on one taxonomy of the dataset; equally many per cell.
    split : str
    device : torch.device
    runtime : Runtime
    allow_absent : bool
    listen : callable
        (number, training) → the listener of that training.
    note : callable
        Gets, for each row, what became of the initial weights.

    Returns
    -------
    dict
        What ``table.json`` holds.

    Raises
    ------
    TrainError
        The split has no sample, or one of the trainings cannot be done.
    """
    info = read_info(dataset, trainings[0].config.taxonomy)
    info.samples_of(split)
    owned.require(folder / name for name in (*TABLES, *(f"{t.folder.name}/{RESULT}" for t in trainings)))
    ready = prepare_trainings(
        dataset, trainings, initial=runtime.initial, allow_absent=allow_absent, note=note
    )
    results: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for number, (training, its_info, record) in enumerate(ready):
        found = train_and_test(training, its_info, record, split, device, runtime, listen(number, training))
        results.setdefault((training.row, training.method), []).append(found)
    rows = list(dict.fromkeys(training.row for training in trainings))
    methods = list(dict.fromkeys(training.method for training in trainings))
    table = {
        "dataset": str(dataset),
        "fingerprint": info.samples_digest,
        "split": split,
        "samples": len(info.rows_of(split)),
        "majority": majority_share(info, split),
        "rows": rows,
        "methods": methods,
        "repeats": len(trainings) // (len(rows) * len(methods)),
        "places": tabulate(rows, methods, results),
        "settings": {training.row: training.config.model_dump(mode="json") for training in trainings},
    }
    write_table(folder, table)
    return table
