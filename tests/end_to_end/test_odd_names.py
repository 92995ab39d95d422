"""Names and files as disks hold them: every command, in every locale, goes on with the other videos."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import pytest
from click.testing import CliRunner

from pipeline.cli.main import main
from pipeline.errors import OK, SOME_FAILED, WORK_TO_DO
from tests.support.command_line import COMMAND, as_json, write_clip
from tests.support.projects import T, manifest_in, write_actions, write_video

LATIN = os.fsdecode(b"T\xfcr.mp4")
NAMES = {"videos/T\\xfcr.mp4", "videos/Match [dQw4w9WgXcQ] – é.mp4", "videos/w[/zero]:car:\n2.mp4"}
LOCALES: dict[str, dict[str, str]] = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "strict": {"PYTHONIOENCODING": "ascii:strict"},
    "C": {"LC_ALL": "C", "LANG": "C"},
    "C without UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "UTF-8": {"PYTHONIOENCODING": "utf-8:strict"},
}


def ttprep(*words: object, cwd: Path, env: dict[str, str] | None = None) -> Any:
    """Run the command line; what it writes is kept as bytes, and is text that its locale can hold."""
    done = subprocess.run(
        [COMMAND, *map(str, words)], capture_output=True, cwd=cwd, timeout=120, check=False,
        env={**os.environ, "TTPREP_POSENET_WEIGHTS": "", "COLUMNS": "200", **(env or {})},
    )  # fmt: skip
    encoding = (env or {}).get("PYTHONIOENCODING", "utf-8").partition(":")[0]
    text = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding)
    )
    assert "Traceback" not in text.stdout + text.stderr, text.stderr
    return text


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos with odd names, each with an action, and everything made of them."""
    folder = tmp_path_factory.mktemp("odd")
    manifest_in(folder, dataset="dataset.h5", classes=["Up", "Down", "Negative"])
    for seed, name in enumerate([LATIN, "Match [dQw4w9WgXcQ] – é.mp4", "w[/zero]:car:\n2.mp4"]):
        write_video(folder / "clip.mp4", 3 * T, seed)
        (folder / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "clip.mp4").rename(folder / "videos" / name)
        write_actions(folder / "annotations" / f"{Path(name).stem}.xml", [(4, 4 + T, "Up")])
    done = ttprep("run", "--workers", "2", cwd=folder)
    assert done.returncode == OK, done.stdout + done.stderr
    return folder


def test_the_dataset_holds_an_escape_of_bytes_that_are_no_text(project: Path) -> None:
    with h5py.File(project / "dataset.h5") as f:
        names = {name.decode() for name in f["videos/name"][:]}
        assert len(f["samples/video"]) == 3
    assert names == {
        "videos/T\\xfcr.mp4",
        "videos/Match [dQw4w9WgXcQ] – é.mp4",
        "videos/w[/zero]:car:\n2.mp4",
    }
    (table,) = project.glob("dataset*.csv")
    assert "videos/T\\xfcr.mp4" in table.read_text(encoding="utf-8")


@pytest.mark.parametrize("locale", LOCALES)
def test_every_command_in_every_locale(project: Path, locale: str) -> None:
    env = LOCALES[locale]
    run = ttprep("run", "--workers", "0", cwd=project, env=env)
    assert run.returncode == OK, run.stdout + run.stderr
    status = ttprep("status", cwd=project, env=env)
    assert status.returncode == OK
    assert "[dQw4w9WgXcQ]" in status.stdout
    assert "w[/zero]:car:\\n2.mp4" in status.stdout
    assert "T\\xfcr.mp4" in status.stdout
    if locale in ("UTF-8", "C", "ascii"):  # the others are at least as poor: all commands in those
        return
    assert ttprep("plan", cwd=project, env=env).returncode == OK
    assert ttprep("annotations", cwd=project, env=env).returncode == OK
    assert ttprep("export", "dataset.h5", cwd=project, env=env).returncode == OK
    for words in (("run", "--workers", "0"), ("status",), ("plan",), ("annotations",)):
        done = ttprep(*words, "--json", cwd=project, env=env)
        assert done.returncode == OK
        assert "dcfc" not in done.stdout
        value = json.loads(done.stdout.encode("utf-8"))
        if words == ("status",):
            assert set(value["status"]) == NAMES


def test_a_table_is_drawn_in_ascii_where_the_terminal_has_no_more(project: Path) -> None:
    shown = ttprep("status", "--stage", "frames", cwd=project, env=LOCALES["ascii"]).stdout
    assert "Match [dQw4w9WgXcQ] - e.mp4" in shown
    assert "?" not in shown


def test_help_is_ascii() -> None:
    for words in ([], *([name] for name in main.commands)):
        assert CliRunner().invoke(main, [*words, "--help"]).output.isascii()


@pytest.mark.parametrize("kind", ["pipe", "socket", "name of bytes", "markup", "circle", "line feed"])
def test_one_line_each_and_the_other_videos_go_on(tmp_path: Path, kind: str) -> None:
    videos = tmp_path / "v"
    write_clip(videos / "ok.mp4", 6)
    name = {"name of bytes": LATIN, "markup": "m[/b] [red].mp4", "line feed": "a\nb.mp4"}.get(kind, "x.mp4")
    shown = {"name of bytes": "T\\xfcr.mp4", "line feed": "a\\nb.mp4"}.get(kind, name)
    if kind == "pipe":
        os.mkfifo(videos / name)
    elif kind == "socket":
        import socket

        place = socket.socket(socket.AF_UNIX)
        place.bind(os.path.relpath(videos / name))
    elif kind == "circle":
        (videos / name).symlink_to(name)
    else:
        (videos / name).parent.mkdir(exist_ok=True)
        (videos / name).write_bytes(b"")
    options = ("--stage", "frames", "--store", "s")
    done = ttprep("run", *options, "--workers", "0", "v", cwd=tmp_path)
    assert done.returncode == SOME_FAILED
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("failed: ")]
    assert line.startswith(f"failed: v/{shown}: ")
    assert ";" in line
    assert "1 made, 1 failed" in done.stdout
    assert f"failed v/{shown}: " in done.stderr
    assert ttprep("plan", *options, "v", cwd=tmp_path).returncode == SOME_FAILED
    status = ttprep("status", *options, "v", cwd=tmp_path)
    assert status.returncode == SOME_FAILED
    assert f"cannot be used: v/{shown}: " in status.stdout
    os.unlink(videos / name)  # what the line says
    assert ttprep("run", *options, "v", cwd=tmp_path).returncode == OK


def test_pipes_within_a_trial_are_not_opened(tmp_path: Path) -> None:
    import av
    import numpy as np

    trial = tmp_path / "trials" / "t1"
    trial.mkdir(parents=True)
    for n in range(3):
        picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * n, np.uint8), format="rgb24")
        context: Any = av.CodecContext.create("png", "w")
        context.width, context.height, context.pix_fmt, context.time_base = 64, 48, "rgb24", Fraction(1, 25)
        (trial / f"{n}.png").write_bytes(b"".join(bytes(p) for p in context.encode(picture)))
    os.mkfifo(trial / "3.png")
    (tmp_path / "data_manifest.yaml").write_text("sources: [{kind: frames, path: trials, fps: 25}]\n")
    done = ttprep("run", "--stage", "frames", "--workers", "0", cwd=tmp_path)
    assert "3.png is a pipe, not a file" in done.stdout
    os.unlink(trial / "3.png")
    assert ttprep("run", "--stage", "frames", "--workers", "0", cwd=tmp_path).returncode == OK


def test_linked_folders_hold_videos_and_annotations(tmp_path: Path) -> None:
    for name in ("real", "data", "labels", "more"):
        (tmp_path / name).mkdir()
    write_clip(tmp_path / "data" / "b.mp4", 60)
    write_clip(tmp_path / "real" / "a.mp4", 6, seed=1)
    (tmp_path / "data" / "linked").symlink_to("../real")
    (tmp_path / "real" / "back").symlink_to("../data")
    (tmp_path / "more" / "x.csv").write_text("video,begin,end,label\nb.mp4,2,55,Serve Forehand Loop\n")
    (tmp_path / "labels" / "linked").symlink_to("../more")
    done = ttprep("run", "--stage", "frames", "--workers", "0", "--store", "s", "data", cwd=tmp_path)
    assert "2 made, 0 failed" in done.stdout
    assert "data: left out: 1 link to folders searched already" in done.stderr
    report = as_json(ttprep("annotations", "labels", "--videos", "data", "--json", cwd=tmp_path))
    assert report["annotations"] == 1
    assert report["notes"] == [
        "data: left out: 1 link to folders searched already",
        "annotations: 1 of 2 videos have none: a.mp4",
    ]


def test_folders_with_nothing_usable_say_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "a.txt").touch()
    (tmp_path / "v" / ".a.mp4").touch()
    done = ttprep("run", "--store", "s", "v", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "error: v: no video file found there; it holds 1 other file (1 .txt), 1 hidden; "
        "give a video or a folder that holds some\n"
    )
    done = ttprep("annotations", "v", "--json", cwd=tmp_path)
    assert done.returncode != OK


def test_remedies_for_annotations_work_as_they_are_written(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", 120, fps=60)
    (tmp_path / "fr.csv").write_text("debut;fin;coup\n10;70;Serve Forehand Loop\n")
    manifest, words = tmp_path / "data_manifest.yaml", ("annotations",)
    head = "videos: [clip.mp4]\nannotations: [fr.csv]\n"
    manifest.write_text(head)
    done = ttprep(*words, cwd=tmp_path)
    assert done.returncode != OK
    assert "Give the column names under annotation_options.csv in the manifest" in done.stdout
    columns = "{columns: {begin: debut, end: fin, label: coup}}"
    manifest.write_text(f"{head}annotation_options.csv: {columns}\n")  # the path, taken for a key
    done = ttprep(*words, cwd=tmp_path)
    assert "unknown key 'annotation_options.csv'; nest it: annotation_options: {csv: …}" in done.stderr
    manifest.write_text(f"{head}annotations.csv: {columns}\n")
    assert "nest it: annotation_options: {csv: …}" in ttprep(*words, cwd=tmp_path).stderr
    manifest.write_text(f"videos: [clip.mp4]\nannotations: {{csv: {columns}}}\n")
    assert "how they are read stands in annotation_options" in ttprep(*words, cwd=tmp_path).stderr
    manifest.write_text(f"{head}annotation_options: {{csv: {columns}}}\n")
    found = as_json(ttprep(*words, "--json", cwd=tmp_path))
    assert found["annotations"] == 1
    assert found["finding_counts"]["unknown-video"] == 1
    message = next(f["message"] for f in found["findings"] if f["kind"] == "unknown-video")
    assert "annotation_options: {videos: " in message
    options = f"annotation_options: {{csv: {columns}, videos: {{fr.csv: clip.mp4}}}}\n"
    manifest.write_text(head + options)
    found = as_json(ttprep(*words, "--json", cwd=tmp_path))
    assert found["exit_code"] == OK
    assert [(s["begin"], s["end"], s["label"]) for s in found["samples"]] == [(10, 70, "Serve Forehand Loop")]
    manifest.write_text(head + options.replace("csv:", "max_bytes: 20, csv:", 1))
    done = ttprep(*words, cwd=tmp_path)
    assert "raise annotation_options.max_bytes" in done.stdout
    manifest.write_text(head + options.replace("csv:", "max_bytes: 2000, csv:", 1))
    assert ttprep(*words, cwd=tmp_path).returncode == OK


def test_a_run_that_loses_an_annotation_file_has_not_succeeded(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "p", symlinks=True)
    folder = tmp_path / "p"
    (folder / "annotations" / "broken.csv").write_text("video,begin,end\nx.mp4,a,b\n")
    done = ttprep("run", "--workers", "0", cwd=folder)
    assert done.returncode == SOME_FAILED
    assert "broken.csv: none of its entries (1) can be used" in done.stdout
    (folder / "annotations" / "broken.csv").unlink()
    assert ttprep("run", "--workers", "0", cwd=folder).returncode == OK


def test_a_plan_names_what_is_to_do(tmp_path: Path) -> None:
    write_clip(tmp_path / "v" / "a[b].mp4", 6)
    done = ttprep("plan", "--verbose", "--stage", "frames", "--store", "s", "v", cwd=tmp_path)
    assert done.returncode == WORK_TO_DO
    assert done.stdout.startswith("v/a[b].mp4  frames  missing")
