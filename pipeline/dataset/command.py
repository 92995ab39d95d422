"""Do the work of ``ttprep export``: plan against the store, then bring the dataset up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import Progress

from pipeline.dataset.exporting import Exported, export
from pipeline.dataset.pixels.pieces import Shards
from pipeline.planning.request import Request
from pipeline.planning.survey import Overview, survey
from store import Store


def export_request(
    request: Request,
    path: Path,
    console: Console,
    *,
    compact: bool | None = None,
    shards: Shards | Literal["manifest"] = "manifest",
    without_flagged: bool | None = None,
) -> tuple[Exported, Overview]:
    """Export the dataset of a request's videos.

    Parameters
    ----------
    request : Request
    path : Path
    console : Console
        For progress, on stderr.
    compact, without_flagged : bool, optional
        Default: the manifest's setting.
    shards : "auto", float or None
        Likewise; see :func:`pipeline.dataset.export`.

    Returns
    -------
    (Exported, Overview)

    Raises
    ------
    UserError, StoreError, OSError
        As :func:`pipeline.dataset.export`; there is no store; `ttprep gc` is at work on it.
    """
    store = Store.open(request.store_root)
    with store.lock("run"):  # keeps gc out
        overview = survey(request, store, console)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(f"writing {path.name}", total=None)
            done = export(
                request.manifest,
                store,
                overview.sources,
                overview.plans,
                path,
                samples=overview.samples,
                compact=compact,
                shards=shards,
                without_flagged=without_flagged,
                thorough=True,
                progress=lambda rows, total: bar.update(task, advance=rows, total=total),
            )
    return done, overview
