"""``ttprep verify``: check the files of a store."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline import errors
from pipeline.cli.options import JSON, make_request, options, stderr


@click.command()
@options(paths=False)
@click.option(
    "--read-data",
    is_flag=True,
    help="Read and hash every byte; by default only structure and sizes are checked.",
)
@JSON
def verify(store_root: Path | None, manifest: Path | None, read_data: bool, as_json: bool) -> int:
    """Check the files of the store.

    Damaged files are named; the next run computes them anew. What cannot be read now is no damage: it is
    named too, and where there is nothing worse the exit code is 5.
    """
    from rich.progress import track

    from pipeline.cli.tables import echo_json
    from store import Store
    from store.verify import verify as check

    request = make_request(store_root, manifest)
    store = Store.open(request.store_root)
    total = sum(len(store.receipt_files(video)) for video in store.videos())
    findings = list(
        track(check(store, read_data=read_data), "verifying", total, console=stderr(), transient=True)
    )
    bad = [f for f in findings if f.problem and not f.unreadable]
    unread = [f for f in findings if f.unreadable]
    if as_json:
        echo_json(
            {
                "files": len(findings),
                "bytes": sum(f.size for f in findings),
                "damaged": [{"path": str(f.path), "problem": f.problem} for f in bad],
                "unreadable": [{"path": str(f.path), "problem": f.problem} for f in unread],
            }
        )
    else:
        for finding in (*bad, *unread):
            click.echo(f"{finding.path}: {finding.problem}; {finding.remedy}")
        size = sum(f.size for f in findings) / 1e6
        lost = f", {len(unread)} could not be read" if unread else ""
        click.echo(f"{len(findings)} files, {size:.1f} MB checked, {len(bad)} damaged{lost}")
    return errors.FAILED if bad else errors.UNREADABLE if unread else errors.OK
