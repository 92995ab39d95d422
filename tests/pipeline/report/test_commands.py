"""`ttprep report`, `view` and `run --report-folder`, as a user types them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.reporting.report import report as report_command
from pipeline.errors import UserError
from pipeline.inputs.manifest import read_manifest
from pipeline.planning.request import Request, Where
from pipeline.report.build import FILM_FRAMES
from pipeline.report.folder import MARKER
from pipeline.report.request import write_report
from pipeline.run import run
from tests.pipeline.report.browser import wait_for
from tests.pipeline.report.conftest import HOSTILE, Project, write_numbered
from tests.stages.flow.test_build import setup
from tests.support import ROOT
from tests.support.command_line import COMMAND, as_json, ttprep, write_clip, write_manifest
from tests.support.projects import QUIET

FRAMES_ONLY = "modalities: [rgb]\nstages:\n  frames: {width: 64, height: 48}\n"


def report(project: Project, *words: object) -> Any:
    return ttprep("report", "--pose-weights", project.request.pose_weights, *words, cwd=project.folder)


@contextmanager
def started(*words: object, cwd: Path) -> Iterator[Any]:
    variables = {**os.environ, "TTPREP_POSENET_WEIGHTS": ""}
    process = subprocess.Popen(
        [COMMAND, *map(str, words)], cwd=cwd, env=variables, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_report_writes_a_folder_and_says_so(project: Project, tmp_path: Path) -> None:
    first = report(project, "-o", tmp_path / "r", "--json")
    assert first.returncode == 0, first.stderr
    said = as_json(first)
    assert Path(said["index"]).is_file()
    assert (said["films_made"], said["pages_written"], len(said["videos"])) == (4, 6, 5)
    assert all((tmp_path / "r" / v["page"]).is_file() for v in said["videos"])
    again = report(project, "-o", tmp_path / "r", "videos/plain.mp4")
    assert again.stdout == f"{tmp_path / 'r' / 'index.html'}\n"
    pages = len(list((tmp_path / "r" / "videos").glob("*.html")))
    assert pages == 5, "a report of one video keeps the pages of the others"
    assert "The store knows 4 more videos" in (tmp_path / "r" / "index.html").read_text(encoding="utf-8")


def test_the_default_is_what_the_help_says() -> None:
    assert {p.name: p.default for p in report_command.params}["film_frames"] == FILM_FRAMES


def test_report_needs_a_store_and_a_folder_of_its_own(project: Project, tmp_path: Path) -> None:
    write_manifest(tmp_path, FRAMES_ONLY)
    write_clip(tmp_path / "a.mp4", n=2, size=(64, 48))
    none = ttprep("report", "a.mp4", cwd=tmp_path)
    assert none.returncode == 10
    assert not (tmp_path / "ttprep-store-report").exists()
    foreign = report(project, "-o", tmp_path)
    assert foreign.returncode == 2
    assert "name a new or empty folder" in foreign.stderr
    for lost in ("detections", "dataset"):
        with pytest.raises(UserError, match=r"none: no such file"):
            project.report(tmp_path / "r", **{lost: tmp_path / "none"})
    assert not (tmp_path / "r").exists()


def processed(folder: Path) -> Request:
    """The request for the videos of a folder whose frames were just decoded."""
    manifest = read_manifest(write_manifest(folder, FRAMES_ONLY))
    request = Request(manifest, folder / "ttprep-store", (folder / "videos",), where=Where(workers=0))
    assert run(request, QUIET).code == 0
    return request


def test_without_paths_the_videos_of_the_store_are_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one whose name is no text, as long as it is named; its page stays when it is not found."""
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "videos" / "a.mp4", n=3, size=(64, 48))
    odd = tmp_path / "videos" / os.fsdecode(b"n\xfcll.mp4")
    write_clip(tmp_path / "videos" / "b.mp4", n=3, size=(64, 48), seed=1).rename(odd)
    for path in (tmp_path / "videos").iterdir():  # of a file just written the store takes no note
        os.utime(path, (1e9, 1e9))
    named = processed(tmp_path)
    assert len(write_report(named, QUIET).videos) == 2
    found = write_report(replace(named, paths=()), QUIET)
    assert [v.name for v in found.videos] == ["videos/a.mp4"]
    pages = tmp_path / "ttprep-store-report" / "videos"
    assert len(list(pages.glob("*.html"))) == 2
    (tmp_path / "videos" / "a.mp4").unlink()
    shutil.rmtree(tmp_path / "ttprep-store" / "videos" / found.videos[0].id)
    assert write_report(named, QUIET).removed >= 3
    assert len(list(pages.glob("*.html"))) == 1


def test_run_writes_a_report_afterwards(tmp_path: Path) -> None:
    write_manifest(tmp_path, FRAMES_ONLY)
    write_clip(tmp_path / "videos" / "a.mp4", n=6, size=(64, 48))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").touch()
    refused = ttprep("run", "videos", "--workers", 0, "--report-folder", "taken", cwd=tmp_path)
    assert refused.returncode == 2
    assert not (tmp_path / "ttprep-store").exists(), "refused before anything is computed"
    done = ttprep("run", "videos", "--workers", 0, "--report-folder", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "report: out/index.html" in done.stderr
    assert "a.mp4" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_dasks_report_needs_no_network(tmp_path: Path) -> None:
    write_manifest(tmp_path, FRAMES_ONLY)
    write_clip(tmp_path / "a.mp4", n=6, size=(64, 48))
    done = ttprep("run", "a.mp4", "--workers", 1, "--report", "dask.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    head, _, scripts = (tmp_path / "dask.html").read_text(encoding="utf-8").partition("<script")
    assert "Bokeh" in scripts
    assert "default-src 'none'" in head
    assert "http" not in head.replace("http-equiv", "")
    assert not re.search(r"<script[^>]+src=", scripts.replace("\\", ""))


def test_a_report_that_is_cancelled_goes_on_where_it_was(tmp_path: Path) -> None:
    write_numbered(tmp_path / "videos" / "short.mp4")
    write_clip(tmp_path / "videos" / "longer.mp4", n=1500, size=(64, 48))
    request = processed(tmp_path)
    folder = tmp_path / "ttprep-store-report"
    with started("report", "videos", cwd=tmp_path) as process:
        wait_for(lambda: list(folder.glob("videos/*.mp4.tmp-*")) or process.poll() is not None, "a film")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stderr.strip() == "cancelled; what was finished is kept, run again to go on"
    assert (folder / MARKER).is_file()
    assert not list(folder.rglob("*.tmp-*"))
    assert write_report(request, QUIET).code == 0
    assert len(list(folder.glob("videos/*.mp4"))) == 2


@pytest.mark.parametrize("words", [(), (f"videos/{HOSTILE}",)])
def test_view_serves_until_it_is_ended(project: Project, tmp_path: Path, words: tuple[str, ...]) -> None:
    command = (
        "view",
        *words,
        "--no-open",
        "-o",
        tmp_path / "r",
        "--pose-weights",
        project.request.pose_weights,
    )
    with started(*command, cwd=project.folder) as process:
        address = process.stdout.readline().strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/([\w-]{32,})/(.*)", address)
        assert found, process.stderr.read()
        page = f"videos/{project.sha256(HOSTILE)[:16]}.html" if words else "index.html"
        assert found[3] == page
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert b"script&gt;alert(1)" in answer.read()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/{page}", timeout=10)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 0
    assert stderr == "serving to this machine alone; ^C ends it\n"


def test_view_of_what_is_no_video_is_one_line(project: Project, tmp_path: Path) -> None:
    for name, text in (("nowhere.mp4", "no such file"), ("videos", "name one of them")):
        done = ttprep("view", name, "--no-open", "-o", tmp_path / "r", cwd=project.folder)
        assert done.returncode in (1, 2)
        assert text in done.stderr


def test_a_release_holds_templates_scripts_and_styles(tmp_path: Path) -> None:
    built = tmp_path / "lib"
    done = setup("egg_info", "--egg-base", str(tmp_path), "build_py", "--build-lib", str(built))
    assert done.returncode == 0, done.stderr
    for folder in ("templates", "assets"):
        here, there = (root / "pipeline" / "report" / folder for root in (ROOT, built))
        assert {p.name for p in there.iterdir()} == {p.name for p in here.iterdir()} != set()
