"""What the issue, the pages and the docstrings show is what happens."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ttprep
from tests.support import ROOT

PAGE = ROOT / "docs/python.md"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
MODULES = [f"ttprep.{m.name}" for m in pkgutil.iter_modules(ttprep.__path__)]


@pytest.fixture(scope="module")
def project(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the demo project, as the working folder; planning notes what it has hashed."""
    copy = tmp_path_factory.mktemp("documented") / "demo"
    shutil.copytree(demo, copy, copy_function=shutil.copy2)
    before = Path.cwd()
    os.chdir(copy)
    yield copy
    os.chdir(before)


def python(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a Python of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=env, check=False)


def run_examples(test: doctest.DocTest) -> None:
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    assert not runner.run(test, out=said.append).failed, "".join(said)


@pytest.mark.parametrize("module", ["ttprep", *MODULES])
def test_docstrings(project: Path, module: str) -> None:
    for test in doctest.DocTestFinder().find(importlib.import_module(module), globs={"ttprep": ttprep}):
        run_examples(test)


def test_the_page(project: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(">>> ") > 30
    blocks = "\n".join(re.findall(r"```python\n(>>>.*?)```", text, re.DOTALL))
    run_examples(doctest.DocTestParser().get_doctest(blocks, {}, "python.md", str(PAGE), 0))


#: as it was asked for, but for what stands for arguments there: ``plan(...)``
ASKED = """
import ttprep
store = ttprep.open("ttprep-store")            # read-only, lazy, safe beside a run
store.videos                                    # table: name, id, frames, fps, stages done, faults
v = store["match1.mp4"]                         # by name, path or id; an unknown one lists the near ones
v.frames[100:200]; v.flow["12.0s":"14.0s"]      # arrays as they are meant: uint8 RGB, float32 px
v.mask; v.roi; v.pose; v.descriptor; v.statistics   # tables as DataFrames: frame, time, x, y, score …
v.to_xarray()                                   # axes, units, time as coordinates (extra)
result = ttprep.run(["videos/"], stages=["flow"]); ttprep.plan("videos/"); ttprep.annotations("labels/")
with ttprep.open_dataset("d.h5") as d: d.samples; d[17].rgb
"""
SAID = """
print(v.frames[100:200].shape, v.frames[100:200].dtype)
print(v.flow["12.0s":"14.0s"].shape, v.flow["12.0s":"14.0s"].dtype)
print(len(result.plan), "to do")
print(len(ttprep.annotations("labels/")), len(d.samples))
print(d[17].rgb.shape)
"""


def test_what_was_asked_for(project: Path) -> None:
    """In a script that does not guard its main part."""
    (project / "script.py").write_text(ASKED + SAID, encoding="utf-8")
    done = python("script.py", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "(45, 90, 160, 3) uint8", "(20, 90, 160, 2) float32", "0 to do", "19 19", "(5, 76, 76, 3)",
    ]  # fmt: skip
    shown = re.search(r"```python\n(import .*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    assert ast.dump(ast.parse(shown[1])) == ast.dump(ast.parse(ASKED))


def test_every_public_name_says_what_it_is() -> None:
    for name in ttprep.__all__:
        thing = getattr(ttprep, name)
        assert inspect.getdoc(thing), name
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            public = not member.startswith("_") and (callable(value) or isinstance(value, property))
            if public and thing.__module__.startswith("ttprep"):
                assert inspect.getdoc(value), f"{name}.{member}"


def test_the_page_names_everything() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert not [name for name in ttprep.__all__ if f"`{name}" not in text and f"ttprep.{name}" not in text]


def test_importing_is_quick_and_needs_no_torch(tmp_path: Path) -> None:
    heavy = {"torch", "pandas", "xarray", "dask", "tttrain", "cv2", "pydantic", "rich", "onnxruntime"}
    code = f"import sys, ttprep; print(sorted({heavy} & {{*sys.modules}}))"
    assert python("-c", code, cwd=tmp_path).stdout == "[]\n"
    code = "import ttprep; print(sorted(set(ttprep.__all__) - set(dir(ttprep)))); ttprep.nothing"
    done = python("-c", code, cwd=tmp_path)
    assert done.stdout == "[]\n"
    assert "AttributeError: module 'ttprep' has no attribute 'nothing'" in done.stderr


def test_arrays_are_numpys(project: Path) -> None:
    v: Any = ttprep.open("ttprep-store")["match2.mp4"]
    assert isinstance(v.frames[3], np.ndarray)
    assert isinstance(np.asarray(v.mask), np.ndarray)
