"""What ``ttprep gc`` may remove: whatever the current manifest does not use."""

from __future__ import annotations

from rich.console import Console

from pipeline.planning.request import Request
from pipeline.planning.survey import survey
from store import Store
from store.gc import Garbage, garbage


def unwanted(request: Request, store: Store, console: Console) -> list[Garbage]:
    """List files of the given videos that the manifest does not use, and leftovers.

    Parameters
    ----------
    request : Request
        Its videos are judged; all results of other videos are kept.
    store : Store
    console : Console
        stderr.

    Returns
    -------
    list of Garbage
    """
    overview = survey(request, store, console)
    judged = {store.folder(s.sha256) for s in overview.sources}
    wanted = {store.path(p.node.slot) for plan in overview.plans.values() for p in plan}
    kept = {
        p for folder in (store.root / "videos").iterdir() if folder not in judged for p in folder.glob("*.h5")
    }
    return list(garbage(store, wanted | kept))
