"""What is seen of a training while it goes on, and with how many threads it computes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch
from rich.console import Console

from tests.support.dataset_writer import write_dataset
from tests.support.trainings import call
from tttrain.cli import progress
from tttrain.training.device import cpu_quota

FIT = ("--model", "twin", "--size", "12x12", "--length", "8", "--epochs", "2", "--batch", "2")


@pytest.fixture
def threads() -> Iterator[int]:
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


def test_steps_are_told_within_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(progress, "QUIET_S", -1.0)
    data = write_dataset(tmp_path / "d.h5", videos=2, strokes=6)
    said = call("fit", data, tmp_path / "run", *FIT, "--threads", "1").stderr
    assert torch.get_num_threads() == 1
    steps = re.findall(r"epoch (\d) of 2: step (\d+) of (\d+)(, about \S+ \w+ left)?", said)
    per_epoch = int(steps[0][2])
    assert per_epoch > 1
    assert [(int(e), int(s)) for e, s, *_ in steps] == [
        (e, s) for e in (1, 2) for s in range(1, per_epoch + 1)
    ]
    again = ("fit", data, tmp_path / "run", *FIT)
    assert "going on after epoch 2 of 2" in call(*again).stderr
    assert call(*again, "--quiet").stderr == ""
    assert not steps[0][3]
    assert all(left for *_, left in steps[1:])


def test_the_bar_says_epoch_and_step() -> None:
    out = io.StringIO()
    bar = progress.TrainingBar(Console(file=out, force_terminal=True, width=120))
    with bar:
        bar.begin(0, 3)
        bar.step(1, 4, 9)
    assert "epoch 2: step 4/9" in out.getvalue()


@pytest.mark.parametrize(
    ("text", "cores"), [("150000 100000\n", 2), ("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_a_containers_share_is_known(tmp_path: Path, text: str, cores: int | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert cpu_quota(tmp_path / "cpu.max") == cores
    assert cpu_quota(tmp_path / "none") is None
