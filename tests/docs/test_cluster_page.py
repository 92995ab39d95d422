"""The page on clusters: a scheduler, a worker and a run, as it has them, on this machine."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT
from tests.support.command_line import write_clip, write_manifest

PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")


def test_the_batch_file_runs_and_ends_with_the_runs_code(tmp_path: Path) -> None:
    """As Slurm would start it, with a `srun` that starts one task here."""
    (script,) = re.findall(r"```sh\n(#!/bin/bash\n.*?)```", PAGE, re.DOTALL)
    write_clip(tmp_path / "videos" / "a.mp4")
    write_manifest(tmp_path, "videos: [videos]\nmodalities: [rgb]\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").write_text(
        f'PATH="$PWD/tools:{Path(sys.executable).parent}:$PATH"\n'
    )
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"srun": 'exec "$@"', "dask": f'exec {sys.executable} -m dask "$@"'}.items():
        (tools / name).write_text(f"#!/bin/bash\n{text}\n")
        (tools / name).chmod(0o755)
    environment = {**os.environ, "SLURM_JOB_ID": "7", "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": "[]"}
    job = subprocess.Popen(
        ["bash", "-c", script], cwd=tmp_path, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        out, error = job.communicate(timeout=120)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
    assert job.returncode == 0, error[-2000:]
    assert "0 failed" in out
    assert list((tmp_path / "ttprep-store" / "videos").rglob("frames-*.h5"))
    assert not list(tmp_path.glob("ttprep-scheduler-*"))


def test_its_other_commands_are_understood() -> None:
    from distributed.cli.dask_scheduler import main as scheduler
    from distributed.cli.dask_worker import main as worker

    from pipeline.cli.run import run

    lines = [
        line for block in re.findall(r"```sh\n(?!#!)(.*?)```", PAGE, re.DOTALL) for line in block.split("\n")
    ]
    programs = {"dask scheduler": scheduler, "dask worker": worker, "ttprep run": run}
    shown = [line for line in lines if line]
    assert [" ".join(line.split()[:2]) for line in shown] == list(programs)
    for line in shown:
        name = " ".join(line.split()[:2])
        with programs[name].make_context(name, line.split()[2:]) as context:
            assert context.params
