"""The command ``ttprep``. Results go to stdout, progress and messages to stderr.

Exit codes: 0 ok (``plan``: nothing to do) · 1 failed · 2 usage or manifest · 3 some inputs failed, the
others are done · 4 ``plan``: there is work to do · 10 no store · 11 store in use · 130 cancelled.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from pipeline import errors
from pipeline.errors import UserError

_PATH = click.Path(path_type=Path)


class _Group(click.Group):
    """Turns every expected error into one line and its exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        from store import LockedError, NoStoreError, StoreError

        kwargs["standalone_mode"] = False
        code: Any = errors.OK
        try:
            code = super().main(*args, **kwargs)
        except click.exceptions.Exit as e:
            code = e.exit_code
        except click.ClickException as e:
            e.show()
            code = errors.USAGE
        except (KeyboardInterrupt, click.Abort):
            click.echo("cancelled; what was finished is kept, run again to go on", err=True)
            code = errors.CANCELLED
        except UserError as e:
            click.echo(f"error: {e}", err=True)
            code = e.code
        except StoreError as e:
            click.echo(f"error: {e}", err=True)
            kinds = ((NoStoreError, errors.NO_STORE), (LockedError, errors.LOCKED))
            code = next((c for kind, c in kinds if isinstance(e, kind)), errors.FAILED)
        except BrokenPipeError:
            sys.stderr.close()  # the reader went away; Python would complain at exit
            code = errors.OK
        except OSError as e:
            click.echo(f"error: {e.filename or 'system'}: {e.strerror or e}", err=True)
            code = errors.FAILED
        sys.exit(code if isinstance(code, int) else errors.OK)


def _stderr() -> Console:
    return Console(stderr=True, highlight=False)


def _stdout() -> Console:
    # a table in a file or a pipe should not be folded to 80 columns
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def _options(*, paths: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that most commands share."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        add = [
            click.option("--store", "store_root", type=_PATH, help="Feature store; default: the manifest's."),
            click.option(
                "--manifest",
                type=_PATH,
                help="Default: ./data_manifest.yaml if there, else built-in defaults.",
            ),
        ]
        if paths:
            add += [
                click.option(
                    "--stage", "stages", multiple=True, metavar="NAME", help="Only this and its inputs."
                ),
                click.option(
                    "--pose-weights",
                    type=_PATH,
                    help="Folder of PoseNet weights (manifest.json + raw files).",
                ),
                click.argument("paths", nargs=-1, type=_PATH, metavar="PATH..."),
            ]
        for option in reversed(add):
            function = option(function)
        return function

    return decorate


_JSON = click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")


def _request(
    store_root: Path | None,
    manifest: Path | None,
    paths: tuple[Path, ...] = (),
    stages: tuple[str, ...] = (),
    pose_weights: Path | None = None,
    **more: Any,
) -> Any:
    from pipeline.manifest import read_manifest
    from pipeline.run import Request

    read = read_manifest(manifest)
    root = store_root or read.resolve(read.store)
    return Request(read, root, paths, stages, pose_weights=pose_weights, **more)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]}, epilog=__doc__)
@click.version_option(package_name="ttprep")
def main() -> None:
    """Prepare sport videos for fine-grained action recognition.

    Every video becomes frames, foreground, optical flow, a region-of-interest track, pose and
    statistics in a feature store, and cuboids to train from. What is valid is never computed again.
    """


@main.command()
@_options()
@click.option("--workers", type=click.IntRange(1), help="Processes on this machine; default: its cores.")
@click.option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler, e.g. tcp://host:8786.")
@click.option("--report", type=_PATH, metavar="FILE.html", help="Write Dask's performance report.")
@_JSON
def run(workers: int | None, scheduler: str | None, report: Path | None, as_json: bool, **common: Any) -> int:
    """Compute what is missing or stale for videos and folders of videos.

    Without --stage all stages run; with it that stage and what it needs. Run it again after anything
    changed: only what the change touches is computed.
    """
    from pipeline.cluster import Where
    from pipeline.output import echo_json, print_result, result_json
    from pipeline.run import run as execute_run

    if workers and scheduler:
        raise click.UsageError("--workers is for this machine, --scheduler for a cluster: give one of them")
    request = _request(**common, where=Where(workers, scheduler), report=report)
    stderr = _stderr()
    result = execute_run(request, stderr)
    for note in result.overview.notes:
        stderr.print(f"note: {note}", markup=False, soft_wrap=True)
    if as_json:
        echo_json(result_json(result))
    else:
        print_result(result, _stdout())
        if result.dataset:
            _stdout().print(f"dataset: {result.dataset}", markup=False, soft_wrap=True)
        _stdout().print(f"store: {request.store_root}", markup=False, soft_wrap=True)
    return int(result.code)


def _existing_store(root: Path) -> Any:
    from store import Store

    return Store.open(root) if root.exists() else None


@main.command()
@_options()
@_JSON
def plan(as_json: bool, **common: Any) -> int:
    """Say what `run` would compute, and why: one reason a line.

    Exits with 0 where there is nothing to do and with 4 where there is. Changes nothing.
    """
    from pipeline.output import echo_json, plan_json, print_plan
    from pipeline.run import survey

    request = _request(**common)
    overview = survey(request, _existing_store(request.store_root), _stderr())
    todo = any(p.state != "done" for plan in overview.plans.values() for p in plan)
    if as_json:
        echo_json(plan_json(overview))
    else:
        count = print_plan(overview)
        for problem in overview.problems:
            click.echo(f"cannot be used: {problem}")
        for note in overview.notes:
            click.echo(f"note: {note}", err=True)
        if todo and overview.unavailable:
            click.echo(f"note: {overview.unavailable}", err=True)
        click.echo(f"{count} to do" if count else "nothing to do", err=True)
    if todo:
        return errors.WORK_TO_DO
    return errors.SOME_FAILED if overview.problems else errors.OK


@main.command()
@_options()
@click.option("--poses", is_flag=True, help="Also summarise each video's poses: share found, scores, jitter.")
@_JSON
def status(as_json: bool, poses: bool, **common: Any) -> int:
    """Show the table video × stage: done, stale, failed, damaged or missing."""
    from pipeline.output import echo_json, pose_summaries, print_poses, print_status, status_rows
    from pipeline.run import survey
    from store import Store

    request = _request(**common)
    store = Store.open(request.store_root)
    overview = survey(request, store, _stderr())
    found = pose_summaries(overview, store) if poses else {}
    if as_json:
        more = {"poses": found} if poses else {}
        echo_json({"status": status_rows(overview), "problems": overview.problems, **more})
    else:
        print_status(overview, _stdout())
        print_poses(found, _stdout())
        for problem in overview.problems:
            click.echo(f"cannot be used: {problem}")
    return errors.SOME_FAILED if overview.problems else errors.OK


@main.command()
@_options(paths=False)
@click.option("--read-data", is_flag=True, help="Read and hash every byte, not only structure and sizes.")
@_JSON
def verify(store_root: Path | None, manifest: Path | None, read_data: bool, as_json: bool) -> int:
    """Check the files of the store; what is damaged is named and made anew by the next run."""
    from rich.progress import track

    from pipeline.output import echo_json
    from store import Store
    from store.verify import verify as check

    request = _request(store_root, manifest)
    store = Store.open(request.store_root)
    total = sum(1 for _ in (store.root / "videos").rglob("*.h5"))
    findings = list(
        track(check(store, read_data=read_data), "verifying", total, console=_stderr(), transient=True)
    )
    bad = [f for f in findings if f.problem]
    if as_json:
        echo_json(
            {
                "files": len(findings),
                "bytes": sum(f.size for f in findings),
                "damaged": [{"path": str(f.path), "problem": f.problem} for f in bad],
            }
        )
    else:
        for finding in bad:
            click.echo(f"{finding.path}: {finding.problem}; run `ttprep run` to make it anew")
        size = sum(f.size for f in findings) / 1e6
        click.echo(f"{len(findings)} files, {size:.1f} MB checked, {len(bad)} damaged")
    return errors.FAILED if bad else errors.OK


@main.command()
@_options()
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@_JSON
def gc(dry_run: bool, yes: bool, as_json: bool, **common: Any) -> int:
    """Remove what the current manifest does not use: old parameters, leftovers of killed runs.

    Results of videos that are not among PATH are kept. Excludes runs on the same store while it works.
    """
    from pipeline.output import echo_json
    from pipeline.tidy import unwanted
    from store import Store
    from store.gc import collect

    request = _request(**common)
    store = Store.open(request.store_root)
    with store.lock("gc"):
        items = unwanted(request, store, _stderr())
        size = sum(i.size for i in items)
        if as_json:
            echo_json(
                {
                    "removed": not dry_run,
                    "bytes": size,
                    "files": [{"path": str(i.path), "bytes": i.size, "why": i.why} for i in items],
                }
            )
        else:
            for item in items:
                click.echo(f"{item.path}  {item.size / 1e6:.2f} MB  {item.why}")
            click.echo(f"{len(items)} files, {size / 1e6:.1f} MB")
        if dry_run or not items:
            return errors.OK
        if not yes and not as_json and not click.confirm("remove them?", err=True):
            return errors.OK
        collect(items)
    return errors.OK


@main.command()
@click.argument("dataset", type=_PATH, metavar="DATASET.h5")
@click.option(
    "--compact/--fast",
    default=None,
    help="Compressed (a tenth of the bytes) or as fast to read as memory; default: the manifest's.",
)
@_options()
@_JSON
def export(dataset: Path, compact: bool | None, as_json: bool, **common: Any) -> int:
    """Write the samples of PATH (default: the manifest's videos) as one file for modellers.

    Beside DATASET.h5 come a dataset card, a picture, a table of the samples and a Croissant
    description. A file that is up to date is left alone; it is replaced atomically otherwise.
    """
    from pipeline.dataset.command import export_request
    from pipeline.output import echo_json

    done, overview = export_request(_request(**common), dataset, _stderr(), compact=compact)
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


@main.command("annotations")
@click.argument("paths", nargs=-1, type=_PATH, metavar="PATH...")
@click.option("--videos", multiple=True, type=_PATH, help="Videos, folders, or a CSV: video,frames,fps.")
@click.option("-o", "--output", type=_PATH, help="Write STEM.json and STEM.png there.", metavar="STEM")
@_options(paths=False)
@_JSON
def annotations_report(
    paths: tuple[Path, ...],
    videos: tuple[Path, ...],
    output: Path | None,
    store_root: Path | None,
    manifest: Path | None,
    as_json: bool,
) -> int:
    """Read and clean annotation files: what each rule leaves, by class and annotator, and every finding.

    PATH are files and folders of annotations; default: the manifest's.
    """
    from pipeline.annotationreport import print_report, report, write_report
    from pipeline.output import echo_json

    request = _request(store_root, manifest)
    store = _existing_store(request.store_root)
    stderr = _stderr()
    result = report(
        request.manifest, store, paths, videos, lambda name: stderr.print(f"counting frames of {name}")
    )
    if output is not None:
        for path in write_report(result, output):
            stderr.print(f"written: {path}", markup=False, soft_wrap=True)
    if as_json:
        echo_json(result.to_json())
    else:
        print_report(result, _stdout())
    return result.code


@main.command()
@click.argument("video", type=_PATH)
@click.option("-o", "--output", type=_PATH, required=True, help="A .png or .jpg (some frames) or .mp4 (all).")
@click.option("--frame", "frames", type=int, multiple=True, help="Show this frame; may be given again.")
@click.option("--start", is_flag=True, help="Plot the start-frame detection of a trial instead.")
@click.option("--pose-weights", type=_PATH, help="Folder of PoseNet weights, as given to `run`.")
@_options(paths=False)
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
    from pipeline.preview import preview as draw
    from pipeline.run import survey
    from store import Store

    names = ("start",) if start else ()
    request = _request(store_root, manifest, (video,), names, pose_weights=pose_weights)
    store = Store.open(request.store_root)
    overview = survey(request, store, _stderr())
    if overview.problems:
        raise UserError(overview.problems[0])
    if start:
        from pipeline.startplot import draw_start

        click.echo(draw_start(store, next(iter(overview.plans.values())), output), err=True)
        click.echo(str(output))
        return errors.OK
    old = draw(store, next(iter(overview.plans.values())), request.manifest.params("roi"), output, frames)
    if old:
        click.echo(f"note: shown with results of older parameters: {', '.join(old)}", err=True)
    click.echo(str(output))
    return errors.OK


@main.command()
@click.argument("path", type=_PATH, default=Path("data_manifest.yaml"))
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init(path: Path, force: bool) -> int:
    """Write a commented manifest with every default to PATH (./data_manifest.yaml)."""
    from pipeline.template import template
    from store.atomic import write_bytes

    if path.exists() and not force:
        raise UserError(f"{path}: exists; give another name, or --force to replace it")
    write_bytes(path, template().encode())
    click.echo(str(path))
    return errors.OK


@main.command()
@click.argument("folder", type=_PATH, default=Path("ttprep-demo"))
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
@click.option("--pose-weights", type=_PATH, help="Folder of PoseNet weights.")
@click.option("--render-only", is_flag=True, help="Render clips, annotations and manifest, run nothing.")
def demo(
    folder: Path, task: str, clips: int, strokes: int, stroke_seconds: str | None, pause_seconds: str | None,
    size: str | None, seed: int, workers: int | None, pose_weights: Path | None, render_only: bool,
) -> int:  # fmt: skip
    """Render labelled table-tennis clips into FOLDER and run the whole pipeline on them."""
    from pipeline.demorun import picture_size, run_demo, seconds
    from pipeline.outcomerun import run_outcome

    if task == "outcome":
        shape = picture_size(size or "320x240")
        return run_outcome(folder, clips, shape, seed, workers, render_only, _stderr(), _stdout())
    shape = picture_size(size or "1920x1080")
    given = {"duration": ("--stroke-seconds", stroke_seconds), "gap": ("--pause-seconds", pause_seconds)}
    lasting = {name: seconds(option, text) for name, (option, text) in given.items() if text}
    return run_demo(
        folder, clips, strokes, shape, seed, workers, pose_weights, render_only, _stderr(), _stdout(),
        **lasting,
    )  # fmt: skip


if __name__ == "__main__":
    main()
