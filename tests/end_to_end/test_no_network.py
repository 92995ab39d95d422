"""A node without a network: everything is computed from weights that were prepared elsewhere."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.errors import OK, SOME_FAILED
from tests.support.command_line import stage_files, ttprep, write_clip, write_manifest
from tests.support.pose import write_checkpoint

MANIFEST = """\
videos: [v]
modalities: [rgb, flow, pose]
stages:
  frames: {width: 64, height: 48}
  flow: {n_outer: 1, n_sor: 2}
  pose: {model: "0.50"}
"""
#: a network of its own, in which there is nothing but this machine
ALONE = ("unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


def may_be_alone() -> bool:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    return subprocess.run([*ALONE, "true"], capture_output=True).returncode == 0


def test_everything_is_made_from_prepared_weights(tmp_path: Path) -> None:
    if not may_be_alone():
        pytest.skip("may not give a process a network of its own (unshare -n, ip)")
    write_clip(tmp_path / "v" / "a.mp4", 12, size=(64, 48))
    write_manifest(tmp_path, MANIFEST)
    write_checkpoint(tmp_path / "w", "0.50")
    empty = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    reached = subprocess.run([*ALONE, "ip", "route"], capture_output=True, text=True, check=True)
    assert not reached.stdout, "there is no way out"

    def run(*words: str) -> int:
        done = ttprep("run", *words, cwd=tmp_path, env=empty, under=ALONE)
        return int(done.returncode)

    assert run("--store", "none", "--workers", "0") == SOME_FAILED, "pose alone lacks its weights"
    assert run("--store", "alone", "--workers", "2", "--pose-weights", "w") == OK
    made = stage_files(tmp_path / "alone")
    assert {Path(p).name.partition("-")[0] for p in made} >= {"frames", "flow", "pose", "roi", "descriptor"}
    words = ("run", "--store", "other", "--workers", "0", "--pose-weights", "w")
    assert ttprep(*words, cwd=tmp_path, env=empty).returncode == OK
    assert stage_files(tmp_path / "other") == made
