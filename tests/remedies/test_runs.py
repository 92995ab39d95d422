"""What is said about a run folder, followed as it is written: the next call trains, or evaluates."""

from __future__ import annotations

import json
import os
import shutil
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


EVALUATE = ("evaluate", "run", "--split", "test", "--device", "cpu")


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


def hold(state: object) -> Callable[[str], None]:
    """Return a step that saves another state under the name of a checkpoint, of which no digest is known."""

    def step(pattern: str) -> None:
        (path,) = Path("run").glob(pattern)
        torch.save(state, path)
        names = {kind: next(Path("run").glob(f"{kind}-*.pt")).name for kind in ("best", "last")}
        replaced("checkpoint.json", json.dumps(names))

    return step


def lose(key: str) -> Callable[[str], None]:
    """Return a step that saves a checkpoint without a part of its state."""

    def step(pattern: str) -> None:
        (path,) = Path("run").glob(pattern)
        state = torch.load(path, weights_only=True)
        state.pop(key)
        hold(state)(pattern)

    return step


def unreadable(pattern: str) -> None:
    hold([1])(pattern)
    replaced(pattern, "text")


def evaluated() -> None:
    trained()
    assert call(main, *EVALUATE)[0] == 0


def emptied(*_: str) -> None:
    """Move all results elsewhere, and the account of them."""
    Path("run/evaluate-test").rename("elsewhere")
    Path("run/evaluate-test").mkdir()


def linked() -> None:
    Path("run/evaluate-test").mkdir()
    Path("mine").mkdir()
    Path("run/evaluate-test/vote").symlink_to(Path("mine").absolute())


def away(path: str) -> None:
    Path(path).rename("away")


AGAIN = fit("--force")
MORE = ("fit", "whole.h5", "run", *POSE[:-4], "--epochs", "2", *POSE[-2:])


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
    "a checkpoint of nothing": over(
        "best-*.pt", Says("damaged (it holds no state of a run); {}, or start the"), EVALUATE, hold([1])
    ),
    "a checkpoint that is none": over(
        "best-*.pt",
        Says("{}: damaged ({}); restore it from a backup, or start the run over"),
        EVALUATE,
        unreadable,
    ),
    "a checkpoint of another network": over(
        "best-*.pt",
        Says("its weights do not fit the network ({}); restore it"),
        EVALUATE,
        hold({"model": {}}),
    ),
    "a checkpoint without a history": over(
        "last-*.pt",
        Says("its last checkpoint is damaged ({}); restore it"),
        MORE,
        lose("history"),
    ),
    "a checkpoint of another optimiser": over(
        "last-*.pt",
        Says("its last checkpoint is damaged ({}); restore it"),
        MORE,
        lose("optimizer"),
    ),
    "a result that was changed": Case(
        EVALUATE,
        Says("{}: was not written by tttrain, or changed since, and is not replaced; move it elsewhere"),
        follow=away,
        prepare=both(evaluated, lambda: replaced("evaluate-test/report.json", "mine")),
    ),
    "a result that was changed, another folder": Case(
        EVALUATE,
        Says("is not replaced; move it elsewhere, or name another folder"),
        (*EVALUATE, "-o", "other"),
        prepare=both(evaluated, lambda: replaced("evaluate-test/report.json", "mine")),
    ),
    "a file for a folder of results": Case(
        (*EVALUATE, "-o", "file"),
        Says("{}: is a file; move it elsewhere, or name another folder"),
        follow=away,
        prepare=both(trained, write("file", "")),
    ),
    "a link for a folder of results": Case(
        EVALUATE,
        Says("{}: is {}, which is not replaced; move it elsewhere and start again"),
        follow=lambda path, _: away(path),
        prepare=both(trained, linked),
    ),
    "a damaged checkpoint, restored": Case(
        MORE,
        Says("restore it from a backup, or start the run over with `tttrain fit … --force`"),
        follow=lambda: shutil.copytree("backup", "run", dirs_exist_ok=True),
        prepare=both(trained, partial(shutil.copytree, "run", "backup"), partial(damaged, "last-*.pt")),
    ),
    "a damaged account": Case(
        EVALUATE,
        Says("cannot be used ({}); name another folder, or delete it and move"),
        (*EVALUATE, "-o", "other"),
        prepare=both(evaluated, lambda: replaced("evaluate-test/.tttrain.json", "{")),
    ),
    "a damaged account, deleted": Case(
        EVALUATE,
        Says("{}: cannot be used ({}); name another folder, or delete it and move the files beside it"),
        follow=emptied,
        prepare=both(evaluated, lambda: replaced("evaluate-test/.tttrain.json", "{")),
    ),
    "a link for an account": Case(
        EVALUATE,
        Says("{}: is a link; remove it and start again"),
        follow=lambda path: Path(path).unlink(),
        prepare=both(evaluated, emptied, lambda: Path("run/evaluate-test/.tttrain.json").symlink_to("x")),
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
