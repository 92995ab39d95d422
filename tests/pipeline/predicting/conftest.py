"""A network that a call of `ttprep predict` uses, and a folder for it to work in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.main import main
from tests.pipeline.predicting.calls import Predict
from tests.support.projects import export_here, project, write_video

MOVES = ("Up", "Down", "Across")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a store, a dataset of whole videos and a run of one epoch."""
    folder = tmp_path_factory.mktemp("trained")
    actions = [(20 * i, 20 * i + 18, MOVES[i % 3]) for i in range(4)]
    manifest = project(
        folder, {"a": 90, "b": 90}, {"a": actions, "b": actions}, untrimmed=True,
        splits={"train": 0.5, "validation": 0.5, "test": 0.0, "by": "video"},
    )  # fmt: skip
    export_here(manifest, folder / "d.h5")
    from tests.support.trainings import call

    call(
        "fit", folder / "d.h5", folder / "run", "--model", "twin", "--sampling", "frames", "--size", "12x12",
        "--length", "8", "--every", "2", "--epochs", "1", "--threads", "1",
    )  # fmt: skip
    call("detect", folder / "run", "--threads", "1")
    return folder


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A folder with the run, the store and a new video."""
    shutil.copytree(trained / "run", tmp_path / "run")
    shutil.copytree(trained / "store", tmp_path / "store")
    write_video(tmp_path / "new" / "c.mp4", 60, seed=7)
    return tmp_path


@pytest.fixture
def predict(place: Path, monkeypatch: pytest.MonkeyPatch) -> Predict:
    monkeypatch.chdir(place)

    def run(*words: object, code: int = 0) -> Result:
        plain = ["predict", "run", *map(str, words), "--store", "store", "--workers", "0", "--no-report"]
        done = CliRunner().invoke(main, [*plain, "--no-overlay"])
        assert done.exit_code == code, done.output
        return done

    return run
