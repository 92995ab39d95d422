"""What is said about videos, trials, tables and manifests, followed as it is written."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import pytest
import yaml

from pipeline.cli.main import main
from pipeline.errors import OK
from pipeline.inputs.joints import read_joints
from stages.base import StageError
from tests.remedies.following import Case, Says, both, call, check, manifest, nested, write
from tests.support.flipped_store import TINY, write_trial
from tests.support.timed_videos import slower_from, write_timed

RUN = ("run", "--workers", "0", "--stage", "frames")
CLIP = (*RUN, "videos/clip.mp4")


def said(text: str) -> Callable[..., object]:
    """Return a step that writes a manifest."""
    return write("data_manifest.yaml", text)


def trial(n: int = 16, folder: str = "trials/a") -> None:
    write_trial(Path(folder), n, joints=True)


def trials(*_: object, **entry: object) -> None:
    """Write a manifest of trials, and one trial where there is none."""
    if not Path("trials").exists():
        trial()
    source = {"kind": "frames", "path": "trials", "fps": 30, **entry}
    manifest(**{**TINY, "sources": [source]})


def labels(text: str) -> Callable[..., object]:
    return write("labels.csv", text)


def table(text: str) -> Callable[..., object]:
    """Return a step that writes a trial and a table of labels."""
    return both(partial(trials, labels="labels.csv"), partial(trial, 16, "trials/b"), labels(text))


def joints(name: str, text: str | bytes) -> Callable[..., object]:
    return both(partial(trials, joints=name), write(f"trials/a/{name}", text))


def rateless(**entry: Any) -> None:
    write_timed(Path("rateless.ts"), [0.0])
    manifest(videos=[{"path": "rateless.ts", **entry}], annotations=[])


def cut_off() -> None:
    """The end is cut off a copy whose index lies in front."""
    import av

    with (
        av.open("videos/clip.mp4") as old,
        av.open("fast.mp4", "w", options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    data = Path("fast.mp4").read_bytes()
    Path("fast.mp4").write_bytes(data[: len(data) * 7 // 10])


def keep_damaged(why: str, remedy: str, setting: str) -> None:
    """Write the setting as it stands in the message, then as each error says, until none is left."""
    assert why
    assert remedy == "copy it again from the camera"
    said(f"{setting}\n")()
    key, value = setting.split(": ")
    for _ in range(2):
        _, text = call(main, *RUN, "fast.mp4")
        assert re.search(r"nest it: .*\{(.*): …\}", text)
    assert nested(key, value) == {"stages": {"frames": {"damaged": "keep"}}}
    manifest(annotations=[], **nested(key, value))


def copy_again(*_: str) -> None:
    shutil.copy("videos/other.mp4", "fast.mp4")


def fifo(path: str) -> None:
    Path(path).unlink(missing_ok=True)
    os.mkfifo(path)


def replaced(path: str, source: str = "videos/other.mp4") -> Callable[..., object]:
    return both(Path(path).unlink, partial(shutil.copy, source, path))


def empty_folder() -> None:
    write("empty/notes.txt", "nothing here")()


FILES = {
    "a folder without videos": Case(
        (*RUN, "empty"),
        Says("give a video or a folder that holds some"),
        (*RUN, "videos"),
        prepare=empty_folder,
    ),
    "a folder of pictures": Case(
        (*RUN, "trials"),
        Says("(a folder of pictures is a source of the kind frames; see {})"),
        follow=lambda _: trials(),
        prepare=trial,
    ),
    "a video that is not there": Case(
        (*RUN, "videos/clp.mp4"),
        Says("no such file or folder; check the path"),
        CLIP,
    ),
    "a video of no possible name": Case(
        (*RUN, "x" * 300),
        Says("cannot be reached ({}); check the path and its permissions"),
        CLIP,
    ),
    "an empty video": Case(
        (*RUN, "fast.mp4"),
        Says("the file is empty ({}); copy or record it again"),
        follow=copy_again,
        prepare=write("fast.mp4", ""),
    ),
    "a pipe, replaced": Case(
        (*RUN, "videos"),
        Says("is {}, not a file, and is not opened; put a file in its place"),
        follow=replaced("videos/other.mp4", "videos/clip.mp4"),
        prepare=lambda: fifo("videos/other.mp4"),
    ),
    "a pipe, removed": Case(
        (*RUN, "videos"),
        Says("put a file in its place, or remove it"),
        follow=lambda: Path("videos/other.mp4").unlink(),
        prepare=lambda: fifo("videos/other.mp4"),
    ),
    "a link to nothing": Case(
        (*RUN, "videos"),
        Says("cannot be read ({}); check the file and its permissions"),
        follow=replaced("videos/new.mp4"),
        prepare=lambda: Path("videos/new.mp4").symlink_to("nothing"),
    ),
    "no video named": Case(RUN, Says("no video given{}; name videos or folders"), CLIP),
    "no video listed": Case(RUN, Says("or list them in the manifest"), follow=said("videos: [videos]\n")),
    "a video without a rate": Case(
        RUN,
        Says("states no frame rate; set {} for this video in the manifest"),
        follow=lambda key: rateless(**{key: 25}),
        prepare=rateless,
    ),
    "a damaged video, kept": Case(
        (*RUN, "fast.mp4"),
        Says("decoded ({}); {}, or set {} to use what is there"),
        follow=keep_damaged,
        prepare=cut_off,
    ),
    "a damaged video, copied again": Case(
        (*RUN, "fast.mp4"),
        Says("damaged, {} frames decoded ({}); {}, or set stages.frames.damaged"),
        follow=copy_again,
        prepare=cut_off,
    ),
    "no video at all": Case(
        (*RUN, "fast.mp4"),
        Says("it may be truncated (no index) or no video at all: copy it again from the camera"),
        follow=copy_again,
        prepare=write("fast.mp4", "text"),
    ),
}
LINES = "file,label\na,Left\nb,Right\n"
JOINTS = "nose_x,nose_y\n" + "1,2\n" * 16
TRIALS = {
    "pictures without a rate": Case(
        RUN,
        Says("pictures have no frame rate of their own; give {}"),
        follow=lambda key: trials(**{key: 25}),
        prepare=lambda: trials(fps=None),
    ),
    "a source that is not there": Case(
        RUN,
        Says("no such folder; check the sources in the manifest"),
        follow=trials,
        prepare=lambda: trials(path="trails"),
    ),
    "a source of nothing": Case(
        RUN,
        Says("no {} found there; check the sources in the manifest"),
        follow=trials,
        prepare=both(empty_folder, partial(trials, path="empty")),
    ),
    "two labels of one trial": Case(
        RUN,
        Says("is {} here and {} on line {}; keep one of them"),
        follow=labels(LINES),
        prepare=table(f"{LINES}a,Right\n"),
    ),
    "a pipe of labels": Case(
        RUN,
        Says("is {}, not a file; check the manifest"),
        follow=replaced("labels.csv", "good.csv"),
        prepare=both(table(LINES), write("good.csv", LINES), partial(fifo, "labels.csv")),
    ),
    "labels that are not there": Case(
        RUN,
        Says("cannot be read ({}); check the manifest"),
        follow=lambda _: trials(labels="labels.csv"),
        prepare=both(table(LINES), partial(trials, labels="label.csv")),
    ),
    "labels of other columns": Case(
        RUN,
        Says("labels need the columns {}; name them in line 1"),
        follow=lambda names: labels(LINES.replace("file,label", names.replace(" and ", ",")))(),
        prepare=table(LINES.replace("file", "who")),
    ),
    "two columns of one name": Case(
        RUN,
        Says("two columns are named {}; rename one"),
        follow=labels("file,label,note\na,Left,\nb,Right,\n"),
        prepare=table("file,label,label\na,Left,\nb,Right,\n"),
    ),
    "a line of too few cells": Case(
        RUN,
        Says("{}:{}: {}; mend the line"),
        follow=labels(LINES),
        prepare=table(f"{LINES}b\n"),
    ),
    "a line without end": Case(
        RUN,
        Says("the line cannot be read: {}; mend it"),
        follow=labels(LINES),
        prepare=table(f'{LINES}b,"Right\n'),
    ),
    "joints of another kind": Case(
        RUN,
        Says("joints are read from {}, .json and .npy; convert it to one of these"),
        follow=lambda suffix: joints(f"j{suffix}", JOINTS)(),
        prepare=joints("j.txt", JOINTS),
    ),
    "a pipe of joints": Case(
        RUN,
        Says("not a file, and is not opened; put a file in its place"),
        follow=both(Path("trials/a/j.csv").unlink, joints("j.csv", JOINTS)),
        prepare=both(joints("j.csv", JOINTS), partial(fifo, "trials/a/j.csv")),
    ),
    "joints that are not there": Case(
        RUN,
        Says("cannot be read ({}); check the file and its permissions"),
        follow=joints("j.csv", JOINTS),
        prepare=lambda: trials(joints="j.csv"),
    ),
    "joints without end": Case(
        RUN,
        Says("larger than {} MB; give one file a trial"),
        follow=joints("j.csv", JOINTS),
        prepare=both(joints("j.csv", JOINTS), partial(os.truncate, "trials/a/j.csv", 100_000_001)),
    ),
    "joints of another form": Case(
        RUN,
        Says("see {} for the forms that are read"),
        follow=lambda page: joints("j.csv", JOINTS)(),
        prepare=joints("j.csv", "a,b\n1,2\n"),
    ),
    "too few rows of joints": Case(
        RUN,
        Says("{} pictures{}, but joints of {} frames; give one row a picture"),
        follow=lambda n, *_: joints("j.csv", "nose_x,nose_y\n" + "1,2\n" * int(n.split()[-1]))(),
        prepare=joints("j.csv", "nose_x,nose_y\n1,2\n"),
    ),
}


@pytest.mark.parametrize("name", [*FILES, *TRIALS])
def test_a_remedy_for_an_input_works_as_it_is_written(here: Path, name: str) -> None:
    check(main, (FILES | TRIALS)[name])


def test_a_variable_rate_made_constant(here: Path) -> None:
    write_timed(here / "v.mp4", slower_from(1, 2))
    for store in ("s1", "s2"):
        code, _ = call(main, *RUN, "--store", store, "v.mp4")
        assert code == OK
        (path,) = Path(store).rglob("frames-*.h5")
        with h5py.File(path) as file:
            notes, rate = str(file.attrs["notes"]), file.attrs["rate"]
        if store == "s1":
            (setting,) = Says("map seconds by time, or set {}: constant").of("\n".join(json.loads(notes)))
            manifest(**nested(setting, "constant"))
        assert rate == ("variable" if store == "s1" else "constant")


def test_seconds_counted_at_the_rate_of_the_manifest(here: Path) -> None:
    videos = [{"path": "videos/clip.mp4", "fps": 40}]
    label = "Serve Forehand Loop"
    write("labels/a.csv", f"video,begin,end,label\nclip.mp4,1,2.5,{label}\n")()
    manifest(videos=videos, annotations=["labels"], annotation_options={"csv": {"unit": "seconds"}})
    assert call(main, *RUN)[0] == OK  # the file's own times are known once its frames are
    Says("if they were counted at that rate, write frames instead").of(call(main, "annotations")[1])
    write("labels/a.csv", f"video,begin,end,label\nclip.mp4,40,100,{label}\n")()
    manifest(videos=videos, annotations=["labels"])
    code, text = call(main, "annotations", "--json")
    assert code == OK
    found = json.loads(text)
    assert [(s["begin"], s["end"]) for s in found["samples"] if s["label"] == label] == [(40, 100)]
    assert found["findings"] == []


@pytest.mark.parametrize("pipe", [False, True])
def test_joints_that_cannot_be_read(tmp_path: Path, pipe: bool) -> None:
    path = tmp_path / "j.csv"
    if pipe:
        os.mkfifo(path)
    with pytest.raises(StageError) as caught:
        read_joints(path)
    Says("check the file of joints").of(str(caught.value))
    path.unlink(missing_ok=True)
    path.write_text(JOINTS)
    assert read_joints(path).shape == (16, 13, 3)


def started(limits: dict[str, float], *words: str, **entry: object) -> str:
    """Run on a trial; all that is said of it."""
    trials(joints="joints.csv", labels="folder", **entry)
    value = yaml.safe_load(Path("data_manifest.yaml").read_text())
    value["stages"]["start"] |= limits
    manifest(**value)
    code, text = call(main, "run", "--workers", "0", *words)
    assert code == OK, text
    return text


def test_a_trial_without_a_start(here: Path) -> None:
    nothing_moves: dict[str, float] = {"picture": 250}
    only = ("--stage", "start")
    text = started(nothing_moves, *only, sample="start")
    look, key, setting = Says("; look at it with `ttprep {}`, set {}, or use {}").of(text)
    assert call(main, *look.split(), "trials/a", "-o", "p.png")[0] == OK
    assert key == "stages.start"
    assert "no start frame" not in started({}, *only, sample="start")
    assert "no start frame" not in started(nothing_moves, **yaml.safe_load(setting))


def test_a_label_that_is_no_class(here: Path) -> None:
    trials(labels="labels.csv", joints="joints.csv")
    labels("file,label\na,Up\n")()
    says = Says("{}; list it in the manifest's classes")
    code, text = call(main, "run", "--workers", "0")
    (what,) = says.of(text)
    value = yaml.safe_load(Path("data_manifest.yaml").read_text())
    name = re.search("labelled '(.*?)'", what)
    assert name
    manifest(**{**value, "classes": [*value["classes"], name[1]]})
    code, text = call(main, "run", "--workers", "0")
    assert code == OK
    assert "has no class" not in text
