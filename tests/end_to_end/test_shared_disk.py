"""A store on disks as clusters have them: no locks, slow to show what others wrote, files replaced while they
are read, renames whose answer is lost. Many kills on each.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.command_line import COMMAND, debris, stage_files, write_clip

SOURCE = ROOT / "tests" / "support" / "shared_disk.c"
#: 100 take two and a half minutes; ``TTPREP_KILLS=100`` asks for them
KILLS = int(os.environ.get("TTPREP_KILLS", "30"))
#: ms until other processes see a file
LATE = 120
Disk = Mapping[str, str]
SLOW = {"SHARED_DISK_LATE": str(LATE)}
#: files are replaced while they are read, and renames answer as if they had failed
UNSTEADY = {"SHARED_DISK_STALE": "5", "SHARED_DISK_RENAME": "3"}
MANIFEST = """\
modalities: [rgb, flow]
stages:
  frames: {width: 64, height: 48}
  flow: {n_outer: 1, n_sor: 2}
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("the preloaded library needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("shim") / "shared_disk.so"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl", "-lpthread"], check=True
    )
    return library


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shared")
    for seed in range(3):
        write_clip(place / "videos" / f"{seed}.mp4", 30, size=(64, 48), seed=seed)
    (place / "data_manifest.yaml").write_text(MANIFEST)
    return place


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> dict[str, str]:
    subprocess.run([COMMAND, "run", "--store", "plain", "--workers", "0", "videos"], cwd=folder, check=True)
    files = stage_files(folder / "plain")
    assert len(files) == 3 * 6
    return files


def call(folder: Path, shim: Path, disk: Disk, *words: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ, "LD_PRELOAD": str(shim), "SHARED_DISK_ROOT": str(folder / "shared"),
        **disk, "TTPREP_POSENET_WEIGHTS": "",
    }  # fmt: skip
    return subprocess.Popen(
        [COMMAND, *words, "--store", str(folder / "shared")], cwd=folder, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def start(folder: Path, shim: Path, workers: int, disk: Disk = SLOW) -> subprocess.Popen[bytes]:
    return call(folder, shim, disk, "run", "--workers", str(workers), "videos")


def finish(folder: Path, shim: Path, workers: int, disk: Disk = SLOW) -> None:
    process = start(folder, shim, workers, disk)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors.decode()


def test_the_disk_is_as_described(folder: Path, shim: Path) -> None:
    """Otherwise what follows would prove nothing."""
    place = folder / "shared" / "probe"
    place.parent.mkdir(exist_ok=True)
    script = f"""
import fcntl, os, subprocess, time
subprocess.run(["/bin/sh", "-c", "echo x > {place}"], check=True, env={{}})
assert not os.path.exists("{place}")
time.sleep({LATE} / 1000 + 0.05)
with open("{place}") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as e:
        raise SystemExit(0 if e.errno == 37 else 1)
raise SystemExit(2)
"""
    environment = {
        **os.environ, "LD_PRELOAD": str(shim), "SHARED_DISK_ROOT": str(folder / "shared"), **SLOW,
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    shutil.rmtree(folder / "shared")


@pytest.mark.parametrize("workers", [0, 2])
def test_the_bytes_are_the_same_on_it(
    folder: Path, shim: Path, undisturbed: dict[str, str], workers: int
) -> None:
    finish(folder, shim, workers)
    assert stage_files(folder / "shared") == undisturbed
    shutil.rmtree(folder / "shared")


@pytest.mark.parametrize("workers", [0, 2])
def test_replaced_files_and_lost_answers(
    folder: Path, shim: Path, undisturbed: dict[str, str], workers: int
) -> None:
    finish(folder, shim, workers, UNSTEADY)
    assert stage_files(folder / "shared") == undisturbed
    for words in (["verify", "--read-data"], ["status", "videos"], ["plan", "videos"]):
        process = call(folder, shim, UNSTEADY, *words)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    shutil.rmtree(folder / "shared")


@pytest.mark.parametrize("disk", [SLOW, UNSTEADY], ids=["slow", "unsteady"])
def test_the_contract_of_the_store_holds_on_it(folder: Path, shim: Path, disk: Disk) -> None:
    place = folder / "shared"
    place.mkdir()
    environment = {
        **os.environ, "LD_PRELOAD": str(shim), "SHARED_DISK_ROOT": str(place), **disk,
        "HDF5_USE_FILE_LOCKING": "FALSE",  # the tests open files themselves
    }  # fmt: skip
    words = ["pytest", "-q", "-n", "0", "--basetemp", str(place / "tests"), "tests/store/test_store.py"]
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100%" in done.stdout
    shutil.rmtree(place)


@pytest.mark.parametrize("disk", [SLOW, UNSTEADY], ids=["slow", "unsteady"])
def test_killed_again_and_again_on_it(
    folder: Path, shim: Path, undisturbed: dict[str, str], disk: Disk
) -> None:
    rng = random.Random(6)
    store = folder / "shared"
    interrupted = 0
    kills = KILLS if disk is SLOW else KILLS // 8
    for _ in range(kills):
        process = start(folder, shim, rng.choice([0, 0, 2]), disk)
        try:
            process.communicate(timeout=rng.uniform(0.3, 3.0))
        except subprocess.TimeoutExpired:
            interrupted += 1
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        seen = stage_files(store) if store.exists() else {}
        sealed = {p for p in seen if "/parts/" not in p and (store / p).with_suffix(".json").exists()}
        whole = {p: seen[p] for p in sealed}
        assert whole.items() <= undisturbed.items()
        if len(whole) == len(undisturbed):  # all is done: kills must meet work
            shutil.rmtree(store)
    assert interrupted > kills // 3
    finish(folder, shim, 2, disk)
    assert stage_files(store) == undisturbed
    assert not debris(store)
    shutil.rmtree(store)
