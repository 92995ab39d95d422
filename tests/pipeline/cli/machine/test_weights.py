"""`ttprep weights`: copied, checked and listed; what is missing is foreseen, with every way out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.pipeline.cli.conftest import Ttprep
from tests.remedies.following import Says
from tests.support.projects import manifest_in, write_video


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TTPREP_POSENET_WEIGHTS", raising=False)


def test_checked_and_listed(ttprep: Ttprep) -> None:
    done = ttprep("weights", "--check", "-v")
    assert done.exit_code == 1
    *files, last = done.stdout.splitlines()
    assert "0 of" in last
    assert len(files) > 60
    assert all(len(line.split()[0]) == 64 and line.endswith("missing") for line in files)
    told = json.loads(ttprep("weights", "--check", "--json").stdout)
    assert (told["complete"], len(told["files"])) == (False, len(files))
    assert "no checksums are pinned" in ttprep("weights", "--model", "0.50", "--check").stderr


def test_copied_from_a_folder(shared: Path, ttprep: Ttprep, tmp_path: Path) -> None:
    source = shared / "posenet"
    if not (source / "mobilenet_v1_075").is_dir():
        pytest.skip("TTPREP_SHARED holds no posenet/mobilenet_v1_075")
    done = ttprep("weights", "--from", source)
    assert (done.exit_code, done.stderr) == (0, "")
    assert ttprep("weights", "--check").exit_code == 0
    copy = tmp_path / "copy"
    shutil.copytree(source / "mobilenet_v1_075", copy)
    spoilt = next(p for p in copy.iterdir() if p.name.endswith("weights"))
    spoilt.write_bytes(b"\0" * spoilt.stat().st_size)
    done = ttprep("weights", "--from", copy)
    assert done.exit_code == 1
    assert f"1 of {len(list(copy.iterdir()))} files are missing or not the pinned ones" in done.stderr
    assert spoilt.name in done.stderr


def test_foreseen_by_plan_and_told_by_status(ttprep: Ttprep, tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "v.mp4", 8)
    manifest_in(tmp_path, modalities=["rgb", "pose"], annotations=[])
    said = ttprep("plan", folder=tmp_path).stderr
    told = "pose, and what needs it, cannot be made"
    ways = Says("leave pose out: modalities: [rgb, flow]")
    for way in (told, "`ttprep weights` fetches", ways):
        assert way in said
    ttprep("run", "--stage", "frames", "--workers", 0)
    status = ttprep("status")
    assert "pose cannot be made: no PoseNet weights for MobileNet 0.75" in status.stdout
    assert "pose" in json.loads(ttprep("status", "--json").stdout)["unavailable"]
    # the last way out works as it is written
    manifest_in(tmp_path, modalities=["rgb", "flow"], annotations=[])
    assert "weights" not in ttprep("plan").stderr
