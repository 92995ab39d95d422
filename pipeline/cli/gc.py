"""``ttprep gc``: remove what the manifest no longer uses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline import errors
from pipeline.cli.options import JSON, make_request, options, stderr, stdout
from pipeline.terminal import echo, echo_json

if TYPE_CHECKING:
    from store import Store


@click.command()
@options()
@click.option("--dry-run", is_flag=True, help="Say what would be removed, but remove nothing.")
@click.option("--yes", "-y", is_flag=True, help="Remove without asking.")
@click.option(
    "--unused-days",
    type=click.FloatRange(0),
    default=7.0,
    show_default=True,
    help="Remove shards that no dataset has listed for so many days; a training may still read newer ones.",
)
@JSON
def gc(dry_run: bool, yes: bool, unused_days: float, as_json: bool, **common: Any) -> int:
    """Remove what the manifest does not use.

    These are results of older parameters, what killed runs left behind, and shards that no dataset lists any
    more. Results of videos that are not among PATH are kept. No run can use the store at the same time.
    """
    from pipeline.cli.output.table import Column, Grid
    from pipeline.dataset.pixels.collecting import folders_with_shards, remove_shards, unused_shards
    from pipeline.planning.garbage import unwanted
    from store import Store
    from store.gc import foreign, remove
    from store.names import shown

    request = make_request(**common)
    store = Store.open(request.store_root)
    with store.lock("gc"):
        results = unwanted(request, store, stderr())
        own = request.manifest.dataset
        dataset = None if own is None else request.manifest.resolve(own)
        folders = folders_with_shards(dataset, request.manifest.folder)
        shards = [i for folder in folders for i in unused_shards(folder, unused_days)]
        items = [*results, *shards]
        size = sum(i.size for i in items)
        names = _names(store)
        strange = [shown(p.relative_to(store.root)) for p in foreign(store)]
        if as_json:
            echo_json(
                {
                    "removed": not dry_run,
                    "bytes": size,
                    "files": [
                        {
                            "path": str(i.path),
                            "bytes": i.size,
                            "why": i.why,
                            "video": _video(i.path, store, names),
                        }
                        for i in items
                    ],
                    "foreign": strange,
                }
            )
        else:
            grid = Grid(
                Column("video", "path"),
                Column("file", "path"),
                Column("MB", "number"),
                Column("why", "prose"),
                legend={"?": "its name is not known any more"},
            )
            for item in items:
                video = _video(item.path, store, names) or ("" if item in shards else "?")
                grid.add(video, _place(item.path, store), f"{item.size / 1e6:.2f}", item.why)
            grid.print(stdout())
            echo(f"{len(items)} files, {size / 1e6:.1f} MB")
            if strange:
                more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
                echo(
                    f"{len(strange)} files or folders in the store are not ttprep's and stay: "
                    f"{', '.join(strange[:5])}{more}"
                )
        if dry_run or not items:
            return errors.OK
        if not yes and not as_json and not click.confirm("remove them?", err=True):
            return errors.OK
        remove(store, results)
        remove_shards(shards)
    return errors.OK


def _names(store: Store) -> dict[str, str]:
    """Return the folder of each video that the store has hashed → the path it had."""
    return {store.folder(n["sha256"]).name: str(n["path"]) for n in store.source_notes()}


def _video(path: Path, store: Store, names: dict[str, str]) -> str:
    parts = path.relative_to(store.root).parts if path.is_relative_to(store.root) else ()
    return names.get(parts[1], "") if len(parts) > 1 else ""


def _place(path: Path, store: Store) -> str:
    """Return the file's place within the store, or in which folder of shards it lies."""
    if not path.is_relative_to(store.root):
        return f"{path.parent.name}/{path.name}"
    return path.relative_to(store.root).as_posix()
