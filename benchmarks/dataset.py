"""What a trainer's read costs: T = 100 frames from anywhere in a sample, rgb and flow and pose.

    python benchmarks/dataset.py CLIP... [--videos 50] [--epochs 5] [--sweep] [--keep FOLDER]

Makes annotated videos from the clips (clips.py), runs the pipeline on them, exports the dataset, and lays
the same samples down as others do: raw arrays for np.memmap, PNG + npy a frame of the window, PNG + npy of
the whole frame (the authors' practice: flow as float32, cut when loaded), the video itself (RGB alone).
All are read in the same random order in one run, in turns, the page cache warm and filled by reading: one
process, and a DataLoader of two workers where torch is installed. ``--sweep`` adds chunk shapes and codecs.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import av
import cv2
import h5py
import hdf5plugin
import numpy as np
from clips import make_videos
from rich.console import Console
from rich.table import Table

from pipeline.cluster import Where, cores
from pipeline.dataset import export
from pipeline.manifest import Manifest, VideoEntry
from pipeline.run import Request, run
from stages.annotations import CleaningParams
from store import Store

T = 100
Arrays = dict[str, Any]
CONSOLE = Console()


class Layout:
    """One way to keep samples; reads T frames of one of them. Opened when first read in a process."""

    name = ""

    def __init__(self, samples: list[dict[str, int]]) -> None:
        self.samples = samples

    def read(self, index: int, start: int) -> Arrays:
        """T frames of a sample from its frame ``start``."""
        raise NotImplementedError

    def bytes(self) -> int:
        """What it takes on disk."""
        raise NotImplementedError


class Hdf5(Layout):
    """The exported file with h5py alone; ``mapped`` takes what lies in one piece by np.memmap."""

    def __init__(self, samples: Any, path: Path, name: str, *, mapped: bool = False) -> None:
        super().__init__(samples)
        self.path, self.name, self.mapped, self.data = path, name, mapped, None

    def read(self, index: int, start: int) -> Arrays:
        if self.data is None:
            group = h5py.File(self.path, "r")["cuboids"]
            self.data = {k: group[k] for k in ("rgb", "flow", "pose", "roi", "window")}
            if self.mapped:
                for name in ("rgb", "flow"):
                    data = self.data[name]
                    self.data[name] = np.memmap(self.path, data.dtype, "r", data.id.get_offset(), data.shape)
        first = self.samples[index]["first"] + start
        found = {k: v[first : first + T] for k, v in self.data.items()}
        if self.mapped:
            found |= {name: np.array(found[name]) for name in ("rgb", "flow")}
        return found

    def bytes(self) -> int:
        return self.path.stat().st_size


class Memmap(Layout):
    """Raw arrays of the same rows."""

    name = "raw arrays, np.memmap"

    def __init__(self, samples: Any, folder: Path, source: Path) -> None:
        super().__init__(samples)
        self.folder, self.data, self.shapes = folder, None, {}
        with h5py.File(source, "r") as file:
            for name in ("rgb", "flow", "pose", "roi", "window"):
                data = file["cuboids"][name]
                self.shapes[name] = (data.shape, data.dtype)
                out = np.memmap(folder / name, data.dtype, "w+", shape=data.shape)
                for at in range(0, len(data), 100):
                    out[at : at + 100] = data[at : at + 100]
                out.flush()

    def read(self, index: int, start: int) -> Arrays:
        if self.data is None:
            self.data = {k: np.memmap(self.folder / k, t, "r", shape=s) for k, (s, t) in self.shapes.items()}
        first = self.samples[index]["first"] + start
        return {k: np.array(v[first : first + T]) for k, v in self.data.items()}

    def bytes(self) -> int:
        return sum((self.folder / name).stat().st_size for name in self.shapes)


class Loose(Layout):
    """A PNG and a float32 npy of flow for every frame, of the window or of the whole frame."""

    def __init__(
        self, samples: Any, folder: Path, name: str, frames: Callable[[int], Iterator[Arrays]]
    ) -> None:
        super().__init__(samples)
        self.folder, self.name, self.window = folder, name, {}
        for index in range(len(samples)):
            for row, frame in enumerate(frames(index)):
                stem = str(folder / f"{index:04d}_{row:04d}")
                cv2.imwrite(f"{stem}.png", frame["rgb"][..., ::-1])
                np.save(f"{stem}.npy", frame["flow"].astype(np.float32) / 64)
                self.window[index, row] = frame.get("window")

    def read(self, index: int, start: int) -> Arrays:
        rgb, flow = [], []
        for row in range(start, start + T):
            stem = str(self.folder / f"{index:04d}_{row:04d}")
            picture, field = cv2.imread(f"{stem}.png")[..., ::-1], np.load(f"{stem}.npy")
            if self.window[index, row] is not None:
                x, y, w, h = self.window[index, row]
                picture, field = picture[y : y + h, x : x + w], field[y : y + h, x : x + w]
            rgb.append(picture)
            flow.append(field)
        return {"rgb": np.stack(rgb), "flow": np.stack(flow)}

    def bytes(self) -> int:
        return sum(p.stat().st_size for p in self.folder.iterdir())


class Video(Layout):
    """Decoding the source from its start to the last frame needed, RGB alone."""

    name = "decoding the mp4 (RGB alone)"

    def __init__(self, samples: Any, paths: list[Path], begins: list[int]) -> None:
        super().__init__(samples)
        self.paths, self.begins = paths, begins

    def read(self, index: int, start: int) -> Arrays:
        out, first = [], self.begins[index] + start
        with av.open(str(self.paths[index])) as clip:
            for number, frame in enumerate(clip.decode(video=0)):
                if number >= first + T:
                    break
                if number >= first:
                    picture = frame.to_ndarray(format="rgb24")
                    out.append(cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA))
        out += [out[-1]] * (T - len(out))
        return {"rgb": np.stack(out)}

    def bytes(self) -> int:
        return sum(p.stat().st_size for p in set(self.paths))


# -- making them -----------------------------------------------------------------------------


def prepare(clips: list[Path], folder: Path, count: int) -> tuple[list[Layout], int]:
    """All layouts of the same samples; returns them and the frames in the samples."""
    cv2.setNumThreads(1)
    videos = make_videos(clips, folder, count, cores())
    manifest = Manifest(
        videos=tuple(VideoEntry(path=v) for v in videos),
        annotations=(folder / "annotations",),
        modalities=("rgb", "flow"),
        cleaning=CleaningParams(min_seconds=0.01),
        folder=folder,
    )
    result = run(Request(manifest, folder / "store", where=Where(cores())), Console(stderr=True, quiet=True))
    if result.code:
        raise SystemExit("\n".join(o.reason for o in result.outcomes if o.reason))
    store, view = Store.open(folder / "store"), result.overview
    files = [folder / "dataset.h5", folder / "compact.h5"]
    for path in files:
        done = export(manifest, store, view.sources, view.plans, path, compact=path == files[1])
        CONSOLE.print(f"{done} ({done.seconds:.2f} s)")
        with h5py.File(path, "a") as file:  # the clips have no people: a pose of the right size all the same
            rows = len(file["cuboids/roi"])
            file["cuboids/pose"] = np.zeros((rows, 14, 3), np.float32)
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


# -- measuring -------------------------------------------------------------------------------

SLOW = (Loose, Video)


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


def sweep(source: Path, folder: Path, reads: int = 40) -> None:
    """Chunk shapes and codecs on the very windows, contiguous and raw to compact."""
    codecs: dict[str, dict[str, Any]] = {
        "raw": {},
        "lz4": {"compression": hdf5plugin.LZ4()},
        "blosc-lz4": {"compression": hdf5plugin.Blosc(cname="lz4", clevel=5, shuffle=0)},
        "bitshuffle-lz4": {"compression": hdf5plugin.Bitshuffle(cname="lz4")},
        "bitshuffle-zstd": {"compression": hdf5plugin.Bitshuffle(cname="zstd")},
        "zstd 1": {"compression": hdf5plugin.Zstd(clevel=1)},
        "zstd 3": {"compression": hdf5plugin.Zstd(clevel=3)},
    }
    rng = np.random.default_rng(0)
    for name in ("rgb", "flow"):
        table = Table(name, "chunk", "fletcher32", "kB a frame", "ms a sample", "write, frames/s")
        with h5py.File(source, "r") as file:
            values = file["cuboids"][name][:1500]
        shapes: list[Any] = [None, (5, 4096, 4096), (10, 4096, 4096), (25, 4096, 4096), (10, 60, 4096)]
        shapes += [(25, 30, 4096), (25, 60, 64)]
        starts = rng.integers(0, len(values) - T, reads)
        for shape in shapes:
            for codec, options in codecs.items():
                for check in (False, True) if codec in ("raw", "lz4", "zstd 3") else (True,):
                    if shape is None and (codec != "raw" or check):
                        continue
                    path = folder / "sweep.h5"
                    extra = dict(options)
                    if shape is not None:
                        chunk = tuple(min(c, s) for c, s in zip(shape, values.shape, strict=False))
                        extra |= {"chunks": (*chunk, values.shape[3]), "fletcher32": check}
                    began = time.perf_counter()
                    with h5py.File(path, "w", libver="v110", rdcc_nbytes=0) as file:
                        out = file.create_dataset("x", values.shape, values.dtype, **extra)
                        for at in range(0, len(values), 50):
                            out[at : at + 50] = values[at : at + 50]
                    rate = len(values) / (time.perf_counter() - began)
                    times = []
                    with h5py.File(path, "r") as file:
                        data = file["x"]
                        for at in (*starts, *starts):
                            began = time.perf_counter()
                            data[at : at + T]
                            times.append(time.perf_counter() - began)
                    size = path.stat().st_size / len(values) / 1e3
                    where = "one piece" if shape is None else "×".join(map(str, extra["chunks"][:3]))
                    cells = f"{size:.2f}", f"{median(times[reads:]) * 1e3:.2f}", f"{rate:.0f}"
                    table.add_row(codec, where, "yes" if check else "no", *cells)
                    path.unlink()
        CONSOLE.print(table)


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
        ours, other, bound = (median(found[layouts[i].name]) for i in (0, 5, 3))
        CONSOLE.print(f"{how}: {ours / other:.1f} × PNG + npy, {ours / bound:.0%} of memmap")
    for i in (4, 5):
        share = sizes[layouts[0].name] / sizes[layouts[i].name]
        CONSOLE.print(f"bytes: {share:.0%} of {layouts[i].name}")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--videos", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for the files; default: a temporary one")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        layouts, frames = prepare(args.clips, folder, args.videos)
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
        if args.sweep:
            sweep(folder / "dataset.h5", folder)


if __name__ == "__main__":
    main()
