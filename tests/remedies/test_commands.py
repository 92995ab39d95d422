"""What the commands of ttprep say to do, followed as it is written: the next call succeeds."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.cli.main import main
from pipeline.errors import OK, UserError
from pipeline.pictures.preview import _write_picture
from tests.remedies.following import Case, Says, both, call, check, manifest, write
from tests.support.flipped_store import TINY as TRIAL
from tests.support.flipped_store import write_trial
from tests.support.projects import TINY, write_actions

RUN = ("run", "--workers", "0", "--stage", "frames")
PREVIEW = ("preview", "videos/clip.mp4", "-o")


def run(*words: object) -> None:
    code, text = call(main, "run", "--workers", "0", *words)
    assert code == OK, text


def first_stage() -> None:
    run("--stage", "frames", "videos/clip.mp4")


def other_first() -> None:
    """Make a store that knows another video."""
    run("--stage", "frames", "videos/other.mp4")


def listed() -> None:
    write_actions(Path("annotations/clip.xml"), [(5, 45, "Up"), (60, 100, "Down")])
    manifest(**{**TINY, "videos": ["videos/clip.mp4"], "modalities": ["rgb"]})


def made() -> None:
    listed()
    run()


def half_made() -> None:
    listed()
    run("--stage", "frames")


def no_class() -> None:
    write_actions(Path("annotations/clip.xml"), [(5, 45, "Left")])
    manifest(**{**TINY, "videos": ["videos/clip.mp4"], "modalities": ["rgb"]})
    call(main, "run", "--workers", "0")  # which says so, too


def classes_are_said() -> None:
    """Do what the report says about the label."""
    code, text = call(main, "annotations")
    assert code != OK
    Says("translate it under annotation_options.labels or choose another taxonomy").of(text)
    listed()
    run()


def of_clips(**entry: str) -> None:
    source = {"kind": "clips", "path": "videos", **entry}
    manifest(**{**TINY, "videos": [], "annotations": [], "sources": [source], "modalities": ["rgb"]})
    run()


def no_label() -> None:
    of_clips()


def labelled() -> None:
    write("labels.csv", "file,label\nclip,Up\nother,Down\n")()
    of_clips(labels="labels.csv")


def started(*words: str) -> None:
    """Make the frames of a trial that is a sample from its start on."""
    write_trial(Path("trials/a"), joints=True)
    source = {"kind": "frames", "path": "trials", "fps": 30, "joints": "joints.csv", "sample": "start"}
    manifest(**{**TRIAL, "sources": [source], "store": "ttprep-store"})
    run("--stage", *words or ("frames",))


def with_a_start() -> None:
    started("start")


START = ("preview", "--start", "trials/a", "-o")
DEMO = ("demo", "d", "--render-only", "--workers", "1", "--clips", "1", "--strokes", "1")


def described() -> None:
    """Have a trial with joints, of a player with a name."""
    write_trial(Path("trials/a"), joints=True)
    Path("labels.csv").write_text("file,label,player\na,Left,anna\n")
    source = {"kind": "frames", "path": "trials", "fps": 30, "labels": "labels.csv", "joints": "joints.csv"}
    manifest(**{**TRIAL, "sources": [source], "store": "ttprep-store"})


def described_of_nobody() -> None:
    described()
    Path("labels.csv").write_text("file,label\na,Left\n")


def of_no_annotation() -> None:
    """Have an annotation file that is of another video, and joints."""
    described_of_nobody()
    Path("labels.csv").write_text("file,label\nb,Left\n")


LABELLED = {
    **TRIAL,
    "cleaning": {"min_seconds": 0.05, "negatives": {"enabled": False}},
    "store": "ttprep-store",
}


def not_annotated(**more: object) -> None:
    """Have joints, and no labels."""
    write_trial(Path("trials/a"), joints=True)
    source = {"kind": "frames", "path": "trials", "fps": 30, "joints": "joints.csv"}
    manifest(**{**LABELLED, "sources": [source], **more})


def annotated(key: str, name: str) -> None:
    """Add the key of the message, with a file, to the manifest that it names."""
    Path("a.csv").write_text("video,begin,end,label\na,2,18,Left\n")
    value = yaml.safe_load(Path(name).read_text())
    Path(name).write_text(yaml.safe_dump({**value, **yaml.safe_load(key.replace("FILE", "a.csv"))}))


STROKES = ("strokes", "--workers", "0")

CASES = {
    "strokes in a file of another kind": Case(
        (*STROKES, "-o", "strokes.txt"),
        Says("the strokes are written as CSV; choose the suffix {}"),
        lambda suffix: (*STROKES, "-o", f"strokes{suffix}"),
        prepare=described,
    ),
    "strokes of a player whom nobody knows": Case(
        (*STROKES, "--player", "ben"),
        Says("no stroke is of a player {}; known: {}"),
        lambda _, names: (*STROKES, "--player", names),
        prepare=described,
    ),
    "strokes of a player where nobody has a name": Case(
        (*STROKES, "--player", "ben"),
        Says("no stroke is of a player {}; leave {} out, for the annotations name nobody"),
        lambda _, option: STROKES,
        prepare=described_of_nobody,
    ),
    "strokes without annotations": Case(
        STROKES,
        Says("the manifest lists none; add `{}` to {}"),
        prepare=not_annotated,
        follow=annotated,
    ),
    "strokes of a video that no annotation is of": Case(
        STROKES,
        Says("no annotation is of these videos; `ttprep {}` lists what the files hold"),
        prepare=of_no_annotation,
        follow=lambda word: both(lambda: call(main, word), write("labels.csv", "file,label\na,Left\n"))(),
    ),
    "a manifest that is there": Case(
        ("init",),
        Says("exists; give another name, or {} to replace it"),
        lambda force: ("init", force),
        prepare=write("data_manifest.yaml", "videos: [videos]\n"),
    ),
    "a manifest that is there, another name": Case(
        ("init",),
        Says("exists; give another name"),
        ("init", "m.yaml"),
        prepare=write("data_manifest.yaml", "videos: [videos]\n"),
    ),
    "a stage that is not there": Case(
        ("run", "--workers", "0", "--stage", "frame", "videos/clip.mp4"),
        Says("there is no stage {}; the stages are {}"),
        lambda _, names: (*RUN[:-1], names.split(", ")[0], "videos/clip.mp4"),
    ),
    "two ways to compute": Case(
        ("run", "--workers", "0", "--scheduler", "tcp://localhost:1", "--stage", "frames", "videos/clip.mp4"),
        Says("--workers is for this machine, --scheduler for a cluster: give one of them"),
        (*RUN, "videos/clip.mp4"),
    ),
    "no store": Case(
        ("status", "--store", "store", "videos/clip.mp4"),
        Says("make one with `ttprep {}`"),
        follow=lambda word: call(main, word, *RUN[1:], "--store", "store", "videos/clip.mp4"),
    ),
    "another store": Case(
        ("status", "--store", "store", "videos/clip.mp4"),
        Says(", or give another with {}"),
        lambda option: ("status", option, "ttprep-store", "videos/clip.mp4"),
        prepare=first_stage,
    ),
    "a preview of nothing": Case(
        (*PREVIEW, "p.png"),
        Says("nothing is computed for it yet; run `ttprep {}` on it first"),
        follow=lambda word: call(main, word, *RUN[1:], "videos/clip.mp4"),
        prepare=other_first,
    ),
    "a preview of a frame that is not there": Case(
        (*PREVIEW, "p.png", "--frame", "120"),
        Says("frame {} does not exist; the video has frames 0 to {}"),
        lambda _, last: (*PREVIEW, "p.png", "--frame", last),
        prepare=first_stage,
    ),
    "a preview of another suffix": Case(
        (*PREVIEW, "p.txt"),
        Says("a preview is a .png, {} or .mp4; choose one of these suffixes"),
        lambda suffix: (*PREVIEW, f"p{suffix}"),
        prepare=first_stage,
    ),
    "a preview where no file can be": Case(
        (*PREVIEW, "videos/clip.mp4/p.png"),
        Says("cannot be written ({}); give another {}"),
        lambda _, option: (*PREVIEW[:-1], option, "p.png"),
        prepare=first_stage,
    ),
    "a start that is not computed": Case(
        (*START, "p.png"),
        Says("its start is not computed; run `ttprep {}` on it first"),
        follow=lambda words: call(main, *words.split(), "--workers", "0", "trials/a"),
        prepare=started,
    ),
    "a start in another picture": Case(
        (*START, "p.jpg"),
        Says("the plot of a start is a {}; choose that suffix"),
        lambda suffix: (*START, f"p{suffix}"),
        prepare=with_a_start,
    ),
    "a start where no file can be": Case(
        (*START, "videos/clip.mp4/p.png"),
        Says("cannot be written ({}); give another {}"),
        lambda _, option: (*START[:-1], option, "p.png"),
        prepare=with_a_start,
    ),
    "an export before its run": Case(
        ("export", "d.h5"),
        Says("not computed or out of date; run `ttprep {}` first"),
        follow=lambda word: call(main, word, "--workers", "0"),
        prepare=half_made,
    ),
    "a report of nothing": Case(
        ("annotations", "--json"),
        Says("no annotations given; name files or folders"),
        ("annotations", "--json", "annotations"),
        prepare=both(listed, partial(manifest, **{**TINY, "annotations": []})),
    ),
    "a report of nothing, listed": Case(
        ("annotations", "--json"),
        Says("or list them in the manifest"),
        follow=listed,
        prepare=both(listed, partial(manifest, **{**TINY, "annotations": []})),
    ),
    "a report of a file that is not there": Case(
        ("annotations", "--json", "labels"),
        Says("no such file or folder; check the path"),
        ("annotations", "--json", "annotations"),
        prepare=listed,
    ),
    "a list of videos that is not there": Case(
        ("annotations", "annotations", "--videos", "lists.csv"),
        Says("cannot be read ({}); check the path"),
        ("annotations", "annotations", "--videos", "list.csv"),
        prepare=both(listed, write("list.csv", "video,frames,fps\nclip.mp4,120,60\n")),
    ),
    "a list of other columns": Case(
        ("annotations", "annotations", "--videos", "list.csv"),
        Says("not a list of videos ({}); give it the columns {}, {} and {}"),
        follow=lambda _, *names: Path("list.csv").write_text(f"{','.join(names)}\nclip.mp4,120,60\n"),
        prepare=both(listed, write("list.csv", "video,frames\nclip.mp4,120\n")),
    ),
    "an export of no class": Case(
        ("export", "d.h5"),
        Says("see `ttprep annotations`"),
        follow=classes_are_said,
        prepare=no_class,
    ),
    "an export of no label": Case(
        ("export", "d.h5"),
        Says("trials and clips need a label, maybe a start frame too; see the notes of `ttprep {}`"),
        follow=lambda word: both(partial(call, main, word), labelled)(),
        prepare=no_label,
    ),
    "a size of a demo": Case(
        (*DEMO, "--size", "64"), Says("--size {}: give WIDTHxHEIGHT, e.g."), (*DEMO, "--size", "64x48")
    ),
    "a duration of a demo": Case(
        (*DEMO, "--size", "64x48", "--stroke-seconds", "1"),
        Says(" {}: give SHORTEST-LONGEST in seconds, e.g. {}"),
        lambda _, example: (*DEMO, "--size", "64x48", "--stroke-seconds", example),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_remedy_works_as_it_is_written(here: Path, name: str) -> None:
    check(main, CASES[name])


def test_an_export_without_a_video_that_failed(here: Path) -> None:
    listed()
    write("videos/cut.mp4", Path("videos/clip.mp4").read_bytes()[:6000])()
    manifest(**{**TINY, "modalities": ["rgb"]})
    call(main, "run", "--workers", "0")
    _, text = call(main, "export", "d.h5")
    name, word = Says("left out: {} (failed; see `ttprep {}`)").of(text)
    _, text = call(main, word)
    assert name.partition(": ")[0] in text
    assert "copy it again from the camera" in text


def test_annotations_of_no_video(here: Path) -> None:
    listed()
    manifest(**{**TINY, "videos": []})
    _, text = call(main, "annotations")
    (option,) = Says("no video is known, so no interval lies inside one; name videos with {}").of(text)
    code, text = call(main, "annotations", option, "videos/clip.mp4")
    assert code == OK
    assert "no video is known" not in text


def test_a_picture_that_cannot_be_encoded(tmp_path: Path) -> None:
    tall = np.zeros((70_000, 2, 3), np.uint8)
    with pytest.raises(UserError) as caught:
        _write_picture(tmp_path / "p.jpg", tall)
    (suffix,) = Says("the picture could not be encoded; try {}").of(str(caught.value))
    _write_picture(tmp_path / f"p{suffix}", tall)
