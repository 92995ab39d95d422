"""Chunk shapes and codecs for the pixels of a dataset, on its own windows: size, reading, writing.

python benchmarks/codecs.py DATASET.h5
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from rich.console import Console
from rich.table import Table

T = 100
CONSOLE = Console(width=110)


def sweep(source: Path, folder: Path, reads: int = 40) -> None:
    """One table each for rgb and flow."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sweep(args.dataset, Path(folder))


if __name__ == "__main__":
    main()
