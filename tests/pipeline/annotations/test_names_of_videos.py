"""Which video a name in a file means: forms of Unicode, absolute paths, tasks of CVAT, bytes of old disks."""

from __future__ import annotations

import os
import unicodedata
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.annotations import (
    AnnotationOptions,
    Taxonomy,
    VideoFacts,
    lost_files,
    merge,
    read_annotations,
    read_file,
)
from pipeline.annotations.parsing.video_names import VideoNames

FACTS = VideoFacts(600, Fraction(30))


def videos_of(text: str, file: str, *names: str, **options: object) -> list[str]:
    videos = dict.fromkeys(names, FACTS)
    given = AnnotationOptions.model_validate(options)
    content = read_file(text.encode(), file, videos=videos, options=given)
    return [a.video for a in content.annotations]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_forms_of_unicode_are_one_name(form: str, other: str) -> None:
    name = unicodedata.normalize(form, "/v/Zoë 2.mp4")  # type: ignore[arg-type]
    written = unicodedata.normalize(other, "Zoë 2")  # type: ignore[arg-type]
    table = "video,begin,end\n{},100,130\n"
    assert videos_of(table.format(f"{written}.mp4"), "a.csv", name) == [name]
    assert videos_of("begin,end\n100,130\n", f"l/{written}.csv", name) == [name]
    pattern = {f"{unicodedata.normalize(form, 'é')}*": "Zoë 2.mp4"}  # type: ignore[arg-type]
    file = unicodedata.normalize(other, "é1.csv")  # type: ignore[arg-type]
    assert videos_of("begin,end\n100,130\n", file, name, videos=pattern) == [name]


def test_a_name_in_latin_1_is_found_by_its_letters() -> None:
    name = os.fsdecode(b"/v/T\xfcr.mp4")
    assert videos_of("video,begin,end\nTür.mp4,1,2\n", "a.csv", name) == [name]
    assert videos_of("begin,end\n1,2\n", "Tür.csv", name) == [name]


def test_a_right_absolute_path_is_accepted_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    clip = tmp_path / "real" / "clip.mp4"
    clip.touch()
    table = "video,begin,end\n{},100,130\n"
    right = [clip, tmp_path / "link" / "clip.mp4", tmp_path / "real" / ".." / "real" / "clip.mp4"]
    for path in right:
        assert videos_of(table.format(path), "a.csv", clip.as_posix()) == [clip.as_posix()]
    for wrong in ("/etc/passwd", str(tmp_path / "clip.mp4"), "C:\\v\\clip.mp4", "/clip.mp4", "../clip.mp4"):
        content = read_file(table.format(wrong).encode(), "a.csv", videos={clip.as_posix(): FACTS})
        assert not content.annotations
        assert [i.kind for i in content.issues] == ["unsafe-name"]
    assert VideoNames({"x/clip.mp4": 1}, tmp_path).at(f"{tmp_path}/x/clip.mp4") == "x/clip.mp4"


TRACK = """<track id="0" label="Serve" task_id="{}"><box frame="100" outside="0"/>\
<box frame="130" outside="1"/></track>"""
TASKS = """<annotations><meta><project><tasks>{}</tasks></project></meta>{}</annotations>"""


def task(number: int, name: str, source: str = "") -> str:
    more = f"<source>{source}</source>" if source else ""
    return f"<task><id>{number}</id><name>{name}</name>{more}</task>"


@pytest.mark.parametrize(("tasks", "found"), [
    ([(11, "clip.mp4", ""), (12, "x", "")], "/v/clip.mp4"),
    ([(11, "clip", ""), (12, "other", "")], "/v/clip.mp4"),
    ([(12, "other", ""), (11, "day 1", "clip.mp4")], "/v/clip.mp4"),
    ([(11, "clip.mp4", "upload_0815.mp4"), (12, "other", "")], "/v/clip.mp4"),
    ([(11, "day 1", ""), (12, "other", "")], "day 1"),  # a finding that names the task
    ([(11, "clip.mp4", "")], "/v/clip.mp4"),
    ([(11, "free text", "")], "project"),  # the file's own name counts
])  # fmt: skip
def test_tasks_of_a_cvat_project(tasks: list[tuple[int, str, str]], found: str) -> None:
    text = TASKS.format("".join(task(*t) for t in tasks), TRACK.format(11))
    assert videos_of(text, "project.xml", "/v/clip.mp4", "/v/other.mp4") == [found]


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|", "/"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_first_line_may_name_the_delimiter(delimiter: str, newline: str, mark: str) -> None:
    rows = [
        ["video", "begin", "end", "label"],
        ["clip.mp4", "100", "130", "Serve"],
        ["clip.mp4", "x", "1", ""],
    ]
    text = mark + newline.join([f"sep={delimiter}", *(delimiter.join(r) for r in rows), ""])
    content = read_file(text.encode(), "a.csv", videos={"/v/clip.mp4": FACTS})
    assert [(a.video, a.begin, a.end, a.label, a.line) for a in content.annotations] == [
        ("/v/clip.mp4", 100, 130, "Serve", 3)
    ]
    assert [(i.kind, i.line) for i in content.issues] == [("malformed", 4)]


def test_folders_of_annotations_hide_what_is_hidden_and_follow_links(tmp_path: Path) -> None:
    row = "video,begin,end\nclip.mp4,{0},{0}9\n"
    for n, name in enumerate(
        ["l/a.csv", "l/.ipynb_checkpoints/a.csv", "l/._a.csv", "l/__MACOSX/a.csv", "real/b.csv"]
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(row.format(n + 1))
    (tmp_path / "l" / "linked").symlink_to("../real")
    (tmp_path / "real" / "back").symlink_to("../l")
    (tmp_path / "l" / "notes.txt").touch()
    (tmp_path / "l" / "clip.mp4").touch()
    found = read_annotations([tmp_path / "l", tmp_path / "real"], videos={"clip.mp4": FACTS})
    assert [a.begin for a in found.annotations] == [1, 5]
    told = {Path(i.file).name: i.message for i in found.issues if i.kind == "left-out"}
    assert told["l"] == "1 other file (1 .txt), 3 hidden, 1 link to folders searched already"
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.docx").touch()
    (issue,) = read_annotations([tmp_path / "none"], videos={}).issues
    assert (issue.kind, issue.message) == (
        "empty", "no annotation file found there; it holds 1 other file (1 .docx)",
    )  # fmt: skip


@pytest.mark.parametrize(("rows", "lost"), [
    ("clip.mp4,100,130", False),
    ("other.mp4,100,130\nclip.mp4,1,2", False),
    ("other.mp4,100,130", True),
    ("/else/clip.mp4,100,130", True),
    ("clip.mp4,100,x", True),
    ("clip.mp4,700,730", True),
    ("clip.mp4,130,100", True),
])  # fmt: skip
def test_a_file_of_which_nothing_is_left_is_named(rows: str, lost: bool) -> None:
    videos = {"clip.mp4": FACTS}
    content = read_file(f"video,begin,end\n{rows}\n".encode(), "a.csv", videos=videos)
    found = lost_files(merge([content], videos), videos)
    assert bool(found) == lost
    assert all(line.startswith("a.csv: none of its entries") for line in found.values())


@pytest.mark.parametrize(("labels", "lost"), [
    (["Serve Forehand Loop"], False),
    (["Serve Forehand Loop", "Lancer"], False),
    (["Lancer"], True),
    (["Lancer", "Lancer", "Coup droit"], True),
])  # fmt: skip
def test_a_file_without_one_label_that_has_a_class_is_named(labels: list[str], lost: bool) -> None:
    videos = {"clip.mp4": FACTS}
    rows = "\n".join(f"clip.mp4,{100 + 100 * i},{130 + 100 * i},{label}" for i, label in enumerate(labels))
    content = read_file(f"video,begin,end,label\n{rows}\n".encode(), "a.csv", videos=videos)
    merged = merge([content], videos)
    assert not lost_files(merged, videos)
    taxonomy = Taxonomy(name="own", classes={"Serve": ("Serve *",)})
    found = lost_files(merged, videos, taxonomy=taxonomy)
    assert bool(found) == lost
    if lost:
        assert "'Lancer'" in found["a.csv"]
        assert (
            "no class in the taxonomy 'own'; translate it under annotation_options.labels" in found["a.csv"]
        )
