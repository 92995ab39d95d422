"""Absurd numbers on the command line: refused in one line, not by running out of memory or time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

from tests.support.dataset_writer import write_dataset
from tests.support.trainings import call

HUGE = 10**10


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("limits") / "d.h5", videos=1, strokes=5)


@pytest.mark.parametrize(
    "words",
    [
        ("--length", HUGE), ("--length", 1000), ("--every", HUGE), ("--square", HUGE), ("--epochs", HUGE),
        ("--batch", HUGE), ("--accumulate", HUGE), ("--workers", HUGE), ("--workers", 257),
        ("--size", f"{HUGE}x{HUGE}"), ("--size", "0x10"), ("--size", "-5x-5"), ("--size", "9" * 5000 + "x1"),
        ("--size", "500x500"), ("--seed", 2**64), ("--seed", -1), ("--lr", "inf"), ("--lr", "nan"),
        ("--weight-decay", "inf"), ("--momentum", "nan"), ("--patience", HUGE), ("--recent", HUGE),
        ("--before", HUGE), ("--save-every", HUGE), ("--device", "cuda:99999999999"),
        ("--taxonomy", "x" * 9999),
        ("--train", "x" * 9999), ("--option", "attention=99999999999"), ("--model", "x" * 9999),
    ],
)  # fmt: skip
def test_fit_refuses_in_one_line(dataset: Path, tmp_path: Path, words: tuple[str, object]) -> None:
    began = time.monotonic()
    result = call("fit", dataset, tmp_path / "r", "--model", "twin", "--device", "cpu", *words, code=-1)
    assert result.exit_code in (1, 2), result.output
    assert isinstance(result.exception, SystemExit), result.exception
    lines = [line for line in result.stderr.splitlines() if "rror: " in line]
    assert len(lines) == 1, result.stderr
    assert time.monotonic() - began < 30
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("models", "--length", HUGE), ("models", "--size", f"{HUGE}x1"), ("models", "--classes", HUGE),
        ("compare", "d.h5", "out", "--repeats", HUGE), ("evaluate", "r", "--step", 10**30),
        ("evaluate", "r", "--batch", HUGE), ("evaluate", "r", "--workers", HUGE),
        ("detect", "r", "--window", HUGE), ("detect", "r", "--gauss-window", HUGE + 1),
        ("detect", "r", "--step", 10**30), ("robustness", "r", "--repeat", HUGE),
        ("robustness", "r", "--seed", 2**64), ("attention", "r", "0", "--frame", 10**30),
    ],
)  # fmt: skip
def test_the_other_commands_refuse_too(words: tuple[object, ...]) -> None:
    result = call(*words, code=2)
    assert "is not in the range" in result.stderr or "sides are 1 to" in result.stderr


def test_what_is_large_but_possible_is_done(dataset: Path, tmp_path: Path) -> None:
    words = ("--batch", 100_000, "--accumulate", 1000, "--epochs", 1, "--schedule", "constant")
    call("fit", dataset, tmp_path / "r", "--model", "pose", "--device", "cpu", "--allow-absent", *words)
