"""Workers, schedulers and runs that die: the bytes are those of an undisturbed run."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.support.command_line import (
    COMMAND,
    dask_cluster,
    debris,
    stage_files,
    ttprep,
    write_clip,
    write_manifest,
)

LONG = 760  # frames: more than one part
#: ten take over a minute; ``TTPREP_KILLS=10`` asks for them
KILLS = min(10, int(os.environ.get("TTPREP_KILLS", "6")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("robust")
    write_clip(place / "videos" / "long.mp4", LONG, size=(160, 90))
    for seed in range(3):
        write_clip(place / "videos" / f"{seed}.mp4", 40, seed=seed)
    write_manifest(place)
    return place


def run(folder: Path, store: str, *more: object) -> dict[str, str]:
    done = ttprep("run", "--store", store, *more, "videos", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return stage_files(folder / store)


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> dict[str, str]:
    files = run(folder, "one", "--workers", 1)
    assert len(files) == 4 * 6
    assert not debris(folder / "one")
    return files


def test_four_workers_give_the_same_bytes(folder: Path, undisturbed: dict[str, str]) -> None:
    assert run(folder, "four", "--workers", 4) == undisturbed


def test_a_separate_cluster_gives_the_same_bytes(folder: Path, undisturbed: dict[str, str]) -> None:
    with dask_cluster(workers=2) as (address, _):
        assert run(folder, "cluster", "--scheduler", address) == undisturbed


def test_a_lost_worker_costs_its_task_not_the_run(folder: Path, undisturbed: dict[str, str]) -> None:
    command = [COMMAND, "run", "--store", "lost", "--workers", "2", "videos"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    killed = 0
    deadline = time.monotonic() + 60
    while killed < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.3)
        working = list((folder / "lost").rglob("*.h5.tmp-*"))
        pids = {int(re.split("-", path.name)[-2]) for path in working}
        for pid in [p for p in pids if psutil.pid_exists(p)][:1]:
            os.kill(pid, signal.SIGKILL)
            killed += 1
            time.sleep(1)
    out, err = process.communicate(timeout=120)
    assert killed, "no worker was caught at work"
    assert process.returncode == 0, out + err
    assert stage_files(folder / "lost") == undisturbed
    assert not debris(folder / "lost")


def test_kill_9_at_random_moments(folder: Path, undisturbed: dict[str, str]) -> None:
    random.seed(20)
    store = folder / "killed"
    survived = 0
    for _ in range(KILLS):
        command = [COMMAND, "run", "--store", "killed", "--workers", "2", "videos"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        children: list[psutil.Process] = []
        end = time.monotonic() + random.uniform(0.5, 6.0)
        while time.monotonic() < end and process.poll() is None:
            time.sleep(0.05)
            children = psutil.Process(process.pid).children(recursive=True) or children
        process.kill()
        process.wait()
        psutil.wait_procs(children, timeout=20)
        survived += not any(c.is_running() and c.status() != psutil.STATUS_ZOMBIE for c in children)
        seen = stage_files(store) if store.exists() else {}
        whole = {
            p: h for p, h in seen.items() if "/parts/" not in p and (store / p).with_suffix(".json").exists()
        }
        assert whole.items() <= undisturbed.items()
    assert survived == KILLS, "workers outlive a killed run"
    assert run(folder, "killed") == undisturbed
    assert not debris(store)
    assert ttprep("verify", "--store", "killed", "--read-data", cwd=folder).returncode == 0


def test_a_flipped_byte_is_named_and_healed(folder: Path, undisturbed: dict[str, str]) -> None:
    shutil.copytree(folder / "one", folder / "flipped")
    files = stage_files(folder / "flipped")
    victim = folder / "flipped" / random.Random(1).choice(sorted(files))
    stat = victim.stat()
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 4
    victim.write_bytes(data)
    os.utime(victim, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    found = ttprep("verify", "--store", "flipped", "--read-data", cwd=folder)
    assert found.returncode == 1
    assert [line for line in found.stdout.splitlines() if victim.name in line]
    assert run(folder, "flipped") == undisturbed
    assert ttprep("verify", "--store", "flipped", "--read-data", cwd=folder).returncode == 0


def test_interrupted_and_run_again(folder: Path, undisturbed: dict[str, str]) -> None:
    command = [COMMAND, "run", "--store", "interrupted", "--workers", "2", "videos"]
    # a test run in the background inherits an ignored ^C; a user's terminal does not
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    signal.signal(signal.SIGINT, heard)
    while not list((folder / "interrupted").rglob("*.h5")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "run again" in err
    assert run(folder, "interrupted") == undisturbed
    assert not debris(folder / "interrupted")


def test_two_runs_on_one_store(folder: Path, undisturbed: dict[str, str]) -> None:
    command = [COMMAND, "run", "--store", "both", "--workers", "1", "videos"]
    quiet = subprocess.DEVNULL
    started = [subprocess.Popen(command, cwd=folder, stdout=quiet, stderr=quiet) for _ in range(2)]
    assert [p.wait(120) for p in started] == [0, 0]
    assert stage_files(folder / "both") == undisturbed
    assert not debris(folder / "both")
