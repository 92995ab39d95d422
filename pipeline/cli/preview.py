"""``ttprep preview``: draw the results of one video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import errors
from pipeline.cli.options import PATH, make_request, note, options, stderr
from pipeline.discovery import view_name
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
@click.option("--player", metavar="NAME", help="Of a video with several players: draw this one.")
@click.option("--pose-weights", type=PATH, help="Folder of PoseNet weights, if `run` was given one.")
@options(paths=False)
def preview(
    video: Path,
    output: Path,
    frames: tuple[int, ...],
    start: bool,
    width: int,
    player: str | None,
    store_root: Path | None,
    manifest: Path | None,
    pose_weights: Path | None,
) -> int:
    """Draw the results of a video.

    Frames of VIDEO, foreground, flow, and region of interest with joints are shown side by side. VIDEO may be
    a folder of videos, if OUTPUT is a folder too.
    """
    from pipeline.cli.results.finding import by_player
    from pipeline.discovery import split_name
    from pipeline.pictures.preview import preview as draw
    from pipeline.planning.survey import survey
    from stages.registry import registry
    from store import Store

    stages = ("start",) if start else ()
    if player is None and not video.exists():  # as tables and messages call it
        name, view = split_name(str(video))
        video, player = Path(name), view or None
    request = make_request(store_root, manifest, (video,), stages, pose_weights=pose_weights)
    store = Store.open(request.store_root)
    overview = survey(request, store, stderr())
    if overview.problems:
        raise UserError(overview.problems[0])
    plans = {source: overview.plans[source.view_id] for source in overview.sources}
    if player is not None:
        plans = {one: plans[one] for one in [by_player(player, [*plans])]}
    folder = not output.suffix or output.is_dir()
    if len(plans) > 1 and not folder:
        names = ", ".join(source.view for source in plans if source.view)
        if len({source.sha256 for source in plans}) == 1:
            remedy = f"name one with --player ({names}), or give -o a folder to draw all"
            raise UserError(f"{video}: has {len(plans)} players; {remedy}", errors.USAGE)
        remedy = "name one of them, or give -o a folder to draw all"
        raise UserError(f"{video}: holds {len(plans)} videos; {remedy}", errors.USAGE)
    for source, plan in plans.items():
        target = output / f"{_file_name(source, [*plans])}.png" if folder else output
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
    if len({other.sha256 for other in others if other.path.stem == source.path.stem}) == 1:
        return view_name(source.path.stem, source.view.replace("/", "_"))
    return source.name.replace("/", "_")
