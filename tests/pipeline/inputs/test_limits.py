"""What no manifest and no annotation means is refused with a reason, in a moment."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from tests.support.command_line import COMMAND

MANIFESTS = {
    "classes": "classes:\n" + "".join(f"- class {i}\n" for i in range(20_000)),
    "taxonomy": "taxonomies:\n- name: x\n  classes:\n"
    + "".join(f"    class {i}: a\n" for i in range(20_000)),
    "length": "stages:\n  cuboids: {length: 10000000000}\n",
    "crop": "stages:\n  roi: {crop_width: 10000000000}\n",
    "history": "stages:\n  foreground: {history: 10000000000}\n",
}


def call(*words: str, folder: Path) -> tuple[subprocess.CompletedProcess[str], float]:
    start = time.perf_counter()
    done = subprocess.run(
        [COMMAND, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    return done, time.perf_counter() - start


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long a command takes that reads an ordinary manifest, s."""
    folder = tmp_path_factory.mktemp("usual")
    (folder / "data_manifest.yaml").write_text("version: 1\n")
    return min(call("plan", folder=folder)[1] for _ in range(2))


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_without_measure(name: str, tmp_path: Path, usual: float) -> None:
    (tmp_path / "data_manifest.yaml").write_text("version: 1\n" + MANIFESTS[name])
    done, seconds = call("plan", folder=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "data_manifest.yaml:" in done.stderr
    assert "at most" in done.stderr or "less than or equal" in done.stderr
    assert len(done.stderr) < 400
    assert seconds < 3 * usual + 3


FILES = {
    "l.csv": "video,begin,end,label\nv.mp4,20,80,%s\nv.mp4,120,180,Serve Forehand Loop\n",
    "l.xml": '<video name="v.mp4">\n<action begin="20" end="80" move="%s"/>\n'
    '<action begin="120" end="180" move="Serve Forehand Loop"/></video>',
    "v.json": '{"50": "left_forehand_%s",\n"150": "left_forehand_loop"}',
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("label", ["x" * 1_000_000, "x " * 500_000])
def test_a_label_of_a_megabyte(file: str, label: str, tmp_path: Path, usual: float) -> None:
    (tmp_path / "videos.csv").write_text("video,frames,fps\nv.mp4,300,100\n")
    (tmp_path / file).write_text(FILES[file] % label.replace(" ", "_" if file == "v.json" else " "))
    done, seconds = call("annotations", file, "--videos", "videos.csv", folder=tmp_path)
    assert done.returncode == 0
    line = next(text for text in done.stdout.splitlines() if text.startswith(f"{file}:"))
    assert "malformed" in line
    assert max(map(len, done.stdout.splitlines())) < 400
    assert "Traceback" not in done.stderr
    assert seconds < 3 * usual + 3
