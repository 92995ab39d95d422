"""What looking at many videos costs: plan, status, a run with nothing to do, gc, verify.

    python benchmarks/large/scale.py FOLDER [--videos 100 1000 10000] [--workers 2]

Makes short little videos in FOLDER (kept, so that a second call goes on where the first was), runs the
pipeline over them once for each number, and times each command in a fresh process: wall seconds, core-seconds
and the largest resident memory. The videos of 100 are the first of the 1 000, and so on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np

SIZE = (64, 36)
FRAMES = 4
MANIFEST = """\
version: 1
store: store
videos: [videos]
modalities: [rgb, flow]
stages:
  flow: {n_outer: 1, n_sor: 2}
"""
COMMANDS = {
    "plan": ["plan"],
    "status": ["status"],
    "run (nothing to do)": ["run", "--workers", "0"],
    "gc --dry-run": ["gc", "--dry-run"],
    "verify": ["verify"],
}


def write_video(path: Path, seed: int) -> None:
    """Write a video of a few frames whose content is that of no other seed."""
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=120)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for _ in range(FRAMES):
            picture = (
                rng.integers(0, 255, (SIZE[1] // 4, SIZE[0] // 4, 3), np.uint8).repeat(4, 0).repeat(4, 1)
            )
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())


def make(folder: Path, n: int) -> None:
    """Write the videos that are not there yet, a hundred to a folder."""
    for i in range(n):
        path = folder / "videos" / f"{i // 100:03d}" / f"{i:06d}.mp4"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, i)
    (folder / "data_manifest.yaml").write_text(MANIFEST)


def timed(folder: Path, words: list[str]) -> tuple[float, float, float]:
    """Return wall s, core s and MB of a command in a fresh process."""
    out = folder / "out.txt"
    start = time.perf_counter()
    with out.open("w") as file:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "ttprep", *words], cwd=folder, stdout=file, stderr=file
        )
        _, code, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if os.waitstatus_to_exitcode(code) not in (0, 4):
        raise SystemExit(f"{' '.join(words)}: {out.read_text()[-2000:]}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--videos", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f}")
    for n in sorted(args.videos):
        folder = args.folder / str(n)
        make(folder, n)
        wall, core, memory = timed(folder, ["run", "--workers", str(args.workers)])
        print(f"{n:6d} videos  first run            {wall:8.1f} s  {1e3 * wall / n:7.2f} ms per video")
        for name, words in COMMANDS.items():
            wall, core, memory = timed(folder, words)
            print(
                f"{n:6d} videos  {name:20s} {wall:8.2f} s  {core:8.2f} core-s  {memory:6.0f} MB"
                f"  {1e3 * wall / n:7.2f} ms per video", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
