"""Without torch every command that needs it says so in one line; the others work."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: as if torch were not installed: the search for it finds nothing
CODE = """
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name == "torch" else find(name, *more)
from tttrain.cli.main import main
main(sys.argv[1:])
"""


def tttrain(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE, *words], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("words", [("fit", "d.h5", "run"), ("models",), ("evaluate", "run")])
def test_one_line_with_the_install_command(words: tuple[str, ...]) -> None:
    done = tttrain(*words)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "`pip install torch`" in done.stderr
    assert "CPU" in done.stderr


def test_help_needs_no_torch() -> None:
    assert "fit" in tttrain("--help").stdout
    assert "--epochs" in tttrain("fit", "--help").stdout
