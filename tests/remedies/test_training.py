"""What `tttrain fit` says to do, followed as it is written: the next call trains."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

import h5py
import torch
from torch import Tensor, nn

from tests.remedies.following import Case, Says, Words, call, check, write
from tttrain.cli.main import main
from tttrain.errors import TrainError
from tttrain.feeding.loader import plan_epoch
from tttrain.training import train

torch.set_num_threads(1)
POSE = ("--model", "pose", "--device", "cpu", "--batch", "6", "--epochs", "1", "--schedule", "constant")
SMALL = ("--sampling", "normal", "--option", "width=0.03", "--option", "stride=1")
GRU = ("--model", "2d-convgru", *SMALL, "--size", "16x16")
STREAM = ("--size", "12x12", "--length", "8")
LIMIT = ("--cache-limit", "0.000001")


def fit(*words: object, data: str = "whole.h5", run: str = "run", base: Words = POSE) -> Words:
    return ("fit", data, run, *base, *words)


def timeless() -> None:
    """Make a dataset of which no frame rate is known."""
    shutil.copy("whole.h5", "copy.h5")
    with h5py.File("copy.h5", "a") as file:
        file["videos/fps"][:] = 0


def hipless() -> None:
    """Make a dataset without one of the joints."""
    shutil.copy("whole.h5", "copy.h5")
    with h5py.File("copy.h5", "a") as file:
        file.attrs["joints"] = file.attrs["joints"].replace("left_hip", "left_knee")


def save_weights(features: dict[int, nn.Module] | None = None) -> None:
    """Save a network with names of torchvision's AlexNet as the message says."""
    model = nn.Module()
    sizes = {0: nn.Conv2d(3, 2, 11)}  # the first convolution of the network, 0.03 times as wide
    model.features = nn.ModuleDict({str(k): v for k, v in (features or sizes).items()})
    torch.save(model.state_dict(), "weights.pt")


REFUSED = {
    "no model": Case(
        fit(base=POSE[2:]),
        Says("neither --model nor --preset is given; `tttrain {}` lists the models"),
        fit(),
    ),
    "no model, by a list": Case(
        fit(base=POSE[2:]),
        Says("`tttrain models` lists the models, the presets are: {}"),
        lambda names: fit("--preset", names.split(", ")[0], *STREAM, base=POSE[2:]),
    ),
    "a model of another name": Case(
        fit(base=("--model", "poze", *POSE[2:])),
        Says("did you mean {}?"),
        lambda name: fit(base=("--model", name, *POSE[2:])),
    ),
    "a model of no name": Case(
        fit(base=("--model", "zzz", *POSE[2:])),
        Says("there are: {}"),
        lambda names: fit(base=("--model", next(n for n in names.split(", ") if n == "pose"), *POSE[2:])),
    ),
    "an option of another name": Case(
        fit("--option", "attentoin=1"),
        Says("model {}, {}; there are: {}"),
        lambda *holes: fit("--option", f"{holes[-1].split(', ')[0]}=1"),
    ),
    "an option without a value": Case(
        fit("--option", "attention"),
        Says("write it as NAME=VALUE, e.g. {}"),
        lambda pair: fit("--option", pair),
    ),
    "blocks of two kinds": Case(
        fit("--option", "attention=1", "--option", "residual=1"),
        Says("residual blocks stand in the place of attention blocks; give one of the two"),
        fit("--option", "attention=1"),
    ),
    "no size of a network": Case(
        fit("--size", "4x4", base=(*POSE[2:], *GRU[:-2])),
        Says("every side must be {} or more (--size), or the first convolution's stride smaller"),
        lambda least: fit("--size", f"{least}x{least}", base=(*POSE[2:], *GRU[:-2])),
    ),
    "no size of a CNN": Case(
        fit("--size", "4x4", base=("--model", "cnn", *POSE[2:])),
        Says("is gone after three poolings; every side must be 8 or more (--size)"),
        fit("--size", "8x8", base=("--model", "cnn", *POSE[2:])),
    ),
    "no size of a stream": Case(
        fit("--size", "4x4", base=("--model", "twin", *POSE[2:])),
        Says("every side must be 8 or more (--size), and the number of frames too (--length)"),
        fit("--size", "8x8", "--length", "8", base=("--model", "twin", *POSE[2:])),
    ),
    "a device that is not there": Case(
        ("fit", "whole.h5", "run", *POSE, "--device", "cuda:99"),
        Says("cannot be used here ({}); try {}"),
        lambda _, words: fit(*words.split()),
    ),
    "a cache on a GPU": Case(
        fit("--cache", "gpu"),
        Says("--cache gpu needs a GPU, and the device is {}; take {}"),
        lambda _, words: fit(*words.split()),
    ),
    "a cache that is too small": Case(
        fit(*GRU, "--cache", "memory", *LIMIT),
        Says("GiB, {}; take --cache {}, or a smaller --size or --length"),
        lambda _, kind: fit(*GRU, "--cache", kind, *LIMIT),
    ),
    "a precision of GPUs": Case(
        fit("--precision", "bf16"), Says("--precision {} needs a GPU; leave it out"), fit()
    ),
    "a precision of GPUs, another": Case(
        fit("--precision", "bf16"),
        Says("leave it out, or give {}"),
        lambda kind: fit("--precision", kind),
    ),
    "a schedule that validates": Case(
        fit("--validation", "none", "--schedule", "warm-restart"),
        Says("--schedule {} needs a validation split; take {} without one"),
        lambda _, kind: fit("--validation", "none", "--schedule", kind),
    ),
    "a split without samples": Case(
        fit("--allow-absent", data="few.h5"),
        Says("has no sample of taxonomy {}; add videos, or name other splits"),
        fit("--allow-absent", "--validation", "train", data="few.h5"),
    ),
    "a split without samples, left out": Case(
        fit("--allow-absent", data="few.h5"),
        Says("(--train, --validation; {}: without one)"),
        lambda words: fit("--allow-absent", *words.split(), data="few.h5"),
    ),
    "a split that is not there": Case(
        fit("--train", "training"),
        Says("no split {}; there are: {}, all"),
        lambda _, names: fit("--allow-absent", "--train", names.split(", ")[-1]),
    ),
    "a class that is absent": Case(
        fit("--train", "test", data="absent.h5"),
        Says("or take them as errors with {}"),
        lambda option: fit("--train", "test", option, data="absent.h5"),
    ),
    "a taxonomy that is not there": Case(
        fit("--taxonomy", "stroke"),
        Says("no taxonomy {}; there are: {}"),
        lambda _, names: fit("--taxonomy", names.split(", ")[0]),
    ),
    "too long a window": Case(
        fit("--length", "17"),
        Says("has only T = {} for each sample; take {}, or set"),
        lambda most, _: fit("--length", most),
    ),
    "too large a picture": Case(
        fit("--size", "99x99"),
        Says("is more than the {} of {}, {}x{}; take at most that"),
        lambda *holes: fit("--size", "x".join(holes[-2:])),
    ),
    "a length of a sampling method": Case(
        fit(
            "--sampling", "method-1", "--length", "8", data="trials.h5", base=(*POSE[2:], *GRU[:2], *GRU[4:])
        ),
        Says("takes {} frames, not {}; leave --length out"),
        fit("--sampling", "method-1", data="trials.h5", base=(*POSE[2:], *GRU[:2], *GRU[4:])),
    ),
    "windows by a rate that is not known": Case(
        fit("--sampling", "siamese", data="copy.h5"),
        Says("and --sampling siamese depends on it; take {}"),
        lambda words: fit(*words.split(), data="copy.h5"),
        prepare=timeless,
    ),
    "a joint that is not there": Case(
        fit("--joints", "body", data="copy.h5"),
        Says("has no joint {}; take {}"),
        lambda _, words: fit(*words.split(), data="copy.h5"),
        prepare=hipless,
    ),
    "a rate that is no number": Case(
        fit("--lr", "1e18"),
        Says("the loss is not a number any more; take a smaller --lr; begin in another folder"),
        fit("--lr", "0.01", run="other"),
    ),
    "a rate that is no number, anew": Case(
        fit("--lr", "1e18"),
        Says("begin in another folder, or anew with {}"),
        lambda option: fit("--lr", "0.01", option),
    ),
    "a model of other modalities": Case(
        fit(data="rgb.h5"),
        Says("or take another model (`tttrain models`)"),
        fit(data="rgb.h5", base=(*POSE[2:], *GRU)),
    ),
    "a modality that is switched on": Case(
        fit(data="rgb.h5"),
        Says("(it has: {}); switch it on in the manifest and export again"),
        fit(data="whole.h5"),
    ),
    "weights that are none": Case(
        fit("--initial", "weights.pt", base=(*POSE[2:], *GRU, "--option", "features=torchvision")),
        Says("not a file of weights ({}); save one with torch.save(model.state_dict(), …)"),
        follow=lambda _: save_weights(),
        prepare=write("weights.pt", "text"),
    ),
    "weights without names": Case(
        fit("--initial", "weights.pt", base=(*POSE[2:], *GRU, "--option", "features=torchvision")),
        Says("holds no state_dict (names and tensors); save one with torch.save(model.state_dict(), …)"),
        follow=save_weights,
        prepare=lambda: torch.save([1], "weights.pt"),
    ),
}


def test_more_processes_than_samples() -> None:
    with pytest.raises(TrainError) as caught:
        plan_epoch(2, 1, world=3)
    most, _ = Says("{} samples cannot occupy {} processes; start fewer of them").of(str(caught.value))
    assert plan_epoch(2, 1, world=int(most))


@pytest.mark.parametrize("name", REFUSED)
def test_a_remedy_works_as_it_is_written(trainings: Path, name: str) -> None:
    check(main, REFUSED[name])


def test_the_batch_that_fits(trainings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = train.Trainer._gradients
    limit = 2

    def little_memory(self: train.Trainer, inputs: Any, labels: Tensor, size: int) -> Tensor:
        if len(labels) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, inputs, labels, size)

    monkeypatch.setattr(train.Trainer, "_gradients", little_memory)
    code, text = call(main, *fit())
    assert code == 1
    remedy = Says("out of memory with batch {}; batch {} fits: --batch {} --accumulate {} makes steps of {}")
    _, _, batch, times, _ = remedy.of(text)
    (option,) = Says("begin in another folder, or anew with {}").of(text)
    code, text = call(main, *fit("--batch", batch, "--accumulate", times, option))
    assert code == 0, text
    limit = 0
    code, text = call(main, *fit("--force"))
    assert code == 1
    remedy = Says(
        "out of memory with a single sample; take a smaller model, --size or --length, or --precision"
    )
    remedy.of(text)
    limit = 6  # a smaller model fits
    assert call(main, *fit("--force"))[0] == 0
