"""What one more annotation file costs in a store of annotated videos.

    python benchmarks/incremental.py CLIP... [--videos 50] [--compact] [--pose-weights DIR]

Makes annotated videos from the clips (clips.py), all but one of the annotation files in place; times a fresh
process that runs the pipeline and exports the dataset (the building), one with nothing to do, and some after
the last annotation file came. The share that counts is the last over the first.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

REPEATS = 3
#: s; lets the disk discard the blocks of the file that was just replaced
SETTLE = 5
_MANIFEST = """\
version: 1
store: store
videos: [videos]
annotations: [annotations]
modalities: [{modalities}]
dataset: null
cleaning: {{min_seconds: 0.01}}
"""


def step(folder: Path, *, compact: bool, weights: Path | None) -> None:
    """What a user does: run, export; prints what it took as JSON."""
    from rich.console import Console

    from pipeline.dataset import export
    from pipeline.execution.cluster import cores
    from pipeline.inputs.manifest import read_manifest
    from pipeline.planning.request import Request, Where
    from pipeline.run import run
    from store import Store

    start = time.perf_counter()
    manifest = read_manifest(folder / "data_manifest.yaml")
    request = Request(manifest, folder / "store", where=Where(cores()), pose_weights=weights)
    result = run(request, Console(stderr=True, quiet=True))
    ran = time.perf_counter() - start
    view, path = result.overview, folder / "dataset.h5"
    done = export(
        manifest,
        Store.open(folder / "store"),
        view.sources,
        view.plans,
        path,
        samples=view.samples,
        compact=compact,
    )
    made = [o.stage for o in result.jobs if o.state == "done"]
    facts = {"run_s": ran, "export_s": done.seconds, "made": len(made), "stages": sorted(set(made))}
    print(json.dumps({**facts, "code": result.code, "samples": done.samples, "bytes": done.size}))


def timed(folder: Path, options: list[str]) -> tuple[float, dict[str, Any]]:
    """Wall seconds of a fresh process that does :func:`step`."""
    words = [sys.executable, __file__, "--step", str(folder), *options]
    start = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr)
    return wall, json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--videos", type=int, default=50)
    parser.add_argument("--compact", action="store_true")
    parser.add_argument(
        "--pose-weights", type=Path, help="make and read poses too, as ttprep does by default"
    )
    parser.add_argument("--step", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        step(args.step, compact=args.compact, weights=args.pose_weights)
        return
    from clips import make_videos

    from pipeline.execution.cluster import cores

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_videos(args.clips, folder, args.videos + 1, cores())
        modalities = "rgb, flow, pose" if args.pose_weights else "rgb, flow"
        (folder / "data_manifest.yaml").write_text(_MANIFEST.format(modalities=modalities))
        options = ["--compact"] if args.compact else []
        options += ["--pose-weights", str(args.pose_weights.resolve())] if args.pose_weights else []
        last = sorted((folder / "annotations").iterdir())[-1]
        content = last.read_text()
        last.unlink()
        whole, facts = timed(folder, options)
        print(f"building: {whole:.2f} s, {facts}")
        idle, facts = timed(folder, options)
        print(f"nothing to do: {idle:.2f} s, {facts}")
        times = []
        for shift in range(REPEATS):  # another stroke each time: nothing of it is there already
            moved = re.sub(r'begin="(\d+)"', lambda m, k=shift: f'begin="{int(m[1]) + k}"', content)
            last.write_text(moved)
            time.sleep(SETTLE)
            added, facts = timed(folder, options)
            times.append(added)
            print(f"one more annotation file: {added:.2f} s, {facts}")
        print(f"share: {median(times) / whole:.1%} of building (median), {min(times) / whole:.1%} (best)")


if __name__ == "__main__":
    main()
