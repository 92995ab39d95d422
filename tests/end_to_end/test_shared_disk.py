"""A store on a disk as clusters have it, without locks and slow to show what others wrote: many kills."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.command_line import COMMAND, debris, stage_files, write_clip

SOURCE = ROOT / "tests" / "support" / "shared_disk.c"
#: 100 take two and a half minutes; ``TTPREP_KILLS=100`` asks for them
KILLS = int(os.environ.get("TTPREP_KILLS", "40"))
#: ms until other processes see a file
LATE = 120
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


def start(folder: Path, shim: Path, workers: int) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ, "LD_PRELOAD": str(shim), "SHARED_DISK_ROOT": str(folder / "shared"),
        "SHARED_DISK_LATE": str(LATE), "TTPREP_POSENET_WEIGHTS": "",
    }  # fmt: skip
    words = [COMMAND, "run", "--store", str(folder / "shared"), "--workers", str(workers), "videos"]
    return subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip


def finish(folder: Path, shim: Path, workers: int) -> None:
    process = start(folder, shim, workers)
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
        **os.environ, "LD_PRELOAD": str(shim), "SHARED_DISK_ROOT": str(folder / "shared"),
        "SHARED_DISK_LATE": str(LATE),
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


def test_killed_again_and_again_on_it(folder: Path, shim: Path, undisturbed: dict[str, str]) -> None:
    rng = random.Random(6)
    store = folder / "shared"
    interrupted = 0
    for _ in range(KILLS):
        process = start(folder, shim, rng.choice([0, 0, 2]))
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
    assert interrupted > KILLS // 3
    finish(folder, shim, 2)
    assert stage_files(store) == undisturbed
    assert not debris(store)
