"""``ttprep status`` of many videos: a summary, and rows of those that are asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

from pipeline.cli.main import main
from pipeline.cli.status import MOST_ROWS, STATES
from pipeline.errors import OK, USAGE
from pipeline.planning.staleness import State

N = MOST_ROWS + 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many files that are no videos, of which some have been tried."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "videos").mkdir()
    for i in range(N):
        (folder / "videos" / f"match{i:03d}.mp4").write_bytes(b"no video" * (i + 1))
    (folder / "data_manifest.yaml").write_text("version: 1\nvideos: [videos]\nmodalities: [rgb]\n")
    tried = [str(folder / "videos" / f"match{i:03d}.mp4") for i in range(30)]
    words = ["run", "--workers", "0", "--manifest", str(folder / "data_manifest.yaml"), *tried]
    assert CliRunner().invoke(main, words).exit_code not in (OK, USAGE)
    return folder


def status(folder: Path, *words: str) -> str:
    done = CliRunner().invoke(
        main, ["status", "--manifest", str(folder / "data_manifest.yaml"), *words], env={"COLUMNS": "200"}
    )
    assert done.exit_code == OK, done.output
    return done.stdout


def test_every_state_can_be_asked_for() -> None:
    assert get_args(State) == STATES


def test_many_videos_are_counted_by_stage(folder: Path) -> None:
    out = status(folder)
    assert f"{N} videos" in out
    (row,) = [line for line in out.splitlines() if " frames " in line and "counted" not in line]
    assert {str(N - 30), "30"} <= set(row.replace("│", " ").split())
    assert len(out.splitlines()) < 50
    assert "and 10 more; `ttprep status --json` has them all" in out
    assert "`ttprep status --state missing` has a row for those that are missing" in out


def test_what_is_asked_for_has_its_rows(folder: Path) -> None:
    assert sum("match" in line and "│" in line for line in status(folder, "--all").splitlines()) == N
    failed = status(folder, "--state", "failed")
    assert "match029" in failed
    assert "match030" not in failed
    some = status(folder, "--match", "*MATCH05?.mp4")
    assert {f"match05{i}" in some for i in range(10)} == {True}
    assert "match049" not in some
    found = json.loads(status(folder, "--match", "*match00*", "--state", "failed", "--json"))
    assert len(found["status"]) == len(found["videos"]) == 10


def test_nothing_that_matches_is_said(folder: Path) -> None:
    assert "no video matches; `ttprep status` shows what there is" in status(folder, "--match", "*.avi")
