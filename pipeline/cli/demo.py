"""``ttprep demo``: render demo data and run the whole pipeline on it."""

from __future__ import annotations

import re
from pathlib import Path

import click

from pipeline import errors
from pipeline.cli.options import PATH, next_step, quoted, stderr, stdout
from pipeline.errors import UserError
from pipeline.terminal import say

#: what the task was called at first
SYNONYMS = {"outcome": "throws"}


def picture_size(text: str) -> tuple[int, int]:
    """Return width and height of a size such as ``1920x1080``, px.

    Raises
    ------
    UserError
        It is no size.
    """
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if not match:
        raise UserError(f"--size {text}: give WIDTHxHEIGHT, e.g. 1920x1080", errors.USAGE)
    return int(match[1]), int(match[2])


def seconds(option: str, text: str) -> tuple[float, float]:
    """Return the limits of a range of seconds such as ``0.6-0.8``.

    Raises
    ------
    UserError
        It is no range; names the option.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", text)
    if not match:
        raise UserError(f"{option} {text}: give SHORTEST-LONGEST in seconds, e.g. 0.6-0.8", errors.USAGE)
    return float(match[1]), float(match[2])


@click.command(context_settings={"token_normalize_func": lambda word: SYNONYMS.get(word, word)})
@click.argument("folder", type=PATH, default=Path("ttprep-demo"))
@click.option(
    "--task",
    type=click.Choice(["strokes", "throws"]),
    default="strokes",
    show_default=True,
    help="strokes: videos with labelled strokes. throws: trials (folders of pictures) of one stroke each, "
    "labelled with the target, one of nine, at which the ball is played.",
)
@click.option(
    "--clips",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    help="Number of videos; of throws, the number of trials for each target.",
)
@click.option(
    "--strokes",
    type=click.IntRange(1, 200),
    default=2,
    show_default=True,
    help="Number of strokes in each video.",
)
@click.option(
    "--stroke-seconds",
    metavar="MIN-MAX",
    help="Shortest and longest duration of a stroke in a video; default: 0.7-1.5.",
)
@click.option(
    "--pause-seconds",
    metavar="MIN-MAX",
    help="Shortest and longest pause between the strokes of a video; default: 0.3-0.6.",
)
@click.option(
    "--size", metavar="WIDTHxHEIGHT", help="Size of the pictures; default: 1920x1080, of throws 320x240."
)
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="The same seed gives the same data; another one gives other players, halls and movements.",
)
@click.option("--workers", type=click.IntRange(1), help="Number of processes; default: one per core.")
@click.option(
    "--pose-weights",
    type=PATH,
    help="Folder of PoseNet weights; where none can be found or downloaded, pose is left out.",
)
@click.option(
    "--render-only", is_flag=True, help="Render the data and write its labels and manifest, but run nothing."
)
def demo(
    folder: Path, task: str, clips: int, strokes: int, stroke_seconds: str | None, pause_seconds: str | None,
    size: str | None, seed: int, workers: int | None, pose_weights: Path | None, render_only: bool,
) -> int:  # fmt: skip
    """Render labelled data and run everything on it.

    Afterwards FOLDER (default: ttprep-demo) holds table-tennis videos or trials with their labels and
    manifest, the feature store, the dataset file, and pictures that show what was computed.
    """
    from pipeline.cli.output.outcome import print_result
    from pipeline.demos.running import run_demo, show_results, write_manifest
    from pipeline.demos.strokes import render_strokes
    from pipeline.demos.throws import render_throws
    from pipeline.execution.cluster import cores

    shape = picture_size(size or ("320x240" if task == "throws" else "1920x1080"))
    console, out, workers = stderr(), stdout(), workers or cores()
    if task == "throws":
        made = render_throws(folder, trials=clips, size=shape, seed=seed, workers=workers, stderr=console)
    else:
        given = {"duration": ("--stroke-seconds", stroke_seconds), "gap": ("--pause-seconds", pause_seconds)}
        lasting = {name: seconds(option, text) for name, (option, text) in given.items() if text}
        made = render_strokes(
            folder, clips=clips, strokes=strokes, size=shape, seed=seed, workers=workers,
            pose_weights=pose_weights, stderr=console, **lasting,
        )  # fmt: skip
    for line in made.made:
        say(out, line)
    write_manifest(made)
    if render_only:
        return errors.OK
    result = run_demo(made, workers, pose_weights, console)
    print_result(result, out)
    if task == "throws":  # trials without a start; the renderer's own annotations need no notes
        for note in result.overview.notes:
            say(console, f"note: {note}")
    for line in show_results(made, result):
        say(out, line)
    if result.dataset:
        data = quoted(folder / "dataset.h5")
        next_step(f"look at the pictures; `tttrain fit {data} RUN --model NAME` trains (`tttrain models`)")
    return int(result.code)
