"""The demo of strokes: video clips with labelled strokes, of which cuboids are cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.demos.rendering import rendering
from pipeline.demos.running import Demo
from pipeline.pictures.preview import preview
from pipeline.planning.staleness import Planned
from stages.base import StageError
from stages.pose import resolve_weights
from stages.roi import RoiParams
from store import Store
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


def render_strokes(
    folder: Path,
    *,
    clips: int,
    strokes: int,
    size: tuple[int, int],
    seed: int,
    workers: int,
    pose_weights: Path | None,
    stderr: Console,
    **lasting: Any,
) -> Demo:
    """Render video clips with annotations into ``folder/clips``.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    clips : int
        Number of videos.
    strokes : int
        Number of strokes in each video.
    size : (int, int)
        Width and height of the pictures, px.
    seed : int
        The same seed gives the same videos.
    workers : int
        Number of processes.
    pose_weights : Path or None
        Folder of PoseNet weights. Pose is left out of the manifest where no weights can be had.
    stderr : Console
        For the progress bar.
    **lasting
        ``duration`` of the strokes and ``gap`` between them, see :func:`ttdemo.plan_clip`; s.

    Raises
    ------
    UserError
        The renderer refuses these settings.
    """
    place = folder / "clips"
    with rendering(stderr) as progress:
        made = make_demo(
            place, clips=clips, strokes_per_clip=strokes, seed=seed, workers=workers, size=size,
            progress=progress, **lasting,
        )  # fmt: skip
    lines = [f"clips: {place} ({len(made.videos)} videos, {made.n_frames} frames)"]
    modalities = "rgb, flow, pose"
    try:
        resolve_weights(pose_weights)
    except StageError as e:
        modalities = "rgb, flow"
        lines.append(f"going on without pose: {e}")

    def show(store: Store, plans: Sequence[list[Planned]]) -> Iterator[str]:
        for plan in plans:
            picture = folder / "pictures" / f"{plan[0].node.source.path.stem}.png"
            preview(store, plan, RoiParams(), picture)
            yield f"picture: {picture}"
            for planned in plan:
                if planned.node.stage.name == "cuboids" and planned.state == "done":
                    yield f"cuboids: {store.path(planned.node.slot)} ({len(planned.node.samples)} samples)"

    return Demo(folder, _MANIFEST.format(modalities=modalities), tuple(lines), show)
