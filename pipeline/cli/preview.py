"""``ttprep preview``: draw the results of one video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import errors
from pipeline.cli.options import PATH, make_request, note, options, stderr
from pipeline.errors import UserError
from pipeline.terminal import echo

if TYPE_CHECKING:
    from pipeline.inputs.sources import Source


@click.command()
@click.argument("video", type=PATH)
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    help="File to write: a .png or .jpg shows a few frames, an .mp4 all of them. Or a folder, for a .png of "
    "each video.",
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
@click.option(
    "--width",
    type=click.IntRange(280, 8000),
    default=1920,
    show_default=True,
    help="Make the preview at most this wide, in pixels.",
)
@click.option("--pose-weights", type=PATH, help="Folder of PoseNet weights, if `run` was given one.")
@options(paths=False)
def preview(
    video: Path,
    output: Path,
    frames: tuple[int, ...],
    start: bool,
    width: int,
    store_root: Path | None,
    manifest: Path | None,
    pose_weights: Path | None,
) -> int:
    """Draw the results of a video.

    Frames of VIDEO, foreground, flow, and region of interest with joints are shown side by side. VIDEO may be
    a folder of videos, if OUTPUT is a folder too.
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
    plans = list(overview.plans.values())
    folder = not output.suffix or output.is_dir()
    if len(plans) > 1 and not folder:
        remedy = "name one of them, or give -o a folder to draw all"
        raise UserError(f"{video}: holds {len(plans)} videos; {remedy}", errors.USAGE)
    for plan in plans:
        source = plan[0].node.source
        target = output / f"{_file_name(source, [p[0].node.source for p in plans])}.png" if folder else output
        if folder:
            output.mkdir(parents=True, exist_ok=True)
        if start:
            from pipeline.pictures.start_frame import draw_start

            note(draw_start(store, plan, target))
        else:
            roi = request.manifest.params(registry()["roi"])
            old = draw(store, plan, roi, target, frames, width)
            if old:
                note(f"{source.name}: shown with results of older parameters: {', '.join(old)}")
        echo(str(target))
    return errors.OK


def _file_name(source: Source, others: Sequence[Source]) -> str:
    """Return the name of a video without its ending; with its folders where others are called so too."""
    alike = sum(other.path.stem == source.path.stem for other in others)
    return source.path.stem if alike == 1 else source.name.replace("/", "_")
