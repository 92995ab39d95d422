"""One tiny processed project, and the command in this process at a given width."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.cli.main import main
from pipeline.inputs.manifest import Manifest
from tests.support.projects import project

#: as the project's manifest names them, in this order
NAMES = ("a very long name of a match in the final of 2024", "b", "c")

Ttprep = Callable[..., Result]


@pytest.fixture
def ttprep(monkeypatch: pytest.MonkeyPatch) -> Ttprep:
    """``ttprep(*words, folder=…, width=100)`` → exit code, stdout and stderr."""

    def call(*words: object, folder: Path | None = None, width: int = 200) -> Result:
        if folder is not None:
            monkeypatch.chdir(folder)
        done = CliRunner().invoke(main, [str(w) for w in words], env={"COLUMNS": str(width)})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return call


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Three processed videos, one with a stroke; tests change nothing of it."""
    folder = tmp_path_factory.mktemp("made") / "videos of a long summer" / "table tennis"
    videos = dict.fromkeys(NAMES, 40)
    return project(folder, videos, {"b": [(5, 25, "Up")]})
