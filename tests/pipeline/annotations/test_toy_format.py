"""The page on adding a format, followed literally: build, install, run, test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

PAGE = ROOT / "docs" / "contributing" / "add-an-annotation-format.md"
FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run(*words: str, cwd: Path, installed: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(installed), str(ROOT)))
    return subprocess.run(
        words, cwd=cwd, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300
    )


def build(source: Path, installed: Path) -> None:
    """Install a package as the page says, into a folder of its own and without a network."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    words = [sys.executable, "-m", "pip", "install", *options, "--target", str(installed), str(source)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The page's files, and the folder that the package is installed in."""
    source = tmp_path_factory.mktemp("ttprep-toy")
    found = dict(FILE.findall(PAGE.read_text(encoding="utf-8")))
    assert set(found) == {"pyproject.toml", "ttprep_toy.py", "test_ttprep_toy.py"}
    for name, text in found.items():
        (source / name).write_text(text, encoding="utf-8")
    installed = tmp_path_factory.mktemp("installed")
    build(source, installed)
    return source, installed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A toy file with its list of videos."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "game.toy").write_text("121-220 serve_forehand_loop\noops\n301-400 drive\n")
    (tmp_path / "videos.csv").write_text("video,frames,fps\ngame.mp4,6000,120\n")
    (tmp_path / "data_manifest.yaml").write_text("annotation_options: {formats: {toy: {first_frame: 1}}}\n")
    return tmp_path


#: `ttprep` of the interpreter that runs the tests, whatever is installed beside it
TTPREP = (sys.executable, "-m", "pipeline.cli")
WORDS = ("annotations", "notes", "--videos", "videos.csv", "--json")


@pytest.mark.slow
def test_the_page_followed_literally(toy: tuple[Path, Path], folder: Path) -> None:
    _, installed = toy
    done = run(*TTPREP, *WORDS, "--manifest", "data_manifest.yaml", cwd=folder, installed=installed)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [(s["video"], s["begin"], s["end"], s["label"]) for s in report["samples"]] == [
        ("game.mp4", 120, 219, "Serve Forehand Loop")
    ]
    assert [(f["line"], f["kind"]) for f in report["findings"]] == [(2, "malformed"), (3, "unknown-label")]


@pytest.mark.slow
def test_its_contract_passes_and_fails_with_the_reader(toy: tuple[Path, Path], tmp_path: Path) -> None:
    source, installed = toy
    pytest_here = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_ttprep_toy.py")
    done = run(*pytest_here, cwd=source, installed=installed)
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout
    # a reader that trusts its input is found out
    text = (source / "ttprep_toy.py").read_text()
    broken = text.replace("if match is None:", "if False:")
    assert broken != text
    (tmp_path / "ttprep_toy.py").write_text(broken)
    (tmp_path / "test_ttprep_toy.py").write_text((source / "test_ttprep_toy.py").read_text())
    done = run(*pytest_here, cwd=tmp_path, installed=tmp_path)
    assert done.returncode == 1, done.stdout
    assert "test_damaged_files_never_raise" in done.stdout


@pytest.mark.slow
def test_a_broken_package_is_one_message_and_stops_nobody(
    toy: tuple[Path, Path], folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, installed = toy
    source = tmp_path_factory.mktemp("ttprep-broken")
    text = (toy[0] / "pyproject.toml").read_text()
    text = text.replace("ttprep-toy", "ttprep-broken").replace("ttprep_toy", "ttprep_broken")
    (source / "pyproject.toml").write_text(text.replace('toy = "', 'odd = "'))
    (source / "ttprep_broken.py").write_text("import surely_not_installed\n")
    together = tmp_path_factory.mktemp("together")
    build(source, together)
    both = Path(os.pathsep.join((str(together), str(installed))))
    (folder / "notes" / "other.xml").write_text("<html/>")
    done = run(*TTPREP, *WORDS[:-1], "--manifest", "data_manifest.yaml", cwd=folder, installed=both)
    assert "Traceback" not in done.stderr + done.stdout
    message = "ttprep-broken 1.0: unusable-format: entry point 'odd' (ttprep_broken:FORMAT) of ttprep.formats"
    assert done.stdout.count(message) == 1
    assert "No module named 'surely_not_installed'" in done.stdout
    assert "game.toy:2: malformed" in done.stdout
    assert "other.xml: unknown-format" in done.stdout
    assert done.returncode == 3, done.stderr  # for other.xml, which nobody reads


@pytest.mark.slow
def test_options_that_the_format_does_not_understand(toy: tuple[Path, Path], folder: Path) -> None:
    _, installed = toy
    manifest = folder / "data_manifest.yaml"
    for options, message in (
        ("{toy: {first_frame: 2}}", "annotation_options.formats.toy.first_frame: Input should be less than"),
        ("{toi: {}}", "annotation_options.formats.toi: no installed format of this name has options"),
    ):
        manifest.write_text(f"annotation_options: {{formats: {options}}}\n")
        done = run(*TTPREP, *WORDS, "--manifest", manifest.name, cwd=folder, installed=installed)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr
