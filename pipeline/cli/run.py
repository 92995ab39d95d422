"""``ttprep run``: compute what is missing or stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import (
    JSON,
    PATH,
    make_request,
    next_step,
    options,
    quoted,
    stderr,
    stdout,
    verbose,
)
from pipeline.inputs.cluster import SYSTEMS, System, Tls
from pipeline.terminal import echo_json, say

if TYPE_CHECKING:
    from pipeline.inputs.manifest import Manifest
    from pipeline.run import Result


@click.command()
@options()
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Number of processes on this machine; 0 computes in this process. Default: one per core.",
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Use a running Dask scheduler, tls://host:8786 or tcp://host:8786."
)
@click.option("--tls-ca", type=PATH, metavar="FILE.pem", help="Whom to trust, for a tls:// scheduler.")
@click.option("--tls-cert", type=PATH, metavar="FILE.pem", help="Your certificate, likewise.")
@click.option("--tls-key", type=PATH, metavar="FILE.pem", help="Its private key, likewise.")
@click.option(
    "--cluster",
    "system",
    type=click.Choice(SYSTEMS),
    help="Ask this batch system for jobs, as the manifest's section cluster says (docs/cluster.md).",
)
@click.option(
    "--report", type=PATH, metavar="FILE.html", help="Write Dask's performance report to this file."
)
@click.option(
    "--report-folder",
    type=PATH,
    metavar="FOLDER",
    help="Afterwards write what `ttprep report` does to this folder.",
)
@JSON
def run(
    workers: int | None,
    scheduler: str | None,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    system: System | None,
    report: Path | None,
    report_folder: Path | None,
    as_json: bool,
    **common: Any,
) -> int:
    """Compute what is missing or stale.

    PATH names videos and folders of videos; by default those of the manifest are used. All stages run
    unless --stage names some. Run it again after any change: only what the change touches is computed.
    """
    from pipeline.cli.output.outcome import print_result, result_json
    from pipeline.planning.estimate import window_note
    from pipeline.planning.request import Where
    from pipeline.run import run as execute_run

    if workers is not None and scheduler:
        raise click.UsageError("--workers is for this machine, --scheduler for a cluster: give one of them")
    if system and (scheduler or workers is not None):
        raise click.UsageError("--cluster starts workers by itself: leave --workers and --scheduler out")
    if workers == 0 and report:
        raise click.UsageError("--report is Dask's: give --workers 1 or more with it")
    request = make_request(**common, report=report)
    given = {"ca": tls_ca, "cert": tls_cert, "key": tls_key}
    where = Where(workers, scheduler, _certificates(given, request.manifest, scheduler), system)
    section = request.manifest.cluster
    section = section.model_copy(update={"logs": request.manifest.resolve(section.logs)})
    request = replace(request, where=replace(where, cluster=section))
    console = stderr()
    if report_folder is not None:
        from pipeline.report.folder import Folder

        Folder(report_folder)  # refused now, not when all is computed
    result = execute_run(request, console)
    if window := window_note(request.manifest, result.overview):
        say(console, f"note: {window}")
    last = result.overview.warnings
    for note in result.overview.notes:
        if note not in last:
            say(console, f"note: {note}")
    if as_json:
        echo_json(result_json(result))
    else:
        print_result(result, stdout(), verbose=verbose())
        if result.dataset:
            say(stdout(), f"dataset: {result.dataset}")
        say(stdout(), f"store: {request.store_root}")
    if report_folder is not None:
        from pipeline.report.request import write_report

        built = write_report(request, console, report_folder, overview=result.overview)
        say(console, f"report: {built.index}")
    for note in last:
        say(console, f"note: {note}")
    if not as_json:
        dataset = request.manifest.resolve(request.manifest.dataset or Path("dataset.h5"))
        next_step(_next(result, dataset, whole=not request.stages))
    return int(result.code)


def _certificates(given: dict[str, Path | None], manifest: Manifest, scheduler: str | None) -> Tls | None:
    """Return the certificates for a scheduler: those of the command line, else of the manifest."""
    named = {name: path for name, path in given.items() if path is not None}
    if named and scheduler is None:
        raise click.UsageError("--tls-ca, --tls-cert and --tls-key are for a scheduler: add --scheduler")
    if named and len(named) < len(given):
        raise click.UsageError("--tls-ca, --tls-cert and --tls-key belong together: give all three")
    if named:
        return Tls(**named)
    tls = manifest.cluster.tls
    if tls is None or not (scheduler or "").startswith("tls://"):
        return None
    return Tls(ca=manifest.resolve(tls.ca), cert=manifest.resolve(tls.cert), key=manifest.resolve(tls.key))


def _next(result: Result, dataset: Path, *, whole: bool) -> str:
    """Say what can be done with what a run has made."""
    if result.code:
        return "mend what failed and run again; what is done is kept"
    if result.dataset:
        return (
            f"`tttrain fit {quoted(dataset)} RUN --model NAME` trains a network (`tttrain models` lists them)"
        )
    if not whole:
        return "`ttprep run` makes what the other stages give"
    name = quoted(Path(result.overview.sources[0].name))
    return f"`ttprep preview {name} -o preview.png` shows how it went; annotations give samples to train on"
