"""docs/contributing/add-a-model.md, followed literally in a copy of the package."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="tttrain needs the extra `train`")

from tests.support.dataset_writer import write_dataset

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "contributing" / "add-a-model.md").read_text(encoding="utf-8")


def _run(folder: Path, *words: str) -> str:
    """Run Python in the copy, and only there: the package that is installed must not answer."""
    env = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "COLUMNS": "300"}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_the_page_can_be_followed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tttrain", tmp_path / "tttrain", ignore=shutil.ignore_patterns("__pycache__"))
    files = re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(files) == 2
    for name, text in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.exists()
        path.write_text(text, encoding="utf-8")
    write_dataset(tmp_path / "dataset.h5", videos=3, strokes=9)
    commands = [
        shlex.split(line)
        for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
        for line in block.splitlines()
    ]
    assert [words[:2] for words in commands] == [
        ["tttrain", "models"], ["tttrain", "fit"], ["tttrain", "evaluate"], ["pytest", "tests/tttrain/models"]
    ]  # fmt: skip
    said = [
        _run(tmp_path, "-m", {"tttrain": "tttrain.cli", "pytest": "pytest"}[words[0]], *words[1:])
        for words in commands
    ]
    assert "temporal-average" in said[0]
    assert "2 epochs; best state" in said[1]
    assert "most frequent class alone" in said[2]
    assert "3 passed" in said[3]
