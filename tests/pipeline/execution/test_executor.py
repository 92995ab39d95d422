"""What every executor promises, tried on each of them with real jobs on a real store."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import dask
import pytest

from pipeline.execution.executor import Executor, Handle
from pipeline.execution.in_process import InProcess
from pipeline.execution.jobs import Job, JobResult, run_job
from pipeline.execution.on_dask import OnDask
from pipeline.inputs.manifest import Manifest
from pipeline.inputs.sources import Source, identify
from pipeline.planning.graph import Node, build
from pipeline.planning.request import Where
from store import Store
from tests.support.command_line import dask_cluster, debris, stage_files
from tests.support.projects import manifest_in, write_video

FRAMES = {"a": 60, "b": 34}
STAGES = ["frames", "foreground", "flow", "roi", "statistics"]
BAD = b"no video" * 99

Make = Callable[[Path], Executor]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("executors")
    for seed, (name, n) in enumerate(FRAMES.items()):
        write_video(folder / f"{name}.mp4", n, seed)
    (folder / "bad.mp4").write_bytes(BAD)
    return folder


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with dask_cluster(workers=2) as (address, _):
        yield address


@pytest.fixture(params=["in process", "dask"])
def make(request: pytest.FixtureRequest) -> Make:
    """Store's root → an executor, not started."""
    if request.param == "in process":
        return lambda root: InProcess()
    address = request.getfixturevalue("scheduler")
    return lambda root: OnDask(Where(None, address), root)


@pytest.fixture
def manifest(folder: Path) -> Manifest:
    return manifest_in(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Store.create(tmp_path / "store").root


def nodes_of(folder: Path, manifest: Manifest, name: str) -> dict[str, Node]:
    source: Source = identify([folder / f"{name}.mp4"], None)[0]
    return build(source, manifest, STAGES)


def submit_all(executor: Executor, root: Path, nodes: dict[str, Node]) -> dict[str, Handle]:
    handles: dict[str, Handle] = {}
    for name, node in nodes.items():
        handles[name] = executor.submit(Job(root, node), [handles[u] for u in node.inputs])
    return handles


def started(executor: Executor, progress: Callable[[str, int], None] = lambda stage, rows: None) -> Executor:
    executor.start({}, progress)
    return executor


@pytest.fixture(scope="module")
def reference(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the files that the bare jobs make, one after the other."""
    store = Store.create(tmp_path_factory.mktemp("reference") / "store")
    for name in FRAMES:
        for node in nodes_of(folder, manifest_in(folder), name).values():
            assert run_job(Job(store.root, node)).state == "done"
    return stage_files(store.root)


def test_jobs_come_back_after_those_they_depend_on_and_the_bytes_are_the_same(
    make: Make, folder: Path, manifest: Manifest, root: Path, reference: dict[str, str]
) -> None:
    rows: Counter[str] = Counter()
    with make(root) as executor:
        started(executor, lambda stage, n: rows.update({stage: n}))
        handles = [
            h
            for name in FRAMES
            for h in submit_all(executor, root, nodes_of(folder, manifest, name)).values()
        ]
        assert dask.config.get("scheduler", None) is None, "what else the process computes is not taken over"
        results = dict(executor.completed())
    assert set(results) == set(handles)
    order = list(results)
    assert all(order.index(u) < order.index(h) for h in handles for u in h.upstream)
    assert {r.state for r in results.values()} == {"done"}
    assert all(r.stage == h.job.node.stage.name for h, r in results.items())
    assert rows["frames"] == sum(FRAMES.values())
    assert rows["flow"] == sum(n - 1 for n in FRAMES.values())
    assert stage_files(root) == reference


def test_the_order_of_submission_does_not_show(
    make: Make, folder: Path, manifest: Manifest, root: Path, reference: dict[str, str]
) -> None:
    """Any order that respects the dependencies."""
    chance = random.Random(7)
    left = [node for name in FRAMES for node in nodes_of(folder, manifest, name).values()]
    handles: dict[str, Handle] = {}
    with make(root) as executor:
        started(executor)
        while left:
            possible = [n for n in left if all(u.key in handles for u in n.inputs.values())]
            node = chance.choice(possible)
            left.remove(node)
            upstream = [handles[u.key] for u in node.inputs.values()]
            chance.shuffle(upstream)
            handles[node.key] = executor.submit(Job(root, node), upstream)
        assert {r.state for _, r in executor.completed()} == {"done"}
    assert stage_files(root) == reference


def test_jobs_submitted_while_others_run_are_carried_out(
    make: Make, folder: Path, manifest: Manifest, root: Path, reference: dict[str, str]
) -> None:
    """One at a time, each when those it depends on have long ended."""
    results: list[JobResult] = []
    made: dict[str, Handle] = {}
    todo = [node for name in FRAMES for node in nodes_of(folder, manifest, name).values()]
    with make(root) as executor:
        started(executor)
        executor.submit(Job(root, todo[0]))
        for handle, result in executor.completed():
            results.append(result)
            made[handle.job.node.key] = handle
            if len(results) < len(todo):
                node = todo[len(results)]
                executor.submit(Job(root, node), [made[u.key] for u in node.inputs.values()])
        assert not list(executor.completed())
        # and once everything has ended
        executor.submit(Job(root, todo[-1]), [made[u.key] for u in todo[-1].inputs.values()])
        assert [r.state for _, r in executor.completed()] == ["done"]
    assert [r.state for r in results] == ["done"] * len(todo)
    assert stage_files(root) == reference


def test_a_failure_costs_what_depends_on_it_also_what_comes_later(
    make: Make, folder: Path, manifest: Manifest, root: Path
) -> None:
    bad = nodes_of(folder, manifest, "bad")
    with make(root) as executor:
        started(executor)
        good = submit_all(executor, root, nodes_of(folder, manifest, "b"))
        lost = submit_all(executor, root, {n: bad[n] for n in ("frames", "foreground", "flow")})
        results = dict(executor.completed())
        late = executor.submit(Job(root, bad["roi"]), [lost["flow"]])
        results |= dict(executor.completed())
    assert {results[h].state for h in good.values()} == {"done"}
    assert results[lost["frames"]].state == "failed"
    assert results[lost["frames"]].reason.startswith(str(folder / "bad.mp4"))
    for handle in (lost["foreground"], lost["flow"], late):
        assert (results[handle].state, results[handle].reason) == ("skipped", "frames failed")
    assert not [p for p in stage_files(root) if bad["frames"].source.sha256[:16] in p]
    assert not debris(root)


def test_after_cancel_nothing_comes_and_finished_files_stay(
    make: Make, folder: Path, manifest: Manifest, root: Path, reference: dict[str, str]
) -> None:
    with make(root) as executor:
        started(executor)
        for name in FRAMES:
            submit_all(executor, root, nodes_of(folder, manifest, name))
        for _ in executor.completed():
            executor.cancel()
        assert not list(executor.completed())
    with make(root) as executor:  # what was finished is right, and the rest can be made
        assert stage_files(root).items() <= reference.items()
        started(executor)
        for name in FRAMES:
            submit_all(executor, root, nodes_of(folder, manifest, name))
        assert {r.state for _, r in executor.completed()} == {"done"}
    assert stage_files(root) == reference


def test_leaving_by_an_exception_cancels_and_passes_it_on(
    make: Make, folder: Path, manifest: Manifest, root: Path
) -> None:
    executor = make(root)

    def interrupted() -> None:
        with executor:
            started(executor)
            submit_all(executor, root, nodes_of(folder, manifest, "a"))
            next(executor.completed())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(executor.completed())


def test_an_executor_that_got_no_job_ends(make: Make, root: Path) -> None:
    with make(root):
        pass  # not even started
    with make(root) as executor:
        assert not list(started(executor).completed())


def test_variables_hold_in_this_process_while_it_works() -> None:
    before = dict(os.environ)
    with InProcess() as executor:
        executor.start({"TTPREP_TEST": "here", "HOME": "/elsewhere"}, lambda stage, rows: None)
        assert (os.environ["TTPREP_TEST"], os.environ["HOME"]) == ("here", "/elsewhere")
    assert dict(os.environ) == before


class Deadly(Job):
    """A job that takes its worker with it."""

    @property
    def label(self) -> str:
        from distributed import get_worker

        try:
            get_worker()
        except ValueError:
            return super().label
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@pytest.mark.slow
def test_a_job_that_kills_worker_after_worker_is_given_up(
    folder: Path, manifest: Manifest, root: Path
) -> None:
    nodes = nodes_of(folder, manifest, "b")
    with dask_cluster(workers=1) as (address, _), OnDask(Where(None, address), root) as executor:
        started(executor)
        frames = executor.submit(Deadly(root, nodes["frames"]))
        foreground = executor.submit(Job(root, nodes["foreground"]), [frames])
        flow = executor.submit(Job(root, nodes["flow"]), [frames, foreground])
        results = dict(executor.completed())
    assert results[frames].state == "failed"
    reason = results[frames].reason
    assert "b.mp4: frames: its worker died again and again (out of memory?); " in reason
    assert "`dask worker` with a larger --memory-limit" in reason  # --workers is not for a cluster
    assert {(results[h].state, results[h].reason) for h in (foreground, flow)} == {
        ("skipped", "frames failed")
    }
