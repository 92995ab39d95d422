"""A rendered demo, and the run on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pipeline.inputs.manifest import read_manifest
from pipeline.planning.request import Request, Where
from pipeline.planning.staleness import Planned
from pipeline.run import Result, run
from store import Store
from store.atomic import write_bytes


@dataclass(frozen=True)
class Demo:
    """A rendered demo that can be run.

    Attributes
    ----------
    folder : Path
        Holds what was rendered, ``data_manifest.yaml`` and, after the run, ``store/`` and ``pictures/``.
    manifest : str
        Text of the manifest.
    made : tuple of str
        What was rendered, one line each.
    show : callable
        Draws pictures of results into ``pictures/`` and yields lines that say what is where.
    """

    folder: Path
    manifest: str
    made: tuple[str, ...]
    show: Callable[[Store, Sequence[list[Planned]]], Iterator[str]]

    @property
    def manifest_path(self) -> Path:
        """Where the manifest is written."""
        return self.folder / "data_manifest.yaml"


def write_manifest(demo: Demo) -> None:
    """Write the demo's manifest into its folder."""
    write_bytes(demo.manifest_path, demo.manifest.encode())


def run_demo(demo: Demo, workers: int, pose_weights: Path | None, stderr: Console) -> Result:
    """Run all that the demo's manifest asks for, as ``ttprep run`` does.

    Parameters
    ----------
    demo : Demo
        Its manifest is written.
    workers : int
        Number of processes.
    pose_weights : Path or None
        Folder of PoseNet weights.
    stderr : Console
        For progress and messages.

    Returns
    -------
    Result
    """
    request = Request(
        read_manifest(demo.manifest_path),
        demo.folder / "store",
        (),
        where=Where(workers=workers),
        pose_weights=pose_weights,
    )
    return run(request, stderr)


def show_results(demo: Demo, result: Result) -> Iterator[str]:
    """Draw pictures of the results; yield lines that say where pictures, dataset and store are."""
    store = Store.open(demo.folder / "store")
    yield from demo.show(store, list(result.overview.plans.values()))
    if result.dataset:
        yield f"dataset: {result.dataset}"
    yield f"store: {store.root}"
    yield f"manifest: {demo.manifest_path}"
