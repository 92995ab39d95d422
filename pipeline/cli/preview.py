"""``ttprep preview``: draw the results of one video."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline import errors
from pipeline.cli.options import PATH, make_request, options, stderr
from pipeline.errors import UserError
from pipeline.terminal import echo


@click.command()
@click.argument("video", type=PATH)
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    help="File to write: a .png or .jpg shows a few frames, an .mp4 all of them.",
)
@click.option(
    "--frame",
    "frames",
    type=int,
    multiple=True,
    help="Show this frame, counted from 0; may be repeated. Default: four frames with much motion.",
)
@click.option(
    "--start", is_flag=True, help="Show instead how the start frame of a trial was found; needs a .png."
)
@click.option("--pose-weights", type=PATH, help="Folder of PoseNet weights, if `run` was given one.")
@options(paths=False)
def preview(
    video: Path,
    output: Path,
    frames: tuple[int, ...],
    start: bool,
    store_root: Path | None,
    manifest: Path | None,
    pose_weights: Path | None,
) -> int:
    """Draw the results of one video.

    Frames of VIDEO, foreground, flow, and region of interest with joints are shown side by side.
    """
    from pipeline.pictures.preview import preview as draw
    from pipeline.planning.survey import survey
    from stages.registry import registry
    from store import Store

    names = ("start",) if start else ()
    request = make_request(store_root, manifest, (video,), names, pose_weights=pose_weights)
    store = Store.open(request.store_root)
    overview = survey(request, store, stderr())
    if overview.problems:
        raise UserError(overview.problems[0])
    if start:
        from pipeline.pictures.start_frame import draw_start

        echo(draw_start(store, next(iter(overview.plans.values())), output), err=True)
        echo(str(output))
        return errors.OK
    old = draw(
        store, next(iter(overview.plans.values())), request.manifest.params(registry()["roi"]), output, frames
    )
    if old:
        echo(f"note: shown with results of older parameters: {', '.join(old)}", err=True)
    echo(str(output))
    return errors.OK
