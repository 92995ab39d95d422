"""``tttrain models``: list the networks."""

from __future__ import annotations

from typing import Any

import click

from tttrain import errors
from tttrain.cli import options as shared
from tttrain.cli.output import echo_json
from tttrain.cli.table import print_table


@click.command()
@click.option(
    "--size", type=shared.Size(), default="120x120", show_default=True,
    help="Count the parameters for inputs of this size.",
)  # fmt: skip
@click.option(
    "--length",
    type=shared.COUNT,
    default=100,
    show_default=True,
    help="Count for inputs of this many frames.",
)
@click.option(
    "--classes",
    type=click.IntRange(2, 10_000),
    default=21,
    show_default=True,
    help="Count for this many classes.",
)
@shared.JSON
def models(size: tuple[int, int], length: int, classes: int, as_json: bool) -> int:
    """List the models with their options and numbers of parameters."""
    import torch

    from tttrain.models import InputShape, build, specs
    from tttrain.models.blocks import count_parameters
    from tttrain.models.registry import make_options

    shape = InputShape(size, length)
    rows: list[dict[str, Any]] = []
    for spec in specs().values():
        fields = spec.options.model_fields
        variants: list[dict[str, Any]] = [{}]
        if "attention" in fields:  # as many blocks as there can be
            variants.append({name: 3 for name in fields if name.endswith("attention")})
        for options in variants:
            with torch.device("meta"):  # counting needs no memory
                every, without = count_parameters(build(spec.name, shape, classes, options))
            rows.append(
                {
                    "model": spec.name,
                    "title": spec.title,
                    "source": spec.source,
                    "inputs": list(spec.inputs),
                    "options": make_options(spec, options).model_dump(),
                    "settings": dict(spec.settings),
                    "parameters": every,
                    "parameters_without_fc": without,
                }
            )
    if as_json:
        echo_json(rows)
        return errors.OK
    heads = ("model", "what", "source", "inputs", "options", "parameters", "without FC")
    lines = []
    for row in rows:
        stated = ", ".join(f"{k}={v}" for k, v in row["options"].items())
        lines.append((
            row["model"], row["title"], row["source"], " ".join(row["inputs"]), stated,
            f"{row['parameters']:,}".replace(",", " "), f"{row['parameters_without_fc']:,}".replace(",", " "),
        ))  # fmt: skip
    print_table(heads, lines)
    return errors.OK
