"""Commands of ``ttprep`` that take the store's results out: export, annotations, preview; and the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline import errors
from pipeline.cli.options import JSON, PATH, existing_store, make_request, options, stderr, stdout
from pipeline.errors import UserError


@click.command()
@click.argument("dataset", type=PATH, metavar="DATASET.h5")
@click.option(
    "--compact/--fast",
    default=None,
    help="Compressed (a tenth of the bytes) or as fast to read as memory; default: the manifest's.",
)
@options()
@JSON
def export(dataset: Path, compact: bool | None, as_json: bool, **common: Any) -> int:
    """Write the samples of PATH (default: the manifest's videos) as one file for modellers.

    Beside DATASET.h5 come a dataset card, a picture, a table of the samples and a Croissant
    description. A file that is up to date is left alone; it is replaced atomically otherwise.
    """
    from pipeline.cli.tables import echo_json
    from pipeline.dataset.command import export_request

    done, overview = export_request(make_request(**common), dataset, stderr(), compact=compact)
    for problem in overview.problems:
        click.echo(f"cannot be used: {problem}", err=True)
    for note in overview.notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        echo_json(done.to_json())
    else:
        click.echo(str(done))
        for name in done.left_out:
            click.echo(f"left out: {name} (failed; see `ttprep status`)")
    return done.code


@click.command("annotations")
@click.argument("paths", nargs=-1, type=PATH, metavar="PATH...")
@click.option(
    "--videos",
    multiple=True,
    type=PATH,
    help="Video, folder, or CSV table with the columns video, frames and fps; may be repeated. "
    "Default: the manifest's videos, or else those in the store.",
)
@click.option(
    "-o", "--output", type=PATH, metavar="STEM", help="Also write the report as STEM.json and STEM.png."
)
@options(paths=False)
@JSON
def annotations_report(
    paths: tuple[Path, ...],
    videos: tuple[Path, ...],
    output: Path | None,
    store_root: Path | None,
    manifest: Path | None,
    as_json: bool,
) -> int:
    """Read and clean annotation files, and show what each rule leaves and every finding.

    PATH is a file or folder of annotations; by default, those of the manifest are read. Nothing is
    changed in the store.
    """
    from pipeline.cli.annotation_report import print_report, report, write_report
    from pipeline.cli.tables import echo_json

    request = make_request(store_root, manifest)
    store = existing_store(request.store_root)
    console = stderr()
    result = report(
        request.manifest, store, paths, videos, lambda name: console.print(f"counting frames of {name}")
    )
    if output is not None:
        for path in write_report(result, output):
            console.print(f"written: {path}", markup=False, soft_wrap=True)
    if as_json:
        echo_json(result.to_json())
    else:
        print_report(result, stdout())
    return result.code


@click.command()
@click.argument("video", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="A .png or .jpg (some frames) or .mp4 (all).")
@click.option("--frame", "frames", type=int, multiple=True, help="Show this frame; may be given again.")
@click.option("--start", is_flag=True, help="Plot the start-frame detection of a trial instead.")
@click.option("--pose-weights", type=PATH, help="Folder of PoseNet weights, as given to `run`.")
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
    """Draw frame, foreground, flow, ROI and joints of a processed VIDEO side by side."""
    from pipeline.pictures.preview import preview as draw
    from pipeline.run import survey
    from store import Store

    names = ("start",) if start else ()
    request = make_request(store_root, manifest, (video,), names, pose_weights=pose_weights)
    store = Store.open(request.store_root)
    overview = survey(request, store, stderr())
    if overview.problems:
        raise UserError(overview.problems[0])
    if start:
        from pipeline.pictures.start_frame import draw_start

        click.echo(draw_start(store, next(iter(overview.plans.values())), output), err=True)
        click.echo(str(output))
        return errors.OK
    old = draw(store, next(iter(overview.plans.values())), request.manifest.params("roi"), output, frames)
    if old:
        click.echo(f"note: shown with results of older parameters: {', '.join(old)}", err=True)
    click.echo(str(output))
    return errors.OK


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
