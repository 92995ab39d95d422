"""The demo of throws: trials, folders of pictures of one stroke each, whose start is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from pipeline.demos.rendering import rendering
from pipeline.demos.running import Demo
from pipeline.pictures.start_frame import draw_start
from pipeline.planning.staleness import Planned
from store import Store
from ttdemo import JOINTS_FILE, N_TARGETS, make_throws, target_name

#: frames that a network is shown from the start on [GRU §IV-A]
LENGTH = 40
#: frames per second
FPS = 30

_MANIFEST = """\
# Made by `ttprep demo --task throws`; see data_manifest.yaml of the project for every setting.
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


def render_throws(
    folder: Path, *, trials: int, size: tuple[int, int], seed: int, workers: int, stderr: Console
) -> Demo:
    """Render trials into ``folder/trials`` and their labels into ``folder/labels.csv``.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    trials : int
        Number of trials for each of the nine targets.
    size : (int, int)
        Width and height of the pictures, px.
    seed : int
        The same seed gives the same trials.
    workers : int
        Number of processes.
    stderr : Console
        For the progress bar.

    Raises
    ------
    UserError
        The renderer refuses these settings.
    """
    with rendering(stderr) as progress:
        made = make_throws(
            folder, trials=trials, seed=seed, workers=workers, size=size, fps=FPS, progress=progress
        )
    line = f"trials: {folder / 'trials'} ({len(made.jobs)} trials, {made.n_frames} frames)"
    manifest = _MANIFEST.format(
        fps=FPS, joints=JOINTS_FILE, classes=", ".join(target_name(i) for i in range(N_TARGETS)),
        length=LENGTH, width=size[0], height=size[1], roi_width=size[0] // 2, roi_height=size[1] // 2,
    )  # fmt: skip

    def show(store: Store, plans: Sequence[list[Planned]]) -> Iterator[str]:
        plan = next((p for p in plans if all(x.state == "done" for x in p)), None)
        if plan is not None:  # one trial stands for all
            picture = folder / "pictures" / f"{plan[0].node.source.path.name}-start.png"
            draw_start(store, plan, picture)
            yield f"picture: {picture}"

    return Demo(folder, manifest, (line,), show)
