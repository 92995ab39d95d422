"""A stage of another distribution, made as docs/contributing/add-a-stage.md says, from planning to gc."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import pytest

from tests.support import ROOT
from tests.support.command_line import FAST, write_clip

PAGE = ROOT / "docs" / "contributing" / "add-a-stage.md"
FILE = re.compile(r"^`(\S+\.(?:toml|py))`\n\n```\w+\n(.*?)^```$", re.M | re.S)


class Toy:
    """The page's distribution, installed into a folder of its own, and commands that see it."""

    def __init__(self, folder: Path) -> None:
        self.source, self.work = folder / "package", folder / "work"
        self.source.mkdir()
        self.work.mkdir()
        self.path = folder / "site"
        files = FILE.findall(PAGE.read_text(encoding="utf-8"))
        assert [name for name, _ in files] == ["pyproject.toml", "ttprep_sharpness.py", "test_sharpness.py"]
        for name, text in files:
            (self.source / name).write_text(text, encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*pip, "--target", str(self.path), str(self.source)], check=True)

    def run(self, *words: str, code: int = 0) -> str:
        path = os.pathsep.join([str(self.path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=self.work, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def ttprep(self, *words: str, code: int = 0) -> str:
        return self.run("pipeline.cli", *words, code=code)

    def json(self, *words: str, code: int = 0) -> Any:
        text = self.ttprep(*words, "--json", code=code)
        return json.loads(text[text.index("{") :])


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return Toy(tmp_path_factory.mktemp("toy"))


def test_it_passes_the_contract_that_it_is_given(toy: Toy) -> None:
    assert "3 passed" in toy.run("pytest", "-p", "no:cacheprovider", str(toy.source / "test_sharpness.py"))


def test_it_is_run_planned_shown_verified_and_collected(toy: Toy) -> None:
    write_clip(toy.work / "videos" / "a.mp4")
    manifest = toy.work / "data_manifest.yaml"
    manifest.write_text(FAST)
    toy.ttprep("run", "--stage", "sharpness", "videos")
    files = sorted((toy.work / "ttprep-store").glob("videos/*/sharpness-*.h5"))
    assert len(files) == 1
    with h5py.File(files[0]) as file:
        assert (file["sharpness"][:] > 0).all()
    assert toy.json("status", "--stage", "sharpness", "videos")["status"]["videos/a.mp4"] == {
        "frames": "done", "sharpness": "done",
    }  # fmt: skip
    # a parameter of its own makes it stale, and says so
    manifest.write_text(FAST + "  sharpness: {ksize: 5}\n")
    (line,) = toy.json("plan", "--stage", "sharpness", "videos", code=4)["to_do"]
    assert (line["stage"], line["state"]) == ("sharpness", "stale")
    assert [r["text"] for r in line["reasons"]] == ["sharpness.ksize: 3 → 5"]
    manifest.write_text(FAST + "  sharpness: {ksise: 5}\n")
    assert "did you mean 'ksize'?" in toy.ttprep("plan", "videos", code=2)
    manifest.write_text(FAST + "  sharpness: {ksize: 5}\n")
    toy.ttprep("run", "--stage", "sharpness", "videos")
    # gc removes the result of the old parameter alone
    toy.ttprep("gc", "--yes", "--stage", "sharpness", "videos")
    left = sorted((toy.work / "ttprep-store").glob("videos/*/sharpness-*.h5"))
    assert len(left) == 1
    assert left != files
    # a flipped byte is found
    data = bytearray(left[0].read_bytes())
    data[len(data) // 2] ^= 1
    left[0].write_bytes(data)
    assert "sharpness" in toy.ttprep("verify", "--read-data", code=1)


def test_a_broken_one_is_named_in_one_line(toy: Toy, tmp_path: Path) -> None:
    (info,) = toy.path.glob("*.dist-info/entry_points.txt")
    good = info.read_text()
    try:
        for value, words in (
            ("ttprep_gone:STAGE", "cannot be loaded (ModuleNotFoundError"),
            ("ttprep_sharpness:compute", "is no Stage but function"),
            ("stages.flow:STAGE", "there is a stage 'flow' already"),
        ):
            info.write_text(f"[ttprep.stages]\nsharpness = {value}\n")
            text = toy.ttprep("plan", "videos", code=1)
            assert "ttprep-sharpness" in text
            assert words in text
    finally:
        info.write_text(good)
