"""Kinds of file of a store, and the commands that read each: what :mod:`tests.support.bitflips` flips.

The projects are as small as the stages allow. What reads a file is removed before each trial, so that it is
needed: the cheapest reader of a result, or the dataset.
"""

from __future__ import annotations

import functools
import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import yaml
from rich.console import Console

from pipeline.execution import feature_files, layouts
from pipeline.inputs.manifest import Manifest, read_manifest
from pipeline.planning.request import Request, Where
from pipeline.planning.survey import survey
from pipeline.run import run
from stages.descriptor import JOINTS
from store import Layout, Slot, Store
from store.notes import signed
from tests.support.bitflips import Kind, Project, Range, State, whole
from tests.support.pose import write_checkpoint
from tests.support.projects import export_here

SIZE = (48, 32)
N = 20
QUIET = Console(quiet=True)
RUN = ("ttprep", "run", "--workers", "0")
EXPORT = ("ttprep", "export", "dataset.h5")
LOOK = (("ttprep", "status"), ("ttprep", "verify"))
#: stage → what reads its result and costs least
READER = {
    "frames": "start", "foreground": "flow", "flow": "statistics", "roi": "descriptor", "descriptor": "start",
}  # fmt: skip
TINY: dict[str, Any] = {
    "store": "store",
    "dataset": None,
    "classes": ["Left", "Right"],
    "cleaning": {"negatives": {"enabled": False}},
    "stages": {
        "frames": {"width": SIZE[0], "height": SIZE[1]},
        "flow": {"n_outer": 1, "n_sor": 2, "min_width": 10},
        "roi": {"crop_width": 16, "crop_height": 16},
        "cuboids": {
            "crop_width": 16, "crop_height": 16, "length": 12, "rotation": 0, "translation": 0, "zoom": 0,
        },
        "untrimmed": {"crop_width": 16, "crop_height": 16},
        "start": {"still_seconds": 0.1, "growing_seconds": 0.1, "picture": 1, "joints": 0.01},
    },
}  # fmt: skip


def write_trial(folder: Path, n: int = N, *, joints: bool) -> None:
    """Write pictures of a square that sets off, and joints that follow it."""
    folder.mkdir(parents=True)
    scene = np.random.default_rng(0).integers(60, 110, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    rows = ["frame," + ",".join(f"{j}_{c}" for j in JOINTS for c in ("x", "y", "score"))]
    for t in range(n):
        x = 4 + max(0, t - 5) % 30
        picture = scene.copy()
        picture[8 : 8 + 12, x : x + 12] = (240, 200 - t, 40 + t)
        picture[-1] = 60 + 6 * max(0, t - 5) % 120  # grows with time
        cv2.imwrite(str(folder / f"{t:03d}.png"), picture)
        rows.append(f"{t}," + ",".join(f"{x + k % 4},{8 + k % 5},0.9" for k in range(len(JOINTS))))
    if joints:
        (folder / "joints.csv").write_text("\n".join(rows) + "\n")
    for path in (folder, *folder.iterdir()):
        os.utime(path, (1e9, 1e9))  # as old as sources are that get a note


def _manifest(folder: Path, **changes: Any) -> Manifest:
    source = {"kind": "frames", "path": "trials", "fps": 30, **changes.pop("source", {})}
    path = folder / "data_manifest.yaml"
    path.write_text(yaml.safe_dump({**TINY, "sources": [source], **changes}))
    return read_manifest(path)


def _request(manifest: Manifest) -> Request:
    return Request(manifest, manifest.resolve(manifest.store), where=Where(workers=0))


def _run(manifest: Manifest) -> None:
    done = run(_request(manifest), QUIET)
    assert done.code == 0, [j.reason for j in done.jobs if j.reason]


def _features(folder: Path) -> bytes:
    """Every result of the store, by its name."""
    return b"".join(
        str(path.relative_to(folder)).encode() + path.read_bytes()
        for path in sorted(folder.rglob("store/**/*.h5"))
    )


def _dataset(folder: Path) -> bytes:
    return (folder / "dataset.h5").read_bytes() + _features(folder)


def stage_of(place: str) -> str:
    """Return the stage of a file in a store, empty where it is of none."""
    return Path(place).name.partition("-")[0] if place.startswith("store/videos/") else ""


def _nothing(place: str) -> bool:
    return False


def _gone(stage: str, place: str) -> bool:
    return stage_of(place) == stage


def _feature(project: Project, stage: str) -> Kind:
    """One half of the bits lies in what is no array data: chance would rarely hit it."""
    (place,) = (p for p in project.state if stage_of(p) == stage and p.endswith(".h5"))
    note = json.loads(project.state[place.removesuffix(".h5") + ".json"][0])
    ends = note["header"]["ranges"]
    head = tuple(Range(place, a, b) for a, b in zip(ends[::2], ends[1::2], strict=True))
    reader = READER.get(stage)
    return Kind(
        f"{stage} `.h5`",
        project,
        (whole(project.state, [place]), head),
        RUN if reader else EXPORT,
        _features if reader else _dataset,
        LOOK,
        functools.partial(_gone, reader) if reader else _nothing,
    )


def _taken(folder: Path, pattern: str) -> State:
    """Remove files and return them."""
    paths = sorted(folder.rglob(pattern))
    found = {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in paths}
    for place in found:
        (folder / place).unlink()
    return found


def trial_kinds(folder: Path) -> Iterator[Kind]:
    """Yield the kinds of file of a store of a trial whose joints are given: all stages but PoseNet."""
    write_trial(folder / "trials" / "left" / "a", joints=True)
    source = {"joints": "joints.csv", "labels": "folder", "sample": "start"}
    manifest = _manifest(folder, source=source, untrimmed=True)
    _run(manifest)
    export_here(manifest, folder / "dataset.h5")  # writes the table of splits
    dataset = _taken(folder, "dataset*")
    project = Project(folder)
    state = project.state
    stages = sorted({stage_of(p) for p in state if stage_of(p)})
    for stage in stages:
        yield _feature(project, stage)
    receipts = [p for p in state if stage_of(p) not in ("", "start") and p.endswith(".json")]
    gone = functools.partial(_gone, "start")
    yield Kind("receipt", project, (whole(state, receipts),), RUN, _features, LOOK, gone)
    (note,) = (p for p in state if p.startswith("store/sources/"))
    yield Kind("note on a source", project, (whole(state, [note]),), RUN, _features, LOOK, gone)
    (splits,) = (p for p in state if p.startswith("store/splits/"))
    yield Kind("table of splits", project, (whole(state, [splits]),), EXPORT, _dataset, LOOK, _nothing)
    marker = "store/ttprep-store.json"
    yield Kind("marker", project, (whole(state, [marker]),), RUN, _features, LOOK, gone)
    yield from _verdicts(project, folder)
    for name in ("md", "png"):  # for people alone, but an export asks whether the card is up to date
        ranges = whole(dataset, [f"dataset.{name}"])
        yield Kind(f"`d.{name}`", project, (ranges,), EXPORT, _dataset, (), _nothing, dataset)


def _verdicts(project: Project, folder: Path) -> Iterator[Kind]:
    """Yield notes on results that are there, that are not, and on who uses the store."""
    state = project.state
    (result,) = (p for p in state if stage_of(p) == "statistics" and p.endswith(".h5"))
    stem = result.removesuffix(".h5")
    video = Path(result).parent.name
    store = Store.open(folder / "store")
    key = json.loads(state[f"{stem}.json"][0])["key"]
    slot = next(Slot(v, "statistics", key) for v in store.videos() if v.startswith(video))
    store.mark_damaged(slot, "an example of a reason")
    store.set_failure(slot, "an example of a reason")
    for name, gone in (("damaged", _nothing), ("failed", functools.partial(_gone, "statistics"))):
        place = f"{stem}.{name}.json"
        path = folder / place
        added = {place: (path.read_bytes(), path.stat().st_mtime_ns)}
        path.unlink()
        ranges = whole(added, [place])
        yield Kind(f"`.{name}.json`", project, (ranges,), RUN, _features, LOOK, gone, added)
    gone = functools.partial(_gone, "start")
    note = json.dumps(signed({"kind": "run", "host": socket.gethostname(), "pid": 1 << 22}), indent=1)
    place = f"store/locks/run-{socket.gethostname()}-{1 << 22}-0123abcd.json"
    added = {place: (note.encode(), int(1e18))}
    yield Kind("lock of a dead process", project, (whole(added, [place]),), RUN, _features, LOOK, gone, added)


def pose_kinds(folder: Path) -> Iterator[Kind]:
    """Yield the poses of a trial that PoseNet has seen, with random weights."""
    write_trial(folder / "trials" / "a", joints=False)
    write_checkpoint(folder.with_name("weights"), "0.50")
    cache = folder.with_name("cache")
    os.environ["XDG_CACHE_HOME"] = str(cache)
    stages = {**TINY["stages"], "pose": {"model": "0.50"}}
    _run(_manifest(folder, pose_weights=str(folder.with_name("weights")), stages=stages))
    project = Project(folder)
    kind = _feature(project, "pose")
    yield Kind(kind.name, project, kind.strata, RUN, _features, LOOK, functools.partial(_gone, "descriptor"))


#: rows of a part, where a run uses 500
ROWS = 25


def _short_parts() -> ExitStack:
    """Make parts of few rows, and chunks that fit in them, until the end of the context."""
    stack = ExitStack()
    stack.enter_context(patch.object(feature_files, "PART_ROWS", ROWS))
    stack.enter_context(patch.dict(layouts._LAYOUTS, {"table": Layout((ROWS,), "zstd", 3)}))
    return stack


def _set_up_parts() -> None:
    _short_parts().__enter__()  # for as long as the process lives


def part_kinds(folder: Path) -> Iterator[Kind]:
    """Yield the parts that a killed run leaves of a long video's flow."""
    write_trial(folder / "trials" / "a", 2 * ROWS + 1, joints=False)
    manifest = _manifest(folder, modalities=["rgb", "flow"])
    with _short_parts():
        _run(manifest)
        project = Project(folder)
        for path in folder.rglob("flow-*"):
            path.unlink()
        store = Store.open(folder / "store")
        overview = survey(_request(manifest), store, QUIET)
        (planned,) = (p for plan in overview.plans.values() for p in plan if p.node.stage.name == "flow")
        info = feature_files.read_info(store, planned.node)
        for rows in feature_files.part_ranges(planned.node, info):
            feature_files.make_part(store, planned.node, rows, lambda stage, n: None)
    added = _taken(folder, "parts/*")
    assert len(added) == 4
    gone = functools.partial(_gone, "flow")
    for name, suffix in (("part of a killed run", ".h5"), ("note on a part", ".json")):
        ranges = whole(added, [p for p in added if p.endswith(suffix)])
        yield Kind(name, project, (ranges,), RUN, _features, LOOK, gone, added, _set_up_parts)


def store_kinds(place: Path) -> list[Kind]:
    """Make the projects in a folder and return all kinds of file of their stores."""
    found: list[Kind] = []
    for name, kinds in (("trial", trial_kinds), ("people", pose_kinds), ("long", part_kinds)):
        folder = place / name / "project"
        folder.mkdir(parents=True)
        found += kinds(folder)
    return found
