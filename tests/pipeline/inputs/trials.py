"""Little trials as folders of pictures with joints, and what a run and an export make of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import h5py
import hdf5plugin  # noqa: F401  (registers the codecs)
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from pipeline.dataset import export
from pipeline.inputs.manifest import read_manifest
from pipeline.planning.request import Request
from pipeline.planning.survey import survey
from stages.base import Block, SourceFile, VideoInfo
from stages.descriptor import JOINTS
from stages.frames import STAGE as FRAMES
from stages.frames.stage import FramesParams
from store import Store
from tests.support.command_line import ttprep

N = 24
SIZE = (96, 64)
MANIFEST = """\
version: 1
store: store
sources:
  - {{kind: frames, path: trials, fps: 30{more}}}
classes: [Left, Right]
modalities: [rgb, pose]
cleaning: {{negatives: {{enabled: false}}}}
stages:
  frames: {{width: 96, height: 64}}
  flow: {{method: dis}}
  roi: {{crop_width: 40, crop_height: 40}}
  cuboids: {{crop_width: 40, crop_height: 40, length: 20, rotation: 0, translation: 0, zoom: 0}}
"""


def read_picture(path: str) -> NDArray[np.uint8]:
    picture = cv2.imread(path)
    assert picture is not None, path
    return np.asarray(picture, np.uint8)


def pictures(n: int = N, seed: int = 0, start: int = 6) -> list[NDArray[np.uint8]]:
    """A textured square that stands still, then moves; RGB."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    scene = rng.integers(60, 120, (height, width, 3), dtype=np.uint8)
    patch = rng.integers(150, 255, (20, 20, 3), dtype=np.uint8)
    out = []
    for t in range(n):
        frame = scene.copy()
        x = 8 + 4 * max(0, t - start) % (width - 30)
        frame[20:40, x : x + 20] = patch
        out.append(frame)
    return out


def write_trial(
    folder: Path, frames: Sequence[NDArray[np.uint8]] | None = None, name: str = "{:03d}.png", seed: int = 0
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for t, frame in enumerate(pictures(seed=seed) if frames is None else frames):
        assert cv2.imwrite(str(folder / name.format(t)), frame[..., ::-1])
    return folder


def positions(n: int = N, seed: int = 0) -> NDArray[np.float64]:
    """x, y, score of 13 joints that follow the square."""
    rng = np.random.default_rng(seed)
    base = rng.uniform((10, 10), (40, 50), (13, 2))
    moved = base + np.stack([4.0 * np.maximum(0, np.arange(n) - 6), np.zeros(n)], -1)[:, None] % 60
    return np.concatenate([moved, np.full((n, 13, 1), 0.9)], axis=-1)


def write_joints(path: Path, joints: NDArray[np.float64] | None = None) -> Path:
    joints = positions() if joints is None else joints
    header = "frame," + ",".join(f"{j}_{c}" for j in JOINTS for c in ("x", "y", "score"))
    rows = [f"{t}," + ",".join(f"{v:.3f}" for v in row.ravel()) for t, row in enumerate(joints)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def decode_folder(folder: Path, joints: NDArray[np.float64] | None = None, **params: Any) -> dict[str, Any]:
    """The frames stage on a folder, as one dictionary of whole arrays."""
    source = SourceFile(folder, joints)
    values = FramesParams(**{"width": SIZE[0], "height": SIZE[1], "fps": 30, **params})
    parts = list(FRAMES.compute(iter([Block(0, 7, 0, {}, source)]), values, VideoInfo()))
    return {**{k: np.concatenate([p[k] for p in parts]) for k in parts[0]}, "attrs": parts[-1].attrs}


def run(folder: Path, *more: str, workers: int = 0) -> Any:
    done = ttprep(
        "run", "--workers", workers, *more, cwd=folder, env={"TTPREP_POSENET_WEIGHTS": str(folder / "none")}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def exported(folder: Path, name: str = "d.h5") -> dict[str, list[Any]]:
    """Columns of /samples, exported anew, with the videos' names."""
    manifest = read_manifest(folder / "data_manifest.yaml")
    store = Store.open(folder / "store")
    overview = survey(Request(manifest, folder / "store"), store, Console(stderr=True, quiet=True))
    made = export(manifest, store, overview.sources, overview.plans, folder / name, samples=overview.samples)
    with h5py.File(made.path) as file:
        columns = {name: data[()].tolist() for name, data in file["samples"].items()}
        samples: dict[str, list[Any]] = {
            k: [v.decode() if isinstance(v, bytes) else v for v in values] for k, values in columns.items()
        }
        names = [v.decode() for v in file["videos/name"][()]]
        samples["name"] = [names[v] for v in samples["video"]]
        spans = [slice(f, f + n) for f, n in zip(samples["first"], samples["rows"], strict=True)]
        for array in set(file["cuboids"]) & {"rgb", "pose", "window"}:
            samples[array] = [file[f"cuboids/{array}"][span] for span in spans]
        samples["classes"] = json.loads(file.attrs["classes"])
    return samples
