"""What a trainer's read costs: T = 100 frames from anywhere in a sample, all that a network gets.

    python benchmarks/dataset.py CLIP... [--videos 50] [--epochs 5] [--pose-weights DIR] [--keep FOLDER]

Makes annotated videos from the clips (clips.py), runs the pipeline on them, exports the dataset, and lays
the same samples down as others do (ways.py): raw arrays for np.memmap, PNG + npy a frame of the window, PNG +
npy of the whole frame (the authors' practice: flow as float32, cut when loaded), the video itself (RGB
alone). All are read in the same random order in one run, in turns, the page cache warm and filled by reading:
one process, and a DataLoader of two workers where torch is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import h5py
import numpy as np
from clips import make_videos
from rich.console import Console
from rich.table import Table
from ways import Arrays, Hdf5, Layout, Loose, Memmap, T, Video

from pipeline.annotations import CleaningParams
from pipeline.dataset import export
from pipeline.execution.cluster import cores
from pipeline.inputs.manifest import Manifest, VideoEntry
from pipeline.planning.request import Request, Where
from pipeline.run import run
from store import Store

CONSOLE = Console(width=130)
#: so slow that a part of an epoch must do
SLOW = (Loose, Video)


def prepare(clips: list[Path], folder: Path, count: int, weights: Path | None) -> tuple[list[Layout], int]:
    """All layouts of the same samples; returns them and the frames in the samples."""
    cv2.setNumThreads(1)
    videos = make_videos(clips, folder, count, cores())
    manifest = Manifest(
        videos=tuple(VideoEntry(path=v) for v in videos),
        annotations=(folder / "annotations",),
        dataset=None,
        modalities=("rgb", "flow", "pose") if weights else ("rgb", "flow"),
        cleaning=CleaningParams(min_seconds=0.01),
        folder=folder,
    )
    request = Request(manifest, folder / "store", where=Where(cores()), pose_weights=weights)
    result = run(request, Console(stderr=True, quiet=True))
    if result.code:
        raise SystemExit("\n".join(o.reason for o in result.jobs if o.reason))
    store, view = Store.open(folder / "store"), result.overview
    files = [folder / "dataset.h5", folder / "compact.h5"]
    for path in files:
        done = export(
            manifest, store, view.sources, view.plans, path, samples=view.samples, compact=path == files[1]
        )
        CONSOLE.print(f"{done} ({done.seconds:.2f} s)")
    with h5py.File(files[0], "r") as file:
        table = {k: file[f"samples/{k}"][()].tolist() for k in ("first", "rows", "video")}
        names = [folder / n for n in file["videos/name"].asstr()]
        shas = list(file["videos/sha256"].asstr())
        samples = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
        begins = [int(file["cuboids/frame"][s["first"]]) for s in samples]
    plans = {sha: {p.node.stage.name: p.node for p in view.plans[sha]} for sha in shas}

    def windows(index: int) -> Iterator[Arrays]:
        with h5py.File(files[0], "r") as file:
            first = samples[index]["first"]
            for row in range(first, first + samples[index]["rows"]):
                yield {"rgb": file["cuboids/rgb"][row], "flow": file["cuboids/flow"][row]}

    def whole(index: int) -> Iterator[Arrays]:
        nodes = plans[shas[samples[index]["video"]]]
        with h5py.File(files[0], "r") as file:
            first = samples[index]["first"]
            rows = slice(first, first + samples[index]["rows"])
            frames, origin = file["cuboids/frame"][rows], file["cuboids/window"][rows]
            size = tuple(int(v) for v in file.attrs["window"])
        with store.reader(nodes["frames"].slot) as rgb, store.reader(nodes["flow"].slot) as flow:
            for t, (x, y) in zip(frames, origin, strict=True):
                pair = min(int(t), len(flow.dataset("flow")) - 1)
                yield {
                    "rgb": rgb.read("rgb", t, t + 1)[0],
                    "flow": flow.read("flow", pair, pair + 1)[0],
                    "window": (int(x), int(y), *size),
                }

    for name in ("raw", "windows", "frames"):
        (folder / name).mkdir()
    layouts: list[Layout] = [
        Hdf5(samples, files[0], "dataset, h5py"),
        Hdf5(samples, files[0], "dataset, mapped", mapped=True),
        Hdf5(samples, files[1], "dataset --compact, h5py"),
        Memmap(samples, folder / "raw", files[0]),
        Loose(samples, folder / "windows", "PNG + npy, windows", windows),
        Loose(samples, folder / "frames", "PNG + npy, whole frames (the authors')", whole),
        Video(samples, [names[s["video"]] for s in samples], begins),
    ]
    return layouts, sum(s["rows"] for s in samples)


def warm(folder: Path) -> None:
    """Fill the page cache by reading: pages left over from writing lie otherwise, and read otherwise."""
    for path in (p for p in folder.rglob("*") if p.is_file()):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        while os.read(handle, 1 << 22):
            pass
        os.close(handle)


def order(samples: list[dict[str, int]], seed: int) -> list[tuple[int, int]]:
    """One epoch: every sample once, its T frames from a random start."""
    rng = np.random.default_rng(seed)
    return [(int(i), int(rng.integers(0, samples[i]["rows"] - T + 1))) for i in rng.permutation(len(samples))]


def one_process(layouts: list[Layout], epochs: int) -> dict[str, list[float]]:
    """Samples/s of each epoch, by the median read; layouts take turns, so that other load meets all."""
    rates: dict[str, list[float]] = {layout.name: [] for layout in layouts}
    for epoch in range(epochs):
        for layout in layouts:
            todo = order(layout.samples, epoch)
            if isinstance(layout, SLOW):
                todo = todo[: max(3, len(todo) // 5)]
            times = []
            for index, at in todo:
                start = time.perf_counter()
                layout.read(index, at)
                times.append(time.perf_counter() - start)
            rates[layout.name].append(1 / median(times))
    return rates


def data_loader(layouts: list[Layout], epochs: int) -> dict[str, list[float]]:
    """The same through a DataLoader of two workers, batches of 5, the stored integers."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    torch.set_num_threads(1)

    class Samples(Dataset):  # type: ignore[type-arg]
        def __init__(self, layout: Layout, todo: list[tuple[int, int]]) -> None:
            self.layout, self.todo = layout, todo

        def __len__(self) -> int:
            return len(self.todo)

        def __getitem__(self, item: int) -> Any:
            arrays = self.layout.read(*self.todo[item])
            return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}

    rates: dict[str, list[float]] = {}
    for layout in layouts:
        todo = order(layout.samples, 0)
        todo = todo[: max(10, len(todo) // 5)] if isinstance(layout, SLOW) else todo * 2
        if hasattr(layout, "data"):
            layout.data = None  # no handle crosses a fork
        loader = DataLoader(Samples(layout, todo), batch_size=5, num_workers=2, persistent_workers=True)
        rates[layout.name] = []
        for _ in range(epochs + 1):
            start = time.perf_counter()
            for _batch in loader:
                pass
            rates[layout.name].append(len(todo) / (time.perf_counter() - start))
        rates[layout.name] = rates[layout.name][1:]  # the first one starts the workers
    return rates


def report(layouts: list[Layout], frames: int, rates: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Print the table; returns it as plain values."""
    sizes = {layout.name: layout.bytes() for layout in layouts}
    raw, authors = layouts[3].name, layouts[5].name
    table = Table(
        "layout", "kB a frame", *(f"{how}: samples/s" for how in rates), "× authors'", "% of memmap"
    )
    out: dict[str, Any] = {}
    for layout in layouts:
        values = {how: median(found[layout.name]) for how, found in rates.items()}
        first = rates["one process"]
        gain = values["one process"] / median(first[authors])
        share = values["one process"] / median(first[raw])
        cells = [f"{v:.1f}" for v in values.values()]
        size = sizes[layout.name] / frames / 1e3
        table.add_row(layout.name, f"{size:.1f}", *cells, f"{gain:.1f}", f"{share:.0%}")
        out[layout.name] = {"kB_a_frame": size, **values, "first_epoch": first[layout.name][0]}
    CONSOLE.print(table)
    for how, found in rates.items():
        other, bound = (median(found[name]) for name in (authors, raw))
        for ours in (layouts[0].name, layouts[1].name):
            rate = median(found[ours])
            CONSOLE.print(f"{how}, {ours}: {rate / other:.1f} × PNG + npy, {rate / bound:.0%} of memmap")
    for i in (4, 5):
        share = sizes[layouts[0].name] / sizes[layouts[i].name]
        CONSOLE.print(f"bytes: {share:.0%} of {layouts[i].name}")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--videos", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--pose-weights", type=Path, help="read poses too")
    parser.add_argument("--keep", type=Path, help="folder for the files; default: a temporary one")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        layouts, frames = prepare(args.clips, folder, args.videos, args.pose_weights)
        CONSOLE.print(f"{len(layouts[0].samples)} samples, {frames} frames")
        warm(folder)
        rates = {"one process": one_process(layouts, args.epochs)}
        try:
            rates["2 workers"] = data_loader(layouts, min(3, args.epochs))
        except ImportError:
            CONSOLE.print("torch is not installed: no DataLoader")
        found = report(layouts, frames, rates)
        if args.json:
            args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
