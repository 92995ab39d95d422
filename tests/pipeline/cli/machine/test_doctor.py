"""`ttprep doctor`: what a bug report needs, and what would make a run fail."""

from __future__ import annotations

import json
import os
from collections import namedtuple
from pathlib import Path

import pytest

from pipeline.cli.machine import checks
from pipeline.inputs.manifest import Manifest
from stages.flow.engine import variants
from tests.pipeline.cli.conftest import Ttprep


def test_it_says_what_a_bug_report_needs(made: Manifest, ttprep: Ttprep) -> None:
    before = sorted(made.folder.rglob("*"))
    done = ttprep("doctor", folder=made.folder)
    assert done.exit_code == 0, done.output
    for word in (
        "python",
        "libavcodec",
        "h264",
        variants()[0],
        "cores",
        "GB available",
        "GB free",
        "weights",
    ):
        assert word in done.stdout
    assert sorted(made.folder.rglob("*")) == before
    told = json.loads(ttprep("doctor", "--json").stdout)
    assert told["ok"]
    assert set(told["checks"].values()) == {"ok"}
    assert told["locks"] == "none"


def test_a_store_that_is_not_there_is_none_of_its_business(ttprep: Ttprep, tmp_path: Path) -> None:
    done = ttprep("doctor", "--store", "new/store", folder=tmp_path)
    assert (done.exit_code, list(tmp_path.iterdir())) == (0, [])
    assert "(not made yet)" in done.stdout


def test_what_fails_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda place: usage(10**9, 10**9, 10**6))
    found = {c.name: c.problem for c in checks.checks(tmp_path)}
    assert found["free space"].endswith("only 1 MB are free; make room or give another --store")
    assert found["flow"] == ""
    monkeypatch.setenv("TTPREP_FLOW_ISA", "mmx")
    broken = {c.name: c.problem for c in checks.checks(tmp_path)}
    assert "unset it or name one" in broken["flow"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    found = {c.name: c.problem for c in checks.checks(tmp_path)}
    assert "cannot be written" in found["writing, replacing, locking"]
