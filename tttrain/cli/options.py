"""Options of the commands that train, and how they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click

from tttrain.training.config import RunConfig, Sampling

Command = TypeVar("Command", bound=Callable[..., Any])


class Size(click.ParamType[tuple[int, int]]):
    """``32x32``: width x height."""

    name = "WxH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Parse."""
        if isinstance(value, tuple):
            return value
        try:
            width, height = (int(part) for part in str(value).lower().split("x"))
        except ValueError:
            self.fail(f"{value!r} is not like 32x32", param, ctx)
        return width, height


def _setting(name: str, kind: Any, text: str) -> Callable[[Any], Any]:
    """An option for a field of RunConfig; without it the model's own default holds."""
    field = name.split("/")[0].strip("-").replace("-", "_")
    usual = RunConfig.model_fields[field].default
    if usual is not None:
        text = f"{text} [default: {name if usual is True else usual}]"
    return click.option(name, type=kind, default=None, help=text)


_SETTINGS = (
    click.option("--taxonomy", help="View of the labels; default: the file's own."),
    click.option("--size", type=Size(), help="Scale the crop to this size; default: as it is."),
    _setting("--square", click.IntRange(1), "Show the square of this side in the middle of the crop."),
    click.option("--length", type=click.IntRange(1), help="Frames of the input; default: the file's T."),
    _setting("--every", click.IntRange(1), "Take every how many-th frame."),
    click.option("--train", "train_split", default=None, help="Split to learn from. [default: train]"),
    click.option("--validation", "validation_split", default=None,
                 help="Split to watch, or none. [default: validation]"),
    _setting("--epochs", click.IntRange(1), "Passes over the training samples."),
    _setting("--batch", click.IntRange(1), "Samples a (micro-)batch."),
    _setting("--accumulate", click.IntRange(1), "Batches a step."),
    _setting("--optimizer", click.Choice(["sgd", "adam"]), "SGD with Nesterov momentum, or Adam."),
    _setting("--schedule", click.Choice(["warm-restart", "siamese", "constant"]), "Of the learning rate."),
    _setting("--lr", float, "Learning rate, the highest one."),
    _setting("--lr-min", float, "After it comes --lr again."),
    _setting("--momentum", float, "Of SGD."),
    _setting("--weight-decay", float, "L2 regularisation."),
    _setting("--patience", click.IntRange(1), "Epochs a rate is kept."),
    _setting("--recent", click.IntRange(1), "Epochs whose mean loss …"),
    _setting("--before", click.IntRange(1), "… is compared to these."),
    _setting("--drop", click.FloatRange(0, 1), "Restart under this share of the best accuracy; 0: never."),
    click.option("--augment/--no-augment", default=None, help="[default: augment]"),
    _setting("--augmentation", click.Choice(["roi", "colour"]),
             "About the ROI, or a random crop and change of colour."),
    _setting("--pixels", click.Choice(["unit", "standard", "imagenet"]),
             "RGB as 0…1, standardised by each frame, or by ImageNet's mean and deviation."),
    _setting("--statistics", click.Choice(["all", "train"]), "Videos whose flow sets the normalisation."),
    click.option("--precision", type=click.Choice(["auto", "fp32", "tf32", "bf16"]), default="auto",
                 show_default=True),
    _setting("--seed", click.IntRange(0), "Of everything random."),
    click.option("--allow-absent", is_flag=True, help="Train although a class has no training sample."),
    click.option("--option", "options", multiple=True, metavar="NAME=VALUE",
                 help="Of the model; may be repeated."),
    click.option("--compile", "compiled", is_flag=True, help="Use torch.compile."),
    click.option("--save-every", type=click.IntRange(1), default=1, show_default=True,
                 help="Epochs a checkpoint."),
)  # fmt: skip

SAMPLING = _setting(
    "--sampling", click.Choice(get_args(Sampling)),
    "Law of the window's place in a stroke; frames: around any frame of whole videos, for detection; or a "
    "sampling method for trials.",
)  # fmt: skip


def settings(command: Command) -> Command:
    """Add the options that decide on a training; what is not given arrives as None."""
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


def stated(given: dict[str, Any]) -> dict[str, Any]:
    """The settings that were given; the others are left to the model."""
    return {name: value for name, value in given.items() if value is not None}


def parse_options(pairs: tuple[str, ...]) -> dict[str, str]:
    """``NAME=VALUE`` pairs of ``--option``.

    Raises
    ------
    click.UsageError
        One without an equals sign.
    """
    out = {}
    for pair in pairs:
        name, sep, value = pair.partition("=")
        if not sep:
            raise click.UsageError(f"--option {pair}: write it as NAME=VALUE, e.g. attention=3")
        out[name.strip().replace("-", "_")] = value.strip()
    return out
