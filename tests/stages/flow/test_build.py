"""Building the engine: what a user reads where it cannot be built, and what a source release holds."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="needs a source tree")


def setup(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "setup.py", "-q", *command],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_compiler_it_says_what_to_install(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    done = setup(
        "build_ext", "--build-lib", f"{tmp_path}/lib", "--build-temp", f"{tmp_path}/temp", CC="/no/such/cc"
    )
    assert done.returncode != 0
    assert "needs a C compiler" in done.stderr
    assert "build-essential" in done.stderr
    assert "/no/such/cc" in done.stderr


def test_a_source_release_holds_all_of_the_engine(tmp_path: Path) -> None:
    pytest.importorskip("setuptools")
    done = setup("egg_info", "--egg-base", str(tmp_path), "sdist", "--dist-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.split("/", 1)[-1] for name in tar.getnames()}
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "stages/flow/csrc").iterdir()}
    assert sources <= names
