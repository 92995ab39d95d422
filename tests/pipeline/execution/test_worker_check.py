"""What a worker must have in common with the client: each lack is named, with what to do about it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.execution.worker_check import (
    LEAST_MEMORY,
    VISIBLE_WITHIN,
    Expected,
    expected,
    library_versions,
    refusal,
)
from stages.pose.weights import ENVIRONMENT
from store import Store
from tests.remedies.following import Says, nobody
from tests.support import ROOT
from tests.support.command_line import write_clip
from tests.support.pose import write_checkpoint

PLENTY = 2_000_000_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nodes")
    write_clip(folder / "v" / "a.mp4", 4)
    write_checkpoint(folder / "w", "0.50")
    Store.create(folder / "s")
    return folder


@pytest.fixture(scope="module")
def here(place: Path) -> Expected:
    return expected(place / "s", {ENVIRONMENT: str(place / "w")}, [place / "v" / "a.mp4"])


def test_one_that_has_all_is_not_refused(here: Expected) -> None:
    assert refusal(here, PLENTY, 1) == ""
    assert refusal(here, None, 4) == "", "without a limit"


def test_code_that_differs(here: Expected) -> None:
    why = refusal(replace(here, code="0" * 64), PLENTY, 1)
    Says("runs other code of ttprep (digest {}, that of {} is {}); install this ttprep there too").of(why)
    assert "000000000000" in why


def test_a_changed_line_of_a_stage_changes_the_digest(tmp_path: Path, here: Expected) -> None:
    """Another copy of the packages, in a process of its own, without and with one more line in roi.py."""
    for package in ("stages", "pipeline", "store"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    words = "from pipeline.execution.worker_check import code_digest; print(code_digest())"

    def digest() -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", words], cwd=tmp_path, env=environment, text=True, capture_output=True,
            check=True,
        )  # fmt: skip
        return done.stdout.strip()

    assert digest() == here.code
    with (tmp_path / "stages" / "roi.py").open("a") as file:
        file.write("# changed\n")
    assert digest() != here.code


def test_an_engine_that_computes_something_else(here: Expected) -> None:
    Says("install this ttprep there with `pip install --force-reinstall --no-deps`").of(
        refusal(replace(here, engine="0" * 64), PLENTY, 1)
    )


@pytest.mark.parametrize("name", ["scipy", "scikit-image"])
def test_a_library_of_single_stages_counts_too(here: Expected, name: str) -> None:
    assert f"{name} {here.libraries[name]}" in refusal(
        replace(here, libraries={**here.libraries, name: "0.1"}), PLENTY, 1
    )
    # what the client lacks is of no stage that it asks for
    assert not refusal(replace(here, libraries={**here.libraries, name: "missing"}), PLENTY, 1)


def test_a_library_of_another_version(here: Expected) -> None:
    other = replace(here, libraries={**here.libraries, "numpy": "0.1"})
    why = refusal(other, PLENTY, 1)
    assert why.startswith(f"has numpy {here.libraries['numpy']}, {here.host} has 0.1")
    Says("install the same versions there, and start it again").of(why)
    assert "0.1" in refusal(replace(here, libraries={"of nobody": "0.1"}), PLENTY, 1)


def test_too_little_memory(here: Expected) -> None:
    why = refusal(here, 300_000_000, 1)
    assert why.startswith("has 300 MB of memory for 1 jobs at a time, which need 360 MB")
    Says("give it more with `--memory-limit`, or `memory:` in the manifest's section cluster").of(why)
    assert refusal(here, 3 * LEAST_MEMORY, 4)
    assert not refusal(here, 4 * LEAST_MEMORY, 4)


def test_no_store_there(here: Expected, tmp_path: Path) -> None:
    why = refusal(replace(here, root=tmp_path / "none"), PLENTY, 1)
    Says("does not see the store {}; use a folder that all machines share").of(why)


def test_another_store_under_the_same_path(place: Path, tmp_path: Path) -> None:
    """A run holds a lock; a folder that is not the run's own has no such file."""
    mine, other = Store.create(tmp_path / "mine"), Store.create(tmp_path / "other")
    with mine.lock("run"):
        here = expected(mine.root, {}, [])
        assert here.token
        assert refusal(here, PLENTY, 1) == ""
        why = refusal(replace(here, root=other.root), PLENTY, 1)
    assert VISIBLE_WITHIN < 10
    Says("sees another store at {}; use a folder that all machines share").of(why)


def test_a_store_that_may_not_be_written(here: Expected, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can become another user")
    root = Store.create(tmp_path / "s").root
    for folder in (root, *root.parents):
        if folder.stat().st_uid == 0 and folder != Path("/") and folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o555)
    with nobody():  # who may not see what is installed here either
        here = replace(here, root=root, token="", videos=(), weights=None, libraries=library_versions())
        why = refusal(here, PLENTY, 1)
    Says("cannot write to the store {} ({}); give its user the right to").of(why)
    root.chmod(0o777)
    with nobody():
        assert refusal(here, PLENTY, 1) == ""


def test_a_video_that_is_not_there(here: Expected, place: Path, tmp_path: Path) -> None:
    why = refusal(replace(here, videos=(tmp_path / "b.mp4",)), PLENTY, 1)
    Says("does not see {}, which {} sees; use a folder that all machines share under one path").of(why)
    assert "No such file or directory" in why


def test_weights_that_are_not_there_or_others(here: Expected, place: Path, tmp_path: Path) -> None:
    assert here.weights is not None
    why = refusal(replace(here, weights=(str(tmp_path / "none"), here.weights[1])), PLENTY, 1)
    Says("lacks PoseNet's weights ({}); copy those of {} there, or name a folder that").of(why)
    other = write_checkpoint(tmp_path / "other", "0.50", seed=1)
    why = refusal(replace(here, weights=(str(other), here.weights[1])), PLENTY, 1)
    Says("has other PoseNet weights in {}; copy those of {} there, or name a folder that").of(why)
    shutil.copytree(place / "w", other, dirs_exist_ok=True)  # what it says
    assert refusal(replace(here, weights=(str(other), here.weights[1])), PLENTY, 1) == ""
