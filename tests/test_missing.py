"""A run of the tests without torch or the reference material says so at its end."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support import ROOT

#: pytest as if torch were not installed
CODE = """
import importlib.util, sys
from importlib.machinery import PathFinder
class Finder:  # no function: pytest keeps it as an attribute of a class
    find = PathFinder.find_spec
    def __call__(self, name, *more):
        return None if name == "torch" else Finder.find(name, *more)
PathFinder.find_spec = Finder()
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def test_the_summary_names_what_is_missing() -> None:
    env = {k: v for k, v in os.environ.items() if k != "TTPREP_SHARED"}
    files = ["tests/tttrain/evaluation/test_metrics.py", "tests/tttrain/models/test_convgru.py"]
    done = subprocess.run(
        [sys.executable, "-c", CODE, "-n", "0", "-p", "no:cacheprovider", *files],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "torch is not installed: no training, evaluation or detection was tested (2 skips)" in done.stdout
    assert "TTPREP_SHARED is not set" in done.stdout
