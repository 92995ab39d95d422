"""Each remedy that a message of tttrain names, followed as it is written: the next call succeeds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import torch
from torch import Tensor

from tests.support.dataset_writer import write_dataset
from tests.support.trainings import call
from tttrain.training import train

torch.set_num_threads(1)
BASE = ("--model", "pose", "--device", "cpu", "--batch", "6", "--epochs", "1", "--schedule", "constant")


@dataclass(frozen=True)
class Case:
    """A training that is refused.

    Attributes
    ----------
    data : str
        Name of the dataset.
    words : tuple of str
        Added to the call.
    remedy : str
        Pattern of what the message says to do; what its groups match are words of the next call.
    again : tuple of str
        What takes the place of ``words`` in it, beside those.
    """

    data: str
    words: tuple[str, ...]
    remedy: str
    again: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("remedies")
    return {
        "whole": write_dataset(folder / "whole.h5", videos=2, strokes=9),
        "no validation": write_dataset(folder / "few.h5", videos=1, strokes=3),
        "rgb alone": write_dataset(folder / "rgb.h5", videos=2, strokes=9, modalities=("rgb",)),
    }


CONVGRU = (
    "--model", "2d-convgru", "--sampling", "normal", "--size", "16x16", "--option", "width=0.03", "--option",
    "stride=1",
)  # fmt: skip
LIMIT = ("--cache-limit", "0.000001")
CASES = {
    "a cache on a GPU": Case("whole", ("--cache", "gpu"), "the device is cpu; take (--cache memory)"),
    "a cache that is too small": Case(
        "whole",
        (*CONVGRU, "--cache", "memory", *LIMIT),
        "is the limit; take (--cache none)",
        (*CONVGRU, *LIMIT),
    ),
    "a precision of GPUs": Case("whole", ("--precision", "bf16"), "needs a GPU; leave it out"),
    "a precision of GPUs, another": Case(
        "whole", ("--precision", "bf16"), "(--precision) bf16 needs a GPU; .*or give (fp32)"
    ),
    "a split without samples": Case(
        "no validation", ("--allow-absent",), "(--validation none): without one", ("--allow-absent",)
    ),
    "a split that is not there": Case(
        "whole", ("--train", "training"), r"there are: .*\b(test)\b", ("--allow-absent", "--train")
    ),
    "too long a window": Case("whole", ("--length", "17"), "take a smaller length", ("--length", "16")),
    "too large a picture": Case(
        "whole", ("--size", "99x99"), r"(?:crop|square) of .*, (\d+x\d+); take at most that", ("--size",)
    ),
    "a rate that is no number": Case(
        "whole", ("--lr", "1e18"), r"take a smaller --lr.* with (--force)", ("--lr", "0.01")
    ),
    "a model of other modalities": Case("rgb alone", (), "or take another model", CONVGRU),
}


@pytest.mark.parametrize("name", CASES)
def test_a_remedy_works_as_it_is_written(data: dict[str, Path], tmp_path: Path, name: str) -> None:
    case = CASES[name]
    where = ("fit", data[case.data], tmp_path / "run", *BASE)
    refused = call(*where, *case.words, code=-1)
    assert refused.exit_code in (1, 2), refused.output
    found = re.search(case.remedy, " ".join(refused.output.split()))
    assert found, refused.output
    call(*where, *case.again, *(word for group in found.groups() for word in group.split()))


def test_the_batch_that_fits(data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = train.Trainer._forward_backward

    def little_memory(self: train.Trainer, clip: dict[str, Tensor], size: int) -> Tensor:
        if len(clip["label"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, clip, size)

    monkeypatch.setattr(train.Trainer, "_forward_backward", little_memory)
    where = ("fit", data["whole"], tmp_path / "run", *BASE)
    said = call(*where, code=1).output
    found = re.search(r"batch 2 fits: ((?:--\w+ \d+ )+)makes steps of 6 samples; .* with (--force)", said)
    assert found
    call(*where, *found[1].split(), found[2])
