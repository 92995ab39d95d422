"""Reading through ``import ttprep`` against h5py by hand: 100 frames of flow, and others.

    python benchmarks/api.py STORE [VIDEO]

By hand means what docs/store-format.md says: open the file with h5py, read the rows, undo the encoding, scale
to float32. Both ways take turns in one process of one thread, with the file in the page cache; CPU time
counts. *Open* are files kept open, *cold* is all from opening the store or file on.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np

import ttprep

Array = np.ndarray[Any, Any]


def decoded(data: h5py.Dataset, begin: int, end: int) -> Array:
    """Rows of an array, as one reads them by hand."""
    if data.attrs["encoding"] == "temporal-delta":
        size = data.chunks[0]
        first = begin // size * size
        parts = [
            np.add.accumulate(data[at : at + size], axis=0, dtype=np.uint8) for at in range(first, end, size)
        ]
        return np.concatenate(parts)[begin - first : end - first]
    scale = data.attrs["scale"]
    rows = data[begin:end]
    return rows if scale == 1 else rows.astype(np.float32) * np.float32(scale)


def in_turns(ways: dict[str, Callable[[], Array]], rounds: int) -> dict[str, list[float]]:
    """Seconds of CPU of each way, one after the other, after one round that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    results = [way() for way in ways.values()]
    assert all(np.array_equal(results[0], other) for other in results[1:])
    for turn in range(rounds):
        for name, way in [*ways.items()][:: 1 if turn % 2 else -1]:
            start = time.process_time()
            way()
            times[name].append(time.process_time() - start)
    return times


def main() -> None:
    """Measure and print one Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("video", nargs="?")
    parser.add_argument("--rounds", type=int, default=40)
    args = parser.parse_args()
    store = ttprep.open(args.store)
    v = store[args.video] if args.video else max(store, key=lambda v: len(v.flow))
    places = {stage: v.results(stage)[0].path for stage in ("frames", "foreground", "flow")}
    arrays = {"flow": (v.flow, "flow", "flow"), "frames": (v.frames, "frames", "rgb")}
    arrays["mask"] = (v.mask, "foreground", "mask")
    print(f"{v.name}: {v.flow.shape}, chunks of {v.flow.chunk} rows\n")
    print("| read | by hand, ms | ttprep, ms | ratio of medians | of the least |\n|---|---|---|---|---|")
    begin, end = (len(v.flow) - 100) // 2, (len(v.flow) - 100) // 2 + 100
    if begin < 0:
        parser.error(f"{v.name} has {len(v.flow)} pairs; name a video with 100")
    for name, (array, stage, data) in arrays.items():
        file = h5py.File(places[stage], "r", rdcc_nbytes=0, locking=False)
        ways: dict[str, Callable[[], Array]] = {
            "hand": lambda data=data, file=file: decoded(file[data], begin, end),
            "api": lambda array=array: array[begin:end],
        }
        _row(f"100 frames of {name}, open", in_turns(ways, args.rounds))
        file.close()

    def by_hand() -> Array:
        with h5py.File(places["flow"], "r", rdcc_nbytes=0, locking=False) as file:
            return decoded(file["flow"], begin, end)

    def cold() -> Array:
        opened = ttprep.open(args.store)
        flow: Array = opened[v.id].flow[begin:end]
        opened.close()
        return flow

    warm = {"hand": by_hand, "api": lambda: v.flow[begin:end]}
    _row("100 frames of flow; file opened by hand, `v.flow[a:b]`", in_turns(warm, args.rounds))
    _row("100 frames of flow, cold", in_turns({"hand": by_hand, "api": cold}, args.rounds))


def _row(name: str, times: dict[str, list[float]]) -> None:
    hand, api = (np.array(times[way]) * 1e3 for way in ("hand", "api"))
    median = statistics.median(hand), statistics.median(api)
    cells = f"{median[0]:.1f} | {median[1]:.1f} | {median[1] / median[0]:.2f} | {api.min() / hand.min():.2f}"
    print(f"| {name} | {cells} |")


if __name__ == "__main__":
    main()
