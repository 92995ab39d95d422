"""``--preset``: the settings that the papers print, what wins over them, and a training with each."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch

from tests.support.dataset_writer import write_dataset
from tests.support.trainings import call
from tttrain.cli.options import make_config
from tttrain.models import specs
from tttrain.training.config import RunConfig
from tttrain.training.loss import sum_of_losses
from tttrain.training.lr_schedule import Point, Siamese
from tttrain.training.presets import PRESETS
from tttrain.training.run_folder import read_run

torch.set_num_threads(1)

#: as the papers print them; [SSTC] §IV-D, [ATT] §IV-C and D, [3S] §2.6, 2.7 and 3, [GRU] §IV-B
PRINTED: dict[str, dict[str, Any]] = {
    "siamese": {
        "model": "siamese", "lr": 0.001, "momentum": 0.5, "weight_decay": 0.005, "batch": 10, "epochs": 2000,
        "flip": False, "augment": True, "length": 100, "size": (120, 120), "optimizer": "sgd",
        "schedule": "siamese", "sampling": "siamese",
    },
    "attention-twin": {
        "model": "twin", "lr": 0.01, "lr_min": 1e-5, "patience": 50, "recent": 25, "before": 35, "drop": 0.7,
        "batch": 5, "epochs": 1000, "flip": False, "length": 100, "size": (120, 120), "optimizer": "sgd",
        "schedule": "warm-restart",
    },
    "three-stream": {
        "model": "three-stream", "lr": 0.01, "lr_min": 1e-5, "patience": 50, "recent": 25, "before": 35,
        "drop": 0.7, "momentum": 0.5, "weight_decay": 0.05, "batch": 5, "epochs": 1500, "flip": True,
        "length": 100, "size": (120, 120), "optimizer": "sgd", "schedule": "warm-restart",
        "sampling": "normal",
    },
    "i3d": {"model": "i3d", "momentum": 0.9, "optimizer": "sgd", "flip": True, "length": 100},
    "convgru": {
        "model": "2d-convgru", "lr": 1e-4, "batch": 32, "epochs": 300, "optimizer": "adam",
        "sampling": "method-1", "square": 240, "augmentation": "colour",
    },
    "cnn-lstm": {"model": "cnn-lstm", "optimizer": "adam", "epochs": 50},
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "attention-twin": {"attention": 3, "fusion": "bilinear"},
    "three-stream": {"attention": 3, "pose_attention": 0},
    "i3d": {"first_pool": False},
    "convgru": {"dropout": 0.8},
}


def config(**given: Any) -> RunConfig:
    return make_config({"options": {}, "precision": "auto", **given}, torch.device("cpu"))


@pytest.mark.parametrize("name", PRESETS)
def test_its_settings_are_what_the_paper_prints(name: str) -> None:
    made = config(preset=name)
    assert {k: getattr(made, k) for k in PRINTED[name]} == PRINTED[name]
    assert made.options.items() >= OPTIONS.get(name, {}).items()
    assert made.preset == name
    # all of them are stated, so that another default would not change the experiment
    own = {**specs()[made.model].settings, **PRESETS[name].settings}
    assert {"optimizer", "schedule", "lr", "weight_decay", "batch", "epochs", "pixels"} <= own.keys()


def test_the_siamese_momentum_falls_at_the_printed_epochs() -> None:
    schedule = config(preset="siamese").make_schedule()
    assert isinstance(schedule, Siamese)
    after = {0: schedule.momentum}
    for epoch in range(1, 2001):
        after[epoch] = schedule.step(Point(1.0, 1.0, 0.5)).momentum
    assert [after[e] for e in (0, 999, 1000, 1499, 1500, 1999)] == [0.5, 0.5, 0.1, 0.1, 0.05, 0.05]
    assert schedule.lr == 0.001


def test_what_is_given_wins() -> None:
    made = config(preset="attention-twin", lr=0.02, flip=True, options={"attention": "1"})
    assert (made.lr, made.flip, made.options["attention"], made.batch) == (0.02, True, 1, 5)
    other = config(preset="attention-twin", model="rgb-stcnn")
    assert (other.model, other.options["attention"], other.epochs) == ("rgb-stcnn", 3, 1000)
    assert "fusion" not in other.options
    assert config(preset="three-stream", sampling="method-2").length is None


def test_names_that_are_none() -> None:
    assert "did you mean three-stream?" in call("fit", "d.h5", "r", "--preset", "threestream", code=2).output
    assert "neither --model nor --preset" in call("fit", "d.h5", "r", code=2).output


@pytest.mark.parametrize("name", PRESETS)
def test_a_training_with_each(name: str, tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d.h5", videos=3, strokes=6)
    small: dict[str, list[object]] = {
        "convgru": ["--size", "16x16", "--sampling", "uniform", "--length", 8, "--option", "stride=1",
                    "--option", "width=0.05"],
    }  # fmt: skip
    shape = small.get(name, ["--size", "16x16", "--length", 8])
    call("fit", path, tmp_path / "r", "--preset", name, "--epochs", 1, *shape)
    record = read_run(tmp_path / "r")
    assert json.loads((tmp_path / "r" / "run.json").read_text())["config"]["preset"] == name
    assert record.config.batch == config(preset=name).batch
    (epoch,) = json.loads((tmp_path / "r" / "history.json").read_text())
    for loss in (epoch["train_loss"], epoch["validation_loss"]):
        assert 0 < loss < 20  # a two-stream loss is a sum of two


def test_a_run_goes_on_with_the_bound_on_the_gradient_that_it_began_with(tmp_path: Path) -> None:
    path, folder = write_dataset(tmp_path / "d.h5", videos=3, strokes=3), tmp_path / "r"
    args = ("fit", path, folder, "--model", "pose", "--length", 8)
    call(*args, "--epochs", 1, "--clip", 0)
    record = json.loads((folder / "run.json").read_text())
    assert record["config"].pop("clip") == 0
    record.pop("checksum", None)
    (folder / "run.json").write_text(json.dumps(record))  # as an earlier version wrote it
    assert read_run(folder).config.clip == 0
    call(*args, "--epochs", 2)
    assert json.loads((folder / "run.json").read_text())["config"]["clip"] == 0
    call(*args, "--epochs", 3)
    assert len(json.loads((folder / "history.json").read_text())) == 3
    assert "clip: 0.0 → 1.0" in call(*args, "--epochs", 3, "--clip", 1, code=2).output
    assert config(model="pose").clip == 1
    assert config(model="cnn-lstm").clip == 0


def test_the_softmax_before_the_cross_entropy_is_an_option(tmp_path: Path) -> None:
    logits = torch.tensor([[[5.0, -3.0, 0.5]], [[0.1, 0.2, 0.3]]])
    labels = torch.tensor([1, 2])
    slow = 0.0
    for row, label in zip(logits[:, 0].tolist(), labels.tolist(), strict=True):
        scores = [math.exp(v) / sum(map(math.exp, row)) for v in row]
        slow -= math.log(math.exp(scores[label]) / sum(map(math.exp, scores)))
    assert sum_of_losses(logits, labels, "softmax").item() == pytest.approx(slow, rel=1e-5)
    path = write_dataset(tmp_path / "d.h5", videos=3, strokes=3)
    losses = []
    for kind in ("softmax", "cross-entropy"):
        shape = ("--length", 8, "--epochs", 1)
        call("fit", path, tmp_path / kind, "--model", "pose", "--loss", kind, *shape)
        losses.append(json.loads((tmp_path / kind / "history.json").read_text())[0]["validation_loss"])
    # four classes: between ln(1 + 3/e) and ln(e + 3), and other than the cross-entropy
    assert math.log(1 + 3 / math.e) < losses[0] < math.log(math.e + 3)
    assert losses[0] != losses[1]
