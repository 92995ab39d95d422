"""Chunk shapes and codecs for the frames of the store: bytes, and frames a second of one core.

    python benchmarks/storing.py STORE

Takes the frames of every video in a store (`ttprep run --stage frames`), writes them again with each layout
through the store's own writer and reads them back in sequence and as crops of 100 frames.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import numpy as np

from store import Column, FeatureReader, Layout, Store
from store.feature import FeatureWriter

CHUNKS = ((25, 60, 64), (25, 90, 160), (25, 180, 320), (50, 90, 160), (50, 180, 320), (100, 90, 160))
CODECS = (
    ("zstd", 1, "temporal-delta"),
    ("zstd", 3, "temporal-delta"),
    ("zstd", 6, "temporal-delta"),
    ("bitshuffle-zstd", 3, "temporal-delta"),
    ("bitshuffle-lz4", 0, "temporal-delta"),
    ("zstd", 3, "none"),
    ("bitshuffle-zstd", 3, "none"),
    ("bitshuffle-lz4", 0, "none"),
)


def measure(frames: np.ndarray, layout: Layout, path: Path) -> tuple[float, float, float]:
    """Kilobytes a frame; frames a second written; read."""
    start = time.process_time()
    writer = FeatureWriter(path, (Column("rgb", "uint8", layout, {}),), {})
    for at in range(0, len(frames), 50):
        writer.append({"rgb": frames[at : at + 50]})
    writer.close()
    written = time.process_time() - start
    with FeatureReader(path) as reader:
        start = time.process_time()
        for at in range(0, len(frames), 50):
            reader.read("rgb", at, min(at + 50, len(frames)))
        read = time.process_time() - start
    return path.stat().st_size / len(frames) / 1e3, len(frames) / written, len(frames) / read


def main() -> None:
    """Measure and print one Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--frames", type=int, default=300, help="of each video at most")
    args = parser.parse_args()
    store = Store.open(args.store)
    videos = {}
    for path in sorted(store.videos_folder.glob("*/frames-*.h5")):
        with FeatureReader(path) as reader:
            n = min(args.frames, len(reader.dataset("rgb")))
            videos[path.parent.name[:6]] = reader.read("rgb", 0, n)
    print("| chunk | codec | " + " | ".join(f"{v} kB" for v in videos) + " | all kB | write f/s | read f/s |")
    print("|---" * (len(videos) + 5) + "|")
    total = sum(len(f) for f in videos.values())
    with tempfile.TemporaryDirectory() as folder:
        for number, (chunk, (codec, level, encoding)) in enumerate(itertools.product(CHUNKS, CODECS)):
            layout = Layout(chunk, codec, level, encoding)  # type: ignore[arg-type]
            rows = [measure(f, layout, Path(folder) / f"{number}-{v}.h5") for v, f in videos.items()]
            lengths = [len(f) for f in videos.values()]
            size = sum(r[0] * n for r, n in zip(rows, lengths, strict=True)) / total
            write, read = (total / sum(n / r[i] for r, n in zip(rows, lengths, strict=True)) for i in (1, 2))
            name = f"{codec}{level or ''}{' delta' if encoding != 'none' else ''}"
            kilobytes = " | ".join(f"{r[0]:.1f}" for r in rows)
            print(f"| {chunk} | {name} | {kilobytes} | {size:.1f} | {write:.0f} | {read:.0f} |")


if __name__ == "__main__":
    main()
