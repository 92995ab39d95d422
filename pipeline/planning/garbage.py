"""Decide by the current manifest what ``ttprep gc`` may remove."""

from __future__ import annotations

from rich.console import Console

from pipeline.planning.request import Request
from pipeline.planning.survey import survey
from store import Store
from store.gc import Garbage, garbage


def unwanted(request: Request, store: Store, console: Console) -> list[Garbage]:
    """Return files of the given videos that the manifest does not use, and what killed runs left.

    Parameters
    ----------
    request : Request
        Only its videos are judged; finished results of all others are kept.
    store : Store
    console : Console
        stderr.

    Returns
    -------
    list of Garbage
    """
    overview = survey(request, store, console)
    judged = {store.folder(s.sha256) for s in overview.sources}
    wanted = {store.path(p.node.slot) for p in overview.results}
    return list(garbage(store, wanted, judged))
