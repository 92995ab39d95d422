"""Options that several commands share, and how they are turned into settings.

Nothing here loads torch before a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click
from pydantic import ValidationError

from tttrain.errors import USAGE, TrainError
from tttrain.training.config import RunConfig, Sampling

if TYPE_CHECKING:
    import torch

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


#: more than this of anything that is counted is a slip of the pen: refused, instead of memory or time
MOST = 1_000_000
MOST_WORKERS = 256
#: sides of a network's input, px
MOST_PIXELS = 16_384
COUNT = click.IntRange(1, MOST)


class Size(click.ParamType[tuple[int, int]]):
    """``32x32``: width x height."""

    name = "WxH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Parse a size."""
        if isinstance(value, tuple):
            return value
        try:
            width, height = (int(part) for part in str(value).lower().split("x"))
        except ValueError:
            self.fail(f"{str(value)[:40]!r} is not like 32x32", param, ctx)
        if not (1 <= width <= MOST_PIXELS and 1 <= height <= MOST_PIXELS):
            self.fail(f"{str(value)[:40]!r}: sides are 1 to {MOST_PIXELS} pixels", param, ctx)
        return width, height


DEVICE = click.option(
    "--device", metavar="NAME", help="Compute on cpu, cuda, cuda:1 ...; default: a GPU where there is one."
)


def _set_threads(ctx: click.Context, param: click.Parameter, threads: int | None) -> None:
    from tttrain.training.device import set_threads

    set_threads(threads)


THREADS = click.option(
    "--threads", type=click.IntRange(1, MOST_WORKERS), callback=_set_threads, expose_value=False, metavar="N",
    help="Compute with this many threads on the CPU; default: one per core that this process may use. "
    "Take fewer on a machine that others use. The number may show in the last bits of the result.",
)  # fmt: skip
WORKERS = click.option(
    "--workers", type=click.IntRange(0, MOST_WORKERS), default=0, show_default=True,
    help="Read data in this many processes; 0: in the main one.",
)  # fmt: skip
CACHE = click.option(
    "--cache", type=click.Choice(["auto", "gpu", "memory", "none"]), default="auto", show_default=True,
    help="Keep the windows of all samples on the GPU or in memory, so that nothing is read during training; "
    "auto: where they fit.",
)  # fmt: skip
CACHE_LIMIT = click.option(
    "--cache-limit", type=click.FloatRange(min=0), metavar="GIB",
    help="Let --cache take this many GiB at most; default: 40 % of the GPU's free memory, or half of the "
    "machine's.",
)  # fmt: skip
JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
BATCH = click.option(
    "--batch", type=COUNT, default=10, show_default=True,
    help="Pass this many windows through the network at once.",
)  # fmt: skip
DATASET = click.option(
    "--dataset", type=PATH, help="Use this dataset file; default: the one the run was trained on."
)
OUTPUT = click.option(
    "-o", "--output", type=PATH, help="Write the results to this folder; default: a folder inside RUN."
)


def _setting(name: str, kind: Any, text: str) -> Callable[[Any], Any]:
    """Declare an option for a field of RunConfig; where it is not given, the model's own default holds."""
    field = name.split("/")[0].strip("-").replace("-", "_")
    usual = RunConfig.model_fields[field].default
    if usual is not None:
        text = f"{text} [default: {name if usual is True else usual}]"
    return click.option(name, type=kind, default=None, help=text)


_SETTINGS = (
    click.option("--taxonomy", metavar="NAME",
                 help="Take the labels from this taxonomy; default: the file's own."),
    click.option("--size", type=Size(), help="Scale the crop to this size; default: its own."),
    _setting("--square", COUNT,
             "Show only the square of this side (in pixels) in the middle of the crop."),
    click.option("--length", type=COUNT,
                 help="Number of frames that the network reads; default: the file's T."),
    _setting("--every", COUNT, "Read every N-th frame of the video."),
    click.option("--train", "train_split", metavar="SPLIT", default=None,
                 help="Train on this split. [default: train]"),
    click.option("--validation", "validation_split", metavar="SPLIT", default=None,
                 help="Validate on this split after every epoch; none: do not validate. "
                      "[default: validation]"),
    _setting("--epochs", COUNT, "Number of passes over the training samples."),
    _setting("--batch", COUNT, "Number of samples per batch and process."),
    _setting("--accumulate", COUNT,
             "Add up the gradients of this many batches before each optimiser step."),
    _setting("--optimizer", click.Choice(["sgd", "adam"]), "SGD with Nesterov momentum, or Adam."),
    _setting("--schedule", click.Choice(["warm-restart", "siamese", "constant"]),
             "Change the learning rate by warm restarts, lower the momentum as the siamese paper does, or "
             "keep both."),
    _setting("--lr", float, "Learning rate at the start; warm restarts come back to it."),
    _setting("--lr-min", float, "Lowest learning rate of the warm restarts; --lr follows it."),
    _setting("--momentum", float, "Momentum of SGD."),
    _setting("--weight-decay", float, "Weight of the L2 regularisation."),
    _setting("--loss", click.Choice(["cross-entropy", "softmax"]),
             "Cross-entropy of the logits, or of their softmax, as in the authors' published code (trains "
             "slowly, and not at all once it is sure)."),
    click.option("--clip", type=click.FloatRange(min=0), default=None,
                 help="Shorten gradients longer than this; 0: none. [default: 1 with sgd, 0 with adam]"),
    _setting("--patience", COUNT,
             "Keep a learning rate for this many epochs before a plateau may end it."),
    _setting("--recent", COUNT,
             "A plateau: the mean training loss over this many latest epochs exceeds the mean over the "
             "--before epochs preceding them."),
    _setting("--before", COUNT,
             "Number of epochs before the --recent ones that the plateau test compares with."),
    _setting("--drop", click.FloatRange(0, 1),
             "Restart at once when the validation accuracy falls below this share of the best state's; "
             "0: never."),
    click.option("--augment/--no-augment", default=None,
                 help="Augment the training samples, or show them as they are stored. [default: augment]"),
    _setting("--augmentation", click.Choice(["roi", "colour"]),
             "Rotate, shift, zoom and flip about the ROI, or crop at random and change the colours."),
    click.option("--flip/--no-flip", default=None,
                 help="About the ROI: mirror every other sample (three-stream paper), or none: the siamese "
                      "paper, and where left and right tell classes apart. [default: flip]"),
    _setting("--pixels", click.Choice(["unit", "standard", "imagenet"]),
             "Scale RGB to 0…1, standardise each frame, or normalise by ImageNet's mean and deviation."),
    _setting("--joints", click.Choice(["frame", "body"]),
             "Express joints as shares of the frame, or relative to the middle of the body and its size."),
    _setting("--statistics", click.Choice(["all", "train"]),
             "Normalise flow by the statistics of all videos, or of the training videos alone."),
    click.option("--precision", type=click.Choice(["auto", "fp32", "tf32", "bf16"]), default="auto",
                 show_default=True,
                 help="Arithmetic of the network; auto: bf16 or tf32 on a GPU, fp32 on a CPU."),
    _setting("--seed", click.IntRange(0, 2**63 - 1), "Seed of all random numbers."),
    click.option("--allow-absent", is_flag=True,
                 help="Train even if a class of the other splits has no training sample."),
    click.option("--option", "options", multiple=True, metavar="NAME=VALUE",
                 help="Set an option of the model; may be repeated."),
    click.option("--compile", "compiled", is_flag=True, help="Compile the network with torch.compile."),
    click.option("--save-every", type=COUNT, default=1, show_default=True,
                 help="Write a checkpoint every N epochs."),
)  # fmt: skip

SAMPLING = _setting(
    "--sampling", click.Choice(get_args(Sampling)),
    "Which frames a training sample takes: a window drawn normally about the middle of the stroke (siamese: "
    "with the deviation of that paper, which follows from the frame rate) or uniformly within it; frames: a "
    "window around any frame of a whole video, for detection; method-N: a sampling method for trials.",
)  # fmt: skip


def settings(command: Command) -> Command:
    """Add the options that decide on a training; what is not given arrives as None."""
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


def stated(given: dict[str, Any]) -> dict[str, Any]:
    """Keep the settings that were given; the model decides on the others."""
    return {name: value for name, value in given.items() if value is not None}


def parse_options(pairs: tuple[str, ...]) -> dict[str, str]:
    """Parse the ``NAME=VALUE`` pairs of ``--option``.

    Raises
    ------
    click.UsageError
        A pair has no equals sign.
    """
    out = {}
    for pair in pairs:
        name, sep, value = pair.partition("=")
        if not sep:
            raise click.UsageError(f"--option {pair}: write it as NAME=VALUE, e.g. attention=3")
        out[name.strip().replace("-", "_")] = value.strip()
    return out


def make_config(given: dict[str, Any], device: torch.device) -> RunConfig:
    """Check what was given on the command line and fill in the model's or the general defaults.

    Raises
    ------
    TrainError
        No such model or option, or a value that is out of range.
    """
    from tttrain.models.registry import get_spec, make_options
    from tttrain.training.device import choose_precision
    from tttrain.training.presets import with_preset

    given = with_preset(given)
    spec = get_spec(given["model"])
    options = make_options(spec, given["options"]).model_dump()
    precision = choose_precision(device, given["precision"])
    try:
        return RunConfig.model_validate({**given, "options": options, "precision": precision})
    except ValidationError as error:
        first = error.errors()[0]
        name = "".join(f"--{part}: " for part in first["loc"]).replace("_", "-")
        raise TrainError(f"{name}{first['msg'].removeprefix('Value error, ')}", USAGE) from None
