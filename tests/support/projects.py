"""Stores of tiny real videos with annotations, run in this process, and their datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from rich.console import Console

from pipeline.dataset import Exported
from pipeline.dataset.command import export_request
from pipeline.execution.executor import Executor
from pipeline.inputs.manifest import Manifest, read_manifest
from pipeline.planning.request import Request, Where
from pipeline.run import Result, run

SIZE = (64, 48)
CROP = 24
T = 16
QUIET = Console(quiet=True)

#: 64×48 frames, 24×24 crops of 16 frames, a flow that costs next to nothing
TINY: dict[str, Any] = {
    "videos": ["videos"],
    "annotations": ["annotations"],
    "store": "store",
    "dataset": None,
    "modalities": ["rgb", "flow"],
    "classes": ["Up", "Down", "Across", "Negative"],
    "cleaning": {"min_seconds": 0.05, "max_seconds": 10, "negatives": {"min_actions": 2, "min_frames": T}},
    "stages": {
        "frames": {"width": SIZE[0], "height": SIZE[1]},
        "flow": {"n_outer": 1, "n_sor": 2, "min_width": 20},
        "cuboids": {"crop_width": CROP, "crop_height": CROP, "length": T},
        "untrimmed": {"crop_width": CROP, "crop_height": CROP},
    },
}


def write_video(path: Path, n: int, seed: int = 0, fps: int = 120) -> Path:
    """A square that wanders over noise; every frame differs from every other."""
    rng = np.random.default_rng(seed)
    scene = rng.integers(40, 200, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.thread_count = 1
        for t in range(n):
            frame = scene.copy()
            x, y = 4 + (2 * t + 9 * seed) % 44, 8 + (t + 5 * seed) % 24
            frame[y : y + 12, x : x + 12] = (250 - 3 * (t % 60), 40 + t % 100, 30)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def write_actions(path: Path, actions: Sequence[tuple[int, int, str]]) -> Path:
    """MediaEval XML; actions are begin, end, move."""
    lines = [f'  <action begin="{b}" end="{e}" move="{move}"/>' for b, e, move in actions]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["<video>", *lines, "</video>", ""]))
    return path


def manifest_in(folder: Path, **changes: Any) -> Manifest:
    """The tiny manifest with changes, written and read as a user's would be."""
    import yaml

    value = {**TINY, **changes}
    value["stages"] = {**TINY["stages"], **changes.get("stages", {})}
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    path = folder / "data_manifest.yaml"
    path.write_text(yaml.safe_dump(value))
    return read_manifest(path)


def run_here(manifest: Manifest, executor: Executor | None = None) -> Result:
    """What `ttprep run --workers 0` does."""
    request = Request(manifest, manifest.resolve(manifest.store), where=Where(workers=0))
    return run(request, QUIET, executor)


def export_here(manifest: Manifest, path: Path, **options: Any) -> Exported:
    """What `ttprep export` does."""
    return export_request(Request(manifest, manifest.resolve(manifest.store)), path, QUIET, **options)[0]


def project(
    folder: Path,
    videos: Mapping[str, int],
    actions: Mapping[str, Sequence[tuple[int, int, str]]],
    **changes: Any,
) -> Manifest:
    """Write videos (name → frames) and annotations (name → actions) and process them."""
    for seed, (name, n) in enumerate(videos.items()):
        write_video(folder / "videos" / f"{name}.mp4", n, seed)
    for name, found in actions.items():
        write_actions(folder / "annotations" / f"{name}.xml", found)
    manifest = manifest_in(folder, **changes)
    result = run_here(manifest)
    assert result.code == 0, [j.reason for j in result.jobs if j.reason]
    return manifest
