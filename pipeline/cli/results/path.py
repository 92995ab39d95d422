"""``ttprep path``: print where a result lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from pipeline import errors
from pipeline.cli.options import JSON, complete_stage, make_request, options, stderr
from pipeline.errors import UserError
from pipeline.terminal import echo, echo_json


@click.command("path")
@click.argument("video", metavar="VIDEO")
@click.argument("stage", metavar="STAGE", shell_complete=complete_stage)
@options(paths=False)
@JSON
def path(video: str, stage: str, store_root: Path | None, manifest: Path | None, as_json: bool) -> int:
    """Print the path of a result.

    VIDEO is a path, or the name or id of a video of the manifest; STAGE is a column of `ttprep status`. The
    file is HDF5 (docs/store-format.md); read it, but do not write to it.
    """
    from pipeline.cli.results.finding import made, survey_of
    from store import Store

    request = replace(make_request(store_root, manifest), stages=(stage,))
    store = Store.open(request.store_root)
    overview = survey_of(request, [video], store, stderr())
    ready = {p.node.key: p for p in (made(overview, source, stage) for source in overview.sources)}
    if len(ready) > 1:
        names = " or ".join(f"`{p.node.video}`" for p in ready.values())
        raise UserError(f"{video}: has {len(ready)} results of {stage}; name {names}", errors.USAGE)
    (planned,) = ready.values()
    place = store.path(planned.node.slot).absolute()
    if as_json:
        echo_json(
            {
                "video": planned.node.video,
                "sha256": planned.node.source.sha256,
                "stage": stage,
                "key": planned.node.key,
                "path": str(place),
            }
        )
    else:
        echo(str(place))
    return errors.OK
