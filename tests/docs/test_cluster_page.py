"""The page on clusters: a scheduler, a worker and a run, as it has them, on this machine."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click

from pipeline.inputs.manifest import read_manifest
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

    from pipeline.cli.main import main

    blocks = re.findall(r"```sh\n(?!#!)(.*?)```", PAGE, re.DOTALL)
    shown = [line.split() for block in blocks for line in block.split("\n") if line]
    programs: dict[str, click.Command] = {"dask scheduler": scheduler, "dask worker": worker}
    understood = 0
    for words in shown:
        if words[0] == "pip":
            assert words[-1] == '"ttprep[cluster]"'
            continue
        if words[0] == "ttprep":
            command: click.Command = main
            rest = words[1:]
            while isinstance(command, click.Group):
                command, rest = command.commands[rest[0]], rest[1:]
        else:
            command, rest = programs[" ".join(words[:2])], words[2:]
        with command.make_context(words[0], rest) as context:
            assert context.params
        understood += 1
    assert understood == 9


def test_its_manifest_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    section = read_manifest(write_manifest(tmp_path, text)).cluster
    assert (section.cores, section.maximum, section.seconds) == (16, 8, 4 * 3600)
    assert section.job_bytes == 32 * 10**9
    assert set(section.model_fields_set) == {
        "cores", "memory", "walltime", "queue", "account", "minimum", "maximum", "job_extra", "setup",
    }  # fmt: skip
