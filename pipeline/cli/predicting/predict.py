"""``ttprep predict``: find the strokes of new videos with a trained network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import (
    JSON,
    PATH,
    WEIGHTS,
    WORKERS,
    make_request,
    next_step,
    options,
    quoted,
    stderr,
    stdout,
)
from pipeline.cli.predicting.running import BATCH, DEVICE
from pipeline.terminal import echo_json, say

if TYPE_CHECKING:
    from pipeline.predicting import Predicted

#: as in the three-stream paper, at its 120 frames/s; scaled to the rate of the network
_SCALED = "at 120 frames/s, scaled to the network's rate"


@click.command()
@click.argument("network", type=PATH, metavar="RUN")
@click.argument("videos", nargs=-1, required=True, type=PATH, metavar="VIDEO...")
@options(paths=False)
@click.option(
    "-o", "--output", type=PATH, metavar="FOLDER", help="Folder for the results; default: RUN/predict."
)
@click.option(
    "--focus", metavar="WORD",
    help="Where the player is in each VIDEO: left, right, near, far ...; default: as the manifest says.",
)  # fmt: skip
@click.option(
    "--rule",
    type=click.Choice(["vote", "average", "gaussian"]),
    default="gaussian",
    show_default=True,
    help="How the scores of neighbouring frames decide on a stroke.",
)
@click.option(
    "--step", type=click.IntRange(1), default=1, show_default=True,
    help="Slide the window by this many frames; 4 is four times as fast and a little less exact.",
)  # fmt: skip
@click.option(
    "--borders", is_flag=True,
    help="Slide half a window beyond both ends of a video, for strokes that begin or end there.",
)  # fmt: skip
@click.option(
    "--ends",
    type=click.Choice(["scores", "still"]),
    default="scores",
    show_default=True,
    help="Let strokes begin and end where the rule on the scores says, or where the player is stillest "
    "near that.",
)
@click.option(
    "--window", type=click.IntRange(1),
    help=f"Vote and average over this many frames. [default: 150 {_SCALED}]",
)  # fmt: skip
@click.option(
    "--gauss-window", type=click.IntRange(1),
    help=f"Weight the scores by a Gaussian over this odd number of frames. [default: 201 {_SCALED}]",
)  # fmt: skip
@click.option(
    "--shortest", type=click.IntRange(1),
    help=f"Drop strokes of fewer frames than this. [default: 30 {_SCALED}]",
)  # fmt: skip
@BATCH
@DEVICE
@WORKERS
@WEIGHTS
@click.option("--overlay/--no-overlay", default=True, show_default=True, help="Make a film of each video.")
@click.option("--report/--no-report", default=True, show_default=True, help="Make pages for a browser.")
@JSON
def predict(
    network: Path, videos: tuple[Path, ...], store_root: Path | None, manifest: Path | None,
    output: Path | None, focus: str | None, rule: str, step: int, borders: bool,
    ends: str, window: int | None, gauss_window: int | None, shortest: int | None, batch: int,
    device: str | None, workers: int | None, pose_weights: Path | None, overlay: bool, report: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Find the strokes of new videos with the network that `tttrain fit` trained in RUN.

    VIDEO names videos and folders of videos; they need no annotations. What the network reads is made as
    it was for its training, in the store, as far as it is not there. The strokes are written as CSV, JSON,
    MediaEval's XML, and as predictions that Label Studio, CVAT and ELAN open for correction. Run it again to
    go on: what is there of the same network is kept.
    """
    from pipeline.planning.request import Where
    from pipeline.predicting import Options
    from pipeline.predicting import predict as find
    from pipeline.predicting.recipe import with_focus

    if gauss_window is not None and gauss_window % 2 == 0:
        raise click.UsageError(f"a Gaussian over {gauss_window} frames has no middle; take an odd number")
    request = make_request(store_root, manifest, videos, (), pose_weights, where=Where(workers))
    if focus is not None:
        request = replace(request, manifest=with_focus(request.manifest, focus))
    wanted = Options(
        network, output or network / "predict", rule, step, batch, device, window, gauss_window, shortest,
        overlay, report, borders, ends,
    )  # fmt: skip
    done = find(request, wanted, stderr())
    if as_json:
        echo_json(done.to_json())
    else:
        _print(done)
    return done.code


def _print(done: Predicted) -> None:
    out, err = stdout(), stderr()
    for video in done.videos:
        if video.problem:
            continue
        strokes = video.record["strokes"]
        more = ", kept" if video.kept else ""
        lasts = f"{video.record['seconds']:.1f} s"
        say(out, f"{video.name}: {len(strokes)} stroke{'s' * (len(strokes) != 1)} in {lasts}{more}")
        if video.record.get("trained_on"):
            say(err, f"note: {video.name}: the network was trained on it; this is no test")
    for note in dict.fromkeys(done.notes):
        say(err, f"note: {note}")
    if done.speed is not None:
        own = f", the network alone {done.network_speed:.2g}" if done.network_speed else ""
        say(out, f"{done.speed:.2g} times real time{own}")
    say(out, f"results: {done.options.output}")
    if done.report:
        say(out, f"report: {done.report}")
    if done.made and not done.code:
        next_step(
            "correct the predictions in Label Studio, CVAT or ELAN and list the corrected file among the "
            f"manifest's annotations; {quoted(done.options.output / 'predictions.csv')} is the table"
        )
