"""What a dataset in shards costs: one more annotation file against building, reading against the single file.

    python benchmarks/shards.py [--gb 10.5] [--more 5] [--keep FOLDER] [--json FILE]

Makes synthetic videos (a textured square wanders over a background; 320×180, 120 fps) with many strokes of
110 frames, two of them in an annotation file, and runs the pipeline on them with a flow that costs next to
nothing. Then, each in a fresh process:

* export in shards, the last ``--more`` annotation files away (the building); after each of them came, run and
  export again. The seconds are those of the export, as `ttprep run` makes it; the bytes are those of all
  files that are new or have changed, which is what an rsync moves. The same once for one file.
* reads, samples/s, T = 100 frames from anywhere in a sample, in random order, the page cache warm, both forms
  in turns: plain h5py, tttrain's samples one by one, and tttrain's DataLoader of two workers.

Needs three times the bytes of the dataset on the disk.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np

T, STROKE, FRAMES, SIZE = 100, 110, 156, (320, 180)
#: first frames of the strokes of a video, two to an annotation file
BEGINS = [(b, b + 2) for b in range(1, 45, 4)]
#: bytes of a stored row: windows of 186×180 px, RGB and flow
ROW = 186 * 180 * (3 + 4)
_MANIFEST = """\
version: 1
store: store
videos: [videos]
annotations: [annotations]
modalities: [rgb, flow]
dataset: null
quality: false
cleaning: {min_seconds: 0.01, same_action: 0.99, negatives: {enabled: false}}
stages: {flow: {n_outer: 1, n_sor: 2, min_width: 20}}
"""


def video(path: Path, number: int) -> None:
    """Write one video."""
    width, height = SIZE
    rng = np.random.default_rng(number)
    scene = np.kron(rng.integers(60, 180, (height // 4, width // 4, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    patch = np.kron(rng.integers(0, 256, (10, 10, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=120, options={"crf": "23", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for t in range(FRAMES):
            frame = scene.copy()
            x, y = 100 + (t + number) % 80, 50 + (2 * t) % 60
            frame[y : y + 40, x : x + 40] = patch
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))


def prepare(folder: Path, count: int) -> None:
    """Make videos, annotations, and the store; what is there already stays."""
    for name in ("videos", "annotations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    videos = {i: folder / "videos" / f"v{i:04}.mp4" for i in range(count)}
    lacking = [i for i, path in videos.items() if not path.exists()]
    with ProcessPoolExecutor() as pool:
        list(pool.map(video, [videos[i] for i in lacking], lacking))
    stroke = '<action begin="{}" end="{}" move="Serve Forehand Topspin"/>'
    for number, begins in enumerate(BEGINS):
        text = "".join(stroke.format(b, b + STROKE) for b in begins)
        (folder / "annotations" / f"{number:02}").mkdir(exist_ok=True)
        for i in range(count):
            (folder / "annotations" / f"{number:02}" / f"v{i:04}.xml").write_text(f"<video>{text}</video>\n")
    (folder / "data_manifest.yaml").write_text(_MANIFEST)
    run(folder)


def run(folder: Path) -> Any:
    """Bring the store up to date, and return what is known of it."""
    from rich.console import Console

    from pipeline.execution.cluster import cores
    from pipeline.inputs.manifest import read_manifest
    from pipeline.planning.request import Request, Where
    from pipeline.run import run as do

    manifest = read_manifest(folder / "data_manifest.yaml")
    result = do(Request(manifest, folder / "store", where=Where(cores())), Console(stderr=True, quiet=True))
    if result.code:
        raise SystemExit("\n".join(o.reason for o in result.jobs if o.reason))
    return manifest, result.overview


def step(folder: Path, name: str, shards: Any) -> None:
    """Run and export, as a user's `ttprep run` does; print what it took as JSON."""
    from pipeline.dataset import export
    from store import Store

    start = time.perf_counter()
    manifest, view = run(folder)
    ran = time.perf_counter() - start
    before, store, core = written(), Store.open(folder / "store"), time.process_time()
    done = export(
        manifest, store, view.sources, view.plans, folder / name, samples=view.samples, shards=shards
    )
    facts = {"run_s": ran, "export_s": done.seconds, "export_core_s": time.process_time() - core}
    facts |= {"device_bytes": written() - before, "bytes": done.size}
    print(json.dumps({**facts, "samples": done.samples, "shards": done.shards, "new": done.written}))


def written() -> int:
    """Return the bytes that this process has sent to a disk."""
    with open("/proc/self/io", encoding="ascii") as file:
        return int(dict(line.split(": ") for line in file)["write_bytes"])


def timed(folder: Path, name: str, form: str) -> dict[str, Any]:
    """Do :func:`step` in a fresh process; adds the bytes that an rsync would move."""
    os.sync()
    before = state(folder, name)
    words = [sys.executable, __file__, "--step", str(folder), "--name", name, "--form", form]
    start = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    after = state(folder, name)
    moved = sum(size for p, (size, *_) in after.items() if before.get(p) != after[p])
    return {**facts, "wall_s": time.perf_counter() - start, "moved": moved}


def state(folder: Path, name: str) -> dict[Path, tuple[int, int, int]]:
    """Return all files of a dataset, with what tells whether they have changed."""
    stem = Path(name).stem
    files = [p for p in (*folder.glob(f"{stem}.*"), *folder.glob(f"{stem}.shards/*")) if p.is_file()]
    return {p: ((s := p.stat()).st_size, s.st_mtime_ns, s.st_ino) for p in files}


def building(folder: Path, more: int, one_file: bool) -> dict[str, Any]:
    """Time the building and one more annotation file after the other, in shards; then in one file."""
    shutil.rmtree(folder / "shards.shards", ignore_errors=True)
    (folder / "shards.h5").unlink(missing_ok=True)
    files = sorted((folder / "annotations").rglob("*.xml"))
    files = files[:: len(files) // more][:more]
    texts = {p: p.read_text() for p in files}
    for path in files:
        path.unlink()
    out: dict[str, Any] = {"built": timed(folder, "shards.h5", "auto"), "more": []}
    print("built", out["built"], flush=True)
    for path, text in texts.items():
        path.write_text(text)
        out["more"].append(timed(folder, "shards.h5", "auto"))
        print("one more", out["more"][-1], flush=True)
    out["nothing"] = timed(folder, "shards.h5", "auto")
    print("nothing to do", out["nothing"], flush=True)
    if one_file:
        out["one_file"] = timed(folder, "one.h5", "null")
        print("one file", out["one_file"], flush=True)
    for what in ("export_s", "export_core_s", "moved"):
        shares = [100 * m[what] / out["built"][what] for m in out["more"]]
        print(
            f"{what}: one more annotation file {median(shares):.2f} % of building (most {max(shares):.2f} %)"
        )
    return out


# -- reading -----------------------------------------------------------------------------------


class Readers:
    """One open file of each form."""

    def __init__(self, paths: dict[str, Path]) -> None:
        import h5py
        import hdf5plugin  # noqa: F401

        from tttrain.data.dataset_file import Reader, read_info

        self.first = {name: read_info(path).samples.first for name, path in paths.items()}
        self.files = {name: h5py.File(path) for name, path in paths.items()}
        self.plain = {n: (f["cuboids/rgb"], f["cuboids/flow"]) for n, f in self.files.items()}
        self.loaders = {name: Reader(path) for name, path in paths.items()}

    def h5py(self, name: str, index: int, at: int) -> None:
        low = int(self.first[name][index]) + at
        for data in self.plain[name]:
            data[low : low + T]

    def tttrain(self, name: str, index: int, at: int) -> None:
        low = int(self.first[name][index]) + at
        for array in ("rgb", "flow"):
            self.loaders[name].rows(f"cuboids/{array}", low, T)


def reading(folder: Path, samples: int, epochs: int) -> dict[str, Any]:
    """Measure samples/s of each form; both take turns at every sample, so that other load meets both."""
    paths = {"one file": folder / "one.h5", "shards": folder / "shards.h5"}
    import h5py

    with h5py.File(paths["one file"]) as file:
        rows = file["samples/rows"][()]
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(rows))[:samples]
    readers = Readers(paths)
    out: dict[str, Any] = {}
    for way in ("h5py", "tttrain"):
        read = getattr(readers, way)
        times: dict[str, list[float]] = {name: [] for name in paths}
        cores: dict[str, list[float]] = {name: [] for name in paths}
        firsts: dict[str, float] = dict.fromkeys(paths, 0.0)
        for epoch in range(epochs + 1):
            todo = [(int(i), int(rng.integers(0, rows[i] - T + 1))) for i in rng.permutation(chosen)]
            for turn, (index, at) in enumerate(todo):
                for name in list(paths)[:: 1 if turn % 2 else -1]:
                    start, core = time.perf_counter(), time.process_time()
                    read(name, index, at)
                    took, core = time.perf_counter() - start, time.process_time() - core
                    if epoch:  # the first one opens the shards, and fills the page cache
                        times[name].append(took)
                        cores[name].append(core)
                    else:
                        firsts[name] += took
        rate = {name: 1 / median(found) for name, found in times.items()}
        busy = {name: 1 / median(found) for name, found in cores.items()}
        mean = {name: len(found) / sum(found) for name, found in times.items()}
        out[way] = {"median": rate, "by_core_seconds": busy, "mean": mean, "first_epoch_s": firsts}
        share = 100 * rate["shards"] / rate["one file"]
        text = ", ".join(f"{n} {r:.0f} samples/s" for n, r in rate.items())
        text += f"; shards {share:.1f} %, by core-seconds {100 * busy['shards'] / busy['one file']:.1f} %"
        print(f"{way}: {text}, by mean {100 * mean['shards'] / mean['one file']:.1f} %", flush=True)
    out["DataLoader"] = loading(paths, chosen, epochs)
    out["open_files"] = len(os.listdir("/proc/self/fd")), resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return out


def loading(paths: dict[str, Path], chosen: Any, epochs: int) -> dict[str, Any]:
    """Samples/s of tttrain's own DataLoader of two workers, epochs in turns."""
    import torch
    from torch.utils.data import DataLoader

    from tttrain.data.dataset_file import read_info
    from tttrain.data.samples import StrokeDataset
    from tttrain.data.view import make_view

    torch.set_num_threads(1)
    loaders = {}
    for name, path in paths.items():
        info = read_info(path)
        data = StrokeDataset(info, chosen, make_view(info, length=T), ("rgb", "flow"), "train")
        loaders[name] = DataLoader(data, batch_size=5, num_workers=2, persistent_workers=True)
    rates: dict[str, list[float]] = {name: [] for name in paths}
    for epoch in range(epochs + 1):
        for name in list(paths)[:: 1 if epoch % 2 else -1]:
            start = time.perf_counter()
            for _batch in loaders[name]:
                pass
            if epoch:
                rates[name].append(len(chosen) / (time.perf_counter() - start))
    rate = {name: median(found) for name, found in rates.items()}
    print(f"DataLoader: {rate}; shards {100 * rate['shards'] / rate['one file']:.1f} %", flush=True)
    return {"median": rate, "all": rates}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gb", type=float, default=10.5)
    parser.add_argument("--more", type=int, default=5, help="annotation files that come one by one")
    parser.add_argument("--samples", type=int, default=150, help="that are read: both forms stay in memory")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--keep", type=Path, help="folder for the files; default: a temporary one")
    parser.add_argument(
        "--only", choices=("building", "reading"), help="one of the two; reading: of what lies in --keep"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--step", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--form", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        step(args.step, args.name, None if args.form == "null" else args.form)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        found: dict[str, Any] = {}
        if args.only != "reading":
            count = math.ceil(args.gb * 1e9 / (2 * len(BEGINS) * STROKE * ROW))
            start = time.perf_counter()
            prepare(folder, count)
            print(f"{count} videos, store made in {time.perf_counter() - start:.0f} s", flush=True)
            found = building(folder, args.more, args.only is None)
        if args.only != "building":
            found["reading"] = reading(folder, args.samples, args.epochs)
        if args.json:
            args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
