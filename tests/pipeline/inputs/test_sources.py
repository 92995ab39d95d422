"""Videos are known by their content: hashed by threads, in the order in which they were found."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

import pipeline.inputs.sources as sources
from pipeline.inputs.sources import HASHING_THREADS, Source, identify
from store import Store, sha256_file
from tests.support.command_line import COMMAND, write_manifest


@pytest.fixture(params=["one thread", "many threads"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    limit = 0 if request.param == "many threads" else 1 << 60
    monkeypatch.setattr(sources, "PARALLEL_BYTES", limit)
    monkeypatch.setattr("joblib.cpu_count", lambda: HASHING_THREADS)
    return str(request.param)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Files of many lengths, some of the same content, two trials, and what cannot be used."""
    chance = random.Random(3)
    found = []
    for n in range(24):
        path = tmp_path / f"{n:02d}.mp4"
        path.write_bytes(chance.randbytes(chance.choice([1, 1000, 3_000_000])))
        found.append(path)
    shutil.copy(found[3], tmp_path / "twin.mp4")
    (tmp_path / "empty.mp4").touch()
    for trial in ("t1", "t2"):
        (tmp_path / trial).mkdir()
        for n in range(5):
            (tmp_path / trial / f"{n}.png").write_bytes(chance.randbytes(500))
        (tmp_path / trial / "joints.csv").write_bytes(chance.randbytes(50))
    found[7].unlink()
    return [tmp_path / "twin.mp4", *found, tmp_path / "empty.mp4", tmp_path / "t1", tmp_path / "t2"]


def test_threads_find_what_one_finds_in_the_same_order(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    joints = {paths[-1]: paths[-1] / "joints.csv"}
    monkeypatch.setattr("joblib.cpu_count", lambda: HASHING_THREADS)
    results: list[list[Source]] = []
    told: list[list[int]] = []
    for limit in (1 << 60, 0):
        monkeypatch.setattr(sources, "PARALLEL_BYTES", limit)
        sizes: list[int] = []
        results.append(identify(paths, None, sizes.append, joints))
        told.append(sorted(sizes))
    assert results[0] == results[1]
    assert told[0] == told[1]
    found = {s.path.name: s for s in results[1]}
    assert found["twin.mp4"].also == (paths[4],)
    assert "03.mp4" not in found
    assert found["empty.mp4"].problem.startswith("the file is empty")
    assert found["07.mp4"].problem.startswith("cannot be read (No such file")
    assert [s.path for s in results[1]] == [p for p in paths if p != paths[4]]
    assert len({s.sha256 for s in results[1] if not s.problem}) == 24 + 2 - 1


def test_what_was_hashed_is_not_read_again(
    paths: list[Path], threads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.create(tmp_path / "store")
    for path in tmp_path.rglob("*"):
        if path.suffix in (".mp4", ".png", ".csv"):
            os.utime(path, (1e9, 1e9))
    first = identify(paths, store)
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return sha256_file(path)

    monkeypatch.setattr(sources, "sha256_file", counted)
    assert identify(paths, store) == first
    assert read == []
    os.utime(paths[1], (1e9, 1.1e9))
    (paths[-1] / "0.png").write_bytes(b"another")
    again = identify(paths, store)
    assert {p.name for p in read} == {paths[1].name, *(f"{n}.png" for n in range(5))}
    assert [s.sha256 for s in again][:-1] == [s.sha256 for s in first][:-1]
    assert again[-1].sha256 != first[-1].sha256


def test_a_file_that_vanishes_while_it_waits_is_a_problem_of_its_own(
    paths: list[Path], threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = paths[12]

    def late(path: Path) -> str:
        if path == gone:
            path.unlink()
        return sha256_file(path)

    monkeypatch.setattr(sources, "sha256_file", late)
    found = {s.path: s for s in identify(paths, None)}
    assert found[gone].problem.startswith("cannot be read (No such file")
    assert sum(bool(s.problem) for s in found.values()) == 3  # with the empty and the missing one


def test_progress_is_told_by_one_thread_at_a_time(paths: list[Path], threads: str) -> None:
    busy = threading.Lock()
    total = 0

    def listen(size: int) -> None:
        nonlocal total
        assert busy.acquire(blocking=False), "two threads at once"
        time.sleep(0.001)
        total += size
        busy.release()

    identify(paths, None, listen)
    assert total == sum(p.stat().st_size for p in paths if p.exists())


def test_hashing_can_be_cancelled(tmp_path: Path) -> None:
    """Two files that would take minutes."""
    for n in range(2):
        with (tmp_path / f"{n}.mp4").open("wb") as file:
            file.truncate(400 << 30)
            file.write(bytes([n]))
    write_manifest(tmp_path)
    # a test run in the background inherits an ignored ^C; a user's terminal does not
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [COMMAND, "plan", "0.mp4", "1.mp4"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    signal.signal(signal.SIGINT, heard)
    time.sleep(4)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert time.monotonic() - start < 10
