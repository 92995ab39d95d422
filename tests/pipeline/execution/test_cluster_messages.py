"""A cluster that ttprep did not start: what its workers lack is said, with a remedy that works there."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import OK, SOME_FAILED
from tests.remedies.following import Says
from tests.support.command_line import dask_cluster, ttprep, write_clip, write_manifest


@contextmanager
def worker(address: str, *options: str, hidden: Path | None = None) -> Iterator[None]:
    """A ``dask worker`` that sees an empty folder in the place of ``hidden``."""
    from distributed import Client

    words = [
        sys.executable,
        "-m",
        "distributed.cli.dask_worker",
        address,
        "--nthreads",
        "1",
        "--no-dashboard",
    ]
    if hidden is not None:
        words = ["unshare", "-m", "sh", "-c", f"mount -t tmpfs t '{hidden}' && exec \"$@\"", "sh", *words]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*words, *options], **quiet)  # type: ignore[call-overload]
    try:
        with Client(address, timeout=60) as client:
            client.wait_for_workers(1, timeout=60)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_clip(tmp_path / "v" / "a.mp4", 12)
    write_manifest(tmp_path)
    return tmp_path


def may_hide() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


def test_a_worker_that_does_not_see_a_video_is_named(folder: Path) -> None:
    if not may_hide():
        pytest.skip("may not give a process a view of the disk of its own (unshare -m)")
    with dask_cluster(workers=0) as (address, _):
        words = ("run", "--stage", "frames", "--scheduler", address, "--store", "s", "v")
        with worker(address, hidden=folder / "v"):
            done = ttprep(*words, cwd=folder)
        assert done.returncode == SOME_FAILED
        (line,) = [x for x in done.stdout.splitlines() if x.startswith("failed: ")]
        assert line.startswith("failed: v/a.mp4: the worker tcp://")
        assert f"on {socket.gethostname()} does not see {folder}/v/a.mp4 (No such file or directory)" in line
        Says("saw; use a folder that all machines share under one path, or stop that worker, and run").of(
            line
        )
        with worker(address):  # what the line says
            assert ttprep(*words, cwd=folder).returncode == OK


def test_a_worker_out_of_memory_gets_a_remedy_for_a_cluster(folder: Path) -> None:
    write_clip(folder / "v" / "a.mp4", 240, size=(1280, 720))
    with dask_cluster(workers=0) as (address, _):
        words = ("run", "--stage", "frames", "--scheduler", address, "--store", "s", "v")
        with worker(address, "--memory-limit", "250MB"):  # enough for what is imported, not for frames
            done = ttprep(*words, cwd=folder)
        assert done.returncode == SOME_FAILED
        (line,) = [x for x in done.stdout.splitlines() if x.startswith("failed: ")]
        Says("with more memory each (`dask worker` with a larger --memory-limit and fewer").of(line)
        assert "--workers" not in line
        with worker(address, "--memory-limit", "2GB"):  # what the line says
            assert ttprep(*words, cwd=folder).returncode == OK
