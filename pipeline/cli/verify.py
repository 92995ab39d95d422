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
    there is no store, they alone are checked. What cannot be read now is no damage: it is named too, and
    where there is nothing worse the exit code is 5.
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
        total = sum(len(store.receipt_files(video)) for video in store.videos())
        findings = list(
            track(check(store, read_data=read_data), "verifying", total, console=stderr(), transient=True)
        )
    verdicts = [(f.path, f.size, f.problem, f.remedy, f.unreadable) for f in findings]
    verdicts += [(f.path, f.size, f.problem, f.remedy, f.unreadable) for f in beside]
    bad = [v for v in verdicts if v[2] and not v[4]]
    unread = [v for v in verdicts if v[4]]
    size = sum(v[1] for v in verdicts)
    if as_json:
        echo_json(
            {
                "files": len(verdicts),
                "bytes": size,
                "damaged": [{"path": str(path), "problem": problem} for path, _, problem, _, _ in bad],
                "unreadable": [{"path": str(path), "problem": problem} for path, _, problem, _, _ in unread],
            }
        )
    else:
        for path, _, problem, remedy, _ in (*bad, *unread):
            echo(f"{path}: {problem}; {remedy}")
        lost = f", {len(unread)} could not be read" if unread else ""
        echo(f"{len(verdicts)} files, {size / 1e6:.1f} MB checked, {len(bad)} damaged{lost}")
    return errors.FAILED if bad else errors.UNREADABLE if unread else errors.OK
