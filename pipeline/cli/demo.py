"""``ttprep demo``: render demo data and run the whole pipeline on it."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline.cli.options import PATH, stderr, stdout


@click.command()
@click.argument("folder", type=PATH, default=Path("ttprep-demo"))
@click.option(
    "--task",
    type=click.Choice(["strokes", "outcome"]),
    default="strokes",
    show_default=True,
    help="Videos of strokes, or trials (folders of pictures) of one hit at one of nine targets each.",
)
@click.option(
    "--clips",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    help="Videos to render; of outcome, trials at each target.",
)
@click.option(
    "--strokes", type=click.IntRange(1, 200), default=2, show_default=True, help="Strokes in each video."
)
@click.option("--stroke-seconds", metavar="MIN-MAX", help="How long strokes last; default: 0.7-1.5.")
@click.option("--pause-seconds", metavar="MIN-MAX", help="Pauses between them; default: 0.3-0.6.")
@click.option("--size", help="Picture size; default: 1920x1080, of outcome 320x240.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--workers", type=click.IntRange(1), help="Processes; default: the machine's cores.")
@click.option("--pose-weights", type=PATH, help="Folder of PoseNet weights.")
@click.option("--render-only", is_flag=True, help="Render clips, annotations and manifest, run nothing.")
def demo(
    folder: Path, task: str, clips: int, strokes: int, stroke_seconds: str | None, pause_seconds: str | None,
    size: str | None, seed: int, workers: int | None, pose_weights: Path | None, render_only: bool,
) -> int:  # fmt: skip
    """Render labelled table-tennis clips into FOLDER and run the whole pipeline on them."""
    from pipeline.demos.strokes import picture_size, run_demo, seconds
    from pipeline.demos.throws import run_outcome

    if task == "outcome":
        shape = picture_size(size or "320x240")
        return run_outcome(folder, clips, shape, seed, workers, render_only, stderr(), stdout())
    shape = picture_size(size or "1920x1080")
    given = {"duration": ("--stroke-seconds", stroke_seconds), "gap": ("--pause-seconds", pause_seconds)}
    lasting = {name: seconds(option, text) for name, (option, text) in given.items() if text}
    return run_demo(
        folder, clips, strokes, shape, seed, workers, pose_weights, render_only, stderr(), stdout(),
        **lasting,
    )  # fmt: skip
