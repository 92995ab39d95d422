"""``ttprep verify``: check the files of a store."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline import errors
from pipeline.cli.options import JSON, PATH, make_request, options, stderr
from pipeline.terminal import echo, echo_json


@click.command()
@click.argument("datasets", type=PATH, nargs=-1, metavar="[DATASET.h5]...")
@options(paths=False)
@click.option(
    "--read-data",
    is_flag=True,
    help="Read and hash every byte; by default only structure and sizes are checked.",
)
@JSON
def verify(
    datasets: tuple[Path, ...], store_root: Path | None, manifest: Path | None, read_data: bool, as_json: bool
) -> int:
    """Check the files of the store, the manifest's dataset, and each DATASET.h5.

    Damaged files are named; the next run computes them anew. Named datasets are read to the last byte; where
    there is no store, they alone are checked.
    """
    from rich.progress import track

    from pipeline.dataset.verify import verified_datasets
    from store import Store
    from store.verify import Finding
    from store.verify import verify as check

    request = make_request(store_root, manifest)
    beside = verified_datasets(request.manifest, datasets, read_data=read_data)
    findings: list[Finding] = []
    if not datasets or request.store_root.exists():
        store = Store.open(request.store_root)
        total = sum(len(store.features(video)) for video in store.videos())
        findings = list(
            track(check(store, read_data=read_data), "verifying", total, console=stderr(), transient=True)
        )
    bad = [f for f in findings if f.problem]
    bad_datasets = [f for f in beside if f.problem]
    if as_json:
        echo_json(
            {
                "files": len(findings) + len(beside),
                "bytes": sum(f.size for f in findings) + sum(f.size for f in beside),
                "damaged": [
                    *({"path": str(f.path), "problem": f.problem} for f in bad),
                    *({"path": str(f.path), "problem": f.problem} for f in bad_datasets),
                ],
            }
        )
    else:
        for finding in bad:
            echo(f"{finding.path}: {finding.problem}; run `ttprep run` to make it anew")
        for found in bad_datasets:
            echo(f"{found.path}: {found.problem}; {found.remedy}")
        size = (sum(f.size for f in findings) + sum(f.size for f in beside)) / 1e6
        n = len(findings) + len(beside)
        echo(f"{n} files, {size:.1f} MB checked, {len(bad) + len(bad_datasets)} damaged")
    return errors.FAILED if bad or bad_datasets else errors.OK
