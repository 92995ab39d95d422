"""``ttprep demo``: render clips, run the main job on them, say where everything is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.cli.tables import print_result
from pipeline.demos.rendering import rendering
from pipeline.errors import OK, USAGE, UserError
from pipeline.execution.cluster import cores
from pipeline.inputs.manifest import read_manifest
from pipeline.pictures.preview import preview
from pipeline.planning.request import Request, Where
from pipeline.run import run
from stages.base import StageError
from stages.pose import resolve_weights
from stages.roi import RoiParams
from store import Store
from store.atomic import write_bytes
from ttdemo import make_demo

_MANIFEST = """\
# Made by `ttprep demo`; see data_manifest.yaml of the project for every setting.
version: 1
store: store
videos: [clips]
annotations: [clips]
modalities: [{modalities}]
untrimmed: true
compact: true
# whole videos are held out, so that detection too is tested on what training has not seen
splits: {{train: 0.6, validation: 0.15, test: 0.25, by: video}}
"""


def picture_size(text: str) -> tuple[int, int]:
    """Width and height of ``1920x1080``.

    Raises
    ------
    UserError
        It is no size.
    """
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if not match:
        raise UserError(f"--size {text}: give WIDTHxHEIGHT, e.g. 1920x1080", USAGE)
    return int(match[1]), int(match[2])


def seconds(option: str, text: str) -> tuple[float, float]:
    """Shortest and longest of ``0.6-0.8``, in s.

    Raises
    ------
    UserError
        It is no range.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", text)
    if not match:
        raise UserError(f"{option} {text}: give SHORTEST-LONGEST in seconds, e.g. 0.6-0.8", USAGE)
    return float(match[1]), float(match[2])


def run_demo(
    folder: Path,
    clips: int,
    strokes: int,
    size: tuple[int, int],
    seed: int,
    workers: int | None,
    pose_weights: Path | None,
    render_only: bool,
    stderr: Console,
    stdout: Console,
    **lasting: Any,
) -> int:
    """Render, run and show; returns the exit code.

    ``lasting``: ``duration`` and ``gap`` of :func:`ttdemo.strokes.plan.plan_clip`, s.

    Raises
    ------
    UserError
        Settings that cannot be, a folder that cannot be used.
    """
    workers = workers or cores()
    with rendering(stderr) as progress:
        made = make_demo(
            folder / "clips", clips=clips, strokes_per_clip=strokes, seed=seed, workers=workers,
            size=size, progress=progress, **lasting,
        )  # fmt: skip
    stdout.print(
        f"clips: {folder / 'clips'} ({len(made.videos)} videos, {made.n_frames} frames)", markup=False
    )
    modalities = "rgb, flow, pose"
    try:
        resolve_weights(pose_weights)
    except StageError as e:
        modalities = "rgb, flow"
        stdout.print(f"going on without pose: {e}", markup=False, soft_wrap=True)
    manifest = folder / "data_manifest.yaml"
    write_bytes(manifest, _MANIFEST.format(modalities=modalities).encode())
    if render_only:
        return OK
    request = Request(
        read_manifest(manifest), folder / "store", (), where=Where(workers=workers), pose_weights=pose_weights
    )
    result = run(request, stderr)
    print_result(result, stdout)
    store = Store.open(folder / "store")
    for plan in result.overview.plans.values():
        source = plan[0].node.source
        picture = folder / "pictures" / f"{source.path.stem}.png"
        preview(store, plan, RoiParams(), picture)
        stdout.print(f"picture: {picture}", markup=False, soft_wrap=True)
        for planned in plan:
            if planned.node.stage.name == "cuboids" and planned.state == "done":
                n = len(planned.node.samples)
                stdout.print(
                    f"cuboids: {store.path(planned.node.slot)} ({n} samples)", markup=False, soft_wrap=True
                )
    if result.dataset:
        stdout.print(f"dataset: {result.dataset}", markup=False, soft_wrap=True)
    stdout.print(f"store: {store.root}\nmanifest: {manifest}", markup=False, soft_wrap=True)
    return result.code
