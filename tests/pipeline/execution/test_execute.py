"""How a run grows: what is submitted when, and what becomes of what cannot be made."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.annotations import AnnotationSet, read_annotations
from pipeline.execution import execute
from pipeline.execution.executor import Handle
from pipeline.execution.in_process import InProcess
from pipeline.execution.jobs import Job, JobResult
from pipeline.execution.layouts import PART_ROWS
from pipeline.planning.request import Request, Where
from pipeline.run import run
from store import Store
from tests.support.command_line import stage_files
from tests.support.projects import QUIET, T, manifest_in, run_here, write_actions, write_video


class Recorded(InProcess):
    """Writes down what is submitted and what ends, and does something to the store in between."""

    def __init__(self, after: Callable[[Job], None] = lambda job: None) -> None:
        super().__init__()
        self.log: list[tuple[str, str, str]] = []  # what happened, video, stage
        self.after = after

    def submit(self, job: Job, upstream: Sequence[Handle] = ()) -> Handle:
        self.log.append(("submit", job.node.source.path.stem, job.node.stage.name))
        return super().submit(job, upstream)

    def completed(self) -> Iterator[tuple[Handle, JobResult]]:
        for handle, result in super().completed():
            self.log.append(("end", handle.job.node.source.path.stem, handle.job.node.stage.name))
            self.after(handle.job)
            yield handle, result

    def at(self, event: str, stage: str) -> list[int]:
        """Where in the log a thing happened to a stage."""
        return [n for n, (what, _, name) in enumerate(self.log) if (what, name) == (event, stage)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, (name, n) in enumerate({"a": 64, "b": 40, "c": 30}.items()):
        write_video(tmp_path / "videos" / f"{name}.mp4", n, seed)
    write_actions(tmp_path / "annotations" / "a.xml", [(2, 12, "Up"), (20, 40, "Down")])
    write_actions(tmp_path / "annotations" / "b.xml", [(3, 20, "Down")])
    return tmp_path


def states(jobs: Sequence[JobResult]) -> dict[tuple[str, str], str]:
    """(video, stage) → state, and the reason where there is one."""
    videos = [Path(j.label.split(" of ")[1]).stem for j in jobs]
    texts = [f"{j.state}: {j.reason}".strip(": ") for j in jobs]
    return {(video, j.stage): text for video, j, text in zip(videos, jobs, texts, strict=True)}


def test_samples_are_cut_once_and_as_soon_as_the_last_frame_is_counted(folder: Path) -> None:
    executor = Recorded()
    result = run_here(manifest_in(folder), executor)
    assert result.code == 0
    assert not result.overview.to_do()
    cut = [(video, stage) for what, video, stage in executor.log if what == "submit" and stage == "cuboids"]
    assert sorted(cut) == [("a", "cuboids"), ("b", "cuboids")]
    assert max(executor.at("end", "frames")) < min(executor.at("submit", "cuboids"))
    assert max(executor.at("submit", "cuboids")) < min(
        executor.at("end", "flow")
    )  # nothing else is waited for
    # each video's other jobs were there as soon as its own frames
    first = executor.log.index(("submit", "a", "flow"))
    assert executor.log.index(("end", "a", "frames")) < first < executor.log.index(("end", "b", "frames"))
    assert Counter(j.state for j in result.jobs) == {"done": 20}


def test_samples_wait_for_the_frames_of_a_new_video_but_for_nothing_else(folder: Path) -> None:
    manifest = manifest_in(folder)
    assert run_here(manifest).code == 0
    write_video(folder / "videos" / "d.mp4", 34, 9)
    write_actions(folder / "annotations" / "d.xml", [(1, 18, "Up")])
    write_actions(folder / "annotations" / "c.xml", [(1, 18, "Up")])
    executor = Recorded()
    result = run_here(manifest, executor)
    assert result.code == 0
    assert executor.log[0] == ("submit", "d", "frames")
    assert executor.log[1] == ("end", "d", "frames")
    assert {("submit", "c", "cuboids"), ("submit", "d", "cuboids")} <= set(executor.log)
    assert {video for _, video, _ in executor.log} == {"c", "d"}


def test_frames_that_fail_let_the_others_samples_be_cut(folder: Path) -> None:
    (folder / "videos" / "bad.mp4").write_bytes(b"no video" * 99)
    manifest = manifest_in(folder)
    result = run_here(manifest)
    found = states(result.jobs)
    assert found["bad", "frames"].startswith("failed: ")
    assert {v for (video, stage), v in found.items() if video == "bad" and stage != "frames"} == {
        "skipped: frames failed"
    }
    assert found["a", "cuboids"] == found["b", "cuboids"] == "done"


def test_what_vanishes_from_the_store_during_the_run_is_said(folder: Path) -> None:
    manifest = manifest_in(folder)
    root = manifest.resolve(manifest.store)

    def remove(job: Job) -> None:
        if job.node.stage.name == "frames" and job.node.source.path.stem == "b":
            Store.open(root).path(job.node.slot).unlink()

    result = run_here(manifest, Recorded(remove))
    said = [j for j in result.jobs if j.state == "failed"]
    assert [j.reason.split(": ", 1)[1] for j in said] == [
        "frames: vanished from the store during the run; run again"
    ]
    found = states(result.jobs)
    assert found["b", "flow"] == "skipped: frames failed"
    assert found["a", "cuboids"] == "done"
    assert result.code == 3
    assert run_here(manifest).code == 0


def test_an_input_that_failed_is_not_waited_for(folder: Path) -> None:
    """Samples become known after the flow failed: they are skipped at once."""
    manifest = manifest_in(folder)
    root = manifest.resolve(manifest.store)

    def damage(job: Job) -> None:
        if job.node.stage.name == "foreground" and job.node.source.path.stem == "a":
            path = Store.open(root).path(job.node.slot)
            path.write_bytes(path.read_bytes()[:-100])

    result = run_here(manifest, Recorded(damage))
    found = states(result.jobs)
    assert found["a", "flow"].startswith("failed: ")
    assert found["a", "cuboids"] == "skipped: flow failed"
    assert found["b", "cuboids"] == "done"
    assert run_here(manifest).code == 0


@pytest.mark.parametrize("window", [1, 3, 8])
def test_no_more_videos_are_begun_than_the_window_has_room_for(
    folder: Path, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_here(manifest_in(folder)).code == 0
    whole = stage_files(folder / "store")
    shutil.rmtree(folder / "store")
    monkeypatch.setattr(execute, "WINDOW", window)
    executor = Recorded()
    assert run_here(manifest_in(folder), executor).code == 0
    assert stage_files(folder / "store") == whole
    open_jobs = 0
    for what, _, stage in executor.log:
        if what == "submit" and stage == "frames":
            assert open_jobs < window
        open_jobs += 1 if what == "submit" else -1
    assert open_jobs == 0


def test_parts_are_folded_into_their_whole(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "long.mp4", PART_ROWS * 3 // 2 + 40, 1)
    executor = Recorded()
    result = run_here(manifest_in(tmp_path), executor)
    assert len(executor.at("submit", "flow")) == 3  # two parts, and their assembly
    (flow,) = [j for j in result.jobs if j.stage == "flow"]
    assert flow.state == "done"
    assert flow.rows == PART_ROWS * 3 // 2 + 39
    store = Store.open(tmp_path / "store")
    made = next(r for r in store.receipts(flow.video) if r.stage == "flow")
    assert flow.core_s == pytest.approx(made.run["core_s"], rel=0.3)  # the parts' seconds are most of it


def test_a_part_that_fails_is_the_reason_of_its_whole(tmp_path: Path) -> None:
    write_video(tmp_path / "videos" / "long.mp4", PART_ROWS * 3 // 2 + 40, 1)
    manifest = manifest_in(tmp_path)
    root = manifest.resolve(manifest.store)

    def damage(job: Job) -> None:
        if job.rows and job.node.stage.name == "flow" and not job.rows[0]:
            path = Store.open(root).path(job.node.inputs["foreground"].slot)
            path.write_bytes(path.read_bytes()[:-100])

    result = run_here(manifest, Recorded(damage))
    (flow,) = [j for j in result.jobs if j.stage == "flow"]
    assert flow.state == "failed"
    assert "foreground" in flow.reason
    assert run_here(manifest).code == 0


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many videos were known, each time the annotations were read."""
    calls: list[int] = []

    def counted(paths: Any, *, videos: Any, **options: Any) -> AnnotationSet:
        calls.append(len(videos))
        return read_annotations(paths, videos=videos, **options)

    monkeypatch.setattr("pipeline.planning.samples.read_annotations", counted)
    return calls


def test_annotations_are_read_once_for_one_set_of_frame_counts(folder: Path, readings: list[int]) -> None:
    """The dataset is written too: planning, cutting and export share one reading."""
    manifest = manifest_in(folder, dataset="set.h5")
    assert run_here(manifest).dataset
    assert readings == [0, 3]
    readings.clear()
    assert run_here(manifest).jobs == []
    assert readings == [3]
    readings.clear()
    write_actions(folder / "annotations" / "c.xml", [(1, 18, "Up")])
    result = run_here(manifest)
    assert [j.stage for j in result.jobs] == ["cuboids"]
    assert "written; " in result.dataset
    assert readings == [3]
    readings.clear()
    write_video(folder / "videos" / "d.mp4", T, 9)
    assert run_here(manifest).code == 0
    assert readings == [3, 4]


def test_a_run_of_stages_without_samples_reads_no_annotations(folder: Path, readings: list[int]) -> None:
    manifest = manifest_in(folder)
    request = Request(manifest, folder / "store", stages=("foreground",), where=Where(workers=0))
    assert run(request, QUIET).code == 0
    assert readings == []
