"""Makes an archive of three small projects with the installed ``ttprep``, for later versions to read.

Usage: ``python tests/archive/make.py NAME`` writes ``tests/archive/NAME.tar.xz``. The commands are those
beside the interpreter, so run it in the environment of the version that the archive shall be of, with
torch and with PoseNet's weights (``TTPREP_POSENET_WEIGHTS``). Nothing is imported from the project: what
stands in ``figures.json`` is read with plain h5py, as the format's documents say.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import h5py
import hdf5plugin  # noqa: F401  (registers the codecs)
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 64, 48

#: whole matches with annotations: RGB and flow
MATCHES = """\
version: 1
videos: [videos]
annotations: [annotations]
store: store
modalities: [rgb, flow]
untrimmed: true
classes: [Up, Down, Across, Negative]
cleaning: {min_seconds: 0.05, max_seconds: 10, negatives: {min_actions: 2, min_frames: 16}}
stages:
  frames: {width: 64, height: 48}
  flow: {n_outer: 1, n_sor: 2, min_width: 20}
  cuboids: {crop_width: 16, crop_height: 16, length: 16}
  untrimmed: {crop_width: 16, crop_height: 16}
"""

#: short trials as folders of pictures: RGB and given joints, from the start frame on
TRIALS = """\
version: 1
store: store
sources:
  - {kind: frames, path: trials, fps: 30, joints: joints.csv, labels: labels.csv, sample: start}
classes: [Left, Right]
modalities: [rgb, pose]
cleaning: {negatives: {enabled: false}}
stages:
  frames: {width: 64, height: 48}
  flow: {method: dis}
  roi: {crop_width: 24, crop_height: 24}
  cuboids: {crop_width: 24, crop_height: 24, length: 16, rotation: 0, translation: 0, zoom: 0}
  start: {still_seconds: 0.1, growing_seconds: 0.1}
"""

#: one video with the network's joints; only where its weights are at hand
POSED = """\
version: 1
videos: [videos]
store: store
modalities: [rgb, flow, pose]
stages:
  frames: {width: 64, height: 48}
  flow: {n_outer: 1, n_sor: 2, min_width: 20}
"""

#: a small network; ``--epochs`` comes with each call
FIT = (
    "fit dataset.h5 trained --model cnn-lstm --option units=8 --option hidden=8 --option filters=4"
    " --size 12x12 --length 8 --batch 2 --workers 0 --device cpu"
)

ACTIONS: dict[str, list[tuple[int, int, str]]] = {
    "first": [(3, 20, "Up"), (24, 42, "Down"), (46, 64, "Across")],
    "second": [(2, 19, "Down"), (40, 58, "Up")],
    "third": [],  # gets its annotations from the version that reads the archive
}
LATER = [(5, 23, "Up"), (28, 46, "Across")]

JOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
)  # fmt: skip


def picture(seed: int, x: int, y: int, grey: int = 250) -> NDArray[np.uint8]:
    """A square over ground in patches, which compress well; (H, W, 3) RGB."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(60, 160, (6, 8, 3)).astype(np.uint8)
    out = cv2.resize(ground, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    out[y : y + 12, x : x + 12] = (grey, 60 + y, 30)
    return out


def write_video(path: Path, n: int, seed: int) -> None:
    """``n`` frames in which the square wanders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=Fraction(120), options={"crf": "23"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for t in range(n):
            image = picture(seed, 4 + (2 * t + 9 * seed) % 44, 8 + (t + 5 * seed) % 24, 250 - 2 * (t % 60))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))


def actions_xml(actions: list[tuple[int, int, str]]) -> str:
    """MediaEval's XML; actions are begin, end, move."""
    lines = [f'  <action begin="{b}" end="{e}" move="{move}"/>' for b, e, move in actions]
    return "\n".join(["<video>", *lines, "</video>", ""])


def write_trial(folder: Path, seed: int, n: int = 26, still: int = 6) -> None:
    """Pictures in which the square stands, then moves, and joints that go along."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    base = rng.uniform((8, 8), (30, 40), (len(JOINTS), 2))
    rows = ["frame," + ",".join(f"{j}_{c}" for j in JOINTS for c in ("x", "y", "score"))]
    for t in range(n):
        moved = 2 * max(0, t - still)
        image = picture(seed, 4 + moved % 46, 18)
        if not cv2.imwrite(str(folder / f"{t:03d}.png"), image[..., ::-1]):
            raise OSError(f"{folder}: a picture could not be written")
        rows.append(f"{t}," + ",".join(f"{x + moved % 30:.3f},{y:.3f},0.9" for x, y in base))
    (folder / "joints.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def values(data: h5py.Dataset) -> NDArray[Any]:
    """Every value of a dataset, ``temporal-delta`` undone as docs/store-format.md says."""
    rows: NDArray[Any] = data[()]
    if data.attrs.get("encoding") == "temporal-delta":
        size = data.chunks[0]
        parts = [
            np.add.accumulate(rows[a : a + size], axis=0, dtype=rows.dtype) for a in range(0, len(rows), size)
        ]
        rows = np.concatenate(parts)
    return rows


def figures(path: Path) -> dict[str, list[Any]]:
    """Dataset → dtype, shape, sha256 of its values (of JSON text for words)."""
    found: dict[str, list[Any]] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            array = values(item)
            words = array.dtype.kind == "O"
            raw = json.dumps([v.decode() for v in array.ravel()]).encode() if words else array.tobytes()
            found[name] = [str(array.dtype), list(array.shape), hashlib.sha256(raw).hexdigest()]

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def call(line: str, folder: Path) -> None:
    """Run a command of the installed version in ``folder``; end with its own words where it fails."""
    name, *words = line.split()
    command = [str(Path(sys.executable).with_name(name)), *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{line}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def matches(folder: Path) -> None:
    """Three videos, two of them annotated, and a network trained on them."""
    for seed, (name, actions) in enumerate(ACTIONS.items()):
        write_video(folder / "videos" / f"{name}.mp4", 70, seed)
        if actions:
            (folder / "annotations").mkdir(exist_ok=True)
            (folder / "annotations" / f"{name}.xml").write_text(actions_xml(actions), encoding="utf-8")
    (folder / "later.xml").write_text(actions_xml(LATER), encoding="utf-8")
    (folder / "data_manifest.yaml").write_text(MATCHES, encoding="utf-8")
    call("ttprep run --workers 1", folder)
    call(f"tttrain {FIT} --epochs 2", folder)
    call("tttrain evaluate trained --split train", folder)
    for drawn in (folder / "trained").rglob("*.png"):
        drawn.unlink()


def trials(folder: Path) -> None:
    """Four trials with joints and labels."""
    lines = ["file,label,player"]
    for seed in range(4):
        write_trial(folder / "trials" / f"trial {seed}", seed)
        lines.append(f"trial {seed},{'Left' if seed % 2 else 'Right'},p{seed // 2}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "data_manifest.yaml").write_text(TRIALS, encoding="utf-8")
    call("ttprep run --workers 1", folder)


def posed(folder: Path) -> None:
    """One short video, its pose estimated."""
    write_video(folder / "videos" / "only.mp4", 12, 3)
    (folder / "data_manifest.yaml").write_text(POSED, encoding="utf-8")
    call("ttprep run --stage descriptor --workers 1", folder)


def extended(project: Path, place: Path) -> dict[str, list[Any]]:
    """Figures of the dataset that a further annotation file leads to, made in a copy."""
    shutil.copytree(project, place)
    shutil.copy(place / "later.xml", place / "annotations" / "third.xml")
    call("ttprep run --workers 1", place)
    return figures(place / "dataset.h5")


def make(root: Path) -> None:
    """Make the projects under ``root``, and note the figures of every HDF5 file in them."""
    for name, build in (("matches", matches), ("trials", trials), ("posed", posed)):
        (root / name).mkdir(parents=True)
        build(root / name)
    files = sorted(root.rglob("*.h5"))
    held = {str(p.relative_to(root)): figures(p) for p in files}
    held["extended"] = extended(root / "matches", root.with_name("extended"))
    (root / "figures.json").write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Make the archive named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", help="of the archive: version and date, such as 0.1.0-2026-11-21")
    target = Path(__file__).with_name(parser.parse_args().name + ".tar.xz")
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "archive"
        make(root)
        with tarfile.open(target, "w:xz", preset=9) as tar:
            for path in sorted(root.rglob("*")):
                tar.add(path, str(path.relative_to(root)), recursive=False, filter=_anonymous)
    print(f"{target}: {target.stat().st_size:,} bytes")


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main()
