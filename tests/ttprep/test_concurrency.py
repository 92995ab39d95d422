"""An opened store beside threads, forks and a run, which it neither disturbs nor is disturbed by."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ttprep
from tests.conftest import encode, scene
from tests.support import ROOT
from tests.ttprep.conftest import SIZE


def look_at_everything(root: Path) -> int:
    """Use all that an opened store has; return a number that the values decide."""
    store = ttprep.open(root / "ttprep-store")
    total = len(store.videos) + len(store.states)
    for v in store:
        total += int(v.frames[:].sum()) + int(v.mask["1s":"2s"].sum()) + len(v.pose) + len(v.descriptor)
        total += int(np.abs(v.flow[::3]).sum()) + len(v.roi) + len(v.statistics) + len(v.results())
        total += int(v.to_xarray("roi").roi_centre.sum())
    with ttprep.open_dataset(root / "d.h5") as d:
        total += len(d.samples) + sum(int(s.rgb.sum()) for s in d)
    return total


def tree(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file and folder: mode, time of modification, bytes."""
    out = {}
    for path in sorted([root, *root.rglob("*")]):
        found = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        out[str(path.relative_to(root))] = (found.st_mode, found.st_mtime_ns, data)
    return out


def test_looking_changes_nothing(demo: Path) -> None:
    before = tree(demo)
    look_at_everything(demo)
    assert tree(demo) == before


def test_a_store_that_cannot_be_written(demo: Path, tmp_path: Path) -> None:
    """Without permission to write, and with other time stamps, as a copy on a read-only disk has them."""
    expected = look_at_everything(demo)
    copy = tmp_path / "copy"
    shutil.copytree(demo, copy, copy_function=shutil.copy)
    paths = [copy, *copy.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = tree(copy)
    try:
        assert look_at_everything(copy) == expected
        assert tree(copy) == before
    finally:
        for path in paths:
            path.chmod(0o755)


def test_threads(demo: Path) -> None:
    store = ttprep.open(demo / "ttprep-store")
    v = store["match1.mp4"]
    flow, frames = v.flow, v.frames
    with ttprep.open_dataset(demo / "d.h5") as d:
        expected = [flow[:], frames[:], d[3].rgb]

        def read(n: int) -> None:
            rng = np.random.default_rng(n)
            for _ in range(6):
                a, b = np.sort(rng.integers(0, 145, 2))
                np.testing.assert_array_equal(flow[a:b], expected[0][a:b])
                np.testing.assert_array_equal(frames[[b - 1, a]], expected[1][[b - 1, a]])
                np.testing.assert_array_equal(d[3].rgb, expected[2])

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(read, range(8)))


def _child(v: ttprep.Video, d: ttprep.Dataset, answers: Any) -> None:
    answers.put((int(v.frames[40:60].sum()), float(v.flow["2s":"3s"].sum()), int(d[2].rgb.sum())))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork of a process with threads is the point
def test_after_a_fork(demo: Path) -> None:
    """With files open, and while other threads read."""
    context = multiprocessing.get_context("fork")
    v = ttprep.open(demo / "ttprep-store")["match1.mp4"]
    d = ttprep.open_dataset(demo / "d.h5")
    expected = (int(v.frames[40:60].sum()), float(v.flow["2s":"3s"].sum()), int(d[2].rgb.sum()))
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            v.frames[::50]
            v.flow[::25]

    others = [threading.Thread(target=go_on) for _ in range(2)]
    for thread in others:
        thread.start()
    try:
        for _ in range(5):
            answers = context.SimpleQueue()
            child = context.Process(target=_child, args=(v, d, answers))
            child.start()
            child.join(60)
            assert child.exitcode == 0
            assert answers.get() == expected
        assert int(v.frames[40:60].sum()) == expected[0]
    finally:
        stop.set()
        for thread in others:
            thread.join()


def test_pickled(demo: Path) -> None:
    store = ttprep.open(demo / "ttprep-store", manifest=demo / "data_manifest.yaml")
    len(store.videos)
    again = pickle.loads(pickle.dumps(store))
    assert again.videos.equals(store.videos)
    v, d = store["match2.mp4"], ttprep.open_dataset(demo / "d.h5")
    v.frames[0], d[0].rgb
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(v)).flow[3:5], v.flow[3:5])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(d))[0].rgb, d[0].rgb)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(d[4])).flow, d[4].flow)


def test_beside_a_run(demo: Path, tmp_path: Path) -> None:
    """Results show as they are finished, whole; neither side fails, and the bytes are as they would be."""
    root = tmp_path / "p"
    shutil.copytree(demo / "videos", root / "videos")
    shutil.copy(demo / "data_manifest.yaml", root)
    (root / "videos" / "match1.mp4").unlink()
    encode(root / "videos" / "more.mp4", scene(60, SIZE, 10), fps=10, options={"preset": "ultrafast"})
    run = "ttprep.run(workers=0, stages=['roi', 'statistics'])"
    code = f"import sys, ttprep; sys.exit(len({run}.jobs) != 10)"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.Popen([sys.executable, "-c", code], cwd=root, env=env)
    try:
        while not (root / "ttprep-store" / "ttprep-store.json").exists():
            assert done.poll() is None
            time.sleep(0.01)
        store = ttprep.open(root / "ttprep-store")
        seen: set[int] = set()
        while done.poll() is None:
            table = store.videos
            assert not table["faults"].any(), table["faults"].tolist()
            for v in store:
                for stage, array in (("frames", "rgb"), ("flow", "flow"), ("roi", "centre")):
                    if stage in v.stages:
                        rows = v.array(stage, array)
                        assert len(rows[::20]) == -(-len(rows) // 20)
            seen.add(int(table["stages"].str.count(",").sum()))
            time.sleep(0.02)
        assert done.returncode == 0
    finally:
        done.kill()
        done.wait()
    assert len(seen) > 1
    once = ttprep.open(demo / "ttprep-store")["match2.mp4"]
    ours = {r.key: r.path.read_bytes() for r in once.results()}
    theirs = store["match2.mp4"].results()
    assert len(theirs) == 5
    differing = [r.stage for r in theirs if ours[r.key] != r.path.read_bytes()]
    assert not differing
