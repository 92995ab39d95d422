"""What is said about a run folder, followed as it is written: the next call trains, or evaluates."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch

from tests.remedies.following import Case, Says, Words, both, call, check, write
from tttrain.cli.main import main

torch.set_num_threads(1)
POSE = ("--model", "pose", "--device", "cpu", "--batch", "6", "--epochs", "1", "--schedule", "constant")


def fit(*words: object, run: str = "run") -> Words:
    return ("fit", "whole.h5", run, *POSE, *words)


def trained() -> None:
    assert call(main, *fit())[0] == 0


def lost(name: str) -> None:
    """Take the file that a message speaks of away."""
    next(Path("run").glob(name)).unlink()


def damaged(pattern: str) -> None:
    """Flip a bit in the middle of a file of a run."""
    (path,) = Path("run").glob(pattern)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def replaced(pattern: str, text: str) -> None:
    (path,) = Path("run").glob(pattern)
    path.write_text(text)


def fifo(pattern: str) -> None:
    (path,) = Path("run").glob(pattern)
    path.unlink()
    os.mkfifo(path)


def away(path: str) -> None:
    Path(path).rename("away")


AGAIN = fit("--force")
MORE = ("fit", "whole.h5", "run", *POSE[:-4], "--epochs", "2", *POSE[-2:])
EVALUATE = ("evaluate", "run", "--split", "test", "--device", "cpu")


def over(pattern: str, says: Says, words: Words = MORE, step: Callable[[str], object] = damaged) -> Case:
    """Return a run of which a file is damaged; it is started over."""
    return Case(words, says, AGAIN, prepare=both(trained, partial(step, pattern)))


RUNS = {
    "other settings, again the same": Case(
        fit("--lr", "0.1"),
        Says("holds a run with other settings ({}); give the same ones to go on"),
        fit(),
        prepare=trained,
    ),
    "other settings, another folder": Case(
        fit("--lr", "0.1"),
        Says("give the same ones to go on, another folder"),
        fit("--lr", "0.1", run="other"),
        prepare=trained,
    ),
    "other settings, started over": Case(
        fit("--lr", "0.1"),
        Says("another folder, or {} to start over"),
        lambda option: fit("--lr", "0.1", option),
        prepare=trained,
    ),
    "a file for a folder": Case(
        fit(run="file"),
        Says("is a file; give the name of a folder"),
        fit(),
        prepare=write("file", ""),
    ),
    "a folder of other things": Case(
        fit(run="docs"),
        Says("holds files, but no run; give another folder"),
        fit(),
        prepare=write("docs/a", ""),
    ),
    "no run": Case(
        EVALUATE,
        Says("no run there; `tttrain {} DATASET.h5 {}` makes one"),
        follow=lambda word, folder: call(main, word, "whole.h5", folder, *POSE),
    ),
    "no checkpoint": Case(
        EVALUATE,
        Says("no checkpoint yet; `tttrain {}` makes one after each epoch"),
        follow=lambda word: call(main, word, *fit()[1:]),
        prepare=both(trained, partial(lost, "checkpoint.json")),
    ),
    "a damaged pointer": over("checkpoint.json", Says("{}: cannot be used ({}); restore it from a backup")),
    "a pointer that says too little": over(
        "checkpoint.json",
        Says("damaged ({} is no checkpoint); {}, or start the run over with"),
        step=lambda _: replaced("checkpoint.json", '{"best": "a"}'),
    ),
    "a pointer of no digests": over(
        "checkpoint.json",
        Says("damaged (its digests); restore it from a backup, or start the run over"),
        step=lambda _: replaced("checkpoint.json", '{"best": "best-00001.pt", "sha256": []}'),
    ),
    "a damaged checkpoint": over(
        "last-*.pt",
        Says(
            "damaged (its sha256 is not that of what was written); restore it from a backup, or start the run"
        ),
    ),
    "a lost checkpoint": over(
        "last-*.pt", Says("is missing; restore it from a backup, or start the run over"), step=lost
    ),
    "a pipe for a checkpoint": Case(
        MORE,
        Says("{}: damaged (not a regular file); move it elsewhere, then restore it from a backup, or"),
        AGAIN,
        follow=away,
        prepare=both(trained, partial(fifo, "last-*.pt")),
    ),
    "a damaged record": over("run.json", Says("{}: cannot be used ({}); restore it from a backup, or start")),
    "a record of another version": over(
        "run.json",
        Says("damaged, or of another version ({}: {}); restore it from a backup, or start the run over"),
        step=lambda _: replaced("run.json", '{ "config": {}}'),
    ),
    "another's checkpoint": Case(
        fit("--force"),
        Says("{}: bears the name of a checkpoint but is none; move it elsewhere and start again"),
        follow=away,
        prepare=both(trained, write("run/best-00009.pt", "mine")),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_remedy_works_as_it_is_written(trainings: Path, name: str) -> None:
    check(main, RUNS[name])
