"""``ttprep demo --task outcome``: render trials, run the main job on them, say where everything is."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from pipeline.cli.tables import print_result
from pipeline.demos.rendering import rendering
from pipeline.errors import OK
from pipeline.execution.cluster import cores
from pipeline.inputs.manifest import read_manifest
from pipeline.pictures.start_frame import draw_start
from pipeline.planning.request import Request, Where
from pipeline.run import run
from store import Store
from store.atomic import write_bytes
from ttdemo.throws.plan import N_TARGETS, target_name
from ttdemo.throws.trial_set import JOINTS_FILE, make_throws

#: frames that a network is shown from the start on [GRU §IV-A]
LENGTH = 40
FPS = 30

_MANIFEST = """\
# Made by `ttprep demo --task outcome`; see data_manifest.yaml of the project for every setting.
version: 1
store: store
sources:
  - {{kind: frames, path: trials, fps: {fps}, joints: {joints}, labels: labels.csv, sample: start}}
classes: [{classes}]
modalities: [rgb, pose]
splits: {{train: 0.7, validation: 0.1, test: 0.2}}
stages:
  frames: {{width: {width}, height: {height}}}
  flow: {{method: dis}}  # only the region of interest depends on it
  roi: {{crop_width: {roi_width}, crop_height: {roi_height}}}
  cuboids:  # the whole frame: the networks crop it themselves
    {{crop_width: {width}, crop_height: {height}, length: {length}, rotation: 0, translation: 0, zoom: 0}}
"""


def run_outcome(
    folder: Path,
    trials: int,
    size: tuple[int, int],
    seed: int,
    workers: int | None,
    render_only: bool,
    stderr: Console,
    stdout: Console,
) -> int:
    """Render, run and show; returns the exit code.

    Parameters
    ----------
    folder : Path
    trials : int
        For each of the nine targets.
    size : (int, int)
        Of the pictures, px.
    seed : int
    workers : int or None
        Processes; None: the machine's cores.
    render_only : bool
    stderr, stdout : Console

    Raises
    ------
    UserError
        Settings that cannot be.
    """
    workers = workers or cores()
    with rendering(stderr) as progress:
        made = make_throws(
            folder, trials=trials, seed=seed, workers=workers, size=size, fps=FPS, progress=progress
        )
    stdout.print(
        f"trials: {folder / 'trials'} ({len(made.jobs)} trials, {made.n_frames} frames)", markup=False
    )
    manifest = folder / "data_manifest.yaml"
    classes = ", ".join(target_name(i) for i in range(N_TARGETS))
    text = _MANIFEST.format(
        fps=FPS, joints=JOINTS_FILE, classes=classes, length=LENGTH,
        width=size[0], height=size[1], roi_width=size[0] // 2, roi_height=size[1] // 2,
    )  # fmt: skip
    write_bytes(manifest, text.encode())
    if render_only:
        return OK
    request = Request(read_manifest(manifest), folder / "store", (), where=Where(workers=workers))
    result = run(request, stderr)
    print_result(result, stdout)
    for note in result.overview.notes:
        stderr.print(f"note: {note}", markup=False, soft_wrap=True)
    store = Store.open(folder / "store")
    plan = next((p for p in result.overview.plans.values() if all(x.state == "done" for x in p)), None)
    if plan is not None:
        picture = folder / "pictures" / f"{plan[0].node.source.path.name}-start.png"
        draw_start(store, plan, picture)
        stdout.print(f"picture: {picture}", markup=False, soft_wrap=True)
    stdout.print(f"store: {store.root}\nmanifest: {manifest}", markup=False, soft_wrap=True)
    return result.code
