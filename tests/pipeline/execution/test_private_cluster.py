"""The cluster that a run starts on this machine serves that run alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Security
from distributed.comm.core import connect

from pipeline.execution import cluster
from pipeline.planning.request import Where
from store import Store


def listening() -> dict[int, str]:
    """Ports and addresses on which this process and its children listen."""
    this = psutil.Process()
    found = {}
    for process in (this, *this.children(recursive=True)):
        for c in process.net_connections("tcp"):
            if c.status == psutil.CONN_LISTEN:
                found[c.laddr.port] = c.laddr.ip
    return found


def mode(path: object) -> int:
    return os.stat(str(path)).st_mode & 0o777


def heard_by(address: str, security: Security) -> bool:
    """Whether a server of Dask listens to who comes with these certificates."""
    scheme = "tls" if security.require_encryption else "tcp"
    where = f"{scheme}://{address.split('://')[1]}"

    async def knock() -> bool:
        try:
            comm = await connect(where, timeout=2, **security.get_connection_args("client"))
            await comm.write({"op": "identity", "reply": True})
            answer = await asyncio.wait_for(comm.read(), 2)
        except (OSError, TimeoutError):
            return False
        return "id" in answer

    return asyncio.run(knock())


def places(dask_worker: Any) -> tuple[str, int]:
    return dask_worker.local_directory, os.getuid()


def test_only_its_own_client_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    Store.create(tmp_path / "s")
    before = set(listening())
    with cluster.connect(Where(workers=1), tmp_path / "s", {}) as connection:
        client = connection.client
        assert client.submit(abs, -3).result(60) == 3
        ports = {port: ip for port, ip in listening().items() if port not in before}
        assert len(ports) >= 3, "scheduler, nanny and worker"
        assert set(ports.values()) == {"127.0.0.1"}
        workers = client.scheduler_info()["workers"]
        doors = [client.scheduler.address, *workers, *(w["nanny"] for w in workers.values())]
        assert len(doors) == 3
        for address in doors:
            for security in (Security(), Security.temporary()):
                assert not heard_by(address, security)
            assert heard_by(address, client.security), "the test knocks at the right door"
        folders = [Path(folder) for folder, _ in client.run(places).values()]
        own = temporary / f"ttprep-{os.getuid()}"
        assert all(own in folder.parents for folder in folders)
        assert mode(own) == 0o700
        assert [p.name for p in temporary.iterdir() if not p.name.startswith("pymp-")] == [own.name]
        assert client.submit(abs, -4).result(60) == 4


@pytest.mark.parametrize("kind", ["open to all", "a link", "a file"])
def test_a_scratch_folder_that_is_not_private_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = tmp_path / f"ttprep-{os.getuid()}"
    if kind == "open to all":
        own.mkdir()
        own.chmod(0o777)
    elif kind == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        own.symlink_to(tmp_path / "elsewhere")
    else:
        own.touch()
    with cluster.private_folder() as path:
        assert Path(path) != own
        assert mode(path) == 0o700
    assert not Path(path).exists()


def test_the_private_scratch_folder_is_kept_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with cluster.private_folder() as first, cluster.private_folder() as second:
        assert first == second
        assert mode(first) == 0o700


def test_an_interrupt_while_the_workers_start_ends_the_run_and_not_them(tmp_path: Path) -> None:
    workers: list[psutil.Process] = []
    real = signal.getsignal(signal.SIGINT)

    before = psutil.Process().children(recursive=True)  # of earlier tests

    def started() -> list[psutil.Process]:
        found = []
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it ended meanwhile
                if process not in before and "spawn_main" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def interrupt() -> None:
        while not (found := started()):
            time.sleep(0.01)
        for process in (psutil.Process(), *found):  # as a terminal does
            process.send_signal(signal.SIGINT)
        workers.extend(found)

    terminal = threading.Thread(target=interrupt)
    terminal.start()
    root = Store.create(tmp_path / "s").root
    with pytest.raises(KeyboardInterrupt), cluster.connect(Where(1), root, {}):
        pytest.fail("the interrupt was not heard")
    terminal.join()
    assert workers
    assert not psutil.wait_procs(workers, timeout=30)[1]
    assert signal.getsignal(signal.SIGINT) is real


def test_what_is_started_meanwhile_never_hears_an_interrupt() -> None:
    itself = "import signal; signal.raise_signal(signal.SIGINT); print('goes on')"
    said = []

    def start() -> None:
        with cluster._uninterrupted():
            signal.raise_signal(signal.SIGINT)
            said.append(subprocess.check_output([sys.executable, "-c", itself], text=True))

    with pytest.raises(KeyboardInterrupt):
        start()
    assert said == ["goes on\n"]
