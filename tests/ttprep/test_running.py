"""Runs, plans and annotations as objects: nothing is printed; whatever ends a run leaves a sound store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ttprep
from pipeline.planning.staleness import Reason
from store import Store
from tests.support.projects import write_video

SMALL: dict[str, Any] = {
    "modalities": ["rgb", "flow"],
    "dataset": None,
    "stages": {"frames": {"width": 64, "height": 48}, "flow": {"method": "dis"}},
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two videos."""
    monkeypatch.chdir(tmp_path)
    for n in range(2):
        write_video(tmp_path / "videos" / f"v{n}.mp4", 20, n)
    return tmp_path


def test_a_run(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[ttprep.Progress] = []
    result = ttprep.run("videos", manifest=SMALL, workers=0, progress=seen.append)
    assert (result.ok, result.code, result.failed, result.problems) == (True, 0, (), ())
    assert {(j.video, j.stage, j.state) for j in result.jobs} == {
        (f"videos/v{n}.mp4", stage, "done")
        for n in range(2)
        for stage in ("frames", "foreground", "flow", "roi", "statistics", "quality")
    }
    assert result.table["rows"].sum() == sum(j.rows for j in result.jobs) == 2 * (4 * 20 + 2 * 19)
    assert all(j.core_s > 0 for j in result.jobs)
    last = {p.stage: p for p in seen}
    assert last["flow"] == ttprep.Progress("flow", 2, 2, 38, 38)
    assert [p.frames for p in seen if p.stage == "frames"] == sorted(
        p.frames for p in seen if p.stage == "frames"
    )
    assert result.path == Path("ttprep-store")
    assert result.store["v1.mp4"].flow.shape == (19, 48, 64, 2)
    assert not result.plan
    again = ttprep.run("videos", manifest=SMALL, workers=0)
    assert (again.ok, again.jobs) == (True, ())
    assert capfd.readouterr() == ("", "")


def test_what_fails_stands_in_the_result(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "videos" / "bad.mp4").write_bytes(b"no video" * 100)
    (here / "videos" / "empty.mp4").write_bytes(b"")
    seen: list[ttprep.Progress] = []
    result = ttprep.run("videos", stages="flow", manifest=SMALL, workers=0, progress=seen.append)
    assert (result.ok, result.code) == (False, 3)
    assert [(j.video, j.stage) for j in result.failed] == [("videos/bad.mp4", "frames")]
    assert "bad.mp4" in result.failed[0].reason
    assert {j.stage for j in result.jobs if j.state == "skipped"} == {"foreground", "flow"}
    assert len(result.problems) == 1
    assert "empty.mp4" in result.problems[0]
    assert [p.failed for p in seen if p.failed] == [result.failed[0].reason]
    assert "bad.mp4" in repr(result)
    plan = result.plan
    assert {(s.stage, s.state) for s in plan.to_do} >= {("frames", "failed")}
    bad = result.store.videos.query("frames.isna()")
    assert bad["faults"].str.startswith("frames failed: ").all()
    assert capfd.readouterr() == ("", "")


def test_plans_and_their_reasons(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plan = ttprep.plan("videos/v0.mp4", stages=["flow"], manifest=SMALL)
    assert [(s.stage, s.state) for s in plan.to_do] == [
        (s, "missing") for s in ("frames", "foreground", "flow")
    ]
    assert plan.to_do[0].reasons == (Reason("new"),)
    assert not Path("ttprep-store").exists()
    ttprep.run("videos/v0.mp4", stages=["flow"], manifest=SMALL, workers=0)
    assert not ttprep.plan("videos/v0.mp4", stages=["flow"], manifest=SMALL)
    other = SMALL | {"stages": SMALL["stages"] | {"flow": {"method": "farneback"}}}
    plan = ttprep.plan("videos/v0.mp4", stages=["flow"], manifest=other)
    assert (len(plan), len(plan.steps)) == (1, 3)
    assert plan.to_do[0].reasons == (Reason("parameter", "flow.method", "dis", "farneback"),)
    assert plan.table["reasons"].tolist() == ["flow.method: dis → farneback"]
    assert capfd.readouterr() == ("", "")


def interrupted(at: int, error: BaseException) -> Callable[[ttprep.Progress], None]:
    count = iter(range(at, -1, -1))

    def callback(progress: ttprep.Progress) -> None:
        if next(count) == 0:
            raise error

    return callback


@pytest.mark.parametrize("at", [0, 5, 9, 14])
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError("the user's own")], ids=lambda e: type(e).__name__
)
def test_interrupted(here: Path, at: int, error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        ttprep.run("videos", stages="flow", manifest=SMALL, workers=0, progress=interrupted(at, error))
    assert raised.value is error
    left = [p for p in Path("ttprep-store").rglob("*") if p.is_file()]
    assert not [p for p in left if ".tmp-" in p.name or p.parent.name == "locks" or ".failed" in p.name]
    assert not ttprep.open("ttprep-store").videos["faults"].any()
    result = ttprep.run("videos", stages="flow", manifest=SMALL, workers=0)
    assert result.ok
    assert all(v.flow[:].shape == (19, 48, 64, 2) for v in result.store)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"paths": "videos", "stages": "flw"}, "there is no stage 'flw'"),
        ({"paths": "videos", "manifest": {"stages": {"flow": {"alfa": 1}}}}, "alfa"),
        ({"paths": "videos", "manifest": {"store": 7}}, "store"),
        ({"paths": "videos", "manifest": "no.yaml"}, "no.yaml"),
        ({}, "no video given"),
        ({"paths": "videos", "store": "videos"}, "is not a ttprep store"),
    ],
    ids=str,
)
def test_what_cannot_be_begun(here: Path, arguments: dict[str, Any], said: str) -> None:
    paths = arguments.pop("paths", ())
    with pytest.raises((ttprep.BadRequest, ttprep.NoSuchFile)) as error:
        ttprep.run(paths, workers=0, **arguments)
    assert said in str(error.value)


def test_what_is_refused_leaves_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ttprep.BadRequest, match=r"there is no data_manifest\.yaml here"):
        ttprep.run((), workers=0)
    with pytest.raises(ttprep.BadRequest, match="there is no stage"):
        ttprep.run(tmp_path, stages="flw", workers=0)
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_not_there(here: Path) -> None:
    result = ttprep.run("nowhere.mp4", manifest=SMALL, workers=0)
    assert not result.ok
    assert "nowhere.mp4: no such file" in result.problems[0]


def test_a_store_in_use(here: Path) -> None:
    store = Store.create(here / "s")
    with store.lock("gc"), pytest.raises(ttprep.InUse, match="in use by ttprep gc"):
        ttprep.run("videos", store="s", manifest=SMALL, workers=0)


def test_workers(here: Path) -> None:
    """Processes of their own, which do not import what the user runs."""
    seen: list[ttprep.Progress] = []
    result = ttprep.run("videos", stages="foreground", manifest=SMALL, workers=2, progress=seen.append)
    assert result.ok
    assert {p.stage for p in seen} == {"frames", "foreground"}
    assert max(p.frames for p in seen) == 40


def test_annotations(
    demo: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copytree(demo, tmp_path / "p", copy_function=shutil.copy2)
    monkeypatch.chdir(tmp_path / "p")
    found = ttprep.annotations()
    assert (len(found), found.ok, found.problems) == (19, True, ())
    assert found.table.columns.tolist() == [
        "video",
        "begin",
        "end",
        "label",
        "annotator",
        "player",
        "file",
        "line",
    ]
    assert (found.table["end"] - found.table["begin"] == 5).all()
    assert found.samples["seconds"].tolist() == [0.5] * 19
    assert found.waterfall.set_index("rule").loc["read", "left"] == 19
    assert found.events.empty
    Path("labels/broken.xml").write_text("<video><action begin='1'")
    found = ttprep.annotations("labels")
    assert not found.ok
    assert "broken.xml" in found.problems[0]
    assert found.findings["kind"].tolist() == ["broken-file"]
    with pytest.raises(ttprep.BadRequest, match="no such file"):
        ttprep.annotations("nowhere")
    assert capfd.readouterr() == ("", "")
