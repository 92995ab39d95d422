"""What the commands do: errors to one line, results to stdout, pictures to folders."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch
import torch.distributed as dist
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from tttrain import errors
from tttrain.cli.progress import Bar, TrainingBar
from tttrain.data.dataset_file import read_info
from tttrain.errors import USAGE, TrainError
from tttrain.models import InputShape, build, specs
from tttrain.models.blocks import count_parameters
from tttrain.models.initial_weights import digest, load_initial
from tttrain.models.registry import get_spec, make_options
from tttrain.training.config import RunConfig
from tttrain.training.defaults import DEFAULTS
from tttrain.training.device import choose_device, choose_precision, join_world
from tttrain.training.preflight import check_classes, majority_share
from tttrain.training.run_folder import check_modalities, describe, make_model, open_run, view_of

#: the curve is drawn at most this often while training
DRAW_S = 30.0


def echo_json(value: Any) -> None:
    """Print a result for programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def stdout() -> Console:
    """Where tables go."""
    # a table in a file or a pipe should not be folded to 80 columns
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def make_config(stated: dict[str, Any], device: torch.device) -> RunConfig:
    """Check what was given on the command line; the rest is the model's or the general default.

    Raises
    ------
    TrainError
        No such model or option, or a value that cannot be.
    """
    spec = get_spec(stated["model"])
    options = make_options(spec, stated["options"]).model_dump()
    precision = choose_precision(device, stated["precision"])
    try:
        return RunConfig.model_validate({**stated, "options": options, "precision": precision})
    except ValidationError as error:
        first = error.errors()[0]
        name = "".join(f"--{part}: " for part in first["loc"]).replace("_", "-")
        raise TrainError(f"{name}{first['msg'].removeprefix('Value error, ')}", USAGE) from None


class _Recorder(TrainingBar):
    """Progress, the picture of the curve, and TensorBoard where it is installed."""

    def __init__(self, console: Console, folder: Path, title: str) -> None:
        super().__init__(console)
        self._folder, self._title = folder, title
        self._drawn = time.monotonic()
        self._board = _tensorboard(folder)

    def begin(self, done: int, epochs: int) -> None:
        super().begin(done, epochs)
        if self._board is not None:
            self._board = _tensorboard(self._folder, purge=done + 1)

    def end_of_epoch(self, history: list[dict[str, Any]]) -> None:
        super().end_of_epoch(history)
        last = history[-1]
        if self._board is not None:
            names = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy", "lr")
            for name in (n for n in names if last[n] is not None):
                self._board.add_scalar(name, last[name], last["epoch"])
        if len(history) >= self._epochs or time.monotonic() - self._drawn > DRAW_S:
            self.draw(history)

    def draw(self, history: list[dict[str, Any]]) -> None:
        """Draw the curve."""
        from tttrain.evaluation import plots

        plots.curves(history, self._folder / "curves.png", self._title)
        self._drawn = time.monotonic()


def _tensorboard(folder: Path, purge: int | None = None) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=purge)


class _Silent:
    """Takes the place of the recorder in all processes but the first."""

    def begin(self, done: int, epochs: int) -> None:
        """Nothing."""

    def step(self, epoch: int, done: int, steps: int) -> None:
        """Nothing."""

    def end_of_epoch(self, history: list[dict[str, Any]]) -> None:
        """Nothing."""


def run_fit(
    dataset: Path,
    folder: Path,
    stated: dict[str, Any],
    runtime: dict[str, Any],
    device_name: str | None,
    *,
    allow_absent: bool,
    force: bool,
    as_json: bool,
    err: Console,
) -> int:
    """``tttrain fit``."""
    from tttrain.training.train import Runtime, Trainer

    device = choose_device(device_name)
    if runtime["initial"] is not None:
        stated = {**stated, "initial": digest(runtime["initial"])}
    config = make_config(stated, device)
    info = read_info(dataset, config.taxonomy)
    check_modalities(info, config.model)
    notes = check_classes(info, config, allow_absent=allow_absent)
    world = join_world(device)
    record = describe(config, info)
    with torch.device("meta"):  # what cannot be built is told before anything is written
        model = make_model(record, view_of(record, info))
        if config.initial is not None:
            load_initial(model, runtime["initial"])
    if world.main:
        for note in notes:
            err.print(f"note: {note}", markup=False, soft_wrap=True)
        open_run(folder, record, force=force)
    world.wait()
    trainer = Trainer(record, info, folder, device, Runtime(**runtime), world)
    if world.main and trainer.initial is not None:
        err.print(f"note: {trainer.initial.text()}", markup=False, soft_wrap=True)
    if not world.main:
        trainer.run(_Silent())
        dist.destroy_process_group()
        return errors.OK
    with _Recorder(err, folder, f"{config.model} on {dataset.name}") as recorder:
        history = trainer.run(recorder)
    if world.size > 1:
        dist.destroy_process_group()
    best = [r for r in history if r["improved"]][-1]
    frames = config.sampling == "frames"
    usual = majority_share(info, config.validation_split, frames=frames) if config.validates else None
    if as_json:
        echo_json({"run": str(folder), "device": str(device), "precision": config.precision,
                    "initial": vars(trainer.initial) if trainer.initial else None,
                    "epochs": len(history), "best": best, "last": history[-1],
                    "majority": usual})  # fmt: skip
    else:
        click.echo(
            f"{len(history)} epochs; best state: epoch {best['epoch']}, validation accuracy "
            f"{percent(best['validation_accuracy'])} (the most frequent class alone: {percent(usual)})\n"
            f"{folder}"
        )
    return errors.OK


def run_evaluate(
    runs: Sequence[Path], dataset: Path | None, split: str, where: Path, given: dict[str, Any],
    device_name: str | None, *, as_json: bool, err: Console,
) -> int:  # fmt: skip
    """``tttrain evaluate``."""
    from tttrain.evaluation.evaluate import evaluate, load_network

    device = choose_device(device_name)
    networks = [load_network(run, dataset, device) for run in runs]
    with Bar(err, f"{split} samples") as bar:
        report = evaluate(networks, split, where, tell=bar.update, **given)
    if as_json:
        echo_json(report)
        return errors.OK
    table = Table("decision", "accuracy", "macro P / R / F", "without negative", "negative P / R / F")
    for name, found in report["decisions"].items():
        table.add_row(
            name, percent(found["accuracy"]), _prf(found["macro"]),
            percent(found["accuracy_without_negative"]), _prf(found["negative"]),
        )  # fmt: skip
    stdout().print(table)
    agreed = report["temporal_consistency"]
    if agreed["clips"]:
        table = Table("class", "temporal consistency")
        for name, index in {**agreed["classes"], "all": agreed["overall"]}.items():
            table.add_row(name, _number(index))
        stdout().print(table)
    click.echo(
        f"{report['samples']} samples, {report['windows']} windows; the most frequent class alone: "
        f"{report['majority']:.1%}\n{where}"
    )
    return errors.OK


def run_detect(
    run: Path, dataset: Path | None, where: Path, given: dict[str, Any], device_name: str | None, *,
    as_json: bool, err: Console,
) -> int:  # fmt: skip
    """``tttrain detect``."""
    from tttrain.evaluation.detect import detect
    from tttrain.evaluation.evaluate import load_network

    network = load_network(run, dataset, choose_device(device_name))
    with Bar(err, "windows") as bar:
        report = detect(network, where, tell=lambda video, done, n: bar.update(done, n, video), **given)
    if as_json:
        echo_json(report)
        return errors.OK
    table = Table("rule", "accuracy", "without negative", "negative P / R / F", "strokes", "IoU", "mAP")
    for rule, found in report["rules"].items():
        spans = found["intervals"]
        table.add_row(
            rule, percent(found["accuracy"]), percent(found["accuracy_without_negative"]),
            _prf(found["negative"]), f"{spans['found']} of {spans['true']}",
            _number(spans["iou"]), _number(spans["map"]),
        )  # fmt: skip
    stdout().print(table)
    seen = [v["video"] for v in report["videos"] if v["trained_on"]]
    if seen:
        click.echo(f"note: no test, the network was trained on strokes of {', '.join(seen)}", err=True)
    click.echo(
        f"{len(report['videos'])} videos, {sum(v['frames'] for v in report['videos'])} frames; the most "
        f"frequent class alone: {percent(report['majority'])}\n{where}"
    )
    return errors.OK


def percent(value: float | None) -> str:
    """A share for a table."""
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _prf(scores: dict[str, Any] | None) -> str:
    return (
        "–"
        if scores is None or scores["f"] is None
        else " / ".join(f"{scores[k]:.2f}" for k in ("precision", "recall", "f"))
    )


def run_models(size: tuple[int, int], length: int, classes: int, *, as_json: bool) -> int:
    """``tttrain models``: each with as many attention blocks as it can have, and with none."""
    shape = InputShape(size, length)
    rows: list[dict[str, Any]] = []
    for spec in specs().values():
        fields = spec.options.model_fields
        variants: list[dict[str, Any]] = [{}]
        if "attention" in fields:
            variants.append({name: 3 for name in fields if name.endswith("attention")})
        for options in variants:
            with torch.device("meta"):  # counts need no memory
                every, without = count_parameters(build(spec.name, shape, classes, options))
            rows.append(
                {
                    "model": spec.name,
                    "title": spec.title,
                    "source": spec.source,
                    "inputs": list(spec.inputs),
                    "options": make_options(spec, options).model_dump(),
                    "settings": dict(DEFAULTS.get(spec.name, {})),
                    "parameters": every,
                    "parameters_without_fc": without,
                }
            )
    if as_json:
        echo_json(rows)
        return errors.OK
    table = Table("model", "what", "source", "inputs", "options", "parameters", "without FC")
    for row in rows:
        stated = ", ".join(f"{k}={v}" for k, v in row["options"].items())
        table.add_row(
            row["model"], row["title"], row["source"].replace("[", r"\["), " ".join(row["inputs"]), stated,
            f"{row['parameters']:,}".replace(",", " "), f"{row['parameters_without_fc']:,}".replace(",", " "),
        )  # fmt: skip
    stdout().print(table)
    return errors.OK


def run_attention(
    run: Path, sample: str, dataset: Path | None, frame: int | None, output: Path, device_name: str | None
) -> int:
    """``tttrain attention``."""
    from tttrain.evaluation.attention_maps import picture
    from tttrain.evaluation.evaluate import load_network

    network = load_network(run, dataset, choose_device(device_name))
    ranges = picture(network, sample, output, frame)
    for name, (low, high) in ranges.items():
        click.echo(f"{name}: soft mask between {low:.3f} and {high:.3f}")
    click.echo(str(output))
    return errors.OK
