"""The tutorial, typed as it stands: from four rendered phone videos to a trained network's report."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the tutorial ends with a trained network, which needs torch")

from tests.support import ROOT
from ttdemo import make_demo

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
FPS = 30
#: landscape and, last, portrait
SIZES = ((320, 180), (320, 180), (320, 180), (180, 320))


def blocks() -> list[str]:
    """The shell blocks that the test types, in order."""
    found = re.findall(r"(<!-- not typed by the test -->\n)?```sh\n(.*?)```", PAGE, re.DOTALL)
    assert sum(bool(mark) for mark, _ in found) == 2
    return [block for mark, block in found if not mark]


def typed(block: str, folder: Path) -> str:
    """Type a block in a shell that ends at the first error, with this environment's commands."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    done = subprocess.run(
        ["bash", "-e", "-c", block], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def record(folder: Path) -> tuple[list[str], str]:
    """Put phone videos into ``videos``; return rows of labels and the header of their table."""
    header = re.findall(r"<!-- the form of labels/strokes.csv -->\n```csv\n(.*)\n", PAGE)
    assert header == ["video,begin,end,label"]
    rows = []
    for number, size in enumerate(SIZES, 1):
        demo = make_demo(
            folder.parent / f"camera-{number}",
            clips=1,
            strokes_per_clip=3,
            classes=("Offensive Forehand Hit", "Offensive Backhand Hit"),
            seed=number,
            size=size,
            fps=FPS,
            duration=(0.7, 0.9),
            gap=(0.4, 0.6),
        )
        clip = demo.clips[0]
        shutil.move(clip.video, folder / "videos" / f"club-{number}.mp4")
        for stroke in clip.strokes:
            begin, end = stroke.begin / FPS, stroke.end / FPS
            rows.append(f"club-{number}.mp4,{begin:.2f},{end:.2f},{stroke.move.split()[1]}")
    return rows, header[0]


def test_every_command_works_as_it_stands(tmp_path: Path) -> None:
    lay_out, read, check, compute, look, train, detect = blocks()
    typed(lay_out, tmp_path)
    project = tmp_path / "club"
    rows, header = record(project)
    (manifest,) = re.findall(r"<!-- file: data_manifest.yaml -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    (project / "data_manifest.yaml").write_text(manifest, encoding="utf-8")
    assert "club-4.mp4" in typed(read, project)
    (project / "labels" / "strokes.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    said = typed(check, project)
    assert re.search(r"kept +│ +12 │", said)
    assert "findings: none" in said
    typed(compute, project)
    assert (project / "dataset.h5").exists()
    index = Path(typed(look, project).strip().splitlines()[-1])
    assert index.name == "index.html"
    typed(train, project)
    typed(detect, project)
    found = json.loads((project / "runs" / "first" / "detect" / "report.json").read_text(encoding="utf-8"))
    assert found
    assert any("gauss" in p.read_text(encoding="utf-8") for p in index.parent.rglob("*.html"))


def test_the_page_shows_what_the_manifest_can_hold() -> None:
    """The rows of the table of reasons are lines of the manifest above it."""
    (manifest,) = re.findall(r"<!-- file: data_manifest.yaml -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    section = PAGE.split("## Say what you want")[1].split("## Label")[0]
    for shown in re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE):
        assert shown in manifest
