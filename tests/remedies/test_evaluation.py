"""What is said about trained networks, comparisons and folds, followed as it is written."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import h5py
import torch
from torch import Tensor

from tests.remedies.conftest import draw_nothing
from tests.remedies.following import Case, Says, Words, call, check
from tests.support.dataset_writer import write_dataset
from tests.support.trials_writer import write_trials
from tttrain.cli.main import main

torch.set_num_threads(1)
CPU = ("--device", "cpu")
POSE = ("--model", "pose", *CPU, "--batch", "6", "--epochs", "1", "--schedule", "constant")
GRU = (
    "--model", "2d-convgru", *POSE[2:], "--size", "16x16", "--option", "width=0.03", "--option", "stride=1",
)  # fmt: skip
#: folder → dataset and settings of a run in it
RUNS: dict[str, Words] = {
    "pose": ("whole.h5", *POSE),
    "short": ("whole.h5", *POSE, "--length", "8"),
    "other": ("other.h5", *POSE),
    "attention": (
        "whole.h5",
        "--model",
        "twin",
        *POSE[2:],
        "--size",
        "12x12",
        "--length",
        "8",
        "--option",
        "attention=1",
    ),
    "trials-1": ("trials.h5", *GRU, "--sampling", "method-1"),
    "trials-other": ("other-trials.h5", *GRU, "--sampling", "method-1"),
    "trials-2": ("trials.h5", *GRU, "--sampling", "method-2"),
}


def evaluate(*words: object) -> Words:
    return ("evaluate", *words, "--split", "test", *CPU)


def fit(folder: str, *more: object) -> None:
    data, *settings = RUNS[folder]
    code, text = call(main, "fit", data, folder, *settings, *more)
    assert code == 0, text


def folds(*words: object, data: str = "grouped.h5") -> Words:
    return ("crossvalidate", data, "out", *POSE[2:], "--validation", "none", "--folds", "3", *words)


def compare(*words: object) -> Words:
    return ("compare", "trials.h5", "out", *GRU[2:], *words)


def crop(path: str) -> None:
    """Make a dataset whose crop is another."""
    write_dataset(Path(path), videos=2, strokes=9, crop=(20, 20))


ROBUST = ("robustness", "--repeat", "1", "--only", "frame-rate", *CPU, "-o", "out")
CASES = {
    "runs of two datasets": Case(
        evaluate("pose", "other"),
        Says("the runs are of different datasets or taxonomies; name runs of one"),
        evaluate("pose"),
    ),
    "runs of two methods": Case(
        evaluate("trials-1", "trials-2"),
        Says("their test samples are not the same: name runs of one method"),
        evaluate("trials-1"),
    ),
    "runs of two windows": Case(
        evaluate("pose", "short"),
        Says("their votes cannot be added: name runs with the same length × every"),
        evaluate("pose"),
    ),
    "a split without samples": Case(
        ("evaluate", "pose", "--split", "validation", "--dataset", "unsplit.h5", *CPU),
        Says("name another one, there are some in: {}"),
        lambda names: (
            "evaluate",
            "pose",
            "--split",
            names.split(", ")[0],
            "--dataset",
            "unsplit.h5",
            *CPU,
        ),
    ),
    "another crop": Case(
        (*evaluate("pose"), "--dataset", "copy.h5"),
        Says("the network was trained with {}; export the dataset with the same settings"),
        (*evaluate("pose"), "--dataset", "whole.h5"),
        prepare=partial(crop, "copy.h5"),
    ),
    "no SAMPLE": Case(
        ("attention", "attention", *CPU),
        Says("name a SAMPLE to draw, or a split, e.g. {}, to measure"),
        lambda words: ("attention", "attention", *words.split(), *CPU),
    ),
    "a sample of another name": Case(
        ("attention", "attention", "x", *CPU),
        Says("no sample {}; name an id, e.g. {}, or a row"),
        lambda _, name: ("attention", "attention", name, *CPU),
    ),
    "a sample of another row": Case(
        ("features", "attention", "9999", *CPU),
        Says("name an id, e.g. {}, or a row from 0 to {}"),
        lambda _, last: ("features", "attention", last, *CPU),
    ),
    "no attention": Case(
        ("attention", "pose", "0", *CPU),
        Says("has no attention blocks; train one with {} {}"),
        ("attention", "pose", "--split", "test", *CPU),
        follow=lambda *words: fit("pose", *words, "--force"),
    ),
    "no convolution": Case(
        ("features", "pose", "0", *CPU),
        Says("has no convolution over pixels; name a run of another model"),
        ("features", "attention", "0", *CPU),
    ),
    "no whole videos": Case(
        ("detect", "pose", "--dataset", "cut.h5", *CPU),
        Says("holds no untrimmed videos; set `untrimmed: true` in the manifest, run and export again"),
        ("detect", "pose", "--dataset", "whole.h5", "--step", "20", *CPU),
    ),
    "no whole video of a split": Case(
        ("detect", "pose", "--split", "validation", "--dataset", "unsplit.h5", "--step", "20", *CPU),
        Says("no untrimmed video has samples of split {}; take another one"),
        ("detect", "pose", "--split", "test", "--dataset", "unsplit.h5", "--step", "20", *CPU),
    ),
    "a video of another name": Case(
        ("detect", "pose", "--video", "x", "--step", "20", *CPU),
        Says("no untrimmed video {}; there are: {}"),
        lambda _, names: ("detect", "pose", "--video", names.split(", ")[1], "--step", "20", *CPU),
    ),
    "a Gaussian without a middle": Case(
        ("detect", "pose", "--gauss-window", "20", "--step", "20", *CPU),
        Says("has no middle; take an odd number"),
        ("detect", "pose", "--gauss-window", "21", "--step", "20", *CPU),
    ),
    "a run of trials": Case(
        ("detect", "trials-1", "--step", "20", *CPU),
        Says("not windows that could slide through a video; train one with {}"),
        ("detect", "uniform", "--step", "20", *CPU),
        follow=lambda words: call(main, "fit", "whole.h5", "uniform", *GRU, *words.split()),
    ),
    "a run of no trials": Case(
        ("robustness", "pose", "--repeat", "1", "--only", "frame-rate", *CPU),
        Says("does not see trials of {} frames; name a run of an RGB model trained with --sampling method-1"),
        ("robustness", "trials-1", "--repeat", "1", "--only", "frame-rate", *CPU),
    ),
    "a run named twice": Case(
        ("robustness", "trials-1", "trials-1", "--repeat", "1", "--only", "frame-rate", *CPU, "-o", "out"),
        Says("named twice; name each run once"),
        ("robustness", "trials-1", "--repeat", "1", "--only", "frame-rate", *CPU, "-o", "out"),
    ),
    "runs of trials of two datasets": Case(
        (*ROBUST, "trials-1", "trials-other"),
        Says("are of different datasets or taxonomies; name runs of one"),
        (*ROBUST, "trials-1"),
    ),
    "runs of trials of two datasets, on one": Case(
        (*ROBUST, "trials-1", "trials-other"),
        Says("name runs of one, or one for all with {}"),
        lambda option: (*ROBUST, "trials-1", "trials-other", option, "trials.h5"),
    ),
    "no samples at all": Case(
        ("evaluate", "pose", "--split", "test", "--dataset", "nameless.h5", *CPU),
        Says("annotate some and export again"),
        ("evaluate", "pose", "--split", "test", "--dataset", "whole.h5", *CPU),
    ),
    "a row of another form": Case(
        compare("--models", "2d-convgru:flat", "--sampling", "1"),
        Says("write options as {}:fusion=flat"),
        lambda model: compare("--models", f"{model}:fusion=flat", "--sampling", "1"),
    ),
    "a method of another number": Case(
        compare("--models", "2d-convgru", "--sampling", "9"),
        Says("--sampling: no {}; there are 1 to {}"),
        lambda _, last: compare("--models", "2d-convgru", "--sampling", last),
    ),
    "folds and splits": Case(
        folds("--train", "train"),
        Says("folds take the place of splits; leave --train out"),
        folds(),
    ),
    "folds of frames": Case(
        folds("--sampling", "frames"),
        Says("folds are of samples; take another sampling"),
        folds("--sampling", "uniform"),
    ),
    "a group of another name": Case(
        folds("--test-group", "x"),
        Says("--test-group: no {} {}; there are: {}"),
        lambda *holes: folds("--test-group", holes[-1].split(", ")[0]),
    ),
    "every group": Case(
        folds("--test-group", "red", "--test-group", "blue", "--test-group", "green"),
        Says("--test-group names every group; leave one out, to train on"),
        folds("--test-group", "red", "--test-group", "blue"),
    ),
    "a fold without validation": Case(
        ("crossvalidate", "grouped.h5", "out", *POSE[2:-2], "--test-group", "red"),
        Says("nothing is left to validate on; give {}"),
        lambda words: (
            "crossvalidate",
            "grouped.h5",
            "out",
            *POSE[2:-2],
            "--test-group",
            "red",
            *words.split(),
        ),
    ),
    "folds of a split's statistics": Case(
        folds("--models", "pose", "--statistics", "train"),
        Says("of its own training split, not of folds; take {}"),
        lambda words: folds("--models", "pose", *words.split()),
    ),
    "videos without a group": Case(
        folds(data="whole.h5"),
        Says("and export again, or take {}"),
        lambda words: folds(*words.split(), "--folds", "2", data="whole.h5"),
    ),
    "videos without a group, named": Case(
        folds("--folds", "2", data="whole.h5"),
        Says("name one in the manifest ({}) and export again, or take"),
        folds("--folds", "2", data="grouped.h5"),
    ),
    "too many folds": Case(
        folds("--folds", "9"),
        Says("groups cannot make {} folds; take 2 to {}, or 0 for one each"),
        lambda _, most: folds("--folds", most),
    ),
    "too many folds, one each": Case(
        folds("--folds", "9"),
        Says("take 2 to {}, or {} for one each"),
        lambda _, none: folds("--folds", none.split()[-1]),
    ),
}


@pytest.fixture(scope="module")
def runs(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained networks, and datasets to try them on."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        draw_nothing(patch)
        for name in ("whole.h5", "trials.h5"):
            shutil.copy(datasets / name, name)
        write_dataset(Path("other.h5"), videos=2, strokes=9, seed=1)
        write_dataset(Path("cut.h5"), videos=2, strokes=9, untrimmed=False)
        write_dataset(Path("grouped.h5"), videos=3, strokes=9, groups=("red", "blue", "green"))
        shutil.copy("whole.h5", "unsplit.h5")
        with h5py.File("unsplit.h5", "a") as file:
            split = file["samples/split"]
            split[:] = [2 if s == 1 else s for s in split[:]]
        write_trials(Path("other-trials.h5"), seed=1)
        shutil.copy("whole.h5", "nameless.h5")
        with h5py.File("nameless.h5", "a") as file:
            for label in (file["samples/label"], file["taxonomies/strokes/label"]):
                label[:] = -1
        for name in RUNS:
            fit(name)
    return folder


@pytest.fixture
def here(runs: Path, trainings: Path) -> Path:
    """A working folder with copies of them."""
    there = shutil.ignore_patterns(*(path.name for path in trainings.iterdir()))
    shutil.copytree(runs, trainings, dirs_exist_ok=True, copy_function=os.link, ignore=there)
    return trainings


@pytest.mark.parametrize("name", CASES)
def test_a_remedy_works_as_it_is_written(here: Path, name: str) -> None:
    check(main, CASES[name])


def test_the_batch_that_fits(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = torch.nn.Linear.forward

    def little_memory(self: torch.nn.Linear, inputs: Tensor) -> Tensor:
        if len(inputs) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, inputs)

    monkeypatch.setattr(torch.nn.Linear, "forward", little_memory)
    says = Says("out of memory with {} windows at once; use a smaller {}")
    check(main, Case(evaluate("pose"), says, lambda _, option: (*evaluate("pose"), option, "2")))
