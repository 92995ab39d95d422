"""Jobs of Slurm that end before their work: the same bytes as in one process, and after how many commands.

    python benchmarks/cluster/jobs.py CLIP... [--pose-weights DIR] [--jobs 2] [--extra=--mem=0]

Runs the whole pipeline in one process, then on Slurm with an `scancel` of a job in the middle, then on Slurm
with a walltime of one minute, each in a store of its own; compares every feature file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

_MANIFEST = """\
version: 1
videos: [videos]
modalities: [{modalities}]
dataset: null
cluster: {{memory: 1GB, maximum: {jobs}, walltime: "{walltime}", job_extra: {extra}}}
"""
#: commands that a run may take
MOST = 5


def digests(store: Path) -> dict[str, str]:
    files = sorted((store / "videos").rglob("*.h5"))
    return {str(p.relative_to(store)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def own_jobs() -> list[str]:
    done = subprocess.run(["squeue", "-h", "-n", "ttprep", "-o", "%i"], capture_output=True, text=True)
    return done.stdout.split()


def cancel_one(store: Path, results: int, told: list[str]) -> None:
    """Cancel a job once some results are there."""
    while len(list((store / "videos").rglob("*.json"))) < results:
        time.sleep(0.2)
    told += (found := own_jobs()[:1])
    subprocess.run(["scancel", *found], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--pose-weights", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--extra", action="append", default=[])
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ttprep-cluster-", dir="."))
    (folder / "videos").mkdir()
    for clip in args.clips:
        shutil.copy(clip, folder / "videos")
    modalities = "rgb, flow, pose" if args.pose_weights else "rgb, flow"

    def run(store: str, *where: str, walltime: str = "01:00:00") -> tuple[int, float]:
        text = _MANIFEST.format(
            modalities=modalities, jobs=args.jobs, walltime=walltime, extra=json.dumps(args.extra)
        )
        (folder / "data_manifest.yaml").write_text(text)
        words = [sys.executable, "-m", "pipeline.cli", "run", "-q", "--store", store, *where]
        if args.pose_weights:
            words += ["--pose-weights", str(args.pose_weights.absolute())]
        start = time.perf_counter()
        code = subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL).returncode
        return code, time.perf_counter() - start

    try:
        code, wall = run("serial", "--workers", "0")
        expected = digests(folder / "serial")
        print(f"one process: exit code {code}, {len(expected)} files, {wall:.0f} s")
        for name, walltime in (("scancel", "01:00:00"), ("walltime of one minute", "00:01:00")):
            store = name.split()[0]
            told: list[str] = []
            if name == "scancel":
                thread = threading.Thread(target=cancel_one, args=(folder / store, len(expected) // 3, told))
                thread.start()
            for command in range(1, MOST + 1):
                code, wall = run(store, "--cluster", "slurm", walltime=walltime)
                jobs = len(list((folder / "ttprep-logs").glob("*/*.err")))
                same = digests(folder / store) == expected
                print(f"{name}: command {command}: exit code {code}, {wall:.0f} s, {jobs} jobs, same: {same}")
                shutil.rmtree(folder / "ttprep-logs")
                if code == 0:
                    break
            if told:
                print(f"cancelled: job {told[0]}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
