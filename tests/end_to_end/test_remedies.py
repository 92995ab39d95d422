"""Each remedy that a message of ttprep names, followed as it is written: the next call succeeds."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from pipeline.annotations.parsing.video_names import PLACE
from pipeline.cli.main import main
from pipeline.errors import OK
from tests.support.projects import TINY, write_video
from tests.support.timed_videos import slower_from, write_timed

STROKE = "Serve Forehand Loop"
RUN = ("run", "--workers", "0", "--stage", "frames")
ANNOTATIONS = ("annotations", "--json")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two videos of two seconds, in which commands are called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    write_video(tmp_path / "videos" / "clip.mp4", 120, 0, fps=60)
    write_video(tmp_path / "videos" / "other.mp4", 120, 1, fps=60)
    return tmp_path


def call(*words: object) -> tuple[int, str]:
    """Call the command line; its exit code and all that it says."""
    done = CliRunner().invoke(main, [str(w) for w in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, done.output


def report() -> dict[str, Any]:
    """What `ttprep annotations --json` prints on stdout."""
    value: dict[str, Any] = json.loads(CliRunner().invoke(main, list(ANNOTATIONS)).stdout)
    return value


def message(found: dict[str, Any], kind: str) -> str:
    """The one finding of a kind."""
    texts = [f["message"] for f in found["findings"] if f["kind"] == kind]
    assert len(texts) == 1, found["findings"]
    return str(texts[0])


def samples(found: dict[str, Any]) -> list[tuple[str, int, int, str]]:
    strokes = [s for s in found["samples"] if s["label"] != "Negative"]
    return [(Path(s["video"]).name, s["begin"], s["end"], s["label"]) for s in strokes]


def manifest(**value: Any) -> None:
    Path("data_manifest.yaml").write_text(
        yaml.safe_dump({"videos": ["videos"], "annotations": ["labels"], **value})
    )


def labels(name: str, text: str) -> None:
    path = Path("labels") / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def nested(key: str, value: Any) -> dict[str, Any]:
    """What ``a.b: value`` in a message means."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return dict(value)


# -- annotations -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "remedy", ["translate it under annotation_options.labels", "choose another taxonomy"]
)
def test_a_label_without_a_class(here: Path, remedy: str) -> None:
    labels("a.csv", "video,begin,end,label\nclip.mp4,10,70,Lancer\n")
    manifest(taxonomy="strokes")
    found = report()
    assert found["exit_code"] != OK
    assert remedy in message(found, "unknown-label")
    if remedy.startswith("translate"):
        manifest(taxonomy="strokes", **nested(remedy.split()[-1], {"Lancer": STROKE}))
    else:
        manifest(taxonomy="detection")
    found = report()
    assert found["exit_code"] == OK
    label = STROKE if remedy.startswith("translate") else "Lancer"
    assert samples(found) == [("clip.mp4", 10, 70, label)]


def test_a_video_found_by_a_part_of_a_files_name(here: Path) -> None:
    labels("Run1_clip.xml", f'<video><action begin="10" end="70" move="{STROKE}"/></video>')
    manifest()
    found = report()
    assert samples(found) == [("clip.mp4", 10, 70, STROKE)]
    option = re.search(r"if that is wrong: annotation_options: (\{.*\})", message(found, "video-inferred"))
    assert option
    manifest(annotation_options=yaml.safe_load(option[1].replace(PLACE, "videos/other.mp4")))
    found = report()
    assert found["exit_code"] == OK
    assert samples(found) == [("other.mp4", 10, 70, STROKE)]
    assert found["findings"] == []


def test_seconds_counted_at_the_rate_of_the_manifest(here: Path) -> None:
    labels("a.csv", f"video,begin,end,label\nclip.mp4,1,2.5,{STROKE}\n")
    videos = [{"path": "videos/clip.mp4", "fps": 40}]
    seconds = {"csv": {"unit": "seconds"}}
    manifest(videos=videos, annotation_options=seconds)
    assert call(*RUN)[0] == OK  # the file's own times are known once its frames are
    assert "if they were counted at that rate, write frames instead" in message(report(), "doubtful-time")
    labels("a.csv", f"video,begin,end,label\nclip.mp4,40,100,{STROKE}\n")
    manifest(videos=videos)
    found = report()
    assert found["exit_code"] == OK
    assert samples(found) == [("clip.mp4", 40, 100, STROKE)]
    assert found["findings"] == []


def test_an_annotation_file_in_utf_16(here: Path) -> None:
    text = f"video,begin,end,label\nclip.mp4,10,70,{STROKE}\n"
    labels("a.csv", "")
    Path("labels/a.csv").write_bytes(text.encode("utf-16"))
    manifest()
    found = report()
    assert "save it as UTF-8" in message(found, "encoding")
    labels("a.csv", text)
    assert samples(report()) == [("clip.mp4", 10, 70, STROKE)]


def test_a_doctype_in_an_annotation_file(here: Path) -> None:
    body = f'<video><action begin="10" end="70" move="{STROKE}"/></video>'
    labels("clip.xml", f"<!DOCTYPE video>\n{body}")
    manifest()
    assert "DOCTYPE" in message(report(), "hostile")
    labels("clip.xml", body)
    assert samples(report()) == [("clip.mp4", 10, 70, STROKE)]


# -- one call that fails, what its message names, the same call again --------------------------

Follow = Callable[[str], None]


@dataclass(frozen=True)
class Case:
    """A call that fails.

    Attributes
    ----------
    prepare : callable
        Makes the bad input.
    words : tuple of str
        The call.
    remedy : str
        Pattern of what the message says to do.
    follow : callable
        Does that, given what the pattern's group matched.
    again : tuple of str
        The call that must succeed then; default: the same.
    """

    prepare: Callable[[], object]
    words: tuple[str, ...]
    remedy: str
    follow: Callable[[str], object]
    again: tuple[str, ...] = ()


def write(text: str) -> Callable[..., object]:
    return lambda *_: Path("data_manifest.yaml").write_text(text)


def nothing(*_: str) -> None: ...


def pictures(fps: str) -> str:
    return f"sources: [{{kind: frames, path: trials{fps}}}]\n"


def trials() -> None:
    from pipeline.pictures.png import encode_png

    for n in range(3):
        path = Path("trials/a") / f"{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(np.full((48, 64, 3), 40 * n, np.uint8)))
    write(pictures(""))()


def rateless(**entry: Any) -> None:
    write_timed(Path("rateless.ts"), [0.0])
    manifest(videos=[{"path": "rateless.ts", **entry}], annotations=[])


def damage() -> None:
    """The end is cut off a copy whose index lies in front."""
    import av

    with (
        av.open("videos/clip.mp4") as old,
        av.open("fast.mp4", "w", options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    data = Path("fast.mp4").read_bytes()
    Path("fast.mp4").write_bytes(data[: len(data) * 7 // 10])


def keep_damaged(setting: str) -> None:
    """Write the setting as it stands in the message, then as each error says, until none is left."""
    Path("data_manifest.yaml").write_text(f"{setting}\n")
    key, value = setting.split(": ")
    for _ in range(2):
        _, said = call(*RUN, "fast.mp4")
        hint = re.search(r"nest it: (.*)", said)
        assert hint, said
        inner = re.search(r"\{(.*): …\}", hint[1])
        assert inner
    assert nested(key, value) == {"stages": {"frames": {"damaged": "keep"}}}
    manifest(annotations=[], **nested(key, value))


def empty_folder() -> None:
    Path("empty").mkdir()
    Path("empty/notes.txt").write_text("nothing here")


def first_stage() -> None:
    assert call(*RUN, "videos/clip.mp4")[0] == OK


def other_first() -> None:
    """Make a store that knows another video."""
    assert call(*RUN, "videos/other.mp4")[0] == OK


def exported() -> None:
    from tests.support.projects import write_actions

    write_actions(Path("annotations/clip.xml"), [(5, 45, "Up"), (60, 100, "Down")])
    value = {**TINY, "videos": ["videos/clip.mp4"], "modalities": ["rgb"]}
    Path("data_manifest.yaml").write_text(yaml.safe_dump(value))


def made() -> None:
    exported()
    assert call("run", "--workers", "0")[0] == OK


def half_made() -> None:
    exported()
    assert call(*RUN)[0] == OK


def made_with_a_folder() -> None:
    made()
    Path("d.md").mkdir()


CASES = {
    "a folder without videos": Case(
        empty_folder, (*RUN, "empty"), "give a video or a folder that holds some", nothing, (*RUN, "videos")
    ),
    "a taxonomy that is not known": Case(
        write("taxonomy: stroke\n"),
        (*RUN, "videos"),
        r"'stroke' is unknown; known: .*\b(strokes)\b",
        lambda name: Path("data_manifest.yaml").write_text(f"taxonomy: {name}\n"),
    ),
    "a video without a rate": Case(
        rateless,
        RUN,
        "states no frame rate; set (fps) for this video in the manifest",
        lambda key: rateless(**{key: 25}),
    ),
    "pictures without a rate": Case(
        trials, RUN, "pictures have no frame rate of their own; give (fps)", write(pictures(", fps: 25"))
    ),
    "a damaged video": Case(
        damage,
        (*RUN, "fast.mp4"),
        "copy it again from the camera, or set (stages.frames.damaged: keep) to use what is there",
        keep_damaged,
    ),
    "a damaged video, copied again": Case(
        damage,
        (*RUN, "fast.mp4"),
        "copy it again",
        lambda _: shutil.copy("videos/other.mp4", "fast.mp4"),
    ),
    "an empty video": Case(
        lambda: Path("fast.mp4").touch(),
        (*RUN, "fast.mp4"),
        "the file is empty .*; copy or record it again",
        lambda _: shutil.copy("videos/clip.mp4", "fast.mp4"),
    ),
    "no video named": Case(
        nothing, RUN, "no video given; name videos or folders, or list them in the manifest", nothing,
        (*RUN, "videos/clip.mp4"),
    ),
    "no video listed": Case(
        nothing, RUN, "no video given; .* or list them in the manifest", write("videos: [videos]\n")
    ),
    "no store": Case(
        nothing, ("status", "--store", "store", "videos"), "make one with `(ttprep run)`",
        lambda words: call(words.split()[1], *RUN[1:], "--store", "store", "videos"),
    ),
    "a preview of nothing": Case(
        other_first,
        ("preview", "videos/clip.mp4", "-o", "p.png"),
        "nothing is computed for it yet; run `ttprep (run)` on it first",
        lambda word: call(word, "--workers", "0", "--stage", "frames", "videos/clip.mp4"),
    ),
    "a preview of a frame that is not there": Case(
        first_stage,
        ("preview", "videos/clip.mp4", "--frame", "120", "-o", "p.png"),
        "the video has frames 0 to 119",
        nothing,
        ("preview", "videos/clip.mp4", "--frame", "119", "-o", "p.png"),
    ),
    "a preview of another suffix": Case(
        first_stage,
        ("preview", "videos/clip.mp4", "-o", "p.txt"),
        "a preview is a .png, .jpg or .mp4; choose one of these suffixes",
        nothing,
        ("preview", "videos/clip.mp4", "-o", "p.jpg"),
    ),
    "a manifest that is there": Case(
        write("videos: [videos]\n"), ("init",), "give another name, or --force to replace it", nothing,
        ("init", "--force"),
    ),
    "a manifest that is there, another name": Case(
        write("videos: [videos]\n"), ("init",), "give another name", nothing, ("init", "m.yaml")
    ),
    "a key given twice": Case(
        write("videos: [videos]\nvideos: [videos]\n"), RUN, "'videos' is given twice; keep one",
        write("videos: [videos]\n"),
    ),
    "a setting by its path": Case(
        write("videos: [videos]\nstages.frames.rate: constant\n"),
        RUN,
        r"nest it: stages: \{frames.rate: …\}",
        write("videos: [videos]\nstages: {frames: {rate: constant}}\n"),
    ),
    "an alias": Case(
        write("videos: &v [videos]\nannotations: *v\n"),
        RUN,
        "anchors and aliases are not used here; write it out",
        write("videos: [videos]\nannotations: [videos]\n"),
    ),
    "a stage that is not there": Case(
        nothing,
        ("run", "--workers", "0", "--stage", "frame", "videos"),
        r"there is no stage 'frame'; the stages are .*\b(frames)\b",
        nothing,
        (*RUN, "videos"),
    ),
    "an export before its run": Case(
        half_made,
        ("export", "d.h5"),
        "not computed or out of date; run `ttprep (run)` first",
        lambda word: call(word, "--workers", "0"),
    ),
    "an export of another suffix": Case(
        made, ("export", "d.txt"), "give a name that ends in .h5", nothing, ("export", "d.h5")
    ),
    "an export beside a folder": Case(
        made_with_a_folder,
        ("export", "d.h5"),
        "is a folder, which is not replaced; move it",
        lambda _: shutil.move("d.md", "moved"),
    ),
    "an export beside a folder, named otherwise": Case(
        made_with_a_folder, ("export", "d.h5"), "or name the dataset otherwise", nothing, ("export", "e.h5")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_remedy_works_as_it_is_written(here: Path, name: str) -> None:
    case = CASES[name]
    case.prepare()
    code, said = call(*case.words)
    assert code != OK, said
    found = re.search(case.remedy, " ".join(said.split()))
    assert found, said
    case.follow(found[1] if found.re.groups else "")
    code, said = call(*(case.again or case.words))
    assert code == OK, said


def test_a_variable_rate_made_constant(here: Path) -> None:
    write_timed(here / "v.mp4", slower_from(1, 2))
    for store, text in (("s1", ""), ("s2", "stages: {frames: {rate: constant}}\n")):
        Path("data_manifest.yaml").write_text(text)
        assert call(*RUN, "--store", store, "v.mp4")[0] == OK
        (path,) = Path(store).rglob("frames-*.h5")
        with h5py.File(path) as file:
            notes = str(file.attrs["notes"])
            rate = file.attrs["rate"]
        if store == "s1":
            assert "variable frame rate: map seconds by time, or set stages.frames.rate: constant" in notes
        assert rate == ("variable" if store == "s1" else "constant")
