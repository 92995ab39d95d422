"""A cluster that stops in the middle of a run: noticed, said, and nothing lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from distributed import Client, LocalCluster, as_completed
from rich.console import Console

from pipeline.errors import UserError
from pipeline.execution.stall_watch import Watch
from pipeline.inputs.manifest import read_manifest
from pipeline.planning.request import Request, Where
from pipeline.run import run
from tests.support.command_line import dask_cluster, ttprep, write_clip, write_manifest

QUIET = Console(quiet=True)


@pytest.fixture
def client() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_futures_come_as_they_finish_also_those_added_meanwhile(client: Client) -> None:
    waiting = as_completed([client.submit(pow, 2, 2, pure=False)])
    seen = []
    for future in Watch(client, "more memory").finished(waiting):
        seen.append(future.result())
        if len(seen) < 4:
            waiting.add(client.submit(pow, 2, seen[-1], pure=False))
    assert seen == [4, 16, 65536, 2**65536]


def test_a_long_job_is_waited_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.execution.stall_watch.PATIENCE", 0.2)
    waiting = as_completed([client.submit(time.sleep, 1.5)])
    assert len(list(Watch(client, "more memory").finished(waiting))) == 1


def test_jobs_without_a_worker_end_the_wait(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.execution.stall_watch.PATIENCE", 0.5)
    waiting = as_completed([client.submit(time.sleep, 0, resources={"there is no such worker": 1})])
    with pytest.raises(UserError, match=r"though 1 jobs are left.*run again"):
        list(Watch(client, "more memory").finished(waiting))


def test_a_run_whose_scheduler_hangs_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler is a process of its own, frozen in the middle of the work."""
    monkeypatch.setattr("pipeline.execution.stall_watch.PATIENCE", 1.0)
    monkeypatch.setattr("pipeline.execution.stall_watch.ANSWER", 1.0)
    for seed in range(4):
        write_clip(tmp_path / "videos" / f"{seed}.mp4", 150, seed=seed)
    manifest = read_manifest(write_manifest(tmp_path))
    store = tmp_path / "store"

    def freeze(scheduler: psutil.Process) -> None:
        while not list(store.rglob("*.h5")):
            time.sleep(0.02)
        scheduler.suspend()

    with dask_cluster(workers=1) as (address, processes):
        scheduler = psutil.Process(processes[0].pid)
        hand = threading.Thread(target=freeze, args=(scheduler,))
        hand.start()
        start = time.monotonic()
        try:
            with pytest.raises(UserError, match=r"does not answer.*run again"):
                run(Request(manifest, store, (tmp_path / "videos",), where=Where(None, address)), QUIET)
        finally:
            hand.join()
            scheduler.resume()
        assert time.monotonic() - start < 60
    done = ttprep("run", "videos", "--store", "store", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ttprep("verify", "--store", "store", "--read-data", cwd=tmp_path).returncode == 0
