"""``ttprep doctor``: say what this installation and machine are, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import click

from pipeline import errors
from pipeline.cli.options import JSON, make_request, options
from pipeline.terminal import echo, echo_json


@click.command("doctor")
@options(paths=False)
@JSON
def doctor(store_root: Path | None, manifest: Path | None, as_json: bool) -> int:
    """Describe the installation and the machine.

    Versions, decoders, the instruction set of the flow engine, cores and memory, weights, and whether the
    disk of the store can do what a store needs. Paste it into a bug report; some of your paths are in it.
    Exits with 1 if something would make a run fail.
    """
    from pipeline.cli.machine.checks import checks, facts

    request = make_request(store_root, manifest)
    root, given = request.store_root, request.manifest.pose_weights
    told = facts(root, given and request.manifest.resolve(given))
    found = checks(root)
    bad = [c for c in found if c.problem]
    if as_json:
        echo_json({**told, "checks": {c.name: c.problem or "ok" for c in found}, "ok": not bad})
    else:
        width = max(map(len, (*told, *(c.name for c in found))))
        for name, value in told.items():
            echo(f"{name:<{width}}  {value}")
        for check in found:
            echo(f"{check.name:<{width}}  {check.problem or 'ok'}")
    return errors.FAILED if bad else errors.OK
