"""`ttprep demo`: sizes and durations as asked for, manifests that read, trials whose starts are found."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import cv2
import pytest

from pipeline.cli.demo import seconds
from pipeline.errors import USAGE, UserError
from pipeline.inputs.manifest import read_manifest
from tests.support.command_line import stage_files, ttprep


def test_strokes_and_pauses_last_as_long_as_asked(tmp_path: Path) -> None:
    done = ttprep(
        "demo", "d", "--clips", "2", "--strokes", "4", "--size", "160x90", "--stroke-seconds", "0.9-1.0",
        "--pause-seconds", "0.5-0.55", "--render-only", "--workers", "1", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for number in (1, 2):
        actions = ElementTree.parse(tmp_path / "d" / "clips" / f"demo_{number:02d}.xml").getroot()
        spans = [(int(a.attrib["begin"]), int(a.attrib["end"])) for a in actions]
        assert len(spans) == 4
        assert all(107 <= end - begin <= 121 for begin, end in spans)
        assert all(59 <= after[0] - before[1] <= 67 for before, after in pairwise(spans))
    assert read_manifest(tmp_path / "d" / "data_manifest.yaml").splits.by == "video"


def test_throws_are_rendered_under_their_name_and_under_the_older_one(tmp_path: Path) -> None:
    for task in ("throws", "outcome"):
        done = ttprep("demo", task, "--task", task, "--clips", "1", "--size", "32x32", "--render-only",
                      cwd=tmp_path)  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"trials: {task}/trials (9 trials, 810 frames)" in done.stdout
    files = [
        {p.relative_to(tmp_path / task): p.read_bytes() for p in (tmp_path / task).rglob("*") if p.is_file()}
        for task in ("throws", "outcome")
    ]
    assert files[0] == files[1]
    wrong = ttprep("demo", "x", "--task", "throw", cwd=tmp_path)
    assert wrong.returncode == USAGE
    assert "'throw' is not one of 'strokes', 'throws'" in wrong.stderr


@pytest.mark.parametrize("text", ["1", "1-", "a-b", "-1-2", "1-2-3", "1,2"])
def test_a_range_that_is_none_is_told(text: str) -> None:
    with pytest.raises(UserError, match=r"--pause-seconds .*: give SHORTEST-LONGEST in seconds"):
        seconds("--pause-seconds", text)


def test_a_range_that_cannot_be_rendered_is_told(tmp_path: Path) -> None:
    done = ttprep("demo", "d", "--stroke-seconds", "2-1", "--render-only", cwd=tmp_path)
    assert done.returncode == 2
    assert "duration 2.0…1.0 s" in done.stderr


def test_the_demo_renders_runs_and_finds_every_start(tmp_path: Path) -> None:
    done = ttprep("demo", "demo", "--task", "throws", "--clips", "1", "--size", "160x120", "--workers", "2",
                  cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no start frame" not in done.stderr
    folder = tmp_path / "demo"
    names = [Path(p).name.split("-")[0] for p in stage_files(folder / "store")]
    assert {n: names.count(n) for n in set(names)} == dict.fromkeys(
        ("frames", "foreground", "flow", "roi", "statistics", "descriptor", "start", "cuboids", "quality"), 9
    )
    assert cv2.imread(str(folder / "pictures" / "p1_t1_01-start.png")) is not None
    assert read_manifest(folder / "data_manifest.yaml").sources[0].fps == 30
    assert ttprep("plan", cwd=folder).returncode == 0
    wrong = ttprep("demo", "x", "--task", "throws", "--size", "33x44", cwd=tmp_path)
    assert wrong.returncode == USAGE
    assert "even" in wrong.stderr
    assert not (tmp_path / "x").exists()
