"""A cluster that ttprep did not start: what its workers lack is said, with a remedy that works there."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.errors import FAILED, OK, SOME_FAILED, UserError
from pipeline.inputs.manifest import read_manifest
from pipeline.planning.request import Request, Where
from pipeline.run import Result, run
from store.names import parse_temporary
from tests.remedies.following import Says
from tests.support import ROOT
from tests.support.command_line import dask_cluster, stage_files, ttprep, write_clip, write_manifest


@contextmanager
def worker(address: str, *options: str, hidden: Path | None = None, **variables: str) -> Iterator[None]:
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
    process = subprocess.Popen([*words, *options], env={**os.environ, **variables}, **quiet)  # type: ignore[call-overload]
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


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with dask_cluster(workers=0) as (address, _):
        yield address


def words_of(address: str) -> tuple[str, ...]:
    return ("run", "--stage", "frames", "--scheduler", address, "--store", "s", "v")


def refused(folder: Path, address: str) -> str:
    """What a run says that no worker is fit for."""
    done = ttprep(*words_of(address), cwd=folder)
    assert done.returncode == FAILED, done.stdout
    first, line, *rest = done.stderr.splitlines()
    assert first == "error: no worker can compute:"
    assert not rest
    assert line.startswith("worker tcp://")
    assert f" on {socket.gethostname()} " in line
    return str(line)


def test_a_worker_that_does_not_see_a_video_is_named(folder: Path, scheduler: str) -> None:
    if not may_hide():
        pytest.skip("may not give a process a view of the disk of its own (unshare -m)")
    with worker(scheduler, hidden=folder / "v"):
        line = refused(folder, scheduler)
    assert f"does not see {folder}/v/a.mp4 (No such file or directory)" in line
    with worker(scheduler):  # what the line says
        assert ttprep(*words_of(scheduler), cwd=folder).returncode == OK


def test_a_worker_that_sees_another_video_of_the_folder_is_named_by_the_job(
    folder: Path, scheduler: str
) -> None:
    """Workers look for one video of each folder; here another of it lies elsewhere."""
    if not may_hide():
        pytest.skip("may not give a process a view of the disk of its own (unshare -m)")
    (folder / "elsewhere").mkdir()
    (folder / "v" / "a.mp4").rename(folder / "elsewhere" / "a.mp4")
    (folder / "v" / "a.mp4").symlink_to(folder / "elsewhere" / "a.mp4")
    write_clip(folder / "v" / "b.mp4", 12, seed=1)
    with worker(scheduler, hidden=folder / "elsewhere"):
        done = ttprep(*words_of(scheduler), cwd=folder)
    assert done.returncode == SOME_FAILED, done.stderr
    (line,) = [x for x in done.stdout.splitlines() if x.startswith("failed: ")]
    assert line.startswith("failed: v/a.mp4: the worker tcp://")
    assert f"on {socket.gethostname()} does not see {folder}/v/a.mp4 (No such file or directory)" in line
    Says("saw; use a folder that all machines share under one path, or stop that worker, and run").of(line)
    with worker(scheduler):  # what the line says
        assert ttprep(*words_of(scheduler), cwd=folder).returncode == OK


def test_a_worker_with_too_little_memory_is_named(folder: Path, scheduler: str) -> None:
    with worker(scheduler, "--memory-limit", "300MB"):
        line = refused(folder, scheduler)
    assert "has 300 MB of memory for 1 jobs at a time, which need 360 MB; give it more with" in line


def test_a_worker_with_other_code_is_named(folder: Path, scheduler: str, tmp_path: Path) -> None:
    """The same code in another place makes the same bytes, though it lies in no checkout."""
    other = tmp_path / "other"
    for package in ("stages", "pipeline", "store"):
        shutil.copytree(ROOT / package, other / package, ignore=shutil.ignore_patterns("__pycache__"))
    with worker(scheduler, PYTHONPATH=str(other), PYTHONSAFEPATH="1"):
        assert ttprep(*words_of(scheduler), cwd=folder).returncode == OK
    made = stage_files(folder / "s")
    shutil.rmtree(folder / "s")
    assert ttprep("run", "--stage", "frames", "--store", "s", "v", cwd=folder).returncode == OK
    assert stage_files(folder / "s") == made
    shutil.rmtree(folder / "s")
    with (other / "stages" / "roi.py").open("a") as file:
        file.write("# a line more\n")
    with worker(scheduler, PYTHONPATH=str(other), PYTHONSAFEPATH="1"):
        start = time.monotonic()
        line = refused(folder, scheduler)
        assert time.monotonic() - start < 60
    assert "runs other code of ttprep (digest " in line
    assert not stage_files(folder / "s")


def run_here(folder: Path, address: str) -> Result:
    manifest = read_manifest(folder / "data_manifest.yaml")
    request = Request(manifest, folder / "s", (folder / "v",), ("frames",), Where(None, address))
    return run(request, Console(quiet=True))


def test_a_worker_that_stays_paused_is_sent_home_and_named(
    folder: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask gives a worker nothing to do whose memory is full, here from a hundredth of its limit on."""
    monkeypatch.setattr("pipeline.execution.workers.PAUSED_S", 1.0)
    monkeypatch.setattr("pipeline.execution.workers.LOOK_S", 0.5)
    with (
        worker(scheduler, "--memory-limit", "2GB", DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE="0.01"),
        pytest.raises(UserError, match="no worker can compute") as error,
    ):
        run_here(folder, scheduler)
    line = str(error.value).split("\n")[1]
    assert f"on {socket.gethostname()}" in line or "on 127.0.0.1" in line
    assert "its memory (2000 MB) is full though it does nothing; start the workers" in line


def test_a_job_that_no_worker_lives_to_end_is_given_up(
    folder: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever writes the frames is killed, as by a memory or time limit of its machine."""
    monkeypatch.setattr("pipeline.execution.workers.BEGINS", 1)
    monkeypatch.setattr("pipeline.execution.workers.LOOK_S", 0.2)
    write_clip(folder / "v" / "a.mp4", 1200, size=(640, 360))
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.02):
            for path in (folder / "s").rglob("frames-*.h5.tmp-*"):
                if (found := parse_temporary(path.name)) is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(found[2]), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        with worker(scheduler, "--memory-limit", "2GB"):
            result = run_here(folder, scheduler)
    finally:
        over.set()
        thread.join()
    assert result.code == SOME_FAILED
    (job,) = result.jobs
    assert "v/a.mp4: frames: began 2 times, and each time its worker ended before it, last tcp" in job.reason
    assert f"on {socket.gethostname()}; " in job.reason
    Says("start the workers of the cluster with more memory each (`dask worker` with a larger").of(job.reason)
