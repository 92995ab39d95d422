"""Speed and exactness of the flow methods, as Markdown tables.

    python benchmarks/flow.py --shared DIR [--peer DIR] [--repeat 9] [--table speed,middlebury,...]

``--shared`` holds ``flow/pyflow/*.npz`` (pairs with the stored field of the reference implementation) and
``flow/middlebury/<name>`` (pairs with ground truth). ``--peer`` is a folder with a *pyflow* built by the
user; it is timed in turn with ours. Without it the ratio stays empty.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.flow import FlowParams, IrlsFlow, variants
from stages.flow.engine import ISA_VARIABLE
from stages.flow.methods import VideoFlow

METHODS = ("deepflow", "tvl1", "farneback", "dis")
DEFAULTS = (0.012, 0.75, 20, 7, 1, 30, 0)
Frame = NDArray[np.uint8]
Flow = NDArray[np.float32]


@dataclass
class Pair:
    """Two frames, the reference's flow where it is known, and ground truth where there is any."""

    name: str
    frames: tuple[Frame, Frame]
    reference: Flow | None = None
    truth: Flow | None = None


def read_flo(path: Path) -> Flow:
    """Middlebury's format; NaN where the truth is unknown."""
    raw = np.fromfile(path, "<f4")
    width, height = raw[1:3].view("<i4")
    flow = raw[3:].reshape(height, width, 2).copy()
    flow[np.abs(flow) > 1e9] = np.nan
    return flow


def read_pairs(shared: Path) -> list[Pair]:
    pairs: dict[str, Pair] = {}
    for path in sorted((shared / "flow/pyflow").glob("*.npz")):
        with np.load(path) as data:
            pairs[path.stem] = Pair(path.stem, (data["frame0"], data["frame1"]), data["flow"])
    for folder in sorted((shared / "flow/middlebury").iterdir()):
        images = [cv2.imread(str(folder / name)) for name in ("frame10.png", "frame11.png")]
        rgb = [np.ascontiguousarray(image[:, :, ::-1]) for image in images if image is not None]
        pair = pairs.setdefault(folder.name, Pair(folder.name, (rgb[0], rgb[1])))
        pair.truth = read_flo(folder / "flow10.flo")
    return list(pairs.values())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The reference talks on the C++ side of standard output."""
    sys.stdout.flush()
    saved, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(null)


def load_peer(folder: str) -> Callable[[Frame, Frame], Flow]:
    sys.path.insert(0, folder)
    module: Any = importlib.import_module("pyflow")
    if not hasattr(module, "coarse2fine_flow"):
        sys.exit(f"{module.__file__} is not the optical-flow pyflow: build that one and name its folder")

    def peer(a: Frame, b: Frame) -> Flow:
        with quiet():
            u, v, _ = module.coarse2fine_flow(a / 255.0, b / 255.0, *DEFAULTS)
        return np.stack([u, v], axis=-1).astype(np.float32)

    return peer


def in_video(method: str, variant: str, pair: Pair) -> Callable[[], Flow]:
    """One pair as it costs within a video: one new frame, one field."""
    os.environ[ISA_VARIABLE] = variant
    height, width = pair.frames[0].shape[:2]
    engine = VideoFlow(height, width, FlowParams(method=method))  # type: ignore[arg-type]
    os.environ.pop(ISA_VARIABLE)
    turn = [0]
    engine.push(pair.frames[0])

    def step() -> Flow:
        turn[0] ^= 1
        engine.push(pair.frames[turn[0]])
        return engine.flow()

    return step


def measure(
    pair: Pair, peer: Any, repeat: int, methods: tuple[str, ...]
) -> Iterator[tuple[str, float, Flow]]:
    """(label, median seconds a pair, flow 0 -> 1) of each candidate.

    They take turns, so that a busy machine is fair to all; a turn is a stretch of video as long as the
    slowest candidate's single pair, so that the quick ones work as warm as they do in a video.
    """
    steps: dict[str, Callable[[], Flow]] = {f"irls {v}": in_video("irls", v, pair) for v in variants()}
    steps |= {method: in_video(method, variants()[0], pair) for method in methods}
    if peer:
        steps = {"pyflow": lambda: peer(*pair.frames)} | steps
    fields, seconds = {}, {}
    for label, step in steps.items():
        fields[label] = step()
        start = time.perf_counter()
        step()
        seconds[label] = [time.perf_counter() - start]
    turn = max(once for (once,) in seconds.values())
    stretch = {label: max(1, round(turn / once)) for label, (once,) in seconds.items()}
    seconds = {label: [] for label in steps}
    for _ in range(repeat):
        for label, step in steps.items():
            start = time.perf_counter()
            for _ in range(stretch[label]):
                step()
            seconds[label].append((time.perf_counter() - start) / stretch[label])
    for label in steps:
        yield label, float(np.median(seconds[label])), fields[label]


def end_point_error(flow: Flow, truth: Flow) -> float:
    return float(np.nanmean(np.hypot(*np.moveaxis(flow - truth, -1, 0))))


def row(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def pairs_table(pairs: list[Pair], peer: Any, repeat: int, methods: tuple[str, ...]) -> None:
    row("pair", "method", "ms/pair", "× reference", "mean diff. px", "p99.9 diff. px", "AEE px")
    row(*["---"] * 7)
    for pair in pairs:
        slow, reference = None, pair.reference
        for label, seconds, flow in measure(pair, peer, repeat, methods):
            if label == "pyflow":
                slow, reference = seconds, flow
            diff = None if reference is None or label in METHODS else np.abs(flow - reference)
            row(
                pair.name,
                label,
                f"{seconds * 1e3:.1f}",
                f"{slow / seconds:.1f}" if slow else "",
                "" if diff is None or label == "pyflow" else f"{diff.mean():.0e}",
                "" if diff is None or label == "pyflow" else f"{np.quantile(diff, 0.999):.0e}",
                "" if pair.truth is None else f"{end_point_error(flow, pair.truth):.3f}",
            )


def spin(pair: Pair, fields: int, ready: Any, result: list[Flow] | None = None) -> None:
    cv2.setNumThreads(1)
    engine = IrlsFlow(*pair.frames[0].shape)
    engine.push(pair.frames[0])
    ready.wait()
    for k in range(fields):
        engine.push(pair.frames[(k + 1) % 2])
        flow = engine.flow()
        if result is not None:
            result[k:] = [flow]


def scaling_table(pair: Pair, fields: int = 60) -> None:
    row("workers", "threads, pairs/s", "speed-up", "processes, pairs/s", "speed-up")
    row(*["---"] * 5)
    base: dict[str, float] = {}
    spawn = multiprocessing.get_context("spawn")
    for workers in (n for n in (1, 2, 4) if n <= (os.cpu_count() or 1)):
        cells = [f"{workers}"]
        for kind in ("threads", "processes"):
            best = 0.0
            for _ in range(3):
                ready: Any = (
                    threading.Barrier(workers + 1) if kind == "threads" else spawn.Barrier(workers + 1)
                )
                make: Any = threading.Thread if kind == "threads" else spawn.Process
                crew = [make(target=spin, args=(pair, fields, ready)) for _ in range(workers)]
                for one in crew:
                    one.start()
                ready.wait()
                start = time.perf_counter()
                for one in crew:
                    one.join()
                best = max(best, workers * fields / (time.perf_counter() - start))
            base.setdefault(kind, best)
            cells += [f"{best:.1f}", f"{best / base[kind]:.2f}"]
        row(*cells)


def peaks(lanes: int) -> list[float] | None:
    """Measured GFLOP/s, L1 and L2 GB/s of one core for vectors of that many floats."""
    flags = {16: ["-mavx512f"], 8: ["-mavx2", "-mfma"], 4: []}[lanes]
    source = Path(__file__).with_name("flow_peaks.c")
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder, "peaks"))
        command = [os.environ.get("CC", "cc"), "-O2", "-ffp-contract=fast", f"-DWIDTH={lanes}", *flags]
        try:
            subprocess.run([*command, str(source), "-o", program], check=True)
            text = subprocess.run([program], check=True, capture_output=True, text=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return None
    return [float(value) for value in text.split()]


def roofline_table(pair: Pair, repeat: int) -> None:
    """The solver against the core: 22 flops, 42 bytes loaded and 8 stored per pixel update."""
    row("variant", "phase", "ms/pair", "GFLOP/s", "of FMA peak", "of L1 load peak")
    row(*["---"] * 6)
    for variant, lanes in {"avx512": 16, "avx2": 8, "baseline": 4}.items():
        if variant not in variants():
            continue
        top = peaks(lanes)
        os.environ[ISA_VARIABLE] = variant
        engine = IrlsFlow(*pair.frames[0].shape)
        os.environ.pop(ISA_VARIABLE)
        updates = sum(w * h * (7 + k) * (30 + 3 * k) for k, (w, h) in enumerate(engine.levels))
        spent: list[dict[str, float]] = []
        engine.push(pair.frames[0])
        for k in range(repeat + 1):
            before = engine.times
            engine.push(pair.frames[(k + 1) % 2])
            engine.flow()
            spent.append({name: value - before[name] for name, value in engine.times.items()})
        for name in spent[0]:
            seconds = float(np.median([one[name] for one in spent[1:]]))
            rate = updates / seconds
            cells = ["", "", ""]
            if name == "sor":
                cells[0] = f"{22e-9 * rate:.0f}"
                if top:
                    cells[1:] = [f"{22e-9 * rate / top[0]:.0%}", f"{42e-9 * rate / top[1]:.0%}"]
            row(variant, name, f"{seconds * 1e3:.2f}", *cells)
        if top:
            print(
                f"\n{variant}: peaks {top[0]:.0f} GFLOP/s, L1 {top[1]:.0f} GB/s, L2 {top[2]:.0f} GB/s; ",
                end="",
            )
            print(f"{updates / 1e6:.1f} M pixel updates a pair\n")


def least_busy() -> int:
    """The core that worked least in the last half second (Linux), else the first allowed one."""

    def busy() -> dict[int, int]:
        lines = Path("/proc/stat").read_text().splitlines()
        cores = [line.split() for line in lines if line.startswith("cpu") and line[3].isdigit()]
        return {int(c[0][3:]): sum(map(int, c[1:9])) - int(c[4]) - int(c[5]) for c in cores}

    allowed = os.sched_getaffinity(0)
    before = busy()
    time.sleep(0.5)
    after = busy()
    return min(allowed, key=lambda core: after.get(core, 0) - before.get(core, 0))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=os.environ.get("TTPREP_SHARED"))
    parser.add_argument("--peer", help="folder of a built pyflow")
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--table", default="speed,middlebury,scaling,roofline")
    args = parser.parse_args()
    if not args.shared:
        parser.error("name the folder of pairs with --shared or TTPREP_SHARED")
    tables = args.table.split(",")
    peer = load_peer(args.peer) if args.peer else None
    cv2.setNumThreads(1)
    pairs = read_pairs(args.shared)
    example = next(pair for pair in pairs if pair.frames[0].shape[:2] == (180, 320))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    if "scaling" in tables:
        print("\n## Scaling\n")
        scaling_table(example)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {least_busy()})
    if "speed" in tables:
        print("\n## Speed and difference from the reference\n")
        pairs_table([p for p in pairs if p.truth is None], peer, args.repeat, ())
    if "middlebury" in tables:
        print("\n## Middlebury\n")
        pairs_table([p for p in pairs if p.truth is not None], peer, max(3, args.repeat // 3), METHODS)
    if "roofline" in tables:
        print("\n## Roofline\n")
        roofline_table(example, args.repeat)


if __name__ == "__main__":
    main()
