"""Small real videos, and the command line as a user calls it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.support import forks

#: cheap parameters: the pipeline's own work is what is tested, not the flow's quality
FAST = """\
modalities: [rgb, flow]
stages:
  flow: {n_outer: 1, n_sor: 2, alpha: 0.012}
"""

#: as installed beside the interpreter that runs the tests
COMMAND = str(Path(sys.executable).with_name("ttprep"))


def write_clip(
    path: Path, n: int = 24, fps: int = 120, size: tuple[int, int] = (320, 180), seed: int = 0
) -> Path:
    """An H.264 clip of a textured square that moves over a textured background."""
    rng = np.random.default_rng(seed)
    width, height = size
    scene = rng.integers(40, 200, (height, width, 3), dtype=np.uint8)
    patch = rng.integers(0, 255, (height // 4, height // 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for t in range(n):
            frame = scene.copy()
            x = 10 + (2 * t + 7 * seed) % (width - len(patch) - 20)
            frame[height // 3 : height // 3 + len(patch), x : x + len(patch)] = patch
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    return path


def write_manifest(folder: Path, text: str = FAST) -> Path:
    """A manifest in ``folder``."""
    path = folder / "data_manifest.yaml"
    path.write_text(text)
    return path


def ttprep(
    *words: object, cwd: Path | None = None, env: dict[str, str] | None = None, under: tuple[str, ...] = ()
) -> Any:
    """Run the command line in a process of its own (``under`` another command); output decoded."""
    variables = {**os.environ, "TTPREP_POSENET_WEIGHTS": "", "COLUMNS": "200", **(env or {})}
    arguments = [*map(str, words)]
    if under or not forks.serves(variables):
        done = subprocess.run(
            [*under, COMMAND, *arguments],
            capture_output=True, text=True, cwd=cwd, env=variables, timeout=240, check=False,
        )  # fmt: skip
    else:
        done = forks.run(arguments, cwd or Path.cwd(), variables, timeout=240)
    assert "Traceback" not in done.stderr, done.stderr
    assert "Traceback" not in done.stdout, done.stdout
    return done


def as_json(done: Any) -> Any:
    """The JSON document on stdout."""
    return json.loads(done.stdout)


def stage_files(store: Path) -> dict[str, str]:
    """Digest of every feature file, by its place in the store."""
    return {
        str(p.relative_to(store)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted((store / "videos").rglob("*.h5"))
    }


def debris(store: Path) -> list[Path]:
    """Whatever a finished run must not leave: temporary files, parts, locks."""
    found = [p for p in store.rglob("*") if ".tmp-" in p.name or p.parent.name in ("parts", "locks")]
    return [p for p in found if p.is_file()]


@contextmanager
def dask_cluster(workers: int) -> Iterator[tuple[str, list[Any]]]:
    """A real ``dask scheduler`` with real ``dask worker`` processes; yields address and processes."""
    from distributed import Client

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    python = [sys.executable, "-m"]
    head = [*python, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port)]
    worker = [*python, "distributed.cli.dask_worker", address, "--nthreads", "1", "--nworkers", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen([*head, "--no-dashboard"], **quiet)]  # type: ignore[call-overload]
    started += [subprocess.Popen([*worker, "--no-dashboard"], **quiet) for _ in range(workers)]  # type: ignore[call-overload]
    try:
        with Client(address, timeout=60) as client:
            if workers:
                client.wait_for_workers(workers, timeout=60)
        yield address, started
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGINT)
        for process in started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
