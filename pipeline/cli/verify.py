"""``ttprep verify``: check the files of a store."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline import errors
from pipeline.cli.options import JSON, make_request, options, stderr
from pipeline.terminal import echo, echo_json


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

    Damaged files are named; the next run computes them anew.
    """
    from rich.progress import track

    from store import Store
    from store.verify import verify as check

    request = make_request(store_root, manifest)
    store = Store.open(request.store_root)
    total = sum(len(store.features(video)) for video in store.videos())
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
            echo(f"{finding.path}: {finding.problem}; run `ttprep run` to make it anew")
        size = sum(f.size for f in findings) / 1e6
        echo(f"{len(findings)} files, {size:.1f} MB checked, {len(bad)} damaged")
    return errors.FAILED if bad else errors.OK
