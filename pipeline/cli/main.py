"""The command ``ttprep``. Results go to stdout, progress and messages to stderr.

Exit codes: 0 ok (``plan``: nothing to do) · 1 failed · 2 usage or manifest · 3 some inputs failed, the
others are done · 4 ``plan``: there is work to do · 10 no store · 11 store in use · 130 cancelled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline import errors
from pipeline.cli.options import JSON, PATH, Group, existing_store, make_request, options, stderr, stdout
from pipeline.cli.outputs import annotations_report, demo, export, preview
from pipeline.errors import UserError


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]}, epilog=__doc__)
@click.version_option(package_name="ttprep")
def main() -> None:
    """Prepare sport videos for fine-grained action recognition.

    Every video becomes frames, foreground, optical flow, a region-of-interest track, pose and
    statistics in a feature store, and cuboids to train from. What is valid is never computed again.
    """


@main.command()
@options()
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Processes on this machine; 0: in this process; default: one per core.",
)
@click.option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler, e.g. tcp://host:8786.")
@click.option("--report", type=PATH, metavar="FILE.html", help="Write Dask's performance report.")
@JSON
def run(workers: int | None, scheduler: str | None, report: Path | None, as_json: bool, **common: Any) -> int:
    """Compute what is missing or stale for videos and folders of videos.

    Without --stage all stages run; with it that stage and what it needs. Run it again after anything
    changed: only what the change touches is computed.
    """
    from pipeline.cli.tables import echo_json, print_result, result_json
    from pipeline.planning.request import Where
    from pipeline.run import run as execute_run

    if workers is not None and scheduler:
        raise click.UsageError("--workers is for this machine, --scheduler for a cluster: give one of them")
    if workers == 0 and report:
        raise click.UsageError("--report is Dask's: give --workers 1 or more with it")
    request = make_request(**common, where=Where(workers, scheduler), report=report)
    console = stderr()
    result = execute_run(request, console)
    for note in result.overview.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    if as_json:
        echo_json(result_json(result))
    else:
        print_result(result, stdout())
        if result.dataset:
            stdout().print(f"dataset: {result.dataset}", markup=False, soft_wrap=True)
        stdout().print(f"store: {request.store_root}", markup=False, soft_wrap=True)
    return int(result.code)


@main.command()
@options()
@JSON
def plan(as_json: bool, **common: Any) -> int:
    """Say what `run` would compute, and why: one reason a line.

    Exits with 0 where there is nothing to do and with 4 where there is. Changes nothing.
    """
    from pipeline.cli.tables import echo_json, plan_json, print_plan
    from pipeline.planning.survey import survey

    request = make_request(**common)
    overview = survey(request, existing_store(request.store_root), stderr())
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
@options()
@click.option("--poses", is_flag=True, help="Also summarise each video's poses: share found, scores, jitter.")
@JSON
def status(as_json: bool, poses: bool, **common: Any) -> int:
    """Show the table video × stage: done, stale, failed, damaged or missing."""
    from pipeline.cli.tables import echo_json, pose_summaries, print_poses, print_status, status_rows
    from pipeline.planning.survey import survey
    from store import Store

    request = make_request(**common)
    store = Store.open(request.store_root)
    overview = survey(request, store, stderr())
    found = pose_summaries(overview, store) if poses else {}
    if as_json:
        more = {"poses": found} if poses else {}
        echo_json({"status": status_rows(overview), "problems": overview.problems, **more})
    else:
        print_status(overview, stdout())
        print_poses(found, stdout())
        for problem in overview.problems:
            click.echo(f"cannot be used: {problem}")
    return errors.SOME_FAILED if overview.problems else errors.OK


@main.command()
@options(paths=False)
@click.option("--read-data", is_flag=True, help="Read and hash every byte, not only structure and sizes.")
@JSON
def verify(store_root: Path | None, manifest: Path | None, read_data: bool, as_json: bool) -> int:
    """Check the files of the store; what is damaged is named and made anew by the next run."""
    from rich.progress import track

    from pipeline.cli.tables import echo_json
    from store import Store
    from store.verify import verify as check

    request = make_request(store_root, manifest)
    store = Store.open(request.store_root)
    total = sum(1 for _ in (store.root / "videos").rglob("*.h5"))
    findings = list(
        track(check(store, read_data=read_data), "verifying", total, console=stderr(), transient=True)
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
@options()
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@JSON
def gc(dry_run: bool, yes: bool, as_json: bool, **common: Any) -> int:
    """Remove what the current manifest does not use: old parameters, leftovers of killed runs.

    Results of videos that are not among PATH are kept. Excludes runs on the same store while it works.
    """
    from pipeline.cli.tables import echo_json
    from pipeline.planning.unwanted import unwanted
    from store import Store
    from store.gc import collect

    request = make_request(**common)
    store = Store.open(request.store_root)
    with store.lock("gc"):
        items = unwanted(request, store, stderr())
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
@click.argument("path", type=PATH, default=Path("data_manifest.yaml"))
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init(path: Path, force: bool) -> int:
    """Write a commented manifest with every default to PATH (./data_manifest.yaml)."""
    from pipeline.inputs.manifest_template import template
    from store.atomic import write_bytes

    if path.exists() and not force:
        raise UserError(f"{path}: exists; give another name, or --force to replace it")
    write_bytes(path, template().encode())
    click.echo(str(path))
    return errors.OK


for _command in (export, annotations_report, preview, demo):
    main.add_command(_command)

if __name__ == "__main__":
    main()
