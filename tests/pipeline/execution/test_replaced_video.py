"""A video that is replaced after it was planned: nothing of the other one is kept under its name."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.execution.jobs import Job, run_job
from pipeline.inputs.sources import identify
from pipeline.planning.graph import build
from stages.base import VIDEO
from store import Store
from tests.remedies.following import Says
from tests.support.projects import manifest_in, write_video


@pytest.mark.parametrize("stage", ["frames", "flow"])
def test_a_stage_that_looks_at_the_video_notices_that_it_is_another_one(tmp_path: Path, stage: str) -> None:
    a, b = write_video(tmp_path / "a.mp4", 20), write_video(tmp_path / "b.mp4", 20, seed=3)
    manifest = manifest_in(tmp_path)
    store = Store.create(tmp_path / "store")
    (source,) = identify([a], store)
    nodes = build(source, manifest, ["frames", "foreground", "flow"])
    if stage == "flow":  # as pose does, a stage after the frames may look at the video once more
        assert run_job(Job(store.root, nodes["frames"])).state == "done"
        assert run_job(Job(store.root, nodes["foreground"])).state == "done"
        nodes["flow"] = replace(nodes["flow"], arrays=(*nodes["flow"].arrays, VIDEO))
    shutil.copy(b, a)
    os.utime(a, (1.7e9, 1.7e9))
    result = run_job(Job(store.root, nodes[stage]))
    assert result.state == "failed"
    Says("changed while it was read; wait until it is copied completely, run again").of(result.reason)
    assert store.receipt(nodes[stage].slot) is None
    (source,) = identify([a], store)
    nodes = build(source, manifest, ["frames", "foreground", "flow"])
    for name in ("frames", "foreground", "flow"):
        assert run_job(Job(store.root, nodes[name])).state == "done"
