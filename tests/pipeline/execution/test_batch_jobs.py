"""``--cluster``: jobs of a batch system that are workers of one run, and what is said where they are not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Security
from distributed.comm.core import connect

pytest.importorskip("dask_jobqueue", reason="the extra `cluster` is not installed")

from pipeline.errors import FAILED, OK, USAGE, UserError
from pipeline.execution.batch_jobs import job_options, lifetime
from pipeline.inputs.cluster import SYSTEMS, Cluster
from tests.pipeline.execution import batch_system
from tests.remedies.following import Says
from tests.support.command_line import FAST, stage_files, ttprep, write_clip, write_manifest

SMALL = FAST + "  frames: {width: 64, height: 48}\n"
#: this node's Slurm may know of no memory
SECTION = 'cluster: {memory: 1GB, maximum: 2, walltime: "00:10:00", job_extra: [--mem=0]'


def manifest(folder: Path, more: str = "") -> None:
    write_manifest(folder, f"{SMALL}videos: [videos]\n{SECTION}{more}}}\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("batch")
    for seed in range(3):
        write_clip(folder / "videos" / f"{seed}.mp4", 100, size=(64, 48), seed=seed)
    manifest(folder)
    assert ttprep("run", "--store", "serial", "--workers", "0", cwd=folder).returncode == OK
    return folder


@pytest.fixture
def system(tmp_path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """The folder and the environment of a batch system; what still runs of it ends with the test."""
    folder = tmp_path / "system"
    yield folder, batch_system.install(folder)
    for path in folder.glob("job-*.pid"):
        with contextlib.suppress(OSError, ValueError):
            os.killpg(int(path.read_text()), signal.SIGKILL)


def is_heard(address: str, security: Security) -> bool:
    """Whether a scheduler listens to who comes with these certificates."""

    async def knock() -> bool:
        scheme = "tls" if security.require_encryption else "tcp"
        try:
            comm = await connect(
                f"{scheme}://{address.split('://')[1]}", timeout=2, **security.get_connection_args("client")
            )
            await comm.write({"op": "identity", "reply": True})
            return "id" in await asyncio.wait_for(comm.read(), 2)
        except (OSError, TimeoutError):
            return False

    return asyncio.run(knock())


def test_a_run_on_jobs_gives_the_same_bytes_and_hears_only_its_own(
    place: Path, system: tuple[Path, dict[str, str]]
) -> None:
    commands, environment = system
    seen: dict[str, Any] = {}

    def look() -> None:
        while not (scripts := batch_system.scripts(commands)) or not scripts[0].with_suffix(".pid").exists():
            time.sleep(0.05)
        seen["script"] = text = scripts[0].read_text()
        seen["address"] = address = re.findall(r"tls://[\d.]+:\d+", text)[0]
        seen["files"] = [Path(p) for p in re.findall(r"--tls-\S+ (\S+)", text)]
        seen["modes"] = [p.stat().st_mode & 0o777 for p in seen["files"]]
        seen["folder"] = seen["files"][0].parent.stat().st_mode & 0o777
        seen["plain"] = is_heard(address, Security())
        seen["strange"] = is_heard(address, Security.temporary())
        ca, cert, key = (next(p for p in seen["files"] if w in p.name) for w in ("ca_file", "cert.", "key."))
        own = Security(
            tls_ca_file=str(ca), tls_client_cert=str(cert), tls_client_key=str(key), require_encryption=True
        )
        seen["own"] = is_heard(address, own)
        seen["secret"] = key.read_text()

    thread = threading.Thread(target=look)
    thread.start()
    done = ttprep("run", "--store", "jobs", "--cluster", "slurm", cwd=place, env=environment)
    thread.join()
    assert done.returncode == OK, done.stderr
    assert stage_files(place / "jobs") == stage_files(place / "serial")
    # the door
    assert not seen["plain"]
    assert not seen["strange"]
    assert seen["own"], "the test knocks at the right door"
    # the key
    assert "PRIVATE KEY" in seen["secret"]
    assert seen["secret"].split("\n")[1] not in seen["script"]
    assert seen["modes"] == [0o600] * 3
    assert seen["folder"] == 0o700
    assert not any(p.exists() for p in seen["files"])
    # the logs, where it is said
    (line,) = [x for x in done.stderr.splitlines() if "what they print is in" in x]
    logs = Path(line.rpartition(" is in ")[2])
    assert logs.parent == place / "ttprep-logs"
    assert any("distributed.worker" in p.read_text() for p in logs.glob("ttprep-*.err"))
    assert "slurm: up to 2 jobs of 1 cores and 1.0 GB each" in line


def test_jobs_that_cannot_start_end_the_run(place: Path, system: tuple[Path, dict[str, str]]) -> None:
    try:
        manifest(place, ", python: /nowhere/python")
        done = ttprep("run", "--store", "none", "--cluster", "slurm", cwd=place, env=system[1])
        assert done.returncode == FAILED
        says = Says(
            "the jobs end before they can compute (exit code {} on {}: {}); look into {}, and correct"
        )
        code, _, words, logs = says.of(done.stderr)
        assert code == "127"
        assert "/nowhere/python" in words
        assert any("/nowhere/python" in p.read_text() for p in Path(logs).iterdir())
    finally:
        manifest(place)


def test_a_job_that_the_system_refuses_ends_the_run(place: Path, system: tuple[Path, dict[str, str]]) -> None:
    commands, environment = system
    (commands / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: invalid partition' >&2\nexit 1\n")
    done = ttprep("run", "--store", "none", "--cluster", "slurm", cwd=place, env=environment)
    assert done.returncode == FAILED
    says = Says("{} refuses a job: {}; correct the manifest's section cluster")
    assert says.of(done.stderr) == ("slurm", "sbatch: error: invalid partition")


def test_a_machine_without_the_commands(place: Path) -> None:
    if shutil.which("oarsub"):
        pytest.skip("OAR is installed")
    done = ttprep("run", "--store", "none", "--cluster", "oar", cwd=place)
    assert done.returncode == FAILED
    Says("{}: there is no command {} here; run it on a machine where jobs are submitted").of(
        done.stderr.replace("error: ", "")
    )


def test_a_folder_that_no_job_can_print_to(place: Path, system: tuple[Path, dict[str, str]]) -> None:
    says = Says("jobs print to no folder with blanks or quotes in its path; name another as `logs`")
    manifest(place, ", logs: a b")
    try:
        done = ttprep("run", "--store", "none", "--cluster", "slurm", cwd=place, env=system[1])
        assert done.returncode == USAGE
        says.of(done.stderr)
    finally:
        manifest(place)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_gets_a_job_that_says_what_the_manifest_says(name: str, tmp_path: Path) -> None:
    """The script that dask-jobqueue would submit; only Slurm's is run here."""
    import dask_jobqueue

    extra = ("request_retries = 2",) if name == "htcondor" else ("-x 7",)
    section = Cluster(
        cores=4, memory="8GB", walltime="02:30:00", queue="long", account="lab", job_extra=extra,
        setup=("module load python",),
    )  # fmt: skip
    kind = {"slurm": "SLURM", "pbs": "PBS", "sge": "SGE", "lsf": "LSF", "htcondor": "HTCondor", "oar": "OAR"}
    job = getattr(dask_jobqueue, f"{kind[name]}Cluster").job_cls(
        "tls://head:1",
        name="w",
        **job_options(name, section, tmp_path),  # type: ignore[arg-type]
    )
    script = job.job_script()
    for words in (
        "module load python",
        "--nworkers 4",
        "--nthreads 1",
        "--lifetime 8700s",
        "ROUTES=",
    ):
        assert words in script.replace("''", "'"), script
    assert extra[0] in script
    assert "lab" in script
    if name != "htcondor":
        assert "long" in script
        assert ("02:30" in script) or ("2:30" in script)
    assert name == "oar" or str(tmp_path) in script.split(" -m ")[0]


def test_an_option_of_htcondor_without_a_value(tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        job_options("htcondor", Cluster(job_extra=("+flag",)), tmp_path)
    Says("cluster.job_extra: {}; write name = value for htcondor").of(str(refused.value))
    mended = job_options("htcondor", Cluster(job_extra=("+flag = true",)), tmp_path)
    assert mended["job_extra_directives"] == {"+flag": "true"}


def test_workers_end_before_their_job() -> None:
    for walltime in (60, 90, 600, 3600, 86400):
        end, stagger = lifetime(walltime)
        assert end - stagger > 0
        assert end + stagger <= walltime - 15
        assert end > 0.6 * walltime


def test_on_a_real_slurm_a_cancelled_job_costs_its_part(place: Path) -> None:
    if not batch_system.has_slurm():
        pytest.skip("no Slurm runs here (sinfo shows no node)")
    store = place / "slurm"
    cancelled: list[str] = []
    others = {*(place / "ttprep-logs").rglob("ttprep-*.err")}  # of jobs that this Slurm does not know

    def cancel() -> None:
        while not list((store / "videos").rglob("*.json")):
            time.sleep(0.1)
        own = {*(place / "ttprep-logs").rglob("ttprep-*.err")} - others
        logs = sorted(own, key=lambda p: p.stat().st_mtime)
        cancelled.append(logs[-1].stem.rpartition("-")[2])
        subprocess.run(["scancel", *cancelled], check=True)

    thread = threading.Thread(target=cancel)
    thread.start()
    done = ttprep("run", "--store", "slurm", "--cluster", "slurm", cwd=place)
    thread.join()
    assert cancelled
    assert done.returncode == OK, done.stderr
    assert stage_files(store) == stage_files(place / "serial")
    logs = "".join(p.read_text() for p in (place / "ttprep-logs").rglob(f"*{cancelled[0]}.err"))
    assert "CANCELLED" in logs
