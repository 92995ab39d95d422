"""A run that was killed leaves nothing behind on a scheduler that refuses the workers of others."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from distributed import Client

from pipeline.execution.worker_check import expected
from pipeline.execution.workers import Workers
from store import Store
from tests.support.command_line import dask_cluster


def test_the_plugin_of_a_run_that_is_gone_refuses_nobody(tmp_path: Path) -> None:
    here = replace(expected(Store.create(tmp_path / "s").root, {}, []), code="0" * 64)
    with dask_cluster(workers=0) as (address, _):
        gone = Client(address, timeout=60)
        Workers(gone, here, {}, print).start()  # nobody is there yet
        gone.close()
        words = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
        worker = subprocess.Popen([*words, "--no-dashboard"], stderr=subprocess.DEVNULL)
        try:
            with Client(address, timeout=60) as client:
                client.wait_for_workers(1, timeout=60)
                assert client.submit(abs, -3).result(60) == 3
                time.sleep(1)  # a refused one leaves after half a second
                assert client.submit(abs, -4).result(60) == 4
        finally:
            worker.terminate()
            worker.wait(30)
