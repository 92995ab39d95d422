"""The command ``tttrain``. Results go to stdout, progress and messages to stderr.

Exit codes: 0 ok · 1 failed · 2 usage · 130 cancelled.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from tttrain import errors
from tttrain.cli.options import SAMPLING, Size, parse_options, settings, stated
from tttrain.errors import USAGE, TrainError

_PATH = click.Path(path_type=Path)


class _Group(click.Group):
    """Turns every expected error into one line and its exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        code: Any = errors.OK
        try:
            code = super().main(*args, **kwargs)
        except click.exceptions.Exit as e:
            code = e.exit_code
        except click.ClickException as e:
            e.show()
            code = USAGE
        except (KeyboardInterrupt, click.Abort):
            click.echo("cancelled; finished epochs are kept, run again to go on", err=True)
            code = errors.CANCELLED
        except TrainError as e:
            click.echo(f"error: {e}", err=True)
            code = e.code
        except BrokenPipeError:
            sys.stderr.close()  # the reader went away; Python would complain at exit
        except OSError as e:
            click.echo(f"error: {e.filename or 'system'}: {e.strerror or e}", err=True)
            code = errors.FAILED
        sys.exit(code if isinstance(code, int) else errors.OK)


def _stderr() -> Console:
    return Console(stderr=True, highlight=False)


_DEVICE = click.option("--device", help="cpu, cuda, cuda:1 …; default: a GPU where there is one.")
_WORKERS = click.option(
    "--workers", type=click.IntRange(0), default=0, show_default=True, help="Processes that read."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
_BATCH = click.option(
    "--batch", type=click.IntRange(1), default=10, show_default=True, help="Windows at once."
)
_DATASET = click.option("--dataset", type=_PATH, help="Default: the file that the run was trained on.")
_OUTPUT = click.option("-o", "--output", type=_PATH, help="Folder for results; default: inside RUN.")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]}, epilog=__doc__)
@click.version_option(package_name="ttprep")
def main() -> None:
    """Train and apply the networks of the stroke papers on a dataset of `ttprep export`."""


@main.command()
@click.argument("dataset", type=_PATH)
@click.argument("run", type=_PATH)
@click.option("--model", required=True, help="See `tttrain models`.")
@settings
@SAMPLING
@click.option("--initial", type=_PATH, help="First weights: a state_dict of torchvision's AlexNet.")
@click.option("--force", is_flag=True, help="Start over where RUN holds a run.")
@_WORKERS
@_DEVICE
@_JSON
def fit(
    dataset: Path, run: Path, options: tuple[str, ...], initial: Path | None, allow_absent: bool, force: bool,
    compiled: bool, save_every: int, workers: int, device: str | None, as_json: bool, **given: Any,
) -> int:  # fmt: skip
    """Train a network on DATASET; settings, curve and weights go to the folder RUN.

    A model of the ConvGRU or the CNN-LSTM paper brings that paper's settings along (`tttrain models`);
    the defaults below are those of the others. Run it again with the same settings to go on where it
    stopped (or with more --epochs). For several GPUs start it with torchrun.
    """
    from tttrain.cli.commands import run_fit

    chosen = {**stated(given), "options": parse_options(options)}
    runtime = {"workers": workers, "compile": compiled, "save_every": save_every, "initial": initial}
    return run_fit(
        dataset,
        run,
        chosen,
        runtime,
        device,
        allow_absent=allow_absent,
        force=force,
        as_json=as_json,
        err=_stderr(),
    )


@main.command()
@click.argument("dataset", type=_PATH)
@click.argument("folder", type=_PATH, metavar="OUTDIR")
@click.option(
    "--models",
    "names",
    default="1d-convgru,2d-convgru",
    show_default=True,
    metavar="NAME,...",
    help="Rows of the table; NAME:fusion=flat sets a model's option for its row.",
)
@click.option(
    "--sampling",
    "methods",
    default="1,2,5",
    show_default=True,
    metavar="N,...",
    help="Columns: sampling methods 1 to 7.",
)
@click.option(
    "--repeats",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Trainings for each place of the table, seeds counted up from --seed.",
)
@click.option("--split", default="test", show_default=True, help="Split to test on.")
@settings
@_WORKERS
@_DEVICE
@_JSON
def compare(
    dataset: Path, folder: Path, names: str, methods: str, repeats: int, split: str, options: tuple[str, ...],
    allow_absent: bool, compiled: bool, save_every: int, workers: int, device: str | None, as_json: bool,
    **given: Any,
) -> int:  # fmt: skip
    """Train each model with each sampling method on DATASET, test them, and write the table.

    OUTDIR gets a run folder for each, and table.json, table.md and table.png. Run it again to go on
    where it stopped.
    """
    from tttrain.cli.compare import run_compare

    chosen = {**stated(given), "options": parse_options(options)}
    runtime = {"workers": workers, "compile": compiled, "save_every": save_every}
    return run_compare(
        dataset, folder, names, methods, repeats, split, chosen, runtime, device,
        allow_absent=allow_absent, as_json=as_json, err=_stderr(),
    )  # fmt: skip


@main.command()
@click.argument("runs", type=_PATH, nargs=-1, required=True, metavar="RUN...")
@_DATASET
@click.option("--split", default="test", show_default=True, help="One of the file's, or all.")
@click.option("--step", type=click.IntRange(1), default=10, show_default=True, help="Frames between windows.")
@_BATCH
@_OUTPUT
@_WORKERS
@_DEVICE
@_JSON
def evaluate(
    runs: tuple[Path, ...], dataset: Path | None, split: str, step: int, batch: int, output: Path | None,
    workers: int, device: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Classify the samples of a split: centre window, vote and average over windows.

    Several RUNs decide together: their class scores are added (late fusion).
    """
    from tttrain.cli.commands import run_evaluate

    where = output or runs[0] / f"evaluate-{split}"
    given = {"step": step, "batch": batch, "workers": workers}
    return run_evaluate(runs, dataset, split, where, given, device, as_json=as_json, err=_stderr())


@main.command()
@click.argument("runs", type=_PATH, nargs=-1, required=True, metavar="RUN...")
@_DATASET
@click.option("--split", default="test", show_default=True, help="One of the file's, or all.")
@click.option("--only", multiple=True, type=click.Choice(["frame-rate", "missing-frames", "spatial-offset"]),
              help="Only this disturbance; may be repeated.")  # fmt: skip
@click.option(
    "--repeat", type=click.IntRange(1), default=3, show_default=True, help="Draws of each disturbance."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@_BATCH
@_OUTPUT
@_DEVICE
@_JSON
def robustness(
    runs: tuple[Path, ...], dataset: Path | None, split: str, only: tuple[str, ...], repeat: int, seed: int,
    batch: int, output: Path | None, device: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Disturb trials as cameras and people do, and see how much accuracy is left.

    Frame rate off, frames missing, person off the centre; each RUN is a curve. For runs that were trained
    with a sampling method of the ConvGRU paper.
    """
    from tttrain.cli.commands import stdout
    from tttrain.cli.robustness import run_robustness
    from tttrain.evaluation.perturb import DISTURBANCES

    where = output or runs[0] / f"robustness-{split}"
    names = [name for name in DISTURBANCES if name in only or not only]
    given = {"names": names, "repeat": repeat, "seed": seed}
    return run_robustness(
        runs, dataset, split, where, batch, given, device, as_json=as_json, err=_stderr(), out=stdout()
    )


@main.command()
@click.argument("run", type=_PATH)
@_DATASET
@click.option("--video", "videos", multiple=True, metavar="NAME", help="Only this video; may be repeated.")
@click.option("--split", default="all", show_default=True, help="Only videos with samples of this split.")
@click.option("--step", type=click.IntRange(1), default=1, show_default=True, help="Frames between windows.")
@click.option(
    "--window", type=click.IntRange(1), default=150, show_default=True, help="Of vote and average, frames."
)
@click.option("--gauss-window", type=click.IntRange(1), default=201, show_default=True, help="Frames, odd.")
@click.option(
    "--shortest", type=click.IntRange(1), default=30, show_default=True, help="Frames a stroke lasts."
)
@_BATCH
@_OUTPUT
@_DEVICE
@_JSON
def detect(
    run: Path, dataset: Path | None, videos: tuple[str, ...], split: str, step: int, window: int,
    gauss_window: int, shortest: int, batch: int, output: Path | None, device: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Find and classify strokes in whole videos, by vote, average and Gaussian along time."""
    from tttrain.cli.commands import run_detect

    where = output or run / "detect"
    given = {"videos": videos, "split": split, "step": step, "window": window, "gauss_window": gauss_window,
             "shortest": shortest, "batch": batch}  # fmt: skip
    return run_detect(run, dataset, where, given, device, as_json=as_json, err=_stderr())


@main.command()
@click.option("--size", type=Size(), default="120x120", show_default=True)
@click.option("--length", type=click.IntRange(1), default=100, show_default=True)
@click.option("--classes", type=click.IntRange(2), default=21, show_default=True)
@_JSON
def models(size: tuple[int, int], length: int, classes: int, as_json: bool) -> int:
    """List the models with their options and numbers of parameters."""
    from tttrain.cli.commands import run_models

    return run_models(size, length, classes, as_json=as_json)


@main.command()
@click.argument("run", type=_PATH)
@click.argument("sample")
@_DATASET
@click.option("--frame", type=click.IntRange(0), help="Of the input; default: the middle one.")
@click.option("-o", "--output", type=_PATH, help="PNG; default: attention.png in RUN.")
@_DEVICE
def attention(
    run: Path, sample: str, dataset: Path | None, frame: int | None, output: Path | None, device: str | None
) -> int:
    """Draw where the attention blocks look in a SAMPLE (id or row of /samples)."""
    from tttrain.cli.commands import run_attention

    return run_attention(run, sample, dataset, frame, output or run / "attention.png", device)


if __name__ == "__main__":
    main()
