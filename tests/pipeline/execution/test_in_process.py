"""Small plans run in the calling process: the same files, and only where that is less work."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from pipeline.execution.in_process import SMALL_FRAMES, is_small
from pipeline.execution.layouts import PART_ROWS
from pipeline.inputs.manifest import Manifest
from pipeline.planning.request import Request, Where
from pipeline.planning.staleness import Planned
from pipeline.planning.survey import survey
from pipeline.run import run
from store import Store
from tests.support.command_line import stage_files
from tests.support.projects import QUIET, manifest_in, project, run_here, write_actions, write_video


def plans_of(manifest: Manifest) -> Iterable[list[Planned]]:
    store = Store.open(manifest.folder / "store")
    return survey(Request(manifest, store.root), store, QUIET).plans.values()


def test_the_files_are_those_of_a_cluster(tmp_path: Path) -> None:
    """Also where a video is so long that it is made in parts."""
    folder = tmp_path / "p"
    write_video(folder / "videos" / "long.mp4", PART_ROWS * 3 // 2 + 40, 1)
    write_video(folder / "videos" / "short.mp4", 30, 2)
    write_actions(folder / "annotations" / "long.xml", [(100, 120, "Up"), (700, 730, "Down")])
    manifest = manifest_in(folder)
    result = run(Request(manifest, folder / "store", where=Where(2)), QUIET)
    assert result.code == 0
    (folder / "store").rename(folder / "cluster")
    jobs = run_here(manifest).jobs
    assert {j.state for j in jobs} == {"done"}
    assert stage_files(folder / "store") == stage_files(folder / "cluster")
    assert not list((folder / "store").rglob("parts/*.h5"))


def test_one_more_annotation_is_small_and_a_new_video_is_not(tmp_path: Path) -> None:
    manifest = project(tmp_path, {"a": 64, "b": 40}, {"a": [(2, 12, "Up")]})
    assert is_small(plans_of(manifest))  # nothing at all
    write_actions(tmp_path / "annotations" / "b.xml", [(3, 20, "Down")])
    assert is_small(plans_of(manifest))
    write_video(tmp_path / "videos" / "c.mp4", 20, 5)
    assert not is_small(plans_of(manifest))


def test_only_new_samples_count(tmp_path: Path) -> None:
    spans = [(n, n + 100) for n in range(10, 1010, 110)]
    actions = [(b, e, "Up") for b, e in spans]
    manifest = project(tmp_path, {"a": 1100}, {"a": actions[:9]})
    assert sum(e - b for b, e in spans) >= 0.9 * SMALL_FRAMES
    write_actions(tmp_path / "annotations" / "a.xml", actions)
    assert is_small(plans_of(manifest))
    changed = manifest_in(tmp_path, stages={"cuboids": {"crop_width": 24, "crop_height": 24, "length": 20}})
    todo = [p for plan in plans_of(changed) for p in plan if p.state != "done"]
    assert [p.node.stage.name for p in todo] == ["cuboids"]


def test_a_failure_costs_what_depends_on_it(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    write_video(folder / "videos" / "a.mp4", 30)
    (folder / "videos" / "bad.mp4").write_bytes(b"no video" * 99)
    write_actions(folder / "annotations" / "a.xml", [(2, 12, "Up")])
    jobs = run_here(manifest_in(folder)).jobs
    bad = hashlib.sha256(b"no video" * 99).hexdigest()
    states = {(j.video == bad, j.stage): j.state for j in jobs}
    assert states[True, "frames"] == "failed"
    assert {s for (is_bad, stage), s in states.items() if is_bad and stage != "frames"} == {"skipped"}
    assert {s for (is_bad, _), s in states.items() if not is_bad} == {"done"}
    reason = next(j.reason for j in jobs if j.state == "failed")
    assert reason.startswith(str(folder / "videos" / "bad.mp4"))


@pytest.mark.parametrize("repeat", [1, 2])
def test_a_second_run_makes_nothing(tmp_path: Path, repeat: int) -> None:
    manifest = project(tmp_path, {"a": 30}, {"a": [(2, 12, "Up")]})
    for _ in range(repeat):
        jobs = run_here(manifest).jobs
        assert jobs == []
